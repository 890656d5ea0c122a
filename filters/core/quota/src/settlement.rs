use weir_config::Unit;
use weir_exchange::{Exchange, Party, Settlement, TokenSource};

/// What a request that is over took, of every unit: the record's figures. What was reserved beyond that is free again; what it took
/// beyond what was reserved is debited all the same.
///
/// Of an answer that was cut off before its provider reported its usage, the record's figures are estimates from what was seen, and the
/// provider may bill more: what it thought, or went on to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    picousd: u64,
    /// The answer was cut off, and its input is an estimate, or its output.
    has_unknown_input: bool,
    has_unknown_output: bool,
    /// What the last attempt costs, and those before of which that is known.
    last_picousd: u64,
    earlier_picousd: u64,
    /// Attempts before the last that began to answer, and of which nobody knows what they cost.
    unknown_attempts: u64,
}

impl Taken {
    /// `has_figures`: whether tokens and money are asked for, which cost more to tell.
    pub(crate) fn of(exchange: &Exchange, has_figures: bool) -> Self {
        // Who tries out what a guardrail lets pass does so within limits, also if they do not wait for what a judge says.
        let is_blocked = exchange.verdict.is_some_and(|verdict| verdict.by == Party::Guardrail);
        let has_reached = exchange.has_reached_provider();
        let settlement = if has_figures { exchange.settlement(exchange.is_owed()) } else { Settlement::default() };
        let is_cut = has_reached && exchange.is_owed() && !exchange.is_complete();
        let is_unknown = |source| is_cut && source == TokenSource::Estimated;
        let earlier = if has_figures { exchange.earlier_settlements() } else { Vec::new() };
        let (mut earlier_picousd, mut unknown_attempts) = (0_u64, 0_u64);
        for (attempt, settlement) in exchange.attempts.iter().zip(&earlier) {
            let is_told = [settlement.input_source, settlement.output_source] == [TokenSource::Provider; 2];
            if is_told || !attempt.may_be_billed() {
                earlier_picousd = earlier_picousd.saturating_add(settlement.attempt_picousd);
            } else {
                unknown_attempts = unknown_attempts.saturating_add(1);
            }
        }
        Self {
            last_picousd: settlement.attempt_picousd,
            earlier_picousd,
            unknown_attempts,
            has_unknown_input: is_unknown(settlement.input_source),
            has_unknown_output: is_unknown(settlement.output_source),
            requests: u64::from(has_reached || is_blocked || exchange.is_judged),
            input_tokens: settlement.tokens.input,
            output_tokens: settlement.tokens.output,
            picousd: settlement.cost_picousd,
        }
    }

    /// What a limit that refuses has to count, of which so many units were reserved for an attempt: all of them where nobody knows how many
    /// were taken.
    pub(crate) fn at_most(&self, unit: Unit, reserved: u64) -> u64 {
        let is_unknown = match unit {
            Unit::Requests | Unit::ConcurrentRequests => false,
            Unit::InputTokens => self.has_unknown_input,
            Unit::OutputTokens => self.has_unknown_output,
            Unit::TotalTokens | Unit::Money => self.has_unknown_input || self.has_unknown_output,
        };
        let (last, earlier) = match unit {
            Unit::Money => {
                (self.last_picousd, self.earlier_picousd.saturating_add(self.unknown_attempts.saturating_mul(reserved)))
            }
            Unit::Requests | Unit::ConcurrentRequests | Unit::InputTokens | Unit::OutputTokens | Unit::TotalTokens => {
                (self.units(unit), 0)
            }
        };
        if is_unknown { last.max(reserved).saturating_add(earlier) } else { last.saturating_add(earlier) }
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
