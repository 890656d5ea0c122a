//! `messages/count_tokens`: what a request for a message says to the model, without what it says of the answer.

use serde_json::{Map, Value, json};

use crate::schema::Counting;

pub(super) static COUNTING: Counting = Counting { request, within: None, field: "input_tokens", answer };

/// What it takes; anything else is refused ("Extra inputs are not permitted").
const TAKEN: &[&str] =
    &["model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"];

fn request(mut chat: Map<String, Value>, _model: &str) -> Map<String, Value> {
    chat.retain(|name, _| TAKEN.contains(&name.as_str()));
    chat
}

fn answer(tokens: u64) -> Value {
    json!({"input_tokens": tokens})
}
