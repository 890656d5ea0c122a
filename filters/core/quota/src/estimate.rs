use weir_config::Unit;

/// What a request takes of a unit at most, as far as is known when it is admitted: so much is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub(crate) units: u64,
}

impl Estimate {
    pub(crate) fn of(unit: Unit) -> Self {
        let units = match unit {
            Unit::Requests => 1,
        };
        Self { units }
    }
}
