use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::fields;
use crate::chat::{Audio, Document, DocumentSource, Image, Other, Part, Placed, ToolCall, ToolResult};
use crate::error::RequestError;
use crate::node::Node;
use crate::steps;

/// Calls of tools by their ids, which this schema does not require: results follow calls in their order.
#[derive(Debug)]
pub(super) struct Calls {
    /// What the ids begin with that are made.
    prefix: String,
    made: usize,
    /// The id of each call that has no result yet.
    open: Vec<Option<String>>,
    /// The numbers in `open` by the calls' ids, and by their names. Of those that are answered some may still stand there.
    by_id: HashMap<String, VecDeque<usize>>,
    by_name: HashMap<String, VecDeque<usize>>,
}

impl Calls {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix, made: 0, open: Vec::new(), by_id: HashMap::new(), by_name: HashMap::new() }
    }

    pub(super) fn make(&mut self) -> String {
        self.made = self.made.saturating_add(1);
        format!("{}{}", self.prefix, self.made)
    }

    fn call(&mut self, name: &str, given: Option<String>) -> String {
        let id = given.filter(|id| !id.is_empty()).unwrap_or_else(|| self.make());
        let number = self.open.len();
        self.by_id.entry(id.clone()).or_default().push_back(number);
        self.by_name.entry(name.to_owned()).or_default().push_back(number);
        self.open.push(Some(id.clone()));
        id
    }

    /// The call that a result answers: by its id, or the first one of that name without a result. A result of nothing has an id of its own.
    fn answer(&mut self, name: &str, given: Option<&str>) -> String {
        let given = given.filter(|id| !id.is_empty());
        let numbers = match given {
            Some(given) => self.by_id.get_mut(given),
            None => self.by_name.get_mut(name),
        };
        let mut id = None;
        if let Some(numbers) = numbers {
            while id.is_none()
                && let Some(number) = numbers.pop_front()
            {
                steps::count(1);
                id = self.open.get_mut(number).and_then(Option::take);
            }
        }
        id.or_else(|| given.map(str::to_owned)).unwrap_or_else(|| self.make())
    }
}

/// Reads a part, in requests and answers alike. What this crate's model has no place for is [`Part::Unknown`]; fields that it has no place
/// for go to `others`.
pub(super) fn read_part(part: &Node<'_>, calls: &mut Calls, others: &mut Vec<Other>) -> Result<Part, RequestError> {
    part.object()?;
    if let Some(call) = fields::get(part, "functionCall") {
        fields::others(part, &["functionCall"], others)?;
        return read_call(&call, calls, others);
    }
    if let Some(response) = fields::get(part, "functionResponse") {
        fields::others(part, &["functionResponse"], others)?;
        return read_result(&response, calls, others);
    }
    if let Some(text) = part.get("text") {
        let text = text.str()?.to_owned();
        let is_thought = part.get("thought").map(|thought| thought.bool()).transpose()?.unwrap_or(false);
        if is_thought {
            fields::others(part, &["text", "thought", "thoughtSignature"], others)?;
            return Ok(Part::Thinking { text, signature: fields::optional_str(part, "thoughtSignature")? });
        }
        fields::others(part, &["text", "thought"], others)?;
        return Ok(Part::Text(text));
    }
    if let Some(data) = fields::get(part, "inlineData") {
        fields::others(part, &["inlineData"], others)?;
        fields::others(&data, &["mimeType", "data"], others)?;
        let media_type = fields::optional_str(&data, "mimeType")?.unwrap_or_default();
        return Ok(of_bytes(part.path(), media_type, data.required_str("data")?.to_owned()));
    }
    if let Some(file) = fields::get(part, "fileData") {
        fields::others(part, &["fileData"], others)?;
        fields::others(&file, &["mimeType", "fileUri"], others)?;
        let media_type = fields::optional_str(&file, "mimeType")?.unwrap_or_default();
        let uri = fields::get(&file, "fileUri").ok_or_else(|| file.error("a fileUri is required"))?.str()?.to_owned();
        return Ok(of_address(part, &media_type, uri));
    }
    Ok(unknown(part))
}

fn unknown(part: &Node<'_>) -> Part {
    Part::Unknown(Placed { at: part.path().to_owned(), value: part.value().clone() })
}

fn read_call(call: &Node<'_>, calls: &mut Calls, others: &mut Vec<Other>) -> Result<Part, RequestError> {
    fields::others(call, &["id", "name", "args"], others)?;
    let name = call.required_str("name")?.to_owned();
    if name.is_empty() {
        return Err(call.error("a name is required"));
    }
    let id = calls.call(&name, call.optional_str("id")?);
    let arguments = call.get("args").map_or_else(|| "{}".to_owned(), |args| args.value().to_string());
    Ok(Part::ToolCall(ToolCall { id, name, arguments }))
}

/// A result is an object, whose `output` or `result` is what the function said, and whose `error` how it failed (ai.google.dev,
/// "FunctionResponse"); another object is said as it is.
fn read_result(result: &Node<'_>, calls: &mut Calls, others: &mut Vec<Other>) -> Result<Part, RequestError> {
    fields::others(result, &["id", "name", "response", "parts"], others)?;
    let name = result.optional_str("name")?.unwrap_or_default();
    let call_id = calls.answer(&name, result.optional_str("id")?.as_deref());
    let response = result.get("response");
    let object = response.as_ref().map(Node::object).transpose()?;
    let alone = |name: &str| object.filter(|fields| fields.len() == 1).and_then(|fields| fields.get(name));
    let is_error = alone("error").is_some();
    let said = alone("output").or_else(|| alone("result")).or_else(|| alone("error"));
    let text = match (said, object) {
        (Some(Value::String(text)), _) => text.clone(),
        (Some(value), _) => value.to_string(),
        (None, Some(fields)) if !fields.is_empty() => Value::Object(fields.clone()).to_string(),
        (None, _) => String::new(),
    };
    let mut parts = if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] };
    if let Some(media) = result.get("parts") {
        for part in media.items()? {
            parts.push(read_part(&part, calls, others)?);
        }
    }
    Ok(Part::ToolResult(ToolResult { call_id, parts, is_error }))
}

fn of_bytes(at: &str, media_type: String, data: String) -> Part {
    let at = at.to_owned();
    match media_type.split_once('/') {
        Some(("image", _)) => Part::Image(Placed { at, value: Image::Base64 { media_type, data } }),
        Some(("audio", format)) => {
            // The names that other schemas have for it.
            let format = match format {
                "mpeg" => "mp3",
                "x-wav" | "wave" => "wav",
                format => format,
            };
            Part::Audio(Placed { at, value: Audio { format: format.to_owned(), data } })
        }
        _ => {
            let source = DocumentSource::Base64 { media_type, data };
            Part::Document(Placed { at, value: Document { title: None, context: None, source } })
        }
    }
}

/// A file elsewhere. Those that the vendor keeps have addresses too, which nobody else can fetch.
fn of_address(part: &Node<'_>, media_type: &str, uri: String) -> Part {
    let at = part.path().to_owned();
    let is_kept = !(uri.starts_with("https://") || uri.starts_with("http://"))
        || uri.starts_with("https://generativelanguage.googleapis.com/");
    match media_type.split_once('/') {
        Some(("image", _)) if !is_kept => Part::Image(Placed { at, value: Image::Url(uri) }),
        Some(("audio" | "video", _)) => unknown(part),
        _ => {
            let source = if is_kept { DocumentSource::File(uri) } else { DocumentSource::Url(uri) };
            Part::Document(Placed { at, value: Document { title: None, context: None, source } })
        }
    }
}
