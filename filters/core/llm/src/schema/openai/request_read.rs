use serde_json::Value;

use crate::chat::{
    Image, Message, Part, Placed, Request, ResponseFormat, Role, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::error::RequestError;
use crate::node::Node;
use crate::schema::Schema;

/// The fields that the model holds; all others are carried as they are.
const KNOWN: &[&str] = &[
    "model",
    "stream",
    "stream_options",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "user",
    "response_format",
];

pub(super) fn read_request(root: &Node<'_>) -> Result<Request, RequestError> {
    let messages = root.required("messages")?.items()?;
    let mut others = Vec::new();
    root.others(KNOWN, &mut others);
    Ok(Request {
        origin: Schema(&super::OpenAi),
        model: root.required_str("model")?.to_owned(),
        stream: root.get("stream").map(|node| node.bool()).transpose()?.unwrap_or(false),
        messages: messages.iter().map(read_message).collect::<Result<_, _>>()?,
        max_output_tokens: read_limit(root)?,
        temperature: root.get("temperature").map(|node| node.f64()).transpose()?,
        top_p: root.get("top_p").map(|node| node.f64()).transpose()?,
        stop: root.get("stop").map(|node| read_stop(&node)).transpose()?.unwrap_or_default(),
        tools: match root.get("tools") {
            Some(tools) => tools.items()?.iter().map(read_tool).collect::<Result<_, _>>()?,
            None => Vec::new(),
        },
        tool_choice: root.get("tool_choice").map(|node| read_tool_choice(&node)).transpose()?,
        parallel_tool_calls: root.get("parallel_tool_calls").map(|node| node.bool()).transpose()?,
        user: root.optional_str("user")?,
        response_format: match root.get("response_format") {
            Some(node) => read_response_format(&node)?,
            None => None,
        },
        reasoning: None,
        others,
    })
}

fn read_limit(root: &Node<'_>) -> Result<Option<u64>, RequestError> {
    let newer = root.get("max_completion_tokens").map(|node| node.u64()).transpose()?;
    let older = root.get("max_tokens").map(|node| node.u64()).transpose()?;
    Ok(newer.or(older))
}

fn read_stop(node: &Node<'_>) -> Result<Vec<String>, RequestError> {
    if let Some(one) = node.value().as_str() {
        return Ok(vec![one.to_owned()]);
    }
    node.items()?.iter().map(|item| item.str().map(str::to_owned)).collect()
}

fn read_message(message: &Node<'_>) -> Result<Message, RequestError> {
    let role_node = message.required("role")?;
    let content = match message.get("content") {
        Some(content) => read_content(&content)?,
        None => Vec::new(),
    };
    let (role, parts) = match role_node.str()? {
        "system" | "developer" => (Role::System, content),
        "user" => (Role::User, content),
        "assistant" => (Role::Assistant, read_assistant(message, content)?),
        "tool" => {
            let call_id = message.required_str("tool_call_id")?.to_owned();
            (Role::User, vec![Part::ToolResult(ToolResult { call_id, parts: content, is_error: false })])
        }
        _ => return Err(role_node.error("must be system, developer, user, assistant or tool")),
    };
    Ok(Message { at: message.path().to_owned(), role, parts })
}

fn read_assistant(message: &Node<'_>, mut parts: Vec<Part>) -> Result<Vec<Part>, RequestError> {
    for name in ["function_call", "audio"] {
        if let Some(node) = message.get(name) {
            return Err(node.error("the provider of this model has no such thing"));
        }
    }
    if let Some(refusal) = message.optional_str("refusal")? {
        parts.push(Part::Refusal(refusal));
    }
    if let Some(calls) = message.get("tool_calls") {
        for call in calls.items()? {
            parts.push(Part::ToolCall(read_tool_call(&call)?));
        }
    }
    Ok(parts)
}

/// A call in a request or an answer. Some compatible servers leave `type` out.
pub(super) fn read_tool_call(call: &Node<'_>) -> Result<ToolCall, RequestError> {
    expect_function(call)?;
    let function = call.required("function")?;
    Ok(ToolCall {
        id: call.required_str("id")?.to_owned(),
        name: function.required_str("name")?.to_owned(),
        arguments: function.optional_str("arguments")?.unwrap_or_default(),
    })
}

/// Content: a string or an array of parts.
pub(super) fn read_content(content: &Node<'_>) -> Result<Vec<Part>, RequestError> {
    if let Some(text) = content.value().as_str() {
        return Ok(vec![Part::Text(text.to_owned())]);
    }
    content.items()?.iter().map(read_part).collect()
}

fn read_part(part: &Node<'_>) -> Result<Part, RequestError> {
    let kind = part.required("type")?;
    match kind.str()? {
        "text" => Ok(Part::Text(part.required_str("text")?.to_owned())),
        "refusal" => Ok(Part::Refusal(part.required_str("refusal")?.to_owned())),
        "image_url" => {
            let url = part.required("image_url")?.required("url")?;
            read_image(url.str()?)
                .map(|value| Part::Image(Placed { at: part.path().to_owned(), value }))
                .ok_or_else(|| url.error("a web address or a base64 data URL is expected"))
        }
        _ => Err(kind.error("the provider of this model takes text and images only")),
    }
}

fn read_image(url: &str) -> Option<Image> {
    let Some(data) = url.strip_prefix("data:") else {
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        return is_web.then(|| Image::Url(url.to_owned()));
    };
    let (media_type, data) = data.split_once(";base64,")?;
    Some(Image::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
}

fn read_tool(tool: &Node<'_>) -> Result<Tool, RequestError> {
    expect_function(tool)?;
    let function = tool.required("function")?;
    Ok(Tool {
        name: function.required_str("name")?.to_owned(),
        description: function.optional_str("description")?,
        parameters: function.get("parameters").map(|node| node.object().map(|_| node.value().clone())).transpose()?,
        strict: function.get("strict").map(|node| node.bool()).transpose()?.unwrap_or(false),
    })
}

fn read_tool_choice(choice: &Node<'_>) -> Result<ToolChoice, RequestError> {
    match choice.value().as_str() {
        Some("auto") => Ok(ToolChoice::Auto),
        Some("none") => Ok(ToolChoice::None),
        Some("required") => Ok(ToolChoice::Required),
        Some(_) => Err(choice.error("must be auto, none, required or a function")),
        None => {
            expect_function(choice)?;
            Ok(ToolChoice::Named(choice.required("function")?.required_str("name")?.to_owned()))
        }
    }
}

fn expect_function(node: &Node<'_>) -> Result<(), RequestError> {
    match node.get("type") {
        Some(kind) if kind.str()? != "function" => Err(kind.error("the provider of this model knows functions only")),
        _ => Ok(()),
    }
}

fn read_response_format(format: &Node<'_>) -> Result<Option<ResponseFormat>, RequestError> {
    let kind = format.required("type")?;
    match kind.str()? {
        "text" => Ok(None),
        "json_object" => Ok(Some(ResponseFormat::JsonObject)),
        "json_schema" => {
            let definition = format.required("json_schema")?;
            let schema = definition.required("schema")?;
            schema.object()?;
            let name = definition.required_str("name")?.to_owned();
            Ok(Some(ResponseFormat::JsonSchema { name, schema: schema.value().clone() }))
        }
        _ => Err(kind.error("must be text, json_object or json_schema")),
    }
}

/// Hints about caching, speed, storage and effort, and settings that say what holds anyway.
pub(super) fn is_hint(path: &str, value: &Value) -> bool {
    match path {
        "metadata"
        | "prediction"
        | "prompt_cache_key"
        | "prompt_cache_options"
        | "prompt_cache_retention"
        | "reasoning_effort"
        | "safety_identifier"
        | "seed"
        | "service_tier"
        | "store"
        | "verbosity" => true,
        "frequency_penalty" | "presence_penalty" | "top_logprobs" => value.as_f64() == Some(0.0),
        "logprobs" => *value == Value::Bool(false),
        "n" => value.as_u64() == Some(1),
        "logit_bias" | "functions" => is_empty(value),
        "modalities" => value.as_array().is_some_and(|all| all.iter().all(|one| one == "text")),
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
}
