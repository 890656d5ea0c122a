//! `countTokens`: contents, or a whole request with instructions and tools, which repeats the model of the path.

use serde_json::{Map, Value, json};

use super::model::resource;
use crate::schema::Counting;

pub(super) static COUNTING: Counting =
    Counting { request, within: Some("generateContentRequest"), field: "totalTokens", answer };

/// The whole request's field, by its spellings.
pub(super) const WITHIN: &[&str] = &["generateContentRequest", "generate_content_request"];

fn request(chat: Map<String, Value>, model: &str) -> Map<String, Value> {
    let mut whole = Map::new();
    whole.insert("model".into(), resource(model).into());
    whole.extend(chat);
    let mut counted = Map::new();
    counted.insert("generateContentRequest".into(), whole.into());
    counted
}

fn answer(tokens: u64) -> Value {
    json!({"totalTokens": tokens})
}
