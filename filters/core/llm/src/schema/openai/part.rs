use serde_json::Value;

use crate::chat::{Audio, Document, DocumentSource, Image, Other, Part, Placed, media_type_of_file, of_data_url};
use crate::error::RequestError;
use crate::node::Node;

/// Where a part stands. The same reading serves all places; they differ in how much a leaf of another type than the schema's is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// In a request: its writer can mend it and is told.
    Request,
    /// In an answer, whole or streamed: a number where a text belongs is read as its digits.
    Answer,
}

/// The fields that say what a message says.
pub(super) const SAYING: &[&str] = &["content", "refusal", "reasoning_content", "reasoning"];

/// Reads what a message says apart from its tool calls: reasoning first, then content, then the model's refusal.
pub(super) fn read_said(message: &Node<'_>, of: Of, others: &mut Vec<Other>) -> Result<Vec<Part>, RequestError> {
    let mut parts = Vec::new();
    let reasoning = message.get("reasoning_content").or_else(|| message.get("reasoning"));
    if let Some(reasoning) = reasoning {
        parts.extend(read_reasoning(&reasoning, of, others)?);
    }
    if let (Some(_), Some(beside)) = (message.get("reasoning_content"), message.get("reasoning")) {
        others.push(Other { path: beside.path().to_owned(), value: beside.value().clone() });
    }
    if let Some(content) = message.get("content") {
        parts.extend(read_content(&content, of, others)?);
    }
    if let Some(refusal) = message.get("refusal") {
        parts.push(Part::Refusal(text(&refusal, of)?));
    }
    Ok(parts)
}

/// Content: a text, or parts.
pub(super) fn read_content(content: &Node<'_>, of: Of, others: &mut Vec<Other>) -> Result<Vec<Part>, RequestError> {
    match content.value() {
        Value::Array(_) if of == Of::Answer => {
            content.items_but_null()?.iter().map(|part| read_part(part, of, others)).collect()
        }
        Value::Array(_) => content.items()?.iter().map(|part| read_part(part, of, others)).collect(),
        Value::Object(_) if of == Of::Answer => Ok(vec![read_part(content, of, others)?]),
        _ => Ok(vec![Part::Text(text(content, of)?)]),
    }
}

/// Reasoning that a server shows: a text; what else it is, is carried apart.
pub(super) fn read_reasoning(
    reasoning: &Node<'_>,
    of: Of,
    others: &mut Vec<Other>,
) -> Result<Option<Part>, RequestError> {
    match reasoning.value() {
        Value::Array(_) | Value::Object(_) => {
            others.push(Other { path: reasoning.path().to_owned(), value: reasoning.value().clone() });
            Ok(None)
        }
        _ => {
            let text = text(reasoning, of)?;
            Ok((!text.is_empty()).then_some(Part::Thinking { text, signature: None }))
        }
    }
}

/// The readable reasoning in `reasoning_details`, which some servers send in place of plain text.
pub(super) fn reasoning_of_details(details: &Value) -> String {
    let readable = |detail: &Value| {
        let text = detail.get("text").or_else(|| detail.get("summary")).and_then(Value::as_str);
        text.map(str::to_owned)
    };
    details.as_array().into_iter().flatten().filter_map(readable).collect()
}

/// One part. A kind that nobody here knows is carried whole.
fn read_part(part: &Node<'_>, of: Of, others: &mut Vec<Other>) -> Result<Part, RequestError> {
    let said = |name: &str| match part.get(name) {
        // What a provider leaves out is empty.
        None if of == Of::Answer => Ok(String::new()),
        _ => text(&part.required(name)?, of),
    };
    if of == Of::Answer && part.value().is_string() {
        return Ok(Part::Text(text(part, of)?));
    }
    let known: (&[&str], Part) = match kind(part)? {
        "text" | "output_text" => (&["type", "text"], Part::Text(said("text")?)),
        "refusal" => (&["type", "refusal"], Part::Refusal(said("refusal")?)),
        "thinking" | "reasoning" => match read_thinking(part) {
            Some(text) => (&["type", "thinking", "text", "reasoning"], Part::Thinking { text, signature: None }),
            None => return Ok(unknown(part)),
        },
        "image_url" => (&["type", "image_url"], Part::Image(read_image(part, others)?)),
        "input_audio" => (&["type", "input_audio"], Part::Audio(read_audio(part, others)?)),
        "file" => (&["type", "file"], Part::Document(read_file(part, others)?)),
        _ => return Ok(unknown(part)),
    };
    let (fields, part_read) = known;
    part.others(fields, others);
    Ok(part_read)
}

/// The `type`; a part that only has a text is one of text.
fn kind<'a>(part: &Node<'a>) -> Result<&'a str, RequestError> {
    match part.get("type") {
        Some(kind) => kind.str(),
        None if part.get("text").is_some() => Ok("text"),
        None => part.required_str("type"),
    }
}

fn unknown(part: &Node<'_>) -> Part {
    Part::Unknown(placed(part, part.value().clone()))
}

fn placed<T>(part: &Node<'_>, value: T) -> Placed<T> {
    Placed { at: part.path().to_owned(), value }
}

/// A text or, in an answer, what stands in its place.
pub(super) fn text(node: &Node<'_>, of: Of) -> Result<String, RequestError> {
    match node.value() {
        Value::Number(_) | Value::Bool(_) if of == Of::Answer => Ok(node.value().to_string()),
        _ => node.str().map(str::to_owned),
    }
}

/// Reasoning among the parts: `{"type":"thinking","thinking":[{"type":"text","text":…}]}`, or a plain text.
fn read_thinking(part: &Node<'_>) -> Option<String> {
    let said = part.get("thinking").or_else(|| part.get("reasoning")).or_else(|| part.get("text"))?;
    match said.value() {
        Value::String(text) => Some(text.clone()),
        Value::Array(pieces) => pieces
            .iter()
            .map(|piece| piece.get("text").and_then(Value::as_str))
            .collect::<Option<Vec<_>>>()
            .map(|all| all.concat()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn read_image(part: &Node<'_>, others: &mut Vec<Other>) -> Result<Placed<Image>, RequestError> {
    let image = part.required("image_url")?;
    // Some clients give the address alone.
    let url = if image.value().is_string() { image.clone() } else { image.required("url")? };
    image.others(&["url"], others);
    let value = image_of(url.str()?).ok_or_else(|| url.error("a web address or a base64 data URL is expected"))?;
    Ok(placed(part, value))
}

fn image_of(url: &str) -> Option<Image> {
    if let Some((media_type, data)) = of_data_url(url) {
        let kind = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        return Some(Image::Base64 { media_type: kind, data: data.to_owned() });
    }
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    is_web.then(|| Image::Url(url.to_owned()))
}

fn read_audio(part: &Node<'_>, others: &mut Vec<Other>) -> Result<Placed<Audio>, RequestError> {
    let audio = part.required("input_audio")?;
    audio.others(&["data", "format"], others);
    let value =
        Audio { format: audio.required_str("format")?.to_owned(), data: audio.required_str("data")?.to_owned() };
    Ok(placed(part, value))
}

fn read_file(part: &Node<'_>, others: &mut Vec<Other>) -> Result<Placed<Document>, RequestError> {
    let file = part.required("file")?;
    let both = file.get("file_data").is_some();
    file.others(if both { &["file_data", "filename"] } else { &["file_id", "filename"] }, others);
    let name = file.optional_str("filename")?;
    let source = match (file.optional_str("file_data")?, file.optional_str("file_id")?) {
        (Some(data), _) => match of_data_url(&data) {
            Some((media_type, data)) => {
                DocumentSource::Base64 { media_type: media_type.to_owned(), data: data.to_owned() }
            }
            None => DocumentSource::Base64 { media_type: media_type_of_file(name.as_deref()).to_owned(), data },
        },
        (None, Some(id)) => DocumentSource::File(id),
        (None, None) => return Err(file.error("file_data or file_id is required")),
    };
    Ok(placed(part, Document { title: name, context: None, source }))
}
