use weir_config::{LimitAction, Unit};
use weir_exchange::{CatalogModel, Principal};
use weir_llm::OutputBounds;

/// What holds for the most output tokens of a caller's request for a model. What the model has for requests that name none holds only where a
/// limit counts output that refuses: it could not be kept otherwise. What a request may name at most holds always.
pub(crate) fn bounds(model: &CatalogModel, principal: &Principal) -> OutputBounds {
    let OutputBounds { default, most } = model.output_bounds;
    let counts_output = principal.limits.iter().any(|limit| {
        let counts = matches!(limit.unit, Unit::OutputTokens | Unit::TotalTokens | Unit::Money);
        counts && limit.action != LimitAction::Warn && limit.counter_of(&model.name).is_some()
    });
    OutputBounds { default: default.filter(|_| counts_output).or(most), most }
}
