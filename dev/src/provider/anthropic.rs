//! Anthropic's messages and model list, after the types of its official SDK.

use http::HeaderMap;
use serde_json::{Value, json};

use super::answer::{Answer, Ask, Content, LastTurn, Tool, Usage, stable_letters, tokens};
use super::api::{Api, Event, Events, Refusal, characters, read_flag, read_model, text_of};

/// Messages.
pub(crate) struct Messages;

impl Api for Messages {
    fn path(&self) -> &'static str {
        "/messages"
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let has = |name: &str| headers.get(name).is_some_and(|value| !value.is_empty());
        if !has("x-api-key") && !has("authorization") {
            return Err(Refusal::unauthorized("x-api-key header is required"));
        }
        if !has("anthropic-version") {
            return Err(Refusal::invalid("anthropic-version", "anthropic-version: header is required"));
        }
        Ok(())
    }

    fn read(&self, _path: &str, body: &Value) -> Result<Ask, Refusal> {
        let model = read_model(body)?;
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages =
            messages.ok_or_else(|| Refusal::invalid("messages", "messages: at least one message is required"))?;
        let max_tokens = body["max_tokens"].as_u64().filter(|limit| *limit > 0);
        let max_tokens = max_tokens.ok_or_else(|| Refusal::invalid("max_tokens", "max_tokens: Field required"))?;
        Ok(Ask {
            model,
            stream: read_flag(body, "stream")?,
            include_usage: true,
            last_turn: last_turn(messages)?,
            forced_tool: forced_tool(body)?,
            schema: schema(body)?,
            input_characters: characters(&body["system"]) + characters(&body["messages"]) + characters(&body["tools"]),
            max_tokens: Some(max_tokens),
            repeated: Value::Null,
        })
    }

    fn counts_at(&self, path: &str) -> bool {
        path == "/messages/count_tokens"
    }

    fn count(&self, _path: &str, body: &Value) -> Result<Value, Refusal> {
        const TAKEN: [&str; 8] =
            ["model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"];
        let mut fields = body.as_object().into_iter().flat_map(|fields| fields.keys());
        if let Some(other) = fields.find(|name| !TAKEN.contains(&name.as_str())) {
            return Err(Refusal::invalid("body", format!("{other}: Extra inputs are not permitted")));
        }
        let mut message = body.clone();
        message["max_tokens"] = 1.into();
        Ok(json!({"input_tokens": tokens(self.read("", &message)?.input_characters)}))
    }

    fn whole(&self, answer: &Answer) -> Value {
        let content = match &answer.content {
            Content::Text(text) => json!({"type": "text", "text": text}),
            Content::ToolCall { id, name, arguments } => {
                json!({"type": "tool_use", "id": call_id(id), "name": name, "input": arguments})
            }
        };
        let thinking = answer
            .reasoning
            .as_ref()
            .map(|text| json!({"type": "thinking", "thinking": text, "signature": signature(text)}));
        let blocks: Vec<Value> = thinking.into_iter().chain([content]).collect();
        started(message(answer, blocks.into(), stop_reason(answer).into(), answer.usage), answer.usage)
    }

    fn events(&self, answer: &Answer, pieces: &[String], _include_usage: bool) -> Events {
        let empty_block = match &answer.content {
            Content::Text(_) => json!({"type": "text", "text": ""}),
            Content::ToolCall { id, name, .. } => {
                json!({"type": "tool_use", "id": call_id(id), "name": name, "input": {}})
            }
        };
        let delta = |piece: &String| match &answer.content {
            Content::Text(_) => json!({"type": "text_delta", "text": piece}),
            Content::ToolCall { .. } => json!({"type": "input_json_delta", "partial_json": piece}),
        };
        // The start reports the input and one token of output; the delta at the end has the cumulative truth.
        let at_start = Usage { output_tokens: 1, ..answer.usage };
        let start = started(message(answer, json!([]), Value::Null, at_start), at_start);
        let mut opening = vec![event("message_start", json!({"type": "message_start", "message": start}))];
        opening.extend(thought(answer));
        let at = u8::from(answer.reasoning.is_some());
        opening.push(block_event("content_block_start", at, "content_block", empty_block));
        opening.push(event("ping", json!({"type": "ping"})));
        Events {
            opening,
            content: pieces.iter().map(|piece| block_event("content_block_delta", at, "delta", delta(piece))).collect(),
            closing: vec![
                event("content_block_stop", json!({"type": "content_block_stop", "index": at})),
                event(
                    "message_delta",
                    json!({"type": "message_delta", "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
                           "usage": usage(answer.usage)}),
                ),
                event("message_stop", json!({"type": "message_stop"})),
            ],
        }
    }

    fn error(&self, refusal: &Refusal) -> Value {
        let kind = match refusal.status {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        json!({"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": "req_weir_demo"})
    }

    fn model(&self, id: &str) -> Value {
        json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z",
               "lifecycle": "active", "capabilities": null, "line": null})
    }

    fn models(&self, ids: &[&str]) -> Value {
        json!({"data": ids.iter().map(|id| self.model(id)).collect::<Vec<_>>(),
               "has_more": false, "first_id": ids.first(), "last_id": ids.last()})
    }

    fn overloaded(&self) -> Refusal {
        Refusal { status: 529, message: "Overloaded".into(), param: None }
    }

    fn error_event(&self, _sent: usize) -> Event {
        event("error", self.error(&self.overloaded()))
    }
}

/// The last user text or tool result; refuses roles and tool results that the real API refuses.
fn last_turn(messages: &[Value]) -> Result<LastTurn, Refusal> {
    let mut turn = LastTurn::User(String::new());
    let mut open_calls: Vec<&str> = Vec::new();
    for message in messages {
        match message["role"].as_str() {
            Some("assistant") => open_calls = blocks(message, "tool_use").filter_map(|it| it["id"].as_str()).collect(),
            Some("user") => {
                let mut result = None;
                for block in blocks(message, "tool_result") {
                    if !open_calls.contains(&block["tool_use_id"].as_str().unwrap_or_default()) {
                        let reason = "messages: each `tool_result` block must have a `tool_use` block in the \
                                      previous message";
                        return Err(Refusal::invalid("messages", reason));
                    }
                    result = Some(text_of(&block["content"]));
                }
                turn = match result {
                    Some(text) => LastTurn::ToolResult(text),
                    None => LastTurn::User(text_of(&message["content"])),
                };
            }
            _ => {
                let reason = "messages: Unexpected role. The Messages API accepts \"user\" and \"assistant\"";
                return Err(Refusal::invalid("messages", reason));
            }
        }
    }
    Ok(turn)
}

fn blocks<'a>(message: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    message["content"].as_array().into_iter().flatten().filter(move |block| block["type"] == kind)
}

/// The schema that the answer is to have; the real API takes none whose objects are open.
fn schema(body: &Value) -> Result<Option<Value>, Refusal> {
    let format = &body["output_config"]["format"];
    if format.is_null() {
        return Ok(None);
    }
    if format["type"] != "json_schema" || !format["schema"].is_object() {
        return Err(Refusal::invalid("output_config.format", "output_config.format: Input should be a JSON schema"));
    }
    if has_open_object(&format["schema"]) {
        let reason =
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false";
        return Err(Refusal::invalid("output_config.format", reason));
    }
    Ok(Some(format["schema"].clone()))
}

fn has_open_object(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            fields.get("type").is_some_and(|kind| kind == "object") && schema["additionalProperties"] != false
                || fields.values().any(has_open_object)
        }
        Value::Array(items) => items.iter().any(has_open_object),
        _ => false,
    }
}

fn forced_tool(body: &Value) -> Result<Option<Tool>, Refusal> {
    let choice = &body["tool_choice"];
    let wanted = match choice["type"].as_str() {
        None if choice.is_null() => return Ok(None),
        Some("auto" | "none") => return Ok(None),
        Some("any") => None,
        Some("tool") => Some(choice["name"].as_str().unwrap_or_default()),
        _ => return Err(Refusal::invalid("tool_choice", "tool_choice: invalid type")),
    };
    let tools = body["tools"].as_array().into_iter().flatten();
    let mut matching = tools.filter(|tool| wanted.is_none_or(|name| tool["name"] == name));
    let tool = matching
        .next()
        .ok_or_else(|| Refusal::invalid("tool_choice", "tool_choice: the tool is not among the provided tools"))?;
    let name = tool["name"].as_str().unwrap_or_default().to_owned();
    Ok(Some(Tool { name, schema: tool["input_schema"].clone() }))
}

/// The events of the block that holds the thoughts, which comes first.
fn thought(answer: &Answer) -> Vec<Event> {
    let Some(text) = &answer.reasoning else { return Vec::new() };
    let delta = |delta: Value| block_event("content_block_delta", 0, "delta", delta);
    let empty = json!({"type": "thinking", "thinking": "", "signature": ""});
    let mut events = vec![block_event("content_block_start", 0, "content_block", empty)];
    let pieces = text.split_inclusive(' ');
    events.extend(pieces.map(|piece| delta(json!({"type": "thinking_delta", "thinking": piece}))));
    events.push(delta(json!({"type": "signature_delta", "signature": signature(text)})));
    events.push(event("content_block_stop", json!({"type": "content_block_stop", "index": 0})));
    events
}

/// By it the real provider knows its own thoughts when they come back.
fn signature(thought: &str) -> String {
    format!("EqQB{}", stable_letters(thought))
}

fn block_event(name: &'static str, index: u8, field: &str, value: Value) -> Event {
    event(name, json!({"type": name, "index": index, field: value}))
}

fn event(name: &'static str, data: Value) -> Event {
    Event { name: Some(name), data: data.to_string() }
}

fn message(answer: &Answer, content: Value, stop_reason: Value, spent: Usage) -> Value {
    json!({
        "id": format!("msg_{}", answer.id), "type": "message", "role": "assistant", "model": answer.model,
        "content": content, "stop_reason": stop_reason, "stop_sequence": null, "usage": usage(spent),
    })
}

/// Whole answers and the start of a stream say for how long something was written to the cache.
fn started(mut message: Value, usage: Usage) -> Value {
    message["usage"]["cache_creation"] = json!({
        "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
        "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
    });
    message
}

/// Anthropic's `input_tokens` leave out what was read from the cache or written to it.
fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens.saturating_sub(usage.cached_input_tokens + usage.cache_write_tokens()),
        "cache_creation_input_tokens": usage.cache_write_tokens(),
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    })
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.content {
        Content::ToolCall { .. } => "tool_use",
        Content::Text(_) if answer.cut => "max_tokens",
        Content::Text(_) => "end_turn",
    }
}

fn call_id(id: &str) -> String {
    format!("toolu_{id}")
}
