use serde_json::{Map, Value, json};

use crate::chat::{Image, Message, Part, Placed, Request, ResponseFormat, Role, Tool, ToolCall, ToolChoice};
use crate::error::RequestError;
use crate::schema::Writing;

pub(super) fn write_request(request: &Request, _writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError> {
    let mut root = Map::new();
    root.insert("model".into(), request.model.as_str().into());
    root.insert("messages".into(), write_messages(&request.messages).into());
    if let Some(limit) = request.max_output_tokens {
        root.insert("max_completion_tokens".into(), limit.into());
    }
    if let Some(temperature) = request.temperature {
        root.insert("temperature".into(), temperature.into());
    }
    if let Some(top_p) = request.top_p {
        root.insert("top_p".into(), top_p.into());
    }
    if !request.stop.is_empty() {
        root.insert("stop".into(), request.stop.clone().into());
    }
    if !request.tools.is_empty() {
        root.insert("tools".into(), request.tools.iter().map(write_tool).collect());
        if let Some(choice) = &request.tool_choice {
            root.insert("tool_choice".into(), write_tool_choice(choice));
        }
        if let Some(parallel) = request.parallel_tool_calls {
            root.insert("parallel_tool_calls".into(), parallel.into());
        }
    }
    if let Some(user) = &request.user {
        root.insert("user".into(), user.as_str().into());
    }
    if let Some(format) = &request.response_format {
        root.insert("response_format".into(), write_response_format(format));
    }
    if request.stream {
        root.insert("stream".into(), true.into());
        root.insert("stream_options".into(), json!({"include_usage": true}));
    }
    Ok(root)
}

fn write_messages(messages: &[Message]) -> Vec<Value> {
    let mut written = Vec::with_capacity(messages.len());
    for message in messages {
        match message.role {
            Role::System => {
                written.push(json!({"role": "system", "content": write_content(message.parts.iter())}));
            }
            Role::User => write_user(&message.parts, &mut written),
            Role::Assistant => written.push(write_assistant(&message.parts)),
        }
    }
    written
}

/// Tool results become messages of their own and stand first, right behind the calls that they answer.
fn write_user(parts: &[Part], written: &mut Vec<Value>) {
    let mut rest: Vec<&Part> = Vec::new();
    let mut has_results = false;
    for part in parts {
        let Part::ToolResult(result) = part else { continue };
        has_results = true;
        let texts = result.parts.iter().filter(|part| matches!(part, Part::Text(_)));
        written.push(json!({"role": "tool", "tool_call_id": result.call_id, "content": write_content(texts)}));
        rest.extend(result.parts.iter().filter(|part| matches!(part, Part::Image(_))));
    }
    rest.extend(parts.iter().filter(|part| !matches!(part, Part::ToolResult(_))));
    if !rest.is_empty() || !has_results {
        written.push(json!({"role": "user", "content": write_content(rest.into_iter())}));
    }
}

fn write_assistant(parts: &[Part]) -> Value {
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    let calls: Vec<Value> = parts.iter().filter_map(as_tool_call).map(write_tool_call).collect();
    let mut said = parts.iter().filter(|part| matches!(part, Part::Text(_) | Part::Refusal(_))).peekable();
    let content = if said.peek().is_none() && !calls.is_empty() { Value::Null } else { write_content(said) };
    message.insert("content".into(), content);
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    message.into()
}

pub(super) fn as_tool_call(part: &Part) -> Option<&ToolCall> {
    match part {
        Part::ToolCall(call) => Some(call),
        _ => None,
    }
}

pub(super) fn write_tool_call(call: &ToolCall) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
}

/// One text as a plain string, which every compatible server understands; else an array of parts.
fn write_content<'a>(parts: impl Iterator<Item = &'a Part>) -> Value {
    let parts: Vec<&Part> = parts.collect();
    match parts.as_slice() {
        [] => "".into(),
        [Part::Text(text)] => text.as_str().into(),
        _ => parts.into_iter().filter_map(write_part).collect(),
    }
}

fn write_part(part: &Part) -> Option<Value> {
    match part {
        Part::Text(text) => Some(json!({"type": "text", "text": text})),
        Part::Refusal(refusal) => Some(json!({"type": "refusal", "refusal": refusal})),
        Part::Image(Placed { value: Image::Url(url), .. }) => {
            Some(json!({"type": "image_url", "image_url": {"url": url}}))
        }
        Part::Image(Placed { value: Image::Base64 { media_type, data }, .. }) => {
            let url = format!("data:{media_type};base64,{data}");
            Some(json!({"type": "image_url", "image_url": {"url": url}}))
        }
        Part::Document(_)
        | Part::Audio(_)
        | Part::Unknown(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Thinking { .. }
        | Part::RedactedThinking(_) => None,
    }
}

fn write_tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        function.insert("description".into(), description.as_str().into());
    }
    if let Some(parameters) = &tool.parameters {
        function.insert("parameters".into(), parameters.clone());
    }
    if tool.strict {
        function.insert("strict".into(), true.into());
    }
    json!({"type": "function", "function": function})
}

fn write_tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn write_response_format(format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::JsonObject => json!({"type": "json_object"}),
        ResponseFormat::JsonSchema { name, schema } => {
            json!({"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": true}})
        }
    }
}
