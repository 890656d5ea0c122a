//! Items and their parts, which requests, answers and streams share.

use serde_json::{Map, Value, json};

use crate::chat::{
    Audio, Document, DocumentSource, Image, Other, Part, Placed, Role, ToolCall, ToolResult, media_type_of_file,
    of_data_url,
};
use crate::error::RequestError;
use crate::node::Node;

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Request,
    /// Whole or streamed. It is read more loosely: what a provider leaves out is empty.
    Answer,
}

/// Reads an item: who says it, and its parts. An item of a kind that is not known is one unknown part.
pub(super) fn read_item(item: &Node<'_>, of: Of, others: &mut Vec<Other>) -> Result<(Role, Vec<Part>), RequestError> {
    let kind = item.optional_str("type")?;
    match kind.as_deref() {
        Some("message") => read_message(item, of, others),
        None if item.get("role").is_some() => read_message(item, of, others),
        Some("function_call") => {
            item.others(&["type", "call_id", "name", "arguments"], others);
            Ok((Role::Assistant, vec![Part::ToolCall(read_call(item)?)]))
        }
        Some("function_call_output") => {
            item.others(&["type", "call_id", "output"], others);
            let output = item.required("output")?;
            let result = ToolResult {
                call_id: item.required_str("call_id")?.to_owned(),
                parts: read_content(&output, of, others)?,
                is_error: false,
            };
            Ok((Role::User, vec![Part::ToolResult(result)]))
        }
        Some("reasoning") => Ok((Role::Assistant, read_reasoning(item, of, others)?.into_iter().collect())),
        Some(kind) => {
            let of_user = kind.ends_with("_output") || kind.ends_with("_response");
            Ok((if of_user { Role::User } else { Role::Assistant }, vec![unknown(item)]))
        }
        None => Ok((Role::User, vec![unknown(item)])),
    }
}

fn read_message(item: &Node<'_>, of: Of, others: &mut Vec<Other>) -> Result<(Role, Vec<Part>), RequestError> {
    item.others(&["type", "role", "content"], others);
    let who = match item.get("role") {
        None if of == Of::Answer => Role::Assistant,
        _ => {
            let role = item.required("role")?;
            match role.str()? {
                "user" => Role::User,
                "assistant" => Role::Assistant,
                "system" | "developer" => Role::System,
                _ => return Err(role.error("must be user, assistant, system or developer")),
            }
        }
    };
    match item.get("content") {
        None if of == Of::Answer => Ok((who, Vec::new())),
        _ => Ok((who, read_content(&item.required("content")?, of, others)?)),
    }
}

/// A call. Its id is empty where it has none.
fn read_call(item: &Node<'_>) -> Result<ToolCall, RequestError> {
    let id = match item.optional_str("call_id")? {
        Some(id) => Some(id),
        None => item.optional_str("id")?,
    };
    let arguments = match item.get("arguments") {
        None => String::new(),
        Some(arguments) => match arguments.value() {
            Value::String(text) if text.trim() == "null" => String::new(),
            Value::String(text) => text.clone(),
            // Some compatible servers send the JSON itself.
            json => json.to_string(),
        },
    };
    Ok(ToolCall { id: id.unwrap_or_default(), name: item.required_str("name")?.to_owned(), arguments })
}

/// Reasoning, if the item says any: its own words or else their summary, and what only the provider can read.
fn read_reasoning(item: &Node<'_>, of: Of, others: &mut Vec<Other>) -> Result<Option<Part>, RequestError> {
    item.others(&["type", "summary", "content", "encrypted_content"], others);
    let mut texts = Vec::new();
    for part in ["summary", "content"].iter().filter_map(|name| item.get(name)) {
        for part in read_content(&part, of, others)? {
            match part {
                Part::Text(text) if !text.is_empty() => texts.push(text),
                Part::Text(_)
                | Part::Image(_)
                | Part::Document(_)
                | Part::Audio(_)
                | Part::ToolCall(_)
                | Part::ToolResult(_)
                | Part::Refusal(_)
                | Part::Thinking { .. }
                | Part::RedactedThinking(_)
                | Part::Unknown(_) => {}
            }
        }
    }
    let signature = item.optional_str("encrypted_content")?;
    let says_nothing = texts.is_empty() && signature.is_none();
    Ok((!says_nothing).then(|| Part::Thinking { text: texts.join(BETWEEN_SUMMARIES), signature }))
}

/// What stands between the parts of a summary where they become one text.
pub(super) const BETWEEN_SUMMARIES: &str = "\n\n";

/// Content: a string or an array of parts.
pub(super) fn read_content(content: &Node<'_>, of: Of, others: &mut Vec<Other>) -> Result<Vec<Part>, RequestError> {
    if let Some(text) = content.value().as_str() {
        return Ok(vec![Part::Text(text.to_owned())]);
    }
    let parts = if of == Of::Answer { content.items_but_null()? } else { content.items()? };
    parts.iter().map(|part| read_part(part, of, others)).collect()
}

fn read_part(part: &Node<'_>, of: Of, others: &mut Vec<Other>) -> Result<Part, RequestError> {
    let at = || part.path().to_owned();
    let said = |name: &str| match part.get(name) {
        None if of == Of::Answer => Ok(String::new()),
        _ => part.required_str(name).map(str::to_owned),
    };
    let (read, known): (Part, &[&str]) = match part.required_str("type")? {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            (Part::Text(said("text")?), &["type", "text"])
        }
        "refusal" => (Part::Refusal(said("refusal")?), &["type", "refusal"]),
        // An image that lies with the provider is one for this provider alone.
        "input_image" if part.get("image_url").is_some() => {
            (Part::Image(Placed { at: at(), value: read_image(part)? }), &["type", "image_url"])
        }
        "input_file" => (
            Part::Document(Placed { at: at(), value: read_file(part)? }),
            &["type", "filename", "file_data", "file_url", "file_id"],
        ),
        "input_audio" => {
            let audio = part.required("input_audio")?;
            audio.others(&["data", "format"], others);
            let value = Audio {
                format: audio.required_str("format")?.to_owned(),
                data: audio.required_str("data")?.to_owned(),
            };
            (Part::Audio(Placed { at: at(), value }), &["type", "input_audio"])
        }
        _ => return Ok(unknown(part)),
    };
    part.others(known, others);
    Ok(read)
}

fn unknown(node: &Node<'_>) -> Part {
    Part::Unknown(Placed { at: node.path().to_owned(), value: node.value().clone() })
}

fn read_image(part: &Node<'_>) -> Result<Image, RequestError> {
    let url = part.required("image_url")?;
    let text = url.str()?;
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(Image::Url(text.to_owned()));
    }
    let (media_type, data) =
        of_data_url(text).ok_or_else(|| url.error("a web address or a base64 data URL is expected"))?;
    Ok(Image::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
}

fn read_file(part: &Node<'_>) -> Result<Document, RequestError> {
    let name = part.optional_str("filename")?;
    let source = if let Some(data) = part.get("file_data") {
        let data = data.str()?;
        let (media_type, data) = of_data_url(data).unwrap_or_else(|| (media_type_of_file(name.as_deref()), data));
        DocumentSource::Base64 { media_type: media_type.to_owned(), data: data.to_owned() }
    } else if let Some(url) = part.optional_str("file_url")? {
        DocumentSource::Url(url)
    } else if let Some(id) = part.optional_str("file_id")? {
        DocumentSource::File(id)
    } else {
        return Err(part.error("file_data, file_url or file_id is required"));
    };
    Ok(Document { title: name, context: None, source })
}

/// How far an item has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// The answer broke off in it.
    Incomplete,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// A message of the model's with these parts.
pub(super) fn write_message(id: &str, status: Status, content: Vec<Value>) -> Value {
    json!({"id": id, "type": "message", "status": status.name(), "role": "assistant", "content": content})
}

/// A part of a message.
pub(super) fn write_output_text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// A part of a message in which the model declines.
pub(super) fn write_refusal(text: &str) -> Value {
    json!({"type": "refusal", "refusal": text})
}

/// A call in an answer. Clients parse the arguments: a call without any has an empty object.
pub(super) fn write_call(id: &str, status: Status, call_id: &str, name: &str, arguments: &str) -> Value {
    json!({
        "id": id,
        "type": "function_call",
        "status": status.name(),
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    })
}

/// Reasoning in an answer.
pub(super) fn write_reasoning(id: &str, text: &str, signature: Option<&str>) -> Value {
    let mut item = Map::new();
    item.insert("id".into(), id.into());
    item.insert("type".into(), "reasoning".into());
    item.insert("summary".into(), if text.is_empty() { json!([]) } else { json!([write_summary(text)]) });
    if let Some(signature) = signature {
        item.insert("encrypted_content".into(), signature.into());
    }
    item.into()
}

/// A part of a summary.
pub(super) fn write_summary(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}
