//! OpenAI's chat completions and model list, after the types of its official SDK.

use http::HeaderMap;
use serde_json::{Value, json};

use super::answer::{Answer, Ask, Content, LastTurn, Tool, Usage};
use super::api::{Api, Event, Events, Refusal, characters, named_schema, read_flag, read_model, text_of};

/// Where servers of this API that show their reasoning put it; OpenAI's own does not.
const REASONING: &str = "reasoning_content";
/// Time of creation that every object reports: fixed, so that equal requests give equal answers.
pub(super) const CREATED: u64 = 1_767_225_600;

/// Chat completions.
pub(crate) struct ChatCompletions;

impl Api for ChatCompletions {
    fn path(&self) -> &'static str {
        "/chat/completions"
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        // Azure's servers take a key there, and refuse both.
        if headers.get("api-key").is_some_and(|key| !key.is_empty()) && !headers.contains_key("authorization") {
            return Ok(());
        }
        let value = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match value.strip_prefix("Bearer ") {
            Some(credential) if !credential.is_empty() => Ok(()),
            _ => Err(Refusal::unauthorized(
                "You didn't provide an API key in an Authorization header using Bearer auth.",
            )),
        }
    }

    fn read(&self, _path: &str, body: &Value) -> Result<Ask, Refusal> {
        let model = read_model(body)?;
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = messages.ok_or_else(|| Refusal::invalid("messages", "messages must be a non-empty array"))?;
        Ok(Ask {
            model,
            stream: read_flag(body, "stream")?,
            include_usage: read_flag(&body["stream_options"], "include_usage")?,
            last_turn: last_turn(messages)?,
            forced_tool: forced_tool(body)?,
            schema: schema(&body["response_format"])?,
            input_characters: characters(&body["messages"]) + characters(&body["tools"]),
            max_tokens: body["max_completion_tokens"].as_u64().or_else(|| body["max_tokens"].as_u64()),
            repeated: Value::Null,
        })
    }

    fn whole(&self, answer: &Answer) -> Value {
        let mut message = match &answer.content {
            Content::Text(text) => json!({"role": "assistant", "content": text, "refusal": null, "annotations": []}),
            Content::ToolCall { id, name, arguments } => json!({
                "role": "assistant", "content": null, "refusal": null,
                "tool_calls": [{"id": call_id(id), "type": "function",
                                "function": {"name": name, "arguments": arguments.to_string()}}],
            }),
        };
        if let Some(reasoning) = &answer.reasoning {
            message[REASONING] = reasoning.as_str().into();
        }
        json!({
            "id": format!("chatcmpl-{}", answer.id), "object": "chat.completion", "created": CREATED, "model": answer.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(answer)}],
            "usage": usage(answer.usage), "service_tier": "default", "system_fingerprint": "fp_weir_demo",
        })
    }

    fn events(&self, answer: &Answer, pieces: &[String], include_usage: bool) -> Events {
        let choice = |delta: Value, finish_reason: Value| {
            let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]);
            chunk(answer, choices, include_usage.then_some(Value::Null))
        };
        let opening = match &answer.content {
            Content::Text(_) => json!({"role": "assistant", "content": "", "refusal": null}),
            Content::ToolCall { id, name, .. } => json!({
                "role": "assistant", "content": null,
                "tool_calls": [{"index": 0, "id": call_id(id), "type": "function",
                                "function": {"name": name, "arguments": ""}}],
            }),
        };
        let reasoned = answer.reasoning.as_deref().unwrap_or_default().split_inclusive(' ');
        let reasoning = reasoned.map(|piece| json!({REASONING: piece}));
        let piece = |piece: &String| match &answer.content {
            Content::Text(_) => json!({"content": piece}),
            Content::ToolCall { .. } => json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
        };
        let mut closing = vec![choice(json!({}), finish_reason(answer).into())];
        if include_usage {
            closing.push(chunk(answer, json!([]), Some(usage(answer.usage))));
        }
        closing.push(Event { name: None, data: "[DONE]".into() });
        Events {
            opening: std::iter::once(opening).chain(reasoning).map(|delta| choice(delta, Value::Null)).collect(),
            content: pieces.iter().map(|text| choice(piece(text), Value::Null)).collect(),
            closing,
        }
    }

    fn error(&self, refusal: &Refusal) -> Value {
        let (kind, code) = match refusal.status {
            401 => ("invalid_request_error", json!("invalid_api_key")),
            404 => ("invalid_request_error", json!("model_not_found")),
            429 => ("requests", json!("rate_limit_exceeded")),
            500.. => ("server_error", Value::Null),
            _ => ("invalid_request_error", Value::Null),
        };
        json!({"error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": code}})
    }

    fn model(&self, id: &str) -> Value {
        json!({"id": id, "object": "model", "created": CREATED, "owned_by": "weir-demo"})
    }

    fn models(&self, ids: &[&str]) -> Value {
        json!({"object": "list", "data": ids.iter().map(|id| self.model(id)).collect::<Vec<_>>()})
    }

    fn overloaded(&self) -> Refusal {
        let message = "The server is currently overloaded with other requests.".into();
        Refusal { status: 503, message, param: None }
    }

    fn error_event(&self, _sent: usize) -> Event {
        Event { name: None, data: self.error(&self.overloaded()).to_string() }
    }
}

/// The last user text or tool result; refuses roles and tool results that the real API refuses.
fn last_turn(messages: &[Value]) -> Result<LastTurn, Refusal> {
    let mut turn = LastTurn::User(String::new());
    let mut open_calls: Vec<&str> = Vec::new();
    for message in messages {
        match message["role"].as_str() {
            Some("user") => turn = LastTurn::User(text_of(&message["content"])),
            Some("system" | "developer") => {}
            Some("assistant") => {
                let calls = message["tool_calls"].as_array().into_iter().flatten();
                open_calls = calls.filter_map(|call| call["id"].as_str()).collect();
            }
            Some("tool") => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                if !open_calls.contains(&id) {
                    let reason = "messages with role 'tool' must answer a preceding message with 'tool_calls'";
                    return Err(Refusal::invalid("messages", reason));
                }
                turn = LastTurn::ToolResult(text_of(&message["content"]));
            }
            _ => return Err(Refusal::invalid("messages", "unknown role in messages")),
        }
    }
    Ok(turn)
}

/// The schema that the answer is to have.
fn schema(format: &Value) -> Result<Option<Value>, Refusal> {
    match format["type"].as_str() {
        None if format.is_null() => Ok(None),
        Some("text" | "json_object") => Ok(None),
        Some("json_schema") => named_schema(&format["json_schema"], "response_format.json_schema").map(Some),
        _ => Err(Refusal::invalid("response_format", "invalid response_format")),
    }
}

fn forced_tool(body: &Value) -> Result<Option<Tool>, Refusal> {
    let choice = &body["tool_choice"];
    let wanted = match choice.as_str() {
        Some("required") => None,
        Some("auto" | "none") => return Ok(None),
        Some(_) => return Err(Refusal::invalid("tool_choice", "invalid tool_choice")),
        None if choice.is_null() => return Ok(None),
        None => Some(choice["function"]["name"].as_str().unwrap_or_default()),
    };
    let tools = body["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]);
    let mut matching = tools.filter(|tool| wanted.is_none_or(|name| tool["name"] == name));
    let tool =
        matching.next().ok_or_else(|| Refusal::invalid("tool_choice", "tool_choice names no tool of 'tools'"))?;
    let name = tool["name"].as_str().unwrap_or_default().to_owned();
    Ok(Some(Tool { name, schema: tool["parameters"].clone() }))
}

/// `usage` is a field of every chunk where the request asked for it, null except in the last.
fn chunk(answer: &Answer, choices: Value, usage: Option<Value>) -> Event {
    let mut chunk = json!({
        "id": format!("chatcmpl-{}", answer.id), "object": "chat.completion.chunk", "created": CREATED,
        "model": answer.model, "service_tier": "default", "system_fingerprint": "fp_weir_demo", "choices": choices,
    });
    if let Some(usage) = usage {
        chunk["usage"] = usage;
    }
    Event { name: None, data: chunk.to_string() }
}

fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens(), "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.content {
        Content::ToolCall { .. } => "tool_calls",
        Content::Text(_) if answer.cut => "length",
        Content::Text(_) => "stop",
    }
}

pub(super) fn call_id(id: &str) -> String {
    format!("call_{id}")
}
