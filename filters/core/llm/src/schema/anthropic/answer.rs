use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::block::{Of, read_content};
use super::tool_ids::ToolIds;
use super::usage;
use crate::chat::{Echo, Finish, Other, Part, Response};
use crate::error::RequestError;
use crate::node::Node;

const KNOWN: &[&str] = &["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"];

/// Reads a whole answer. A block of a kind that is not known is passed over, as it is in a stream, and noted. An answer that names its
/// end may be empty.
pub(super) fn read_response(root: &Node<'_>) -> Result<Response, RequestError> {
    let stop_node = root.get("stop_reason");
    let stop_reason = stop_node.as_ref().and_then(|node| node.value().as_str());
    let mut others = Vec::new();
    root.others(KNOWN, &mut others);
    if let (Some(node), None) = (&stop_node, stop_reason) {
        others.push(Other { path: node.path().to_owned(), value: node.value().clone() });
    }
    let label = |name: &str| root.get(name).and_then(|node| node.value().as_str()).unwrap_or_default().to_owned();
    let id = label("id");
    let content = match (root.get("content"), stop_reason) {
        (None, Some(_)) => Vec::new(),
        _ => read_content(&root.required("content")?, Of::Answer, &mut others)?,
    };
    let mut parts = Vec::with_capacity(content.len());
    let mut ids = BTreeSet::new();
    for (index, part) in content.into_iter().enumerate() {
        match part {
            Part::Unknown(block) => others.push(Other { path: block.at, value: block.value }),
            Part::ToolCall(mut call) => {
                // A result could not say which of two calls it answers.
                if call.id.is_empty() || !ids.insert(call.id.clone()) {
                    call.id = format!("{id}_{index}");
                }
                parts.push(Part::ToolCall(call));
            }
            part => parts.push(part),
        }
    }
    Ok(Response {
        echo: Echo::default(),
        id,
        model: label("model"),
        created_unix_s: 0,
        parts,
        finish: finish_of(stop_reason),
        stop_sequence: root.get("stop_sequence").and_then(|node| node.value().as_str()).map(str::to_owned),
        usage: root.get("usage").and_then(|node| usage::read(node.value())),
        others,
    })
}

/// Writes a whole answer. Thinking is left out, as in streams: its signature is another provider's, if it has any, and a client that sent
/// it back to Anthropic would be refused.
pub(super) fn write_response(response: &Response) -> Value {
    let mut ids = ToolIds::default();
    let parts = response.parts.iter().enumerate();
    json!({
        "id": response.id,
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": parts.filter_map(|(index, part)| write_part(response, index, part, &mut ids)).collect::<Vec<_>>(),
        "stop_reason": stop_reason(response.finish),
        "stop_sequence": response.stop_sequence,
        "usage": usage::write(&response.usage.unwrap_or_default()),
    })
}

fn write_part(response: &Response, index: usize, part: &Part, ids: &mut ToolIds) -> Option<Value> {
    match part {
        Part::Text(text) | Part::Refusal(text) => (!text.is_empty()).then(|| json!({"type": "text", "text": text})),
        Part::ToolCall(call) => {
            let id = match call.id.as_str() {
                "" => ids.distinct(&format!("{}_{index}", response.id)),
                given => ids.distinct(given),
            };
            Some(json!({"type": "tool_use", "id": id, "name": call.name, "input": input_of(&call.arguments)}))
        }
        Part::Thinking { .. }
        | Part::RedactedThinking(_)
        | Part::Image(_)
        | Part::Document(_)
        | Part::Audio(_)
        | Part::Unknown(_)
        | Part::ToolResult(_) => None,
    }
}

/// The arguments of a call as the object that Anthropic wants. Nothing and `null` mean no arguments. Where the model wrote something
/// else than an object, that is to be seen, and not an empty call.
pub(super) fn input_of(arguments: &str) -> Value {
    if matches!(arguments.trim(), "" | "null") {
        return json!({});
    }
    let object = crate::json::parse::<Value>(arguments).ok().filter(Value::is_object);
    object.unwrap_or_else(|| json!({"invalid_json": arguments}))
}

/// Anthropic's `stop_reason`. One that is not known says that the answer ended, and no more.
pub(super) fn finish_of(reason: Option<&str>) -> Finish {
    match reason {
        Some("stop_sequence") => Finish::StopSequence,
        Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
        Some("tool_use") => Finish::ToolCalls,
        Some("refusal") => Finish::ContentFilter,
        // `pause_turn` and `compaction`, too: the answer is to be continued by who asked for what causes them.
        Some(_) | None => Finish::Stop,
    }
}

/// The word for it in Anthropic's schema.
pub(super) fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "refusal",
    }
}
