use serde_json::{Map, Value, json};

use super::bound::made_id;
use super::call::read_calls;
use super::finish::{Reason, reason_of};
use super::legacy;
use super::message_write::write_call;
use super::part::{Of, SAYING, read_said, reasoning_of_details, text};
use super::usage;
use crate::chat::{Echo, Finish, Other, Part, Response, ToolCall};
use crate::error::RequestError;
use crate::node::Node;

/// Reads a whole answer: of its first choice what the model said. What nobody here knows stands among its others, with its path.
pub(super) fn read_response(root: &Node<'_>) -> Result<Response, RequestError> {
    let choices = root.required("choices")?;
    let choices_read = choices.items_but_null()?;
    let first = choices_read.iter().find(|choice| choice.get("index").is_some_and(|index| index.value() == 0));
    let first = first.or(choices_read.first()).ok_or_else(|| choices.error("must not be empty"))?;
    let mut others = Vec::new();
    first.others(&["index", "message", "finish_reason"], &mut others);
    let reason = match first.get("finish_reason") {
        Some(node) => read_reason(&node, &mut others),
        None => Reason::None,
    };
    if reason == Reason::Failed {
        return Err(first.error("the provider ended it with an error"));
    }
    let id = label(root, "id");
    let parts = match first.get("message") {
        Some(message) => read_message(&message, &id, &mut others)?,
        // A bound that leaves no room for a single token.
        None if reason != Reason::None => Vec::new(),
        None => return Err(first.error("a message is required")),
    };
    let called = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    Ok(Response {
        echo: Echo::default(),
        id,
        model: label(root, "model"),
        created_unix_s: root.get("created").and_then(|node| node.value().as_i64()).unwrap_or(0),
        parts,
        // A whole answer has ended, also where it does not say why.
        finish: reason.finish(called).unwrap_or(if called { Finish::ToolCalls } else { Finish::Stop }),
        stop_sequence: None,
        usage: root.get("usage").and_then(|node| usage::read(node.value())),
        others,
    })
}

/// What is told of an answer and no part of it: a text, a number's digits, or nothing.
fn label(root: &Node<'_>, name: &str) -> String {
    root.get(name).and_then(|node| text(&node, Of::Answer).ok()).unwrap_or_default()
}

fn read_reason(node: &Node<'_>, others: &mut Vec<Other>) -> Reason {
    let reason = node.value().as_str().map_or(Reason::Unknown, reason_of);
    if reason == Reason::Unknown {
        others.push(Other { path: node.path().to_owned(), value: node.value().clone() });
    }
    reason
}

fn read_message(message: &Node<'_>, id: &str, others: &mut Vec<Other>) -> Result<Vec<Part>, RequestError> {
    let mut parts = read_said(message, Of::Answer, others)?;
    let has_reasoning = parts.iter().any(|part| matches!(part, Part::Thinking { .. }));
    let details = message.get("reasoning_details").filter(|_| !has_reasoning);
    let reasoning = details.map(|details| reasoning_of_details(details.value())).unwrap_or_default();
    if !reasoning.is_empty() {
        parts.insert(0, Part::Thinking { text: reasoning, signature: None });
    }
    let mut count = 0_usize;
    let mut make_id = |call: &ToolCall| {
        count = count.saturating_add(1);
        made_id(&[id, &count.to_string(), &call.name, &call.arguments])
    };
    parts.extend(read_calls(message, Of::Answer, &mut make_id, others)?);
    message.others(&[SAYING, &["role", "tool_calls", "function_call"]].concat(), others);
    let mut said = Vec::with_capacity(parts.len());
    for part in parts {
        // A client could not read it either: it is passed over, as it is in a stream.
        match part {
            Part::Unknown(unknown) => others.push(Other { path: unknown.at, value: unknown.value }),
            part => said.push(part),
        }
    }
    Ok(said)
}

/// Writes a whole answer. Texts become one, and reasoning stands in the field that most servers have for it, without its signature.
pub(super) fn write_response(response: &Response) -> Value {
    let mut texts = String::new();
    let mut refusal = String::new();
    let mut reasoning = String::new();
    let mut calls: Vec<Value> = Vec::new();
    for part in &response.parts {
        match part {
            Part::Text(text) => texts.push_str(text),
            Part::Refusal(text) => refusal.push_str(text),
            Part::Thinking { text, .. } => reasoning.push_str(text),
            Part::ToolCall(call) => calls.push(write_call(call, call.id.clone())),
            Part::Image(_)
            | Part::Document(_)
            | Part::Audio(_)
            | Part::ToolResult(_)
            | Part::RedactedThinking(_)
            | Part::Unknown(_) => {}
        }
    }
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    let silent = texts.is_empty() && (!calls.is_empty() || !refusal.is_empty());
    message.insert("content".into(), if silent { Value::Null } else { texts.into() });
    message.insert("refusal".into(), if refusal.is_empty() { Value::Null } else { refusal.into() });
    if !reasoning.is_empty() {
        message.insert("reasoning_content".into(), reasoning.into());
    }
    let is_legacy = legacy::is_legacy(&response.echo);
    if is_legacy {
        // There is one: the request did not let the model call several at once.
        if let Some(function) = calls.first().and_then(|call| call.get("function")) {
            message.insert("function_call".into(), function.clone());
        }
    } else if !calls.is_empty() {
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
            "finish_reason": legacy::reason(response.finish, is_legacy),
        }]),
    );
    if let Some(usage) = &response.usage {
        root.insert("usage".into(), usage::write(usage));
    }
    root.into()
}
