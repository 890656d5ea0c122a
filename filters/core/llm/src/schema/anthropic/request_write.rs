use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::chat::{Image, Message, Part, Request, ResponseFormat, Role, Tool, ToolChoice};
use crate::error::RequestError;
use crate::schema::Writing;

/// `max_tokens` for a client whose schema does not require one and that gave none.
pub(crate) const DEFAULT_MAX_TOKENS: u64 = 4096;

pub(super) fn write_request(request: &Request, _writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError> {
    let mut root = Map::new();
    root.insert("model".into(), request.model.as_str().into());
    root.insert("max_tokens".into(), request.max_output_tokens.unwrap_or(DEFAULT_MAX_TOKENS).into());
    if let Some(system) = write_system(&request.messages) {
        root.insert("system".into(), system);
    }
    root.insert("messages".into(), write_turns(&request.messages)?.into());
    if let Some(temperature) = request.temperature {
        root.insert("temperature".into(), temperature.min(1.0).into());
    }
    if let Some(top_p) = request.top_p {
        root.insert("top_p".into(), top_p.into());
    }
    if !request.stop.is_empty() {
        root.insert("stop_sequences".into(), request.stop.clone().into());
    }
    if !request.tools.is_empty() {
        root.insert("tools".into(), request.tools.iter().map(write_tool).collect());
        if let Some(choice) = write_tool_choice(request) {
            root.insert("tool_choice".into(), choice);
        }
    }
    if let Some(user) = &request.user {
        root.insert("metadata".into(), json!({"user_id": user}));
    }
    match &request.response_format {
        Some(ResponseFormat::JsonSchema { schema, .. }) => {
            root.insert("output_config".into(), json!({"format": {"type": "json_schema", "schema": schema}}));
        }
        Some(ResponseFormat::JsonObject) => {
            let message = "the provider of this model needs a json_schema";
            return Err(RequestError::new(message).at("response_format"));
        }
        None => {}
    }
    if request.stream {
        root.insert("stream".into(), true.into());
    }
    Ok(root)
}

fn write_system(messages: &[Message]) -> Option<Value> {
    let system = messages.iter().filter(|message| message.role == Role::System);
    let texts: Vec<&str> = system
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::Text(text) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        })
        .collect();
    match texts.as_slice() {
        [] => None,
        [one] => Some((*one).into()),
        several => Some(several.iter().map(|text| json!({"type": "text", "text": text})).collect()),
    }
}

fn write_turns(messages: &[Message]) -> Result<Vec<Value>, RequestError> {
    let mut turns: Vec<(Role, Vec<Value>, Vec<Value>)> = Vec::new();
    for (index, message) in messages.iter().enumerate().filter(|(_, message)| message.role != Role::System) {
        let mut results = Vec::new();
        let mut blocks = Vec::new();
        for part in &message.parts {
            let Some(block) = write_part(part).map_err(|error| error.at(&format!("messages[{index}]")))? else {
                continue;
            };
            if matches!(part, Part::ToolResult(_)) { results.push(block) } else { blocks.push(block) }
        }
        match turns.last_mut() {
            Some((role, its_results, its_blocks)) if *role == message.role => {
                its_results.append(&mut results);
                its_blocks.append(&mut blocks);
            }
            _ if results.is_empty() && blocks.is_empty() => {}
            _ => turns.push((message.role, results, blocks)),
        }
    }
    if turns.is_empty() {
        return Err(RequestError::new("a message with content is required").at("messages"));
    }
    let written = turns.into_iter().map(|(role, mut results, blocks)| {
        results.extend(blocks);
        let name = if role == Role::Assistant { "assistant" } else { "user" };
        json!({"role": name, "content": plain_if_one_text(results)})
    });
    Ok(written.collect())
}

/// A lone text may stand as a string.
fn plain_if_one_text(mut blocks: Vec<Value>) -> Value {
    if let [Value::Object(block)] = blocks.as_mut_slice()
        && block.get("type").is_some_and(|kind| kind == "text")
    {
        return block.get_mut("text").map(Value::take).unwrap_or_default();
    }
    blocks.into()
}

/// A block. Anthropic refuses empty texts, so they are left out.
fn write_part(part: &Part) -> Result<Option<Value>, RequestError> {
    Ok(match part {
        Part::Text(text) | Part::Refusal(text) => (!text.is_empty()).then(|| json!({"type": "text", "text": text})),
        Part::Image(image) => Some(write_image(&image.value)),
        Part::Document(_) | Part::Audio(_) | Part::Unknown(_) => None,
        Part::ToolCall(call) => {
            let input = arguments_object(&call.arguments)
                .ok_or_else(|| RequestError::new("the arguments of a tool call must be a JSON object"))?;
            Some(json!({"type": "tool_use", "id": tool_id(&call.id), "name": call.name, "input": input}))
        }
        Part::ToolResult(result) => {
            let mut content = Vec::new();
            for part in &result.parts {
                content.extend(write_part(part)?);
            }
            let mut block = json!({"type": "tool_result", "tool_use_id": tool_id(&result.call_id)});
            if let Some(block) = block.as_object_mut() {
                if !content.is_empty() {
                    block.insert("content".into(), plain_if_one_text(content));
                }
                if result.is_error {
                    block.insert("is_error".into(), true.into());
                }
            }
            Some(block)
        }
        Part::Thinking { text, signature: Some(signature) } => {
            Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        Part::Thinking { signature: None, .. } => None,
        Part::RedactedThinking(data) => Some(json!({"type": "redacted_thinking", "data": data})),
    })
}

/// The arguments of a call as the object that Anthropic wants; nothing at all means no arguments.
pub(super) fn arguments_object(arguments: &str) -> Option<Value> {
    if arguments.trim().is_empty() {
        return Some(json!({}));
    }
    serde_json::from_str::<Value>(arguments).ok().filter(Value::is_object)
}

/// Anthropic takes letters, digits, `_` and `-` only; other servers make ids like `functions.f:0`.
pub(super) fn tool_id(id: &str) -> Cow<'_, str> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if id.chars().all(allowed) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(id.chars().map(|character| if allowed(character) { character } else { '_' }).collect())
}

fn write_image(image: &Image) -> Value {
    match image {
        Image::Url(url) => json!({"type": "image", "source": {"type": "url", "url": url}}),
        Image::Base64 { media_type, data } => {
            json!({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}})
        }
    }
}

fn write_tool(tool: &Tool) -> Value {
    let mut written = Map::new();
    written.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        written.insert("description".into(), description.as_str().into());
    }
    let schema = tool.parameters.clone().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    written.insert("input_schema".into(), schema);
    if tool.strict {
        written.insert("strict".into(), true.into());
    }
    written.into()
}

fn write_tool_choice(request: &Request) -> Option<Value> {
    let mut choice = match (&request.tool_choice, request.parallel_tool_calls) {
        (None, None) => return None,
        (Some(ToolChoice::None), _) => return Some(json!({"type": "none"})),
        (Some(ToolChoice::Auto) | None, _) => json!({"type": "auto"}),
        (Some(ToolChoice::Required), _) => json!({"type": "any"}),
        (Some(ToolChoice::Named(name)), _) => json!({"type": "tool", "name": name}),
    };
    if let (Some(parallel), Some(choice)) = (request.parallel_tool_calls, choice.as_object_mut()) {
        choice.insert("disable_parallel_tool_use".into(), (!parallel).into());
    }
    Some(choice)
}
