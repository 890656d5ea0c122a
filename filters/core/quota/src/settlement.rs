use weir_config::Unit;
use weir_exchange::{Exchange, Party, Settlement};

/// What a request that is over took, of every unit: the record's figures. What was reserved beyond that is free again; what it took
/// beyond what was reserved is debited all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    picousd: u64,
}

impl Taken {
    /// `has_figures`: whether tokens and money are asked for, which cost more to tell.
    pub(crate) fn of(exchange: &Exchange, has_figures: bool) -> Self {
        // Who tries out what a guardrail lets pass does so within limits, also if they do not wait for what a judge says.
        let is_blocked = exchange.verdict.is_some_and(|verdict| verdict.by == Party::Guardrail);
        let has_reached = exchange.has_reached_provider();
        let settlement = if has_figures { exchange.settlement(exchange.is_owed()) } else { Settlement::default() };
        Self {
            requests: u64::from(has_reached || is_blocked || exchange.is_judged),
            input_tokens: settlement.tokens.input,
            output_tokens: settlement.tokens.output,
            picousd: settlement.cost_picousd,
        }
    }

    pub(crate) fn units(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Requests => self.requests,
            Unit::InputTokens => self.input_tokens,
            Unit::OutputTokens => self.output_tokens,
            Unit::TotalTokens => self.input_tokens.saturating_add(self.output_tokens),
            // It is under way no longer.
            Unit::ConcurrentRequests => 0,
            Unit::Money => self.picousd,
        }
    }
}
