//! A pool's members, as their rows hold them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;
use weir_config::Price;
use weir_core::routing::{LongContextPrice, MemberPrice, TierPrice};
use weir_core::snapshot::Member;

use crate::StoreError;
use crate::resource::{Said, capabilities};
use crate::row::{signed, unsigned};

pub(crate) const MEMBER_COLUMNS: &str = "id, pool_id, provider_id, model, capabilities, price_version, \
     input_microusd_per_million, cached_input_microusd_per_million, cache_write_microusd_per_million, \
     cache_write_1h_microusd_per_million, output_microusd_per_million, reasoning_microusd_per_million, price_details, next_prices";

#[derive(sqlx::FromRow)]
pub(crate) struct MemberRow {
    pub(crate) id: Uuid,
    pub(crate) pool_id: Uuid,
    pub(crate) provider_id: Uuid,
    pub(crate) model: String,
    pub(crate) capabilities: Json<Said>,
    #[sqlx(flatten)]
    pub(crate) price: PriceColumns,
    pub(crate) price_version: Option<String>,
    pub(crate) next_prices: Json<Vec<StoredNextPrice>>,
}

/// A price to come, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredNextPrice {
    pub(crate) version: String,
    /// As it was said.
    pub(crate) valid_from: DateTime<Utc>,
    /// The same, or when it was written if that was later.
    pub(crate) holds_from: DateTime<Utc>,
    pub(crate) price: MemberPrice,
}

impl StoredNextPrice {
    fn into_price(self) -> (DateTime<Utc>, Price) {
        (self.holds_from, self.price.versioned(self.version))
    }
}

impl MemberRow {
    /// As Envoy is configured from it.
    pub(crate) fn into_member(self) -> Result<Member, StoreError> {
        let price = self.price.read()?.zip(self.price_version).map(|(price, version)| price.versioned(version));
        Ok(Member {
            deployment_id: self.id,
            provider_id: self.provider_id,
            model: self.model,
            price,
            next_prices: self.next_prices.0.into_iter().map(StoredNextPrice::into_price).collect(),
            capabilities: capabilities(self.capabilities),
        })
    }
}

/// The schema holds that the first, the second and the output's are there together.
#[derive(Default, sqlx::FromRow)]
pub(crate) struct PriceColumns {
    pub(crate) input_microusd_per_million: Option<i64>,
    pub(crate) cached_input_microusd_per_million: Option<i64>,
    pub(crate) cache_write_microusd_per_million: Option<i64>,
    pub(crate) cache_write_1h_microusd_per_million: Option<i64>,
    pub(crate) output_microusd_per_million: Option<i64>,
    pub(crate) reasoning_microusd_per_million: Option<i64>,
    pub(crate) price_details: Json<PriceDetails>,
}

/// What a price says besides the classes of tokens, as it is stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PriceDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    long_context: Option<LongContextPrice>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tiers: Vec<TierPrice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_microusd: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_search_microusd: Option<u64>,
}

impl PriceColumns {
    pub(crate) fn of(price: Option<&MemberPrice>) -> Self {
        let Some(price) = price else { return Self::default() };
        Self {
            input_microusd_per_million: Some(signed(price.input_microusd_per_million)),
            cached_input_microusd_per_million: Some(signed(price.cached_input_microusd_per_million)),
            cache_write_microusd_per_million: price.cache_write_microusd_per_million.map(signed),
            cache_write_1h_microusd_per_million: price.cache_write_1h_microusd_per_million.map(signed),
            output_microusd_per_million: Some(signed(price.output_microusd_per_million)),
            reasoning_microusd_per_million: price.reasoning_microusd_per_million.map(signed),
            price_details: Json(PriceDetails {
                long_context: price.long_context.clone(),
                tiers: price.tiers.clone(),
                request_microusd: price.request_microusd,
                web_search_microusd: price.web_search_microusd,
            }),
        }
    }

    pub(crate) fn read(&self) -> Result<Option<MemberPrice>, StoreError> {
        match (
            self.input_microusd_per_million,
            self.cached_input_microusd_per_million,
            self.output_microusd_per_million,
        ) {
            (Some(input), Some(cached_input), Some(output)) => Ok(Some(MemberPrice {
                input_microusd_per_million: unsigned(input)?,
                cached_input_microusd_per_million: unsigned(cached_input)?,
                cache_write_microusd_per_million: self.cache_write_microusd_per_million.map(unsigned).transpose()?,
                cache_write_1h_microusd_per_million: self
                    .cache_write_1h_microusd_per_million
                    .map(unsigned)
                    .transpose()?,
                output_microusd_per_million: unsigned(output)?,
                reasoning_microusd_per_million: self.reasoning_microusd_per_million.map(unsigned).transpose()?,
                long_context: self.price_details.long_context.clone(),
                tiers: self.price_details.tiers.clone(),
                request_microusd: self.price_details.request_microusd,
                web_search_microusd: self.price_details.web_search_microusd,
            })),
            _ => Ok(None),
        }
    }
}
