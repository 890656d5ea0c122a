use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::finish::{Reason, failed, reason_of, word_of};
use super::part::{Calls, read_part};
use super::usage;
use crate::chat::{Echo, Finish, Other, Part, Response};
use crate::error::RequestError;
use crate::node::Node;

/// Reads a whole answer: of its candidates the first. A prompt that the provider blocked has none, and says so beside them.
pub(super) fn read_response(root: &Node<'_>) -> Result<Response, RequestError> {
    let label = |name: &str| root.get(name).and_then(|node| node.value().as_str()).unwrap_or_default().to_owned();
    let id = label("responseId");
    let mut response = Response {
        model: label("modelVersion"),
        created_unix_s: 0,
        parts: Vec::new(),
        finish: Finish::ContentFilter,
        stop_sequence: None,
        usage: root.get("usageMetadata").and_then(|node| usage::read(node.value())),
        echo: Echo::default(),
        others: Vec::new(),
        id,
    };
    let candidates = root.get("candidates").map(|node| node.items_but_null()).transpose()?.unwrap_or_default();
    let first = candidates.iter().find(|one| one.get("index").is_none_or(|index| index.value() == 0));
    let Some(candidate) = first.or(candidates.first()) else {
        return if is_blocked(root) { Ok(response) } else { Err(root.error("a candidate is required")) };
    };
    candidate.others(&["index", "content", "finishReason"], &mut response.others);
    let word = candidate.get("finishReason").and_then(|reason| reason.value().as_str()).unwrap_or_default();
    let reason = reason_of(word);
    if reason == Reason::Failed {
        return Err(candidate.error(&failed(word).message));
    }
    if let Some(content) = candidate.get("content") {
        response.parts = read_content(&content, &response.id, &mut response.others)?;
    }
    let called = response.parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    // A whole answer has ended, also where it does not say why.
    let plain = if called { Finish::ToolCalls } else { Finish::Stop };
    response.finish = reason.finish(called).unwrap_or(plain);
    Ok(response)
}

/// Whether the provider did not let the model see the prompt.
fn is_blocked(root: &Node<'_>) -> bool {
    root.get("promptFeedback").is_some_and(|feedback| feedback.get("blockReason").is_some())
}

/// What the model said. A part that is not known is passed over, as it is in a stream, and noted.
fn read_content(content: &Node<'_>, id: &str, others: &mut Vec<Other>) -> Result<Vec<Part>, RequestError> {
    let Some(listed) = content.get("parts") else { return Ok(Vec::new()) };
    let mut calls = Calls::new(format!("call_{id}_"));
    let mut parts = Vec::new();
    for part in listed.items_but_null()? {
        match read_part(&part, &mut calls, others)? {
            Part::Text(text) if text.is_empty() => {}
            said @ (Part::Text(_) | Part::ToolCall(_) | Part::Thinking { .. }) => parts.push(said),
            _ => others.push(Other { path: part.path().to_owned(), value: part.value().clone() }),
        }
    }
    Ok(parts)
}

/// Writes a whole answer. Thoughts are told to who asked for them, without a signature: it is another provider's, if there is one. Calls
/// are marked as another model's, so that a client that sends them back is not refused where this vendor answers next.
pub(super) fn write_response(response: &Response) -> Value {
    let wants_thoughts = wants_thoughts(&response.echo);
    let mut parts: Vec<Value> = response.parts.iter().filter_map(|part| write_part(part, wants_thoughts)).collect();
    if let Some(first) = parts.iter_mut().find(|part| part.get("functionCall").is_some()) {
        mark_unsigned(first);
    }
    let mut root = Map::new();
    root.insert(
        "candidates".into(),
        json!([{
            "content": {"parts": parts, "role": "model"},
            "finishReason": word_of(response.finish),
            "index": 0,
        }]),
    );
    if let Some(usage) = &response.usage {
        root.insert("usageMetadata".into(), usage::write(usage));
    }
    root.insert("modelVersion".into(), response.model.as_str().into());
    root.insert("responseId".into(), response.id.as_str().into());
    root.into()
}

fn write_part(part: &Part, wants_thoughts: bool) -> Option<Value> {
    match part {
        Part::Text(text) | Part::Refusal(text) => (!text.is_empty()).then(|| json!({"text": text})),
        Part::Thinking { text, .. } => {
            (wants_thoughts && !text.is_empty()).then(|| json!({"text": text, "thought": true}))
        }
        Part::ToolCall(call) => Some(write_call(&call.id, &call.name, &call.arguments)),
        Part::RedactedThinking(_)
        | Part::Image(_)
        | Part::Document(_)
        | Part::Audio(_)
        | Part::Unknown(_)
        | Part::ToolResult(_) => None,
    }
}

/// A call of a tool. An id that the provider gave comes back with the result.
pub(super) fn write_call(id: &str, name: &str, arguments: &str) -> Value {
    let mut call = Map::new();
    if !id.is_empty() {
        call.insert("id".into(), id.into());
    }
    call.insert("name".into(), name.into());
    call.insert("args".into(), arguments_of(arguments));
    json!({"functionCall": call})
}

/// What stands for the signature of a call that another provider's model made (ai.google.dev, "Thought signatures", FAQ).
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Marks a call as another model's: this vendor's models refuse one that has no signature. Of calls made at once only the first has one.
pub(super) fn mark_unsigned(call: &mut Value) {
    if let Some(part) = call.as_object_mut() {
        part.insert("thoughtSignature".into(), NO_SIGNATURE.into());
    }
}

/// The arguments of a call as the object that the schema wants. Nothing and `null` mean no arguments. Where the model wrote something else
/// than an object, that is to be seen, and not an empty call.
pub(super) fn arguments_of(arguments: &str) -> Value {
    if matches!(arguments.trim(), "" | "null") {
        return json!({});
    }
    let object = crate::json::parse::<Value>(arguments).ok().filter(Value::is_object);
    object.unwrap_or_else(|| json!({"invalid_json": arguments}))
}

/// The fields of a request that say how its answer is written, in either spelling.
pub(super) const ECHOED: &[&str] = &["generationConfig", "generation_config"];

/// Whether a request asked to see thoughts.
pub(super) fn wants_thoughts(echo: &Echo) -> bool {
    let settings = ECHOED.iter().find_map(|name| echo.get(name));
    let field = |value: &Value, names: [&str; 2]| names.iter().find_map(|name| value.get(*name)).cloned();
    let config = settings.and_then(|settings| field(settings, ["thinkingConfig", "thinking_config"]));
    config.and_then(|config| field(&config, ["includeThoughts", "include_thoughts"])) == Some(Value::Bool(true))
}

/// The text of a call's arguments; `None`: it has none.
pub(super) fn arguments_text(arguments: Option<&RawValue>) -> Option<&str> {
    arguments.map(RawValue::get).filter(|arguments| !matches!(arguments.trim(), "" | "null" | "{}"))
}
