use serde::{Deserialize, Serialize};

/// What a deployment's tokens cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Names this price for ever: a changed price has another version.
    pub version: String,
    /// Micro-dollars for a million input tokens (so 2.50 $ per million is 2500000).
    pub input_microusd_per_million: u64,
    /// Micro-dollars for a million input tokens that the provider read from its cache.
    pub cached_input_microusd_per_million: u64,
    /// Micro-dollars for a million output tokens.
    pub output_microusd_per_million: u64,
}

impl Price {
    /// The price of one answer in micro-dollars, rounded up once at the end. `cached_input` is part of `input`.
    pub fn cost_microusd(&self, input: u64, cached_input: u64, output: u64) -> i64 {
        let cached_input = cached_input.min(input);
        let uncached_input = input.saturating_sub(cached_input);
        let part = |tokens: u64, price: u64| u128::from(tokens).saturating_mul(u128::from(price));
        let total = part(uncached_input, self.input_microusd_per_million)
            .saturating_add(part(cached_input, self.cached_input_microusd_per_million))
            .saturating_add(part(output, self.output_microusd_per_million));
        i64::try_from(total.div_ceil(1_000_000)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Price;

    #[test]
    fn cost_is_rounded_up_once() {
        let price = Price {
            version: "1".into(),
            input_microusd_per_million: 2_500_000,
            cached_input_microusd_per_million: 1_250_000,
            output_microusd_per_million: 10_000_000,
        };
        let check = |input, cached, output, expect| assert_eq!(price.cost_microusd(input, cached, output), expect);
        check(0, 0, 0, 0);
        check(1_000_000, 0, 0, 2_500_000);
        check(1_000_000, 1_000_000, 0, 1_250_000);
        check(10, 4, 3, 50);
        check(1, 0, 0, 3);
        check(1, 5, 0, 2);
        check(u64::MAX, 0, u64::MAX, i64::MAX);
    }
}
