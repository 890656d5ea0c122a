use serde_json::{Map, Value, json};

use super::request_read::{read_content, read_tool_call};
use super::request_write::{as_tool_call, write_tool_call};
use super::usage;
use crate::chat::{Finish, Part, Response};
use crate::error::RequestError;
use crate::node::Node;

pub(super) fn read_response(root: &Node<'_>) -> Result<Response, RequestError> {
    let choices = root.required("choices")?;
    let first = choices.items()?.into_iter().next().ok_or_else(|| choices.error("must not be empty"))?;
    let message = first.required("message")?;
    let mut parts = Vec::new();
    if let Some(content) = message.get("content") {
        parts.extend(read_content(&content)?);
    }
    if let Some(refusal) = message.optional_str("refusal")? {
        parts.push(Part::Refusal(refusal));
    }
    if let Some(calls) = message.get("tool_calls") {
        for call in calls.items()? {
            parts.push(Part::ToolCall(read_tool_call(&call)?));
        }
    }
    let called = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    Ok(Response {
        id: root.optional_str("id")?.unwrap_or_default(),
        model: root.optional_str("model")?.unwrap_or_default(),
        created_unix_s: root.get("created").and_then(|node| node.value().as_i64()).unwrap_or(0),
        parts,
        finish: finish_of(first.get("finish_reason").map(|node| node.str()).transpose()?, called),
        stop_sequence: None,
        usage: root.get("usage").and_then(|node| usage::read(node.value())),
        others: Vec::new(),
    })
}

pub(super) fn write_response(response: &Response) -> Value {
    let mut texts = String::new();
    let mut refusal = String::new();
    let mut reasoning = String::new();
    for part in &response.parts {
        match part {
            Part::Text(text) => texts.push_str(text),
            Part::Refusal(text) => refusal.push_str(text),
            Part::Thinking { text, .. } => reasoning.push_str(text),
            _ => {}
        }
    }
    let calls: Vec<Value> = response.parts.iter().filter_map(as_tool_call).map(write_tool_call).collect();
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    let silent = texts.is_empty() && (!calls.is_empty() || !refusal.is_empty());
    message.insert("content".into(), if silent { Value::Null } else { texts.into() });
    message.insert("refusal".into(), if refusal.is_empty() { Value::Null } else { refusal.into() });
    if !reasoning.is_empty() {
        message.insert("reasoning_content".into(), reasoning.into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    let mut root = Map::new();
    root.insert("id".into(), response.id.as_str().into());
    root.insert("object".into(), "chat.completion".into());
    root.insert("created".into(), response.created_unix_s.into());
    root.insert("model".into(), response.model.as_str().into());
    root.insert(
        "choices".into(),
        json!([{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": finish_reason(response.finish),
        }]),
    );
    if let Some(usage) = &response.usage {
        root.insert("usage".into(), usage::write(usage));
    }
    root.into()
}

/// OpenAI's `finish_reason`. Some compatible servers say `stop` after a tool call.
pub(super) fn finish_of(reason: Option<&str>, called_a_tool: bool) -> Finish {
    match reason {
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::ContentFilter,
        Some("tool_calls" | "function_call") => Finish::ToolCalls,
        _ if called_a_tool => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

/// The word for it in OpenAI's schema.
pub(super) fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
    }
}
