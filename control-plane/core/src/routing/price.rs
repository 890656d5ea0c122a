//! What a pool's member costs.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_config::Price;

use crate::field::Fields;

/// The dearest price: a million dollars for a million tokens.
const DEAREST_MICROUSD: u64 = 1_000_000_000_000;
/// The dearest request or search: a thousand dollars.
const DEAREST_REQUEST_MICROUSD: u64 = 1_000_000_000;
/// Tiers of one price.
const MOST_TIERS: usize = 16;
/// Prices to come of one member.
const MOST_NEXT_PRICES: usize = 4;
/// Characters of a tier's name.
const LONGEST_TIER: usize = 128;

/// What a member's tokens cost, and what else it bills.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Price)]
pub struct MemberPrice {
    /// Micro-dollars for a million input tokens (so 2.50 $ per million is 2500000).
    pub input_microusd_per_million: u64,
    /// Micro-dollars for a million input tokens that the provider read from its cache.
    pub cached_input_microusd_per_million: u64,
    /// Micro-dollars for a million input tokens that the provider wrote to its cache for five minutes, or for a time that it does
    /// not say. Absent or null: 1.25 times the input's price.
    #[serde(default)]
    pub cache_write_microusd_per_million: Option<u64>,
    /// Micro-dollars for a million input tokens that the provider wrote to its cache for an hour. Absent or null: twice the input's
    /// price.
    #[serde(default)]
    pub cache_write_1h_microusd_per_million: Option<u64>,
    /// Micro-dollars for a million output tokens.
    pub output_microusd_per_million: u64,
    /// Micro-dollars for a million output tokens of reasoning. Absent or null: the output's price.
    #[serde(default)]
    pub reasoning_microusd_per_million: Option<u64>,
    /// What requests with a long input cost instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContextPrice>,
    /// What other service tiers cost instead, at most 16. Of a tier that served and is not here, the price is unknown: it counts as the
    /// standard one, and the record names `cost_usd` as doubtful.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierPrice>,
    /// Micro-dollars for each request that was answered, besides its tokens. Absent or null: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_microusd: Option<u64>,
    /// Micro-dollars for each search of the web that the provider does for a request. Absent or null: unknown; a record with searches
    /// then names `cost_usd` as doubtful.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_search_microusd: Option<u64>,
}

/// A price that holds from a time on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NextPrice {
    /// From when on. One that is written after its time holds from then.
    pub valid_from: DateTime<Utc>,
    /// What holds then.
    pub price: MemberPrice,
}

/// All that is wrong with the prices to come.
pub(super) fn check_next(next_prices: &[NextPrice], path: &str, fields: &mut Fields) {
    fields.require(next_prices.len() <= MOST_NEXT_PRICES, path, "must have at most 4 prices");
    let mut before = None;
    for (index, next) in next_prices.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let is_year = (2000..3000).contains(&next.valid_from.year());
        fields.require(is_year, format!("{path}.valid_from"), "must be in a year from 2000 to 2999");
        let is_later = before.replace(next.valid_from).is_none_or(|before| before < next.valid_from);
        fields.require(is_later, format!("{path}.valid_from"), "must be later than that of the price before");
        next.price.check(&format!("{path}.price"), fields);
    }
}

/// Prices of the classes of tokens, in micro-dollars for a million.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PriceRates)]
pub struct PriceRates {
    /// Input.
    pub input_microusd_per_million: u64,
    /// Input from the provider's cache.
    pub cached_input_microusd_per_million: u64,
    /// Input written to the cache for five minutes. Absent or null: 1.25 times the input's price.
    #[serde(default)]
    pub cache_write_microusd_per_million: Option<u64>,
    /// Input written to the cache for an hour. Absent or null: twice the input's price.
    #[serde(default)]
    pub cache_write_1h_microusd_per_million: Option<u64>,
    /// Output.
    pub output_microusd_per_million: u64,
    /// Reasoning. Absent or null: the output's price.
    #[serde(default)]
    pub reasoning_microusd_per_million: Option<u64>,
}

/// What all tokens of a request cost whose input is long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LongContextPrice {
    /// With more input tokens than this, those of caches included.
    pub above_input_tokens: u64,
    /// The prices.
    pub rates: PriceRates,
}

/// What tokens cost that another tier than the standard one served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TierPrice {
    /// The tier as records have it (`service_tier`): `flex`, `priority`, `batch`, `fast`, `geo_us`; several joined by `+`.
    pub tier: String,
    /// The prices.
    pub rates: PriceRates,
    /// Those of a long input. Absent or null: `rates`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContextPrice>,
}

impl MemberPrice {
    /// The same under a name that is its own for ever.
    pub fn versioned(self, version: String) -> Price {
        Price {
            version,
            input_microusd_per_million: self.input_microusd_per_million,
            cached_input_microusd_per_million: self.cached_input_microusd_per_million,
            cache_write_microusd_per_million: self.cache_write_microusd_per_million,
            cache_write_1h_microusd_per_million: self.cache_write_1h_microusd_per_million,
            output_microusd_per_million: self.output_microusd_per_million,
            reasoning_microusd_per_million: self.reasoning_microusd_per_million,
            long_context: self.long_context.map(LongContextPrice::into_config),
            tiers: self.tiers.into_iter().map(TierPrice::into_config).collect(),
            request_microusd: self.request_microusd,
            web_search_microusd: self.web_search_microusd,
        }
    }

    /// All that is wrong with it.
    pub(super) fn check(&self, path: &str, fields: &mut Fields) {
        let rates = PriceRates {
            input_microusd_per_million: self.input_microusd_per_million,
            cached_input_microusd_per_million: self.cached_input_microusd_per_million,
            cache_write_microusd_per_million: self.cache_write_microusd_per_million,
            cache_write_1h_microusd_per_million: self.cache_write_1h_microusd_per_million,
            output_microusd_per_million: self.output_microusd_per_million,
            reasoning_microusd_per_million: self.reasoning_microusd_per_million,
        };
        rates.check(path, fields);
        for (name, value) in
            [("request_microusd", self.request_microusd), ("web_search_microusd", self.web_search_microusd)]
        {
            let Some(value) = value else { continue };
            fields.range(&format!("{path}.{name}"), value, 0, DEAREST_REQUEST_MICROUSD);
        }
        if let Some(long) = &self.long_context {
            long.rates.check(&format!("{path}.long_context.rates"), fields);
        }
        fields.require(self.tiers.len() <= MOST_TIERS, format!("{path}.tiers"), "must have at most 16 tiers");
        for (index, tier) in self.tiers.iter().enumerate() {
            let path = format!("{path}.tiers[{index}]");
            let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-+".contains(&byte);
            let is_name = (1..=LONGEST_TIER).contains(&tier.tier.len()) && tier.tier.bytes().all(is_letter);
            let reason = "must have 1 to 128 lower-case letters, digits, `_`, `-` and `+`";
            fields.require(is_name, format!("{path}.tier"), reason);
            let is_first = self.tiers.iter().take(index).all(|other| other.tier != tier.tier);
            fields.require(is_first, format!("{path}.tier"), "is there twice");
            tier.rates.check(&format!("{path}.rates"), fields);
            if let Some(long) = &tier.long_context {
                long.rates.check(&format!("{path}.long_context.rates"), fields);
            }
        }
    }
}

impl PriceRates {
    fn check(&self, path: &str, fields: &mut Fields) {
        for (name, value) in [
            ("input_microusd_per_million", Some(self.input_microusd_per_million)),
            ("cached_input_microusd_per_million", Some(self.cached_input_microusd_per_million)),
            ("cache_write_microusd_per_million", self.cache_write_microusd_per_million),
            ("cache_write_1h_microusd_per_million", self.cache_write_1h_microusd_per_million),
            ("output_microusd_per_million", Some(self.output_microusd_per_million)),
            ("reasoning_microusd_per_million", self.reasoning_microusd_per_million),
        ] {
            let Some(value) = value else { continue };
            fields.range(&format!("{path}.{name}"), value, 0, DEAREST_MICROUSD);
        }
    }

    fn into_config(self) -> weir_config::Rates {
        weir_config::Rates {
            input_microusd_per_million: self.input_microusd_per_million,
            cached_input_microusd_per_million: self.cached_input_microusd_per_million,
            cache_write_microusd_per_million: self.cache_write_microusd_per_million,
            cache_write_1h_microusd_per_million: self.cache_write_1h_microusd_per_million,
            output_microusd_per_million: self.output_microusd_per_million,
            reasoning_microusd_per_million: self.reasoning_microusd_per_million,
        }
    }
}

impl LongContextPrice {
    fn into_config(self) -> weir_config::LongContextPrice {
        weir_config::LongContextPrice { above_input_tokens: self.above_input_tokens, rates: self.rates.into_config() }
    }
}

impl TierPrice {
    fn into_config(self) -> weir_config::TierPrice {
        weir_config::TierPrice {
            tier: self.tier,
            rates: self.rates.into_config(),
            long_context: self.long_context.map(LongContextPrice::into_config),
        }
    }
}
