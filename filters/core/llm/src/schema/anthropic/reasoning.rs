use serde_json::{Value, json};

use crate::chat::{Reasoning, Request, ToolChoice};
use crate::schema::{Setting, Writing};

/// The least that Anthropic takes for thinking, in tokens.
const LEAST_BUDGET_TOKENS: u64 = 1024;

/// How much a model is to reason, in Anthropic's words.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// `thinking`.
    pub(super) thinking: Option<Value>,
    /// `output_config.effort`.
    pub(super) effort: Option<&'static str>,
}

/// Writes it. Rules, of which the first that fits holds:
///
/// | the client wants | said |
/// |---|---|
/// | none, or the effort `none` | `thinking` disabled |
/// | a bound in tokens | `thinking` with that budget, at least 1024 and under `max_tokens`; with the effort, if there is one |
/// | an effort | `thinking` adaptive, and the effort |
/// | to leave it to the model | `thinking` adaptive |
///
/// `minimal` becomes `low`, and `xhigh` becomes `high`. Everything is left out where the server takes no such setting, where a tool must
/// be called, and where the words are not known. A budget is also left out where `max_tokens` has no room for it, and while a tool's
/// result is awaited: the turn that called it would have to begin with thinking that only Anthropic can have written.
pub(super) fn write(request: &Request, max_tokens: u64, is_in_tool_loop: bool, writing: &mut Writing<'_>) -> Written {
    let Some(reasoning) = &request.reasoning else { return Written::default() };
    match decided(request, reasoning, max_tokens, is_in_tool_loop, writing) {
        Ok(written) => written,
        Err(reason) => {
            writing.leave_out(request.origin.path_of(Setting::Reasoning), reason);
            Written::default()
        }
    }
}

fn decided(
    request: &Request,
    reasoning: &Reasoning,
    max_tokens: u64,
    is_in_tool_loop: bool,
    writing: &Writing<'_>,
) -> Result<Written, &'static str> {
    if !writing.capabilities.reasoning_effort {
        return Err("the server takes no such setting");
    }
    if reasoning.off || reasoning.effort.as_deref() == Some("none") {
        return Ok(Written { thinking: Some(json!({"type": "disabled"})), effort: None });
    }
    if !request.tools.is_empty() && matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
        return Err("a model that must call a tool does not think");
    }
    let effort = reasoning.effort.as_deref().map(effort_of).transpose()?;
    let Some(budget) = reasoning.budget_tokens else {
        return Ok(Written { thinking: Some(json!({"type": "adaptive"})), effort });
    };
    if max_tokens <= LEAST_BUDGET_TOKENS {
        return Err("the answer's limit has no room for thinking");
    }
    if is_in_tool_loop {
        return Err("the turn before did not begin with thinking");
    }
    let budget = budget.clamp(LEAST_BUDGET_TOKENS, max_tokens.saturating_sub(1));
    Ok(Written { thinking: Some(json!({"type": "enabled", "budget_tokens": budget})), effort })
}

fn effort_of(word: &str) -> Result<&'static str, &'static str> {
    match word {
        "minimal" | "low" => Ok("low"),
        "medium" => Ok("medium"),
        "high" | "xhigh" => Ok("high"),
        "max" => Ok("max"),
        _ => Err("the effort is not known"),
    }
}
