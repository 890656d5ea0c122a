//! Reading one record of the ledger with all that is known of it.

use std::collections::HashMap;

use uuid::Uuid;
use weir_config::Price;
use weir_core::actor::{Actor, Scope};

use crate::members::PriceColumns;
use crate::usage_list::UsageFilter;
use crate::{LedgerEntry, Store, StoreError};

/// One record, what the ids in it are called, and the price that held for it.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageDetail {
    /// The record.
    pub entry: LedgerEntry,
    /// Names by ids, of what is there still and in the reader's scope: the tenant, the key (a deleted one too), the gateway, the
    /// pool, the model that the client asked for, and the providers, which clients are told of in any case.
    pub names: HashMap<Uuid, String>,
    /// The id of the model that the client asked for; `None`: there is none of this name now.
    pub model_id: Option<Uuid>,
    /// The price of the record's version; `None`: there was none, or nobody kept it.
    pub price: Option<Price>,
}

#[derive(sqlx::FromRow)]
struct PriceRow {
    version: String,
    #[sqlx(flatten)]
    columns: PriceColumns,
}

impl Store {
    /// One record in the actor's scope. Of two tenants' with the same id, which gateways can bring about, a platform admin gets the
    /// later one.
    pub async fn usage_record(&self, actor: &Actor, request_id: Uuid) -> Result<UsageDetail, StoreError> {
        let filter = UsageFilter { request_id: Some(request_id), limit: 1, ..UsageFilter::default() };
        let entry = self.list_usage(actor, &filter).await?.into_iter().next().ok_or(StoreError::NotFound)?;
        let (names, model_id) = self.names(actor, &entry).await?;
        let price = self.price(&entry).await?;
        Ok(UsageDetail { entry, names, model_id, price })
    }

    async fn names(
        &self,
        actor: &Actor,
        entry: &LedgerEntry,
    ) -> Result<(HashMap<Uuid, String>, Option<Uuid>), StoreError> {
        let record = &entry.record;
        let providers: Vec<Uuid> =
            record.attempt_details.iter().filter_map(|attempt| attempt.provider_id).chain(record.provider_id).collect();
        let is_platform = actor.scope() == Scope::Everything;
        let mut names: HashMap<Uuid, String> = sqlx::query_as(
            "SELECT id, name FROM tenants WHERE id = $1
             UNION ALL SELECT id, name FROM api_keys WHERE id = $2 AND tenant_id = $1
             UNION ALL SELECT id, name FROM gateways WHERE id = $3 AND ($6 OR tenant_id = $1)
             UNION ALL SELECT id, name FROM pools WHERE id = $4 AND ($6 OR tenant_id = $1)
             UNION ALL SELECT id, name FROM providers WHERE id = ANY($5)",
        )
        .bind(record.tenant_id)
        .bind(record.key_id)
        .bind(entry.gateway_id)
        .bind(record.pool_id)
        .bind(&providers)
        .bind(is_platform)
        .fetch_all(&self.admin)
        .await?
        .into_iter()
        .collect();
        // The tenant's own comes before the platform's, as in its catalog.
        let model: Option<(Uuid, String)> = sqlx::query_as(
            "SELECT id, name FROM models WHERE name = $1 AND owner_id IN ($2, $3) ORDER BY tenant_id NULLS LAST LIMIT 1",
        )
        .bind(record.model.replace('\0', "\u{fffd}"))
        .bind(record.tenant_id)
        .bind(Uuid::nil())
        .fetch_optional(&self.admin)
        .await?;
        let model_id = model.as_ref().map(|(id, _)| *id);
        names.extend(model);
        Ok((names, model_id))
    }

    async fn price(&self, entry: &LedgerEntry) -> Result<Option<Price>, StoreError> {
        let record = &entry.record;
        let row: Option<PriceRow> = sqlx::query_as("SELECT * FROM prices WHERE deployment_id = $1 AND version = $2")
            .bind(record.deployment_id)
            .bind(&record.price_version)
            .fetch_optional(&self.admin)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(row.columns.read()?.map(|price| price.versioned(row.version)))
    }
}
