use serde_json::{Map, Value, json};

use crate::schema::Counting;

pub(super) static COUNTING: Counting = Counting { request, within: None, field: "inputTokens", answer };

/// What a request to count may say (botocore, `ConverseTokensRequest`).
const TAKEN: &[&str] = &["messages", "system", "toolConfig", "additionalModelRequestFields"];

fn request(mut chat: Map<String, Value>, _model: &str) -> Map<String, Value> {
    chat.retain(|name, _| TAKEN.contains(&name.as_str()));
    let mut counted = Map::new();
    counted.insert("input".into(), json!({"converse": chat}));
    counted
}

fn answer(tokens: u64) -> Value {
    json!({"inputTokens": tokens})
}
