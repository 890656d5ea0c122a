//! Public prices of models, as their providers list them: data with a date and a source (`catalogue.json`). It decides nothing: an
//! administrator takes an entry's price into a pool's member, where it is a price like any other.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::routing::{LongContextPrice, MemberPrice, PriceRates, TierPrice};

const FILE: &str = include_str!("catalogue.json");

static MODELS: LazyLock<Vec<CatalogueModel>> = LazyLock::new(|| read(FILE).unwrap_or_default());

/// A model as its provider lists it. What is not known is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CatalogueModel {
    /// Who lists it: `openai`, `anthropic`, `google`, …
    pub provider: String,
    /// Its name there.
    pub name: String,
    /// Other names there under which it costs the same.
    pub aliases: Vec<String>,
    /// Where the figures were read.
    pub source: String,
    /// The day on which they held.
    pub as_of: NaiveDate,
    /// Tokens of input and output together; null: not known.
    #[schema(required)]
    pub context_tokens: Option<u64>,
    /// Tokens of output at most; null: not known.
    #[schema(required)]
    pub max_output_tokens: Option<u64>,
    /// What it takes or gives besides text: `tools`, `images`, `documents`, `audio`, `reasoning`, `structured_output`, `prompt_cache`,
    /// `embeddings`. What is not named is not known to be there.
    pub capabilities: Vec<String>,
    /// What it costs, as a pool's member takes it.
    pub price: MemberPrice,
}

/// The models of which a part of the name, of another name or of the provider is `text`, whatever the case; all of them without one. By
/// provider and name.
pub fn search(text: &str) -> impl Iterator<Item = &'static CatalogueModel> {
    let text = text.trim().to_lowercase();
    MODELS.iter().filter(move |model| {
        let names = [&model.provider, &model.name].into_iter().chain(&model.aliases);
        names.into_iter().any(|name| name.to_lowercase().contains(&text))
    })
}

/// As the file has it: money in dollars, as price lists do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    models: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: String,
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    source: String,
    as_of: NaiveDate,
    context_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    #[serde(default)]
    capabilities: Vec<String>,
    price: EntryPrice,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryPrice {
    rates: EntryRates,
    long_context: Option<EntryLong>,
    #[serde(default)]
    tiers: Vec<EntryTier>,
    request: Option<Dollars>,
    web_search: Option<Dollars>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryTier {
    tier: String,
    rates: EntryRates,
    long_context: Option<EntryLong>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLong {
    above_input_tokens: u64,
    rates: EntryRates,
}

/// Dollars for a million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryRates {
    input: Dollars,
    cached_input: Dollars,
    cache_write: Option<Dollars>,
    cache_write_1h: Option<Dollars>,
    output: Dollars,
    reasoning: Option<Dollars>,
}

/// A decimal number of dollars, in micro-dollars.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Dollars(u64);

impl TryFrom<String> for Dollars {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no number of dollars with at most six decimals");
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || decimals.len() > 6 || !is_number(whole) || !is_number(decimals) {
            return Err(wrong());
        }
        format!("{whole}{decimals:0<6}").parse().map(Self).map_err(|_| wrong())
    }
}

fn read(file: &str) -> Result<Vec<CatalogueModel>, serde_json::Error> {
    let file: File = serde_json::from_str(file)?;
    Ok(file.models.into_iter().map(Entry::into_model).collect())
}

impl Entry {
    fn into_model(self) -> CatalogueModel {
        CatalogueModel {
            provider: self.provider,
            name: self.name,
            aliases: self.aliases,
            source: self.source,
            as_of: self.as_of,
            context_tokens: self.context_tokens,
            max_output_tokens: self.max_output_tokens,
            capabilities: self.capabilities,
            price: self.price.into_price(),
        }
    }
}

impl EntryPrice {
    fn into_price(self) -> MemberPrice {
        let rates = self.rates.into_rates();
        MemberPrice {
            input_microusd_per_million: rates.input_microusd_per_million,
            cached_input_microusd_per_million: rates.cached_input_microusd_per_million,
            cache_write_microusd_per_million: rates.cache_write_microusd_per_million,
            cache_write_1h_microusd_per_million: rates.cache_write_1h_microusd_per_million,
            output_microusd_per_million: rates.output_microusd_per_million,
            reasoning_microusd_per_million: rates.reasoning_microusd_per_million,
            long_context: self.long_context.map(EntryLong::into_price),
            tiers: self.tiers.into_iter().map(EntryTier::into_price).collect(),
            request_microusd: self.request.map(|dollars| dollars.0),
            web_search_microusd: self.web_search.map(|dollars| dollars.0),
        }
    }
}

impl EntryTier {
    fn into_price(self) -> TierPrice {
        TierPrice {
            tier: self.tier,
            rates: self.rates.into_rates(),
            long_context: self.long_context.map(EntryLong::into_price),
        }
    }
}

impl EntryLong {
    fn into_price(self) -> LongContextPrice {
        LongContextPrice { above_input_tokens: self.above_input_tokens, rates: self.rates.into_rates() }
    }
}

impl EntryRates {
    fn into_rates(self) -> PriceRates {
        PriceRates {
            input_microusd_per_million: self.input.0,
            cached_input_microusd_per_million: self.cached_input.0,
            cache_write_microusd_per_million: self.cache_write.map(|dollars| dollars.0),
            cache_write_1h_microusd_per_million: self.cache_write_1h.map(|dollars| dollars.0),
            output_microusd_per_million: self.output.0,
            reasoning_microusd_per_million: self.reasoning.map(|dollars| dollars.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::routing::check_price;

    const CAPABILITIES: [&str; 8] =
        ["tools", "images", "documents", "audio", "reasoning", "structured_output", "prompt_cache", "embeddings"];

    #[test]
    fn every_entry_is_a_price_that_a_member_takes_with_its_source_and_date() {
        let models = read(FILE).expect("catalogue.json");
        assert!(models.len() > 30, "{}", models.len());
        let mut names = HashSet::new();
        let mut before = None;
        for model in &models {
            let what = format!("{} {}", model.provider, model.name);
            assert_eq!(check_price(&model.price), Ok(()), "{what}");
            for name in [&model.name].into_iter().chain(&model.aliases) {
                assert!(names.insert((model.provider.clone(), name.clone())), "{what}: {name} is there twice");
            }
            assert!(before.replace(what.clone()) < Some(what.clone()), "{what} is not in order");
            assert!(model.source.starts_with("https://"), "{what}");
            assert!(model.capabilities.iter().all(|name| CAPABILITIES.contains(&name.as_str())), "{what}");
            assert_ne!((model.context_tokens, model.max_output_tokens), (Some(0), Some(0)), "{what}");
            assert!(model.max_output_tokens <= model.context_tokens, "{what}: more output than there is room");
        }
    }

    /// Slips of the pen: a zero too many, two columns exchanged.
    #[test]
    fn no_class_costs_what_no_provider_asks() {
        for model in search("") {
            let price = &model.price;
            let tiers = price.tiers.iter().map(|tier| &tier.rates);
            let long = price.long_context.iter().map(|long| &long.rates);
            let standard = (price.input_microusd_per_million, price.cached_input_microusd_per_million);
            let all = tiers
                .chain(long)
                .map(|rates| (rates.input_microusd_per_million, rates.cached_input_microusd_per_million));
            for (input, cached_input) in all.chain([standard]) {
                assert!(0 < cached_input && cached_input <= input, "{}", model.name);
                assert!(input * 10 >= standard.0 && input <= standard.0 * 10, "{}", model.name);
            }
            let writes = price.cache_write_microusd_per_million.unwrap_or(standard.0);
            let writes_1h = price.cache_write_1h_microusd_per_million.unwrap_or(standard.0 * 2);
            assert!(standard.0 <= writes && writes <= writes_1h && writes_1h <= standard.0 * 2, "{}", model.name);
            let is_text = !model.capabilities.iter().any(|name| name == "embeddings");
            assert_eq!(price.output_microusd_per_million > standard.0, is_text, "{}", model.name);
        }
    }

    #[test]
    fn models_are_found_by_any_of_their_names() {
        let found = |text| search(text).map(|model| model.name.as_str()).collect::<Vec<_>>();
        assert_eq!(found(" GPT-4o-2024-11 "), ["gpt-4o"]);
        assert_eq!(found("nobody's"), Vec::<&str>::new());
        assert!(found("anthropic").contains(&"claude-opus-5"));
        assert_eq!(found("").len(), read(FILE).unwrap().len());
    }

    #[test]
    fn dollars_are_read_exactly() {
        let read = |text: &str| Dollars::try_from(text.to_owned()).map(|dollars| dollars.0).ok();
        assert_eq!([read("0.02"), read("15"), read("0.000001")], [Some(20_000), Some(15_000_000), Some(1)]);
        assert_eq!([read(""), read(".5"), read("-1"), read("1e3"), read("0.0000001"), read("1.")][..4], [None; 4]);
        assert_eq!(read("0.0000001"), None);
    }
}
