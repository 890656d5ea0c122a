use serde_json::{Value, json};

use super::request_read::{Of, read_content};
use super::request_write::{arguments_object, tool_id};
use super::usage;
use crate::chat::{Finish, Part, Response};
use crate::error::RequestError;
use crate::node::Node;

pub(super) fn read_response(root: &Node<'_>) -> Result<Response, RequestError> {
    let stop_reason = root.get("stop_reason").map(|node| node.str()).transpose()?;
    Ok(Response {
        id: root.optional_str("id")?.unwrap_or_default(),
        model: root.optional_str("model")?.unwrap_or_default(),
        created_unix_s: 0,
        parts: read_content(&root.required("content")?, Of::Assistant)?,
        finish: finish_of(stop_reason),
        stop_sequence: root.optional_str("stop_sequence")?,
        usage: root.get("usage").and_then(|node| usage::read(node.value())),
        others: Vec::new(),
    })
}

pub(super) fn write_response(response: &Response) -> Value {
    json!({
        "id": response.id,
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": response.parts.iter().filter_map(write_part).collect::<Vec<_>>(),
        "stop_reason": stop_reason(response.finish),
        "stop_sequence": response.stop_sequence,
        "usage": usage::write(&response.usage.unwrap_or_default()),
    })
}

fn write_part(part: &Part) -> Option<Value> {
    match part {
        Part::Text(text) | Part::Refusal(text) => (!text.is_empty()).then(|| json!({"type": "text", "text": text})),
        Part::ToolCall(call) => {
            // The model wrote something else than an object: the client is to see what, and not an empty call.
            let input = arguments_object(&call.arguments).unwrap_or_else(|| json!({"invalid_json": call.arguments}));
            Some(json!({"type": "tool_use", "id": tool_id(&call.id), "name": call.name, "input": input}))
        }
        Part::Thinking { text, signature: Some(signature) } => {
            Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        Part::RedactedThinking(data) => Some(json!({"type": "redacted_thinking", "data": data})),
        Part::Thinking { signature: None, .. }
        | Part::Image(_)
        | Part::Document(_)
        | Part::Audio(_)
        | Part::Unknown(_)
        | Part::ToolResult(_) => None,
    }
}

/// Anthropic's `stop_reason`.
pub(super) fn finish_of(reason: Option<&str>) -> Finish {
    match reason {
        Some("stop_sequence") => Finish::StopSequence,
        Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
        Some("tool_use") => Finish::ToolCalls,
        Some("refusal") => Finish::ContentFilter,
        _ => Finish::Stop,
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
