use weir_host::Micros;

/// What is left of the limit that a caller will reach first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// Requests, or tokens, in one window.
    pub limit: u64,
    /// Of these, those that are left.
    pub remaining: u64,
    /// When the window ends.
    pub window_end: Micros,
}

impl RateLimitStatus {
    /// OpenAI's rate limit headers, as they read at `now`.
    pub(crate) fn headers(&self, now: Micros) -> [(&'static str, String); 3] {
        self.named(now, ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"])
    }

    /// The same of a limit of tokens.
    pub(crate) fn token_headers(&self, now: Micros) -> [(&'static str, String); 3] {
        self.named(now, ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"])
    }

    fn named(&self, now: Micros, [limit, remaining, reset]: [&'static str; 3]) -> [(&'static str, String); 3] {
        let remaining_s = self.window_end.saturating_sub(now).div_ceil(1_000_000);
        [(limit, self.limit.to_string()), (remaining, self.remaining.to_string()), (reset, duration(remaining_s))]
    }
}

/// What is left of the budget that a caller will reach first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetStatus {
    /// Pico-dollars in one window.
    pub limit: u64,
    /// Of these, those that are left.
    pub remaining: u64,
    /// When the window ends; `None`: never.
    pub window_end: Option<Micros>,
}

impl BudgetStatus {
    /// Weir's headers, as they read at `now`.
    pub(crate) fn headers(&self, now: Micros) -> impl Iterator<Item = (&'static str, String)> {
        let amounts = [
            ("x-weir-budget-limit", dollars(self.limit)),
            ("x-weir-budget-remaining", dollars(self.remaining)),
            ("x-weir-budget-unit", "USD".to_owned()),
        ];
        let remaining_s = |end: Micros| end.saturating_sub(now).div_ceil(1_000_000);
        let reset = self.window_end.map(|end| ("x-weir-budget-reset", duration(remaining_s(end))));
        amounts.into_iter().chain(reset)
    }
}

/// Pico-dollars as dollars, exactly: with six decimals, or as many as it takes.
pub(crate) fn dollars(picousd: u64) -> String {
    let microusd = picousd / 1_000_000;
    let rest = format!("{:06}", picousd % 1_000_000);
    format!("{}.{:06}{}", microusd / 1_000_000, microusd % 1_000_000, rest.trim_end_matches('0'))
}

/// A duration as OpenAI's `x-ratelimit-reset-*` headers write it: `12s`, `6m0s`, `1h0m30s`.
pub fn duration(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{BudgetStatus, RateLimitStatus, dollars, duration};

    #[test]
    fn durations_read_like_openai() {
        for (seconds, expect) in [(0, "0s"), (12, "12s"), (60, "1m0s"), (360, "6m0s"), (3630, "1h0m30s")] {
            assert_eq!(duration(seconds), expect);
        }
    }

    #[test]
    fn an_answer_that_took_long_tells_when_the_window_ends_now() {
        let status = RateLimitStatus { limit: 3, remaining: 2, window_end: 86_400_000_000 };
        let reset = |now| status.headers(now).map(|(_, value)| value);
        assert_eq!(reset(0), ["3", "2", "24h0m0s"]);
        assert_eq!(reset(60_000_001), ["3", "2", "23h59m0s"]);
        assert_eq!(reset(90_000_000_000), ["3", "2", "0s"]);
    }

    #[test]
    fn costs_are_exact_decimals() {
        for (picousd, expect) in [
            (0, "0.000000"),
            (123_000_000, "0.000123"),
            (12_345_678_000_000, "12.345678"),
            (60_000, "0.00000006"),
            (1, "0.000000000001"),
            (1_000_000_000_000_000_001, "1000000.000000000001"),
        ] {
            assert_eq!(dollars(picousd), expect);
        }
    }

    #[test]
    fn a_budget_is_told_in_dollars_and_one_that_never_ends_without_its_reset() {
        let told = |window_end| {
            let status = BudgetStatus { limit: 5_000_000_000_000, remaining: 4_999_999_999_999, window_end };
            status.headers(3_000_000).map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
        };
        let amounts =
            ["x-weir-budget-limit: 5.000000", "x-weir-budget-remaining: 4.999999999999", "x-weir-budget-unit: USD"];
        assert_eq!(told(None), amounts);
        assert_eq!(told(Some(63_000_000)), [&amounts[..], &["x-weir-budget-reset: 1m0s"]].concat());
    }
}
