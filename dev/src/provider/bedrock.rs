//! Amazon Bedrock's Converse and ConverseStream, after botocore's model of the service. The model stands in the path, and an answer
//! streams in binary messages. A request's turns are checked as Anthropic's are, whose rules they share.

use flate2::Crc;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Ask, Content, Usage, stable_letters, tokens};
use super::anthropic::Messages;
use super::api::{Api, Event, Events, Refusal};

const WHOLE: &str = "/converse";
const STREAMED: &str = "/converse-stream";
const COUNTED: &str = "/count-tokens";

/// What a request may say; the real service passes over the rest, which would hide a wrong name.
const FIELDS: [&str; 6] =
    ["messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields", "outputConfig"];

/// Converse.
pub(crate) struct Converse;

impl Api for Converse {
    fn path(&self) -> &'static str {
        "/model/"
    }

    fn is_at(&self, path: &str) -> bool {
        path.starts_with(self.path()) && (path.ends_with(WHOLE) || path.ends_with(STREAMED))
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let shown = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match shown.starts_with("Bearer ") || shown.starts_with("AWS4-HMAC-SHA256 ") {
            true => Ok(()),
            false => Err(Refusal { status: 403, message: "Missing Authentication Token".into(), param: None }),
        }
    }

    fn read(&self, path: &str, body: &Value) -> Result<Ask, Refusal> {
        if let Some(unknown) =
            body.as_object().and_then(|fields| fields.keys().find(|name| !FIELDS.contains(&name.as_str())))
        {
            return Err(Refusal::invalid("body", format!("extraneous key [{unknown}] is not permitted")));
        }
        let messages = body["messages"].as_array().cloned().unwrap_or_default();
        let turns = messages.iter().map(|message| message["role"].as_str()).collect::<Vec<_>>();
        if turns.windows(2).any(|pair| pair[0] == pair[1]) || turns.first() != Some(&Some("user")) {
            let message =
                "A conversation must alternate between user and assistant roles, and start with a user message.";
            return Err(Refusal::invalid("messages", message));
        }
        let has_calls = messages.iter().flat_map(blocks).any(|block| !block["toolUse"].is_null());
        if has_calls && body["toolConfig"]["tools"].as_array().is_none_or(Vec::is_empty) {
            let message = "The toolConfig field must be defined when using toolUse and toolResult content blocks.";
            return Err(Refusal::invalid("toolConfig", message));
        }
        let mut ask = Messages.read("", &as_messages(path, body)?)?;
        ask.stream = path.ends_with(STREAMED);
        ask.max_tokens = body["inferenceConfig"]["maxTokens"].as_u64();
        ask.model = model_of(path);
        Ok(ask)
    }

    fn counts_at(&self, path: &str) -> bool {
        path.starts_with(self.path()) && path.ends_with(COUNTED)
    }

    fn count(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        let asked = self.read(path, &body["input"]["converse"])?;
        Ok(json!({"inputTokens": tokens(asked.input_characters)}))
    }

    fn whole(&self, answer: &Answer) -> Value {
        let thought = answer.reasoning.as_ref().map(
            |text| json!({"reasoningContent": {"reasoningText": {"text": text, "signature": stable_letters(text)}}}),
        );
        let content = match &answer.content {
            Content::Text(text) => json!({"text": text}),
            Content::ToolCall { id, name, arguments } => {
                json!({"toolUse": {"toolUseId": call_id(id), "name": name, "input": arguments}})
            }
        };
        let blocks: Vec<Value> = thought.into_iter().chain([content]).collect();
        json!({
            "output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": stop_reason(answer),
            "usage": usage(answer.usage), "metrics": {"latencyMs": 7},
        })
    }

    fn events(&self, answer: &Answer, pieces: &[String], _include_usage: bool) -> Events {
        let mut opening = vec![event("messageStart", json!({"role": "assistant", "p": "abcdefghijk"}))];
        if let Some(text) = &answer.reasoning {
            let pieces = text.split_inclusive(' ').map(|text| json!({"text": text}));
            let pieces = pieces.chain([json!({"signature": stable_letters(text)})]);
            opening.extend(pieces.map(|piece| delta(0, json!({"reasoningContent": piece}))));
            opening.push(event("contentBlockStop", json!({"contentBlockIndex": 0})));
        }
        let at = u8::from(answer.reasoning.is_some());
        if let Content::ToolCall { id, name, .. } = &answer.content {
            let start = json!({"toolUse": {"toolUseId": call_id(id), "name": name}});
            opening.push(event("contentBlockStart", json!({"contentBlockIndex": at, "start": start})));
        }
        let said = |piece: &String| match &answer.content {
            Content::Text(_) => delta(at, json!({"text": piece})),
            Content::ToolCall { .. } => delta(at, json!({"toolUse": {"input": piece}})),
        };
        Events {
            opening,
            content: pieces.iter().map(said).collect(),
            closing: vec![
                event("contentBlockStop", json!({"contentBlockIndex": at})),
                event("messageStop", json!({"stopReason": stop_reason(answer)})),
                event("metadata", json!({"usage": usage(answer.usage), "metrics": {"latencyMs": 7}})),
            ],
        }
    }

    fn content_type(&self) -> &'static str {
        "application/vnd.amazon.eventstream"
    }

    fn encode(&self, event: &Event, _line_end: &str) -> Vec<u8> {
        message(event.name.unwrap_or_default(), event.data.as_bytes())
    }

    fn error(&self, refusal: &Refusal) -> Value {
        json!({"message": refusal.message})
    }

    fn overloaded(&self) -> Refusal {
        Refusal { status: 503, message: "Too many connections, please wait before trying again.".into(), param: None }
    }

    fn error_event(&self, _sent: usize) -> Event {
        event("serviceUnavailableException", self.error(&self.overloaded()))
    }

    fn model(&self, id: &str) -> Value {
        json!({"modelId": id})
    }

    fn models(&self, ids: &[&str]) -> Value {
        json!({"modelSummaries": ids.iter().map(|id| self.model(id)).collect::<Vec<_>>()})
    }
}

/// A message of the stream: lengths and their checksum, headers, payload, checksum of all that.
fn message(name: &str, payload: &[u8]) -> Vec<u8> {
    let (kind, field) = match name.ends_with("Exception") {
        true => ("exception", ":exception-type"),
        false => ("event", ":event-type"),
    };
    let mut headers = Vec::new();
    for (name, value) in [(field, name), (":content-type", "application/json"), (":message-type", kind)] {
        headers.push(u8::try_from(name.len()).unwrap_or_default());
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or_default().to_be_bytes();
    let mut written = length(16 + headers.len() + payload.len()).to_vec();
    written.extend_from_slice(&length(headers.len()));
    written.extend_from_slice(&crc(&written));
    written.extend_from_slice(&headers);
    written.extend_from_slice(payload);
    written.extend_from_slice(&crc(&written));
    written
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

fn event(name: &'static str, data: Value) -> Event {
    Event { name: Some(name), data: data.to_string() }
}

fn delta(at: u8, delta: Value) -> Event {
    event("contentBlockDelta", json!({"contentBlockIndex": at, "delta": delta, "p": "abc"}))
}

/// The model of a path, in which it is one segment.
fn model_of(path: &str) -> String {
    let named = path.trim_start_matches("/model/");
    let (model, _) = named.split_once('/').unwrap_or_default();
    model.replace("%3A", ":").replace("%2F", "/")
}

fn blocks(message: &Value) -> impl Iterator<Item = &Value> {
    message["content"].as_array().into_iter().flatten()
}

/// The same request to Anthropic's API, for a model of any maker.
fn as_messages(path: &str, body: &Value) -> Result<Value, Refusal> {
    let model = model_of(path);
    let maker = ["anthropic.", "amazon.", "meta."].iter().any(|maker| model.contains(maker));
    if !maker {
        return Err(Refusal { status: 400, message: "The provided model identifier is invalid.".into(), param: None });
    }
    let messages = body["messages"].as_array().into_iter().flatten();
    let messages = messages.map(|message| {
        let content = blocks(message).map(as_block).collect::<Result<Vec<_>, _>>()?;
        Ok(json!({"role": message["role"], "content": content}))
    });
    let messages = messages.collect::<Result<Vec<_>, Refusal>>()?;
    let mut asked = Map::new();
    asked.insert("model".into(), "claude-sonnet-5".into());
    asked.insert("max_tokens".into(), 1.into());
    asked.insert("messages".into(), messages.into());
    asked.insert("system".into(), body["system"].clone());
    let tools = body["toolConfig"]["tools"].as_array().into_iter().flatten();
    let tools = tools
        .map(|tool| json!({"name": tool["toolSpec"]["name"], "input_schema": tool["toolSpec"]["inputSchema"]["json"]}));
    asked.insert("tools".into(), tools.collect());
    let choice = &body["toolConfig"]["toolChoice"];
    let choice = if choice["any"].is_object() {
        json!({"type": "any"})
    } else if choice["tool"].is_object() {
        json!({"type": "tool", "name": choice["tool"]["name"]})
    } else {
        Value::Null
    };
    asked.insert("tool_choice".into(), choice);
    let schema = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"];
    if let Some(schema) = schema.as_str() {
        let schema: Value = serde_json::from_str(schema).unwrap_or_default();
        asked.insert("output_config".into(), json!({"format": {"type": "json_schema", "schema": schema}}));
    }
    Ok(asked.into())
}

/// A block has exactly one key.
fn as_block(block: &Value) -> Result<Value, Refusal> {
    let fields = block.as_object().filter(|fields| fields.len() == 1);
    let (name, value) = fields
        .and_then(|fields| fields.iter().next())
        .ok_or_else(|| Refusal::invalid("messages", "The content block must set exactly one of its members."))?;
    match name.as_str() {
        "text" if value.as_str().is_some_and(|text| !text.trim().is_empty()) => {
            Ok(json!({"type": "text", "text": value}))
        }
        "image" if value["source"]["bytes"].is_string() => Ok(json!({"type": "image", "source": value["source"]})),
        "document" if value["name"].is_string() => Ok(json!({"type": "document", "source": value["source"]})),
        "toolUse" if value["input"].is_object() => {
            Ok(json!({"type": "tool_use", "id": value["toolUseId"], "name": value["name"], "input": value["input"]}))
        }
        "toolResult" if value["content"].is_array() => {
            let texts = value["content"].as_array().into_iter().flatten().filter(|block| block["text"].is_string());
            let texts: Vec<Value> = texts.map(|block| json!({"type": "text", "text": block["text"]})).collect();
            Ok(json!({"type": "tool_result", "tool_use_id": value["toolUseId"], "content": texts}))
        }
        _ => Err(Refusal::invalid("messages", format!("The content block {name} cannot be read."))),
    }
}

/// `inputTokens` leaves out what was read from a cache or written to one.
fn usage(usage: Usage) -> Value {
    let plain = usage.input_tokens.saturating_sub(usage.cached_input_tokens + usage.cache_write_tokens());
    json!({
        "inputTokens": plain, "outputTokens": usage.output_tokens, "totalTokens": usage.input_tokens + usage.output_tokens,
        "cacheReadInputTokens": usage.cached_input_tokens, "cacheWriteInputTokens": usage.cache_write_tokens(),
        "cacheDetails": [
            {"ttl": "5m", "inputTokens": usage.cache_write_5m_tokens}, {"ttl": "1h", "inputTokens": usage.cache_write_1h_tokens},
        ],
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
    format!("tooluse_{id}")
}
