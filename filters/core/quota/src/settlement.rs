use weir_config::Unit;
use weir_exchange::{Exchange, Party};

/// What a request that is over took of a unit. What was reserved beyond that is free again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settlement {
    pub(crate) units: u64,
}

impl Settlement {
    pub(crate) fn of(unit: Unit, exchange: &Exchange) -> Self {
        // Who tries out what a guardrail lets pass does so within limits, also if they do not wait for what a judge says.
        let is_blocked = exchange.verdict.is_some_and(|verdict| verdict.by == Party::Guardrail);
        let units = match unit {
            Unit::Requests => u64::from(exchange.has_reached_provider() || is_blocked || exchange.is_judged),
        };
        Self { units }
    }
}
