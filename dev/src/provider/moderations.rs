//! OpenAI's moderations: whatever says "kill" is violent.

use serde_json::{Value, json};

use super::api::{Refusal, text_of};

/// Answers a request for moderation.
pub(crate) fn answer(body: &Value) -> Result<Value, Refusal> {
    let inputs = match &body["input"] {
        Value::Array(items) if items.iter().all(Value::is_string) => items.iter().map(text_of).collect(),
        input => vec![text_of(input)],
    };
    if inputs.iter().any(String::is_empty) || inputs.is_empty() {
        return Err(Refusal::invalid("input", "input must be a non-empty string, or an array"));
    }
    let one = |text: &String| {
        let is_violent = text.contains("kill");
        let score = if is_violent { 0.9 } else { 0.01 };
        json!({"flagged": is_violent, "categories": {"violence": is_violent}, "category_scores": {"violence": score},
            "category_applied_input_types": {"violence": ["text"]}})
    };
    Ok(json!({"id": "modr-1", "model": body["model"], "results": inputs.iter().map(one).collect::<Vec<_>>()}))
}
