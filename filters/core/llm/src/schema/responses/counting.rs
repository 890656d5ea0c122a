//! `responses/input_tokens`: what a request for a response says to the model, without what it says of the answer.

use serde_json::{Map, Value, json};

use crate::schema::Counting;

pub(super) static COUNTING: Counting = Counting { request, within: None, field: "input_tokens", answer };

/// What it takes.
const TAKEN: &[&str] = &[
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "truncation",
    "previous_response_id",
    "conversation",
];

fn request(mut chat: Map<String, Value>, _model: &str) -> Map<String, Value> {
    chat.retain(|name, _| TAKEN.contains(&name.as_str()));
    chat
}

fn answer(tokens: u64) -> Value {
    json!({"object": "response.input_tokens", "input_tokens": tokens})
}
