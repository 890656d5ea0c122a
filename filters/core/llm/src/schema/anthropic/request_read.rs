use serde_json::Value;

use crate::chat::{
    Image, Message, Part, Placed, Request, ResponseFormat, Role, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::error::RequestError;
use crate::node::Node;
use crate::schema::Schema;

/// The fields that the model holds; all others are carried as they are. `output_config` is also one of the others, since
/// only its `format` is held.
const KNOWN: &[&str] = &[
    "model",
    "stream",
    "messages",
    "system",
    "max_tokens",
    "temperature",
    "top_p",
    "stop_sequences",
    "tools",
    "tool_choice",
    "metadata",
];

pub(super) fn read_request(root: &Node<'_>) -> Result<Request, RequestError> {
    let mut messages = Vec::new();
    if let Some(system) = root.get("system") {
        messages.push(Message {
            at: "system".to_owned(),
            role: Role::System,
            parts: read_content(&system, Of::System)?,
        });
    }
    for message in root.required("messages")?.items()? {
        messages.push(read_message(&message)?);
    }
    let mut others = Vec::new();
    root.others(KNOWN, &mut others);
    let choice = root.get("tool_choice");
    let parallel_off = choice.as_ref().and_then(|node| node.get("disable_parallel_tool_use"));
    Ok(Request {
        origin: Schema(&super::Anthropic),
        model: root.required_str("model")?.to_owned(),
        stream: root.get("stream").map(|node| node.bool()).transpose()?.unwrap_or(false),
        messages,
        max_output_tokens: root.get("max_tokens").map(|node| node.u64()).transpose()?,
        temperature: root.get("temperature").map(|node| node.f64()).transpose()?,
        top_p: root.get("top_p").map(|node| node.f64()).transpose()?,
        stop: match root.get("stop_sequences") {
            Some(stop) => stop.items()?.iter().map(|item| item.str().map(str::to_owned)).collect::<Result<_, _>>()?,
            None => Vec::new(),
        },
        tools: match root.get("tools") {
            Some(tools) => tools.items()?.iter().map(read_tool).collect::<Result<_, _>>()?,
            None => Vec::new(),
        },
        tool_choice: choice.map(|node| read_tool_choice(&node)).transpose()?,
        parallel_tool_calls: parallel_off.map(|node| node.bool().map(|off| !off)).transpose()?,
        user: match root.get("metadata") {
            Some(metadata) => metadata.optional_str("user_id")?,
            None => None,
        },
        response_format: match root.get("output_config").and_then(|config| config.get("format")) {
            Some(format) => Some(read_format(&format)?),
            None => None,
        },
        reasoning: None,
        others,
    })
}

fn read_message(message: &Node<'_>) -> Result<Message, RequestError> {
    let role_node = message.required("role")?;
    let (role, of) = match role_node.str()? {
        "user" => (Role::User, Of::User),
        "assistant" => (Role::Assistant, Of::Assistant),
        "system" => (Role::System, Of::System),
        _ => return Err(role_node.error("must be user, assistant or system")),
    };
    Ok(Message { at: message.path().to_owned(), role, parts: read_content(&message.required("content")?, of)? })
}

/// What content belongs to: it decides which blocks may stand in it. In other places the other schema has no room for them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    System,
    User,
    Assistant,
    ToolResult,
}

/// Content: a string or an array of blocks.
pub(super) fn read_content(content: &Node<'_>, of: Of) -> Result<Vec<Part>, RequestError> {
    if let Some(text) = content.value().as_str() {
        return Ok(vec![Part::Text(text.to_owned())]);
    }
    content.items()?.iter().map(|block| read_block(block, of)).collect()
}

fn read_block(block: &Node<'_>, of: Of) -> Result<Part, RequestError> {
    let kind = block.required("type")?;
    match kind.str()? {
        "tool_use" | "thinking" | "redacted_thinking" if of != Of::Assistant => {
            Err(kind.error("such a block stands in messages of the assistant only"))
        }
        "tool_result" if of != Of::User => Err(kind.error("such a block stands in messages of the user only")),
        "text" => Ok(Part::Text(block.required_str("text")?.to_owned())),
        "image" => read_image(&block.required("source")?)
            .map(|value| Part::Image(Placed { at: block.path().to_owned(), value })),
        "document" => read_document(&block.required("source")?).map(Part::Text),
        "tool_use" => Ok(Part::ToolCall(ToolCall {
            id: block.required_str("id")?.to_owned(),
            name: block.required_str("name")?.to_owned(),
            arguments: block.get("input").map_or_else(|| "{}".to_owned(), |input| input.value().to_string()),
        })),
        "tool_result" => Ok(Part::ToolResult(ToolResult {
            call_id: block.required_str("tool_use_id")?.to_owned(),
            parts: block
                .get("content")
                .map(|content| read_content(&content, Of::ToolResult))
                .transpose()?
                .unwrap_or_default(),
            is_error: block.get("is_error").map(|node| node.bool()).transpose()?.unwrap_or(false),
        })),
        "thinking" => Ok(Part::Thinking {
            text: block.required_str("thinking")?.to_owned(),
            signature: block.optional_str("signature")?,
        }),
        "redacted_thinking" => Ok(Part::RedactedThinking(block.required_str("data")?.to_owned())),
        _ => Err(kind.error("the provider of this model has no such block")),
    }
}

fn read_image(source: &Node<'_>) -> Result<Image, RequestError> {
    let kind = source.required("type")?;
    match kind.str()? {
        "base64" => Ok(Image::Base64 {
            media_type: source.required_str("media_type")?.to_owned(),
            data: source.required_str("data")?.to_owned(),
        }),
        "url" => {
            let url = source.required("url")?;
            let is_web = url.str()?.starts_with("https://") || url.str()?.starts_with("http://");
            if is_web { Ok(Image::Url(url.str()?.to_owned())) } else { Err(url.error("a web address is expected")) }
        }
        _ => Err(kind.error("the provider of this model takes base64 and url only")),
    }
}

fn read_document(source: &Node<'_>) -> Result<String, RequestError> {
    let kind = source.required("type")?;
    match kind.str()? {
        "text" => Ok(source.required_str("data")?.to_owned()),
        _ => Err(kind.error("the provider of this model takes documents as text only")),
    }
}

fn read_tool(tool: &Node<'_>) -> Result<Tool, RequestError> {
    if let Some(kind) = tool.get("type")
        && kind.str()? != "custom"
    {
        return Err(kind.error("the provider of this model has no such tool"));
    }
    let schema = tool.required("input_schema")?;
    schema.object()?;
    Ok(Tool {
        name: tool.required_str("name")?.to_owned(),
        description: tool.optional_str("description")?,
        parameters: Some(schema.value().clone()),
        strict: tool.get("strict").map(|node| node.bool()).transpose()?.unwrap_or(false),
    })
}

fn read_tool_choice(choice: &Node<'_>) -> Result<ToolChoice, RequestError> {
    let kind = choice.required("type")?;
    match kind.str()? {
        "auto" => Ok(ToolChoice::Auto),
        "any" => Ok(ToolChoice::Required),
        "none" => Ok(ToolChoice::None),
        "tool" => Ok(ToolChoice::Named(choice.required_str("name")?.to_owned())),
        _ => Err(kind.error("must be auto, any, tool or none")),
    }
}

/// Anthropic's schemas have no name, and OpenAI's need one.
fn read_format(format: &Node<'_>) -> Result<ResponseFormat, RequestError> {
    let kind = format.required("type")?;
    if kind.str()? != "json_schema" {
        return Err(kind.error("must be json_schema"));
    }
    let schema = format.required("schema")?;
    schema.object()?;
    Ok(ResponseFormat::JsonSchema { name: "response".to_owned(), schema: schema.value().clone() })
}

/// Hints about caching, speed and effort. Thinking is left to the other provider: the client gets the answer without it.
pub(super) fn is_hint(path: &str, value: &Value) -> bool {
    match path {
        "cache_control" | "context_management" | "diagnostics" | "service_tier" | "speed" | "thinking" => true,
        "betas" | "mcp_servers" => is_empty(value),
        "output_config" => {
            value.as_object().is_some_and(|fields| fields.keys().all(|key| key == "effort" || key == "format"))
        }
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
}
