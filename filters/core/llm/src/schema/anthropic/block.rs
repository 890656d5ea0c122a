use serde_json::Value;

use crate::chat::{Document, DocumentSource, Image, Other, Part, Placed, ToolCall, ToolResult};
use crate::error::RequestError;
use crate::node::Node;

/// What content belongs to: it decides which blocks may stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    System,
    User,
    Assistant,
    ToolResult,
    /// A provider's answer, whole or streamed. It is read more loosely than a request: what a provider leaves out is empty.
    Answer,
}

impl Of {
    fn is_said_by_model(self) -> bool {
        matches!(self, Self::Assistant | Self::Answer)
    }
}

/// Content: a string or an array of blocks.
pub(super) fn read_content(content: &Node<'_>, of: Of, others: &mut Vec<Other>) -> Result<Vec<Part>, RequestError> {
    if let Some(text) = content.value().as_str() {
        return Ok(vec![Part::Text(text.to_owned())]);
    }
    match content.value() {
        Value::Object(_) if of == Of::Answer => Ok(vec![read_block(content, of, others)?]),
        _ if of == Of::Answer => content.items_but_null()?.iter().map(|block| read_block(block, of, others)).collect(),
        _ => content.items()?.iter().map(|block| read_block(block, of, others)).collect(),
    }
}

/// A block, in requests, whole answers and streams alike. What this crate's model has no place for is [`Part::Unknown`]; fields that it
/// has no place for go to `others`. Refuses what Anthropic itself would refuse.
pub(super) fn read_block(block: &Node<'_>, of: Of, others: &mut Vec<Other>) -> Result<Part, RequestError> {
    let kind = match block.get("type") {
        None if of == Of::Answer => return Ok(unknown(block)),
        _ => block.required("type")?,
    };
    let text = |name: &str| match block.get(name) {
        None if of == Of::Answer => Ok(String::new()),
        _ => block.required_str(name).map(str::to_owned),
    };
    match kind.str()? {
        "tool_use" | "thinking" | "redacted_thinking" if !of.is_said_by_model() => {
            Err(kind.error("such a block stands in messages of the assistant only"))
        }
        "tool_result" if of == Of::Answer => Ok(unknown(block)),
        "tool_result" if of != Of::User => Err(kind.error("such a block stands in messages of the user only")),
        "text" => {
            block.others(&["type", "text"], others);
            Ok(Part::Text(text("text")?))
        }
        "image" => read_image(block, others),
        "document" => read_document(block, others),
        "tool_use" => {
            block.others(&["type", "id", "name", "input"], others);
            let name = block.required_str("name")?.to_owned();
            // A call that names no tool is none that a client could answer.
            if name.is_empty() && of == Of::Answer {
                return Err(block.error("a name is required"));
            }
            Ok(Part::ToolCall(ToolCall { id: text("id")?, name, arguments: read_input(block) }))
        }
        "tool_result" => read_tool_result(block, others),
        "thinking" => {
            block.others(&["type", "thinking", "signature"], others);
            Ok(Part::Thinking { text: text("thinking")?, signature: block.optional_str("signature")? })
        }
        "redacted_thinking" => {
            block.others(&["type", "data"], others);
            Ok(Part::RedactedThinking(text("data")?))
        }
        _ => Ok(unknown(block)),
    }
}

fn unknown(block: &Node<'_>) -> Part {
    Part::Unknown(placed(block, block.value().clone()))
}

fn placed<T>(block: &Node<'_>, value: T) -> Placed<T> {
    Placed { at: block.path().to_owned(), value }
}

/// The arguments of a call as JSON text. Some servers answer with the object's text, and clients send it back: one odd call of the past
/// does not end a conversation.
fn read_input(block: &Node<'_>) -> String {
    let Some(input) = block.get("input") else { return "{}".to_owned() };
    match input.value() {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn read_tool_result(block: &Node<'_>, others: &mut Vec<Other>) -> Result<Part, RequestError> {
    block.others(&["type", "tool_use_id", "content", "is_error"], others);
    let parts = match block.get("content") {
        Some(content) => read_content(&content, Of::ToolResult, others)?,
        None => Vec::new(),
    };
    Ok(Part::ToolResult(ToolResult {
        call_id: block.required_str("tool_use_id")?.to_owned(),
        parts,
        is_error: block.get("is_error").map(|node| node.bool()).transpose()?.unwrap_or(false),
    }))
}

fn read_image(block: &Node<'_>, others: &mut Vec<Other>) -> Result<Part, RequestError> {
    let source = block.required("source")?;
    let image = match source.required_str("type")? {
        "base64" => {
            source.others(&["type", "media_type", "data"], others);
            let (media_type, data) = read_bytes(&source)?;
            Image::Base64 { media_type, data }
        }
        "url" => {
            source.others(&["type", "url"], others);
            Image::Url(read_url(&source)?)
        }
        _ => return Ok(unknown(block)),
    };
    block.others(&["type", "source"], others);
    Ok(Part::Image(placed(block, image)))
}

fn read_document(block: &Node<'_>, others: &mut Vec<Other>) -> Result<Part, RequestError> {
    let source = block.required("source")?;
    let read = match source.required_str("type")? {
        "text" => {
            source.others(&["type", "media_type", "data"], others);
            DocumentSource::Text(source.required_str("data")?.to_owned())
        }
        "base64" => {
            source.others(&["type", "media_type", "data"], others);
            let (media_type, data) = read_bytes(&source)?;
            DocumentSource::Base64 { media_type, data }
        }
        "url" => {
            source.others(&["type", "url"], others);
            DocumentSource::Url(read_url(&source)?)
        }
        "file" => {
            source.others(&["type", "file_id"], others);
            DocumentSource::File(source.required_str("file_id")?.to_owned())
        }
        "content" => {
            let parts = read_content(&source.required("content")?, Of::ToolResult, others)?;
            let texts: Option<Vec<&str>> = parts.iter().map(as_text).collect();
            match texts {
                Some(texts) => DocumentSource::Text(texts.join("\n\n")),
                None => return Ok(unknown(block)),
            }
        }
        _ => return Ok(unknown(block)),
    };
    block.others(&["type", "source", "title", "context"], others);
    let (title, context) = (block.optional_str("title")?, block.optional_str("context")?);
    Ok(Part::Document(placed(block, Document { title, context, source: read })))
}

fn as_text(part: &Part) -> Option<&str> {
    match part {
        Part::Text(text) => Some(text),
        _ => None,
    }
}

fn read_bytes(source: &Node<'_>) -> Result<(String, String), RequestError> {
    Ok((source.required_str("media_type")?.to_owned(), source.required_str("data")?.to_owned()))
}

fn read_url(source: &Node<'_>) -> Result<String, RequestError> {
    let url = source.required("url")?;
    let is_web = url.str()?.starts_with("https://") || url.str()?.starts_with("http://");
    if is_web { Ok(url.str()?.to_owned()) } else { Err(url.error("a web address is expected")) }
}
