use serde::{Deserialize, Serialize};

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

/// What the tokens of one class cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceLine {
    /// `input`, `cached_input`, `cache_write`, `cache_write_1h`, `output` or `reasoning`: each without the tokens of the others.
    pub class: &'static str,
    /// Tokens of this class alone.
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
    pub fn cost_picousd(&self, tokens: Tokens) -> u128 {
        self.lines(tokens).iter().map(PriceLine::picousd).fold(0, u128::saturating_add)
    }

    /// The same class by class.
    pub fn lines(&self, tokens: Tokens) -> [PriceLine; 6] {
        let Tokens { input, cached_input, cache_write, cache_write_1h, output, reasoning } = tokens.bounded();
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
    use super::{Price, Tokens};

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
}
