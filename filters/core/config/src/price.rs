use serde::{Deserialize, Serialize};

/// Names that providers give the tier that everybody gets, in lower case: a price without tiers is theirs.
const STANDARD_TIERS: [&str; 6] = ["", "standard", "default", "auto", "normal", "on_demand"];
/// What makes a price for one thing one for a million of them.
const MILLION: u64 = 1_000_000;

/// What a deployment's tokens cost, in micro-dollars for a million of them (so 2.50 $ per million is 2500000).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Names this price for ever: a changed price has another version.
    pub version: String,
    /// Input tokens of no other class.
    pub input_microusd_per_million: u64,
    /// Input tokens that the provider read from its cache.
    pub cached_input_microusd_per_million: u64,
    /// Input tokens that the provider wrote to its cache for five minutes, or for a time that it does not say. Absent: 1.25 times
    /// the input's price, as in Anthropic's price list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_microusd_per_million: Option<u64>,
    /// Input tokens that the provider wrote to its cache for an hour. Absent: twice the input's price, as in that list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h_microusd_per_million: Option<u64>,
    /// Output tokens of no other class.
    pub output_microusd_per_million: u64,
    /// Output tokens of reasoning. Absent: the output's price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_microusd_per_million: Option<u64>,
    /// What requests with a long input cost instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContextPrice>,
    /// What other tiers cost instead. Of one that is not here the price is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierPrice>,
    /// Micro-dollars for each request that was answered, besides its tokens. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_microusd: Option<u64>,
    /// Micro-dollars for each search of the web that the provider did for a request. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_search_microusd: Option<u64>,
}

/// Prices of the classes of tokens, as in [`Price`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// As [`Price::input_microusd_per_million`].
    pub input_microusd_per_million: u64,
    /// As [`Price::cached_input_microusd_per_million`].
    pub cached_input_microusd_per_million: u64,
    /// As [`Price::cache_write_microusd_per_million`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_microusd_per_million: Option<u64>,
    /// As [`Price::cache_write_1h_microusd_per_million`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h_microusd_per_million: Option<u64>,
    /// As [`Price::output_microusd_per_million`].
    pub output_microusd_per_million: u64,
    /// As [`Price::reasoning_microusd_per_million`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_microusd_per_million: Option<u64>,
}

/// What all tokens of a request cost whose input is long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongContextPrice {
    /// With more input tokens than this, those of caches included.
    pub above_input_tokens: u64,
    /// The prices.
    pub rates: Rates,
}

/// What tokens cost that another tier than the standard one served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierPrice {
    /// What the provider calls it in its answer, in lower case: `flex`, `priority`, `batch`, `fast`, `geo_us`; several joined by `+`.
    pub tier: String,
    /// The prices.
    pub rates: Rates,
    /// Those of a long input. Absent: `rates`, also where the standard tier has others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContextPrice>,
}

/// All that a provider bills one answer by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used<'a> {
    /// Tokens by class.
    pub tokens: Tokens,
    /// The tier that served, as the provider said it; empty: it said none.
    pub tier: &'a str,
    /// Searches of the web that it did.
    pub web_searches: u64,
}

impl From<Tokens> for Used<'_> {
    fn from(tokens: Tokens) -> Self {
        Self { tokens, ..Self::default() }
    }
}

/// What an answer costs, class by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The tokens' classes, then searches of the web and the request itself.
    pub lines: [PriceLine; 8],
    /// The price of all of it is known. Otherwise a tier counts as the standard one, and a search as nothing.
    pub is_certain: bool,
}

impl Bill {
    /// Pico-dollars, exactly; `u128::MAX` where it is more.
    pub fn picousd(&self) -> u128 {
        self.lines.iter().map(PriceLine::picousd).fold(0, u128::saturating_add)
    }
}

/// Tokens by the classes that have prices of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All input tokens, those of the cache included.
    pub input: u64,
    /// Input tokens that were read from a cache.
    pub cached_input: u64,
    /// Input tokens that were written to a cache for five minutes, or for a time that is not known.
    pub cache_write: u64,
    /// Input tokens that were written to a cache for an hour.
    pub cache_write_1h: u64,
    /// All output tokens, those of reasoning included.
    pub output: u64,
    /// Output tokens of reasoning.
    pub reasoning: u64,
}

impl Tokens {
    /// The same with no class larger than what is left of the whole that it is part of.
    #[must_use]
    pub fn bounded(self) -> Self {
        let cached_input = self.cached_input.min(self.input);
        let left = self.input.saturating_sub(cached_input);
        let cache_write = self.cache_write.min(left);
        let cache_write_1h = self.cache_write_1h.min(left.saturating_sub(cache_write));
        Self { cached_input, cache_write, cache_write_1h, reasoning: self.reasoning.min(self.output), ..self }
    }
}

/// What the tokens of one class cost, or searches, or the request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceLine {
    /// `input`, `cached_input`, `cache_write`, `cache_write_1h`, `output` or `reasoning`: each without the tokens of the
    /// others; `web_search` or `request`.
    pub class: &'static str,
    /// Tokens of this class alone; or how many searches or requests.
    pub tokens: u64,
    /// Micro-dollars for a million of them.
    pub microusd_per_million: u64,
}

impl PriceLine {
    /// What they cost in pico-dollars, exactly: a token at a micro-dollar for a million is one pico-dollar.
    pub fn picousd(&self) -> u128 {
        u128::from(self.tokens).saturating_mul(u128::from(self.microusd_per_million))
    }
}

impl Price {
    /// The price of one answer in pico-dollars, exactly; `u128::MAX` where it is more.
    pub fn cost_picousd<'a>(&self, used: impl Into<Used<'a>>) -> u128 {
        self.bill(used.into()).picousd()
    }

    /// The same class by class.
    pub fn bill(&self, used: Used<'_>) -> Bill {
        let tokens = used.tokens.bounded();
        let is_standard = STANDARD_TIERS.iter().any(|name| used.tier.eq_ignore_ascii_case(name));
        let tier = self.tiers.iter().find(|tier| !is_standard && tier.tier.eq_ignore_ascii_case(used.tier));
        let (rates, long) = match tier {
            Some(tier) => (tier.rates.clone(), tier.long_context.as_ref()),
            None => (self.rates(), self.long_context.as_ref()),
        };
        let rates = match long.filter(|long| tokens.input > long.above_input_tokens) {
            Some(long) => long.rates.clone(),
            None => rates,
        };
        let [input, cached_input, cache_write, cache_write_1h, output, reasoning] = rates.lines(tokens);
        let each = |class, quantity, microusd: Option<u64>| PriceLine {
            class,
            tokens: quantity,
            microusd_per_million: microusd.unwrap_or(0).saturating_mul(MILLION),
        };
        let requests = u64::from(self.request_microusd.is_some());
        Bill {
            lines: [
                input,
                cached_input,
                cache_write,
                cache_write_1h,
                output,
                reasoning,
                each("web_search", used.web_searches, self.web_search_microusd),
                each("request", requests, self.request_microusd),
            ],
            is_certain: (is_standard || tier.is_some())
                && (used.web_searches == 0 || self.web_search_microusd.is_some()),
        }
    }

    /// The standard tier's.
    fn rates(&self) -> Rates {
        Rates {
            input_microusd_per_million: self.input_microusd_per_million,
            cached_input_microusd_per_million: self.cached_input_microusd_per_million,
            cache_write_microusd_per_million: self.cache_write_microusd_per_million,
            cache_write_1h_microusd_per_million: self.cache_write_1h_microusd_per_million,
            output_microusd_per_million: self.output_microusd_per_million,
            reasoning_microusd_per_million: self.reasoning_microusd_per_million,
        }
    }
}

impl Rates {
    /// What bounded tokens cost, class by class.
    fn lines(&self, tokens: Tokens) -> [PriceLine; 6] {
        let Tokens { input, cached_input, cache_write, cache_write_1h, output, reasoning } = tokens;
        let plain_input = input.saturating_sub(cached_input).saturating_sub(cache_write).saturating_sub(cache_write_1h);
        let per_input = self.input_microusd_per_million;
        let cache_write_price =
            self.cache_write_microusd_per_million.unwrap_or_else(|| per_input.saturating_add(per_input.div_ceil(4)));
        let cache_write_1h_price =
            self.cache_write_1h_microusd_per_million.unwrap_or_else(|| per_input.saturating_mul(2));
        let reasoning_price = self.reasoning_microusd_per_million.unwrap_or(self.output_microusd_per_million);
        [
            ("input", plain_input, per_input),
            ("cached_input", cached_input, self.cached_input_microusd_per_million),
            ("cache_write", cache_write, cache_write_price),
            ("cache_write_1h", cache_write_1h, cache_write_1h_price),
            ("output", output.saturating_sub(reasoning), self.output_microusd_per_million),
            ("reasoning", reasoning, reasoning_price),
        ]
        .map(|(class, tokens, microusd_per_million)| PriceLine { class, tokens, microusd_per_million })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price() -> Price {
        Price {
            version: "1".into(),
            input_microusd_per_million: 2_500_000,
            cached_input_microusd_per_million: 1_250_000,
            output_microusd_per_million: 10_000_000,
            ..Price::default()
        }
    }

    #[test]
    fn cost_is_exact() {
        let check = |input, cached_input, output, expect: u128| {
            let tokens = Tokens { input, cached_input, output, ..Tokens::default() };
            assert_eq!(price().cost_picousd(tokens), expect);
        };
        check(0, 0, 0, 0);
        check(1_000_000, 0, 0, 2_500_000_000_000);
        check(1_000_000, 1_000_000, 0, 1_250_000_000_000);
        check(10, 4, 3, 50_000_000);
        check(1, 0, 0, 2_500_000);
        check(1, 5, 0, 1_250_000);
        check(u64::MAX, 0, u64::MAX, u128::from(u64::MAX) * 12_500_000);
        let embeddings = Price { input_microusd_per_million: 20_000, ..Price::default() };
        assert_eq!(embeddings.cost_picousd(Tokens { input: 3, ..Tokens::default() }), 60_000);
        let dearest = Price { input_microusd_per_million: u64::MAX, output_microusd_per_million: u64::MAX, ..price() };
        let most = Tokens { input: u64::MAX, output: u64::MAX, ..Tokens::default() };
        assert_eq!(dearest.cost_picousd(most), u128::MAX, "bounded, not wrapped");
    }

    #[test]
    fn each_class_has_its_price() {
        let tokens = Tokens {
            input: 4_000_000,
            cached_input: 1_000_000,
            cache_write: 1_000_000,
            cache_write_1h: 1_000_000,
            output: 2_000_000,
            reasoning: 1_000_000,
        };
        // Input, cached, 1.25 times and twice the input, and output twice.
        let million = 1_000_000;
        assert_eq!(
            price().cost_picousd(tokens),
            (2_500_000 + 1_250_000 + 3_125_000 + 5_000_000 + 20_000_000) * million
        );
        let dearer = Price {
            cache_write_microusd_per_million: Some(1),
            cache_write_1h_microusd_per_million: Some(2),
            reasoning_microusd_per_million: Some(3),
            ..price()
        };
        assert_eq!(dearer.cost_picousd(tokens), (2_500_000 + 1_250_000 + 1 + 2 + 10_000_000 + 3) * million);
    }

    #[test]
    fn no_class_is_larger_than_its_whole() {
        let tokens = Tokens { input: 1_000_000, cache_write: 600_000, cache_write_1h: 600_000, ..Tokens::default() };
        assert_eq!(tokens.bounded().cache_write_1h, 400_000);
        assert_eq!(price().cost_picousd(tokens), 1_875_000_000_000 + 2_000_000_000_000);
    }

    fn rates(times: u64) -> Rates {
        Rates {
            input_microusd_per_million: 2_500_000 * times,
            cached_input_microusd_per_million: 1_250_000 * times,
            output_microusd_per_million: 10_000_000 * times,
            ..Rates::default()
        }
    }

    #[test]
    fn a_tier_and_a_long_input_have_all_classes_at_their_own_prices() {
        let long = |times| Some(LongContextPrice { above_input_tokens: 100, rates: rates(times) });
        let price = Price {
            long_context: long(2),
            tiers: vec![
                TierPrice { tier: "priority".into(), rates: rates(3), long_context: long(5) },
                TierPrice { tier: "flex".into(), rates: rates(7), long_context: None },
            ],
            ..price()
        };
        let check = |tier: &str, input: u64, times: u64, is_certain: bool| {
            let tokens =
                Tokens { input, cached_input: 20, cache_write_1h: 10, output: 8, reasoning: 3, ..Tokens::default() };
            let bill = price.bill(Used { tokens, tier, web_searches: 0 });
            // An hour's write at twice the input's price.
            let expect = (input - 30) * 2_500_000 + 20 * 1_250_000 + 10 * 5_000_000 + 8 * 10_000_000;
            assert_eq!((bill.picousd(), bill.is_certain), (u128::from(expect * times), is_certain), "{tier} {input}");
        };
        for standard in ["", "default", "standard", "auto", "ON_DEMAND"] {
            check(standard, 100, 1, true);
            check(standard, 101, 2, true);
        }
        check("priority", 100, 3, true);
        check("PRIORITY", 101, 5, true);
        check("flex", 101, 7, true);
        // Nobody knows what it costs: as much as the standard one, and that is said.
        check("batch", 100, 1, false);
        check("batch", 101, 2, false);
    }

    #[test]
    fn searches_and_requests_cost_each_and_an_unknown_price_is_not_nothing() {
        let check = |web: Option<u64>, request: Option<u64>, web_searches: u64, expect: u128, is_certain: bool| {
            let price = Price { web_search_microusd: web, request_microusd: request, ..price() };
            let tokens = Tokens { input: 2, ..Tokens::default() };
            let bill = price.bill(Used { tokens, tier: "", web_searches });
            assert_eq!((bill.picousd(), bill.is_certain), (expect, is_certain));
        };
        check(None, None, 0, 5_000_000, true);
        check(Some(10_000), None, 3, 5_000_000 + 30_000_000_000, true);
        check(Some(10_000), Some(5), 0, 5_000_000 + 5_000_000, true);
        check(None, None, 1, 5_000_000, false);
        check(Some(0), None, 1, 5_000_000, true);
    }
}
