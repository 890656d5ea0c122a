//! Every price that the members of a pool ever had, and those to come.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::routing::MemberPrice;

use crate::members::PriceColumns;
use crate::resource::POOL;
use crate::{Store, StoreError};

/// A price of one member, and when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceVersion {
    /// The member.
    pub deployment_id: Uuid,
    /// Its provider.
    pub provider_id: Uuid,
    /// What that is called; `None`: it is no more.
    pub provider_name: Option<String>,
    /// The model's name there.
    pub model: String,
    /// As records name it (`price_version`).
    pub version: String,
    /// From when on; `None`: nobody kept it.
    pub valid_from: Option<DateTime<Utc>>,
    /// Until when; `None`: until somebody writes another. Not after `valid_from`: it was taken back before it held.
    pub valid_until: Option<DateTime<Utc>>,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// What it says.
    pub price: MemberPrice,
}

#[derive(sqlx::FromRow)]
struct Row {
    deployment_id: Uuid,
    provider_id: Uuid,
    provider_name: Option<String>,
    model: String,
    version: String,
    valid_from: Option<DateTime<Utc>>,
    valid_until: Option<DateTime<Utc>>,
    written_at: DateTime<Utc>,
    #[sqlx(flatten)]
    columns: PriceColumns,
}

impl Store {
    /// The prices of a pool's members, those of removed ones included, the latest first; at most 1,000.
    pub async fn price_history(&self, actor: &Actor, pool_id: Uuid) -> Result<Vec<PriceVersion>, StoreError> {
        self.get(POOL, actor, pool_id).await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT price.*, provider.name AS provider_name
             FROM prices price LEFT JOIN providers provider ON provider.id = price.provider_id
             WHERE price.pool_id = $1
             ORDER BY price.valid_from DESC NULLS LAST, price.written_at DESC, price.deployment_id, price.version LIMIT 1000",
        )
        .bind(pool_id)
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }
}

impl Row {
    fn read(self) -> Result<PriceVersion, StoreError> {
        Ok(PriceVersion {
            deployment_id: self.deployment_id,
            provider_id: self.provider_id,
            provider_name: self.provider_name,
            model: self.model,
            version: self.version,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            written_at: self.written_at,
            price: self.columns.read()?.ok_or(StoreError::Corrupt("a price"))?,
        })
    }
}
