use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::items::{
    Of, Status, read_item, write_call, write_message, write_output_text, write_reasoning, write_refusal,
};
use super::usage;
use crate::chat::{Echo, Finish, Part, Response};
use crate::error::RequestError;
use crate::node::Node;

/// What the id of an answer begins with.
pub(super) const ID_PREFIX: &str = "resp_";

/// Fails on an answer that has not come to an end, or to a bad one.
pub(super) fn read_response(root: &Node<'_>) -> Result<Response, RequestError> {
    if let Some(status) = root.get("status")
        && !matches!(status.str()?, "completed" | "incomplete")
    {
        return Err(status.error("the answer is neither complete nor incomplete"));
    }
    let mut others = Vec::new();
    let mut parts = Vec::new();
    for item in root.required("output")?.items_but_null()? {
        parts.append(&mut read_item(&item, Of::Answer, &mut others)?.1);
    }
    let label = |name: &str| root.get(name).and_then(|node| node.value().as_str()).unwrap_or_default().to_owned();
    let id = label("id");
    let mut ids = BTreeSet::new();
    for (index, part) in parts.iter_mut().enumerate() {
        // A result could not say which of two calls it answers.
        if let Part::ToolCall(call) = part
            && (call.id.is_empty() || !ids.insert(call.id.clone()))
        {
            call.id = made_id("call", &id, index);
        }
    }
    let called = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    Ok(Response {
        echo: Echo::default(),
        model: label("model"),
        created_unix_s: root.get("created_at").map_or(0, |node| seconds(node.value())),
        parts,
        finish: finish_of(root.value(), called),
        stop_sequence: None,
        usage: root.get("usage").and_then(|node| usage::read(node.value())),
        others,
        id,
    })
}

/// Whole seconds; the types of the API allow for fractions.
pub(super) fn seconds(time: &Value) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a time out of range is the nearest one in it")]
    time.as_i64().or_else(|| time.as_f64().map(|time| time as i64)).unwrap_or(0)
}

/// Why the answer ended. One that broke off for a reason that is not known is no whole one.
pub(super) fn finish_of(response: &Value, called: bool) -> Finish {
    let is_incomplete = response.get("status").is_some_and(|status| status == "incomplete");
    let reason = response.get("incomplete_details").and_then(|details| details.get("reason")).and_then(Value::as_str);
    match (is_incomplete, reason) {
        (true, Some("content_filter")) => Finish::ContentFilter,
        (true, _) => Finish::Length,
        (false, _) if called => Finish::ToolCalls,
        (false, _) => Finish::Stop,
    }
}

/// Writes the answer. What the model declined to say, or said in several texts, are parts of one message.
pub(super) fn write_response(response: &Response) -> Value {
    let id = match response.id.strip_prefix(ID_PREFIX) {
        Some(_) => response.id.clone(),
        None => format!("{ID_PREFIX}{}", response.id),
    };
    let broke_off = matches!(response.finish, Finish::Length | Finish::ContentFilter);
    let mut output: Vec<Value> = Vec::new();
    let mut message: Vec<Value> = Vec::new();
    let close = |message: &mut Vec<Value>, output: &mut Vec<Value>, status| {
        if !message.is_empty() {
            output.push(write_message(&made_id("msg", &id, output.len()), status, std::mem::take(message)));
        }
    };
    for part in &response.parts {
        match part {
            Part::Text(text) if !text.is_empty() => message.push(write_output_text(text)),
            Part::Refusal(text) if !text.is_empty() => message.push(write_refusal(text)),
            Part::ToolCall(call) => {
                close(&mut message, &mut output, Status::Completed);
                let arguments = or_empty_object(&call.arguments);
                let item_id = made_id("fc", &id, output.len());
                output.push(write_call(&item_id, Status::Completed, &call.id, &call.name, arguments));
            }
            Part::Thinking { text, signature } => {
                close(&mut message, &mut output, Status::Completed);
                output.push(write_reasoning(&made_id("rs", &id, output.len()), text, signature.as_deref()));
            }
            Part::RedactedThinking(data) => {
                close(&mut message, &mut output, Status::Completed);
                output.push(write_reasoning(&made_id("rs", &id, output.len()), "", Some(data)));
            }
            Part::Text(_)
            | Part::Refusal(_)
            | Part::Image(_)
            | Part::Document(_)
            | Part::Audio(_)
            | Part::ToolResult(_)
            | Part::Unknown(_) => {}
        }
    }
    close(&mut message, &mut output, if broke_off { Status::Incomplete } else { Status::Completed });
    let ended = Ended::Well(response.finish);
    write_outline(
        &id,
        response.created_unix_s,
        &response.model,
        ended,
        output,
        response.usage.as_ref().map(usage::write),
        &response.echo,
    )
}

/// What a response says of its end.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    NotYet,
    Well(Finish),
    /// With this error.
    Badly(Value),
}

/// What a response says once more of its request.
pub(super) const ECHOED: &[&str] = &[
    "instructions",
    "max_output_tokens",
    "metadata",
    "parallel_tool_calls",
    "reasoning",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
    "user",
];

/// A response. What of its request is not known, or was not said, has the value that stands for it, since clients' types want the
/// fields.
pub(super) fn write_outline(
    id: &str,
    created_unix_s: i64,
    model: &str,
    ended: Ended,
    output: Vec<Value>,
    usage: Option<Value>,
    echo: &Echo,
) -> Value {
    let (status, reason, error) = match ended {
        Ended::NotYet => ("in_progress", None, Value::Null),
        Ended::Well(Finish::Stop | Finish::StopSequence | Finish::ToolCalls) => ("completed", None, Value::Null),
        Ended::Well(Finish::Length) => ("incomplete", Some("max_output_tokens"), Value::Null),
        Ended::Well(Finish::ContentFilter) => ("incomplete", Some("content_filter"), Value::Null),
        Ended::Badly(error) => ("failed", None, error),
    };
    let mut outline = json!({
        "id": id,
        "object": "response",
        "created_at": created_unix_s,
        "status": status,
        "background": false,
        "error": error,
        "incomplete_details": reason.map(|reason| json!({"reason": reason})),
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "model": model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "store": false,
        "temperature": null,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "truncation": "disabled",
        "usage": usage,
        "user": null,
    });
    for name in ECHOED {
        if let (Some(known), Some(said)) = (outline.get_mut(*name), echo.get(name)) {
            merge(known, said);
        }
    }
    outline
}

/// Puts what was said in the place of what stands for it; of an object only the members that were said.
fn merge(known: &mut Value, said: &Value) {
    match (known, said) {
        (Value::Object(known), Value::Object(said)) => {
            known.extend(said.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        (known, said) => *known = said.clone(),
    }
}

/// The id of an item of an answer, or of a call: unique wherever the answer's own is.
pub(super) fn made_id(kind: &str, response_id: &str, index: usize) -> String {
    let unique = response_id.strip_prefix(ID_PREFIX).unwrap_or(response_id);
    format!("{kind}_{unique}_{index}")
}

/// Clients parse the arguments of a call: none are an empty object.
pub(super) fn or_empty_object(arguments: &str) -> &str {
    if arguments.trim().is_empty() { "{}" } else { arguments }
}
