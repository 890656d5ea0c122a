//! Anthropic's blocks as Converse has them. They are what Anthropic's writer made, so nothing else stands in them.

use serde_json::{Map, Value, json};

/// The longest name of a document.
const LONGEST_NAME: usize = 200;

/// Messages.
pub(super) fn messages(messages: Value) -> Value {
    let Value::Array(messages) = messages else { return Value::Array(Vec::new()) };
    let mut documents = 0;
    let one = |mut message: Value| {
        let said = content_of(message.get_mut("content").map(Value::take).unwrap_or_default(), &mut documents);
        json!({"role": message.get("role"), "content": said})
    };
    messages.into_iter().map(one).collect()
}

/// A text, or blocks.
pub(super) fn content(content: Value) -> Value {
    content_of(content, &mut 0)
}

fn content_of(content: Value, documents: &mut u32) -> Value {
    match content {
        Value::Array(blocks) => blocks.into_iter().map(|block| one(block, documents)).collect(),
        Value::String(text) => json!([{"text": text}]),
        other => other,
    }
}

fn one(mut block: Value, documents: &mut u32) -> Value {
    let mut take = |name: &str| block.get_mut(name).map(Value::take).unwrap_or_default();
    match take("type").as_str().unwrap_or_default() {
        "image" => image(&take("source")),
        "document" => {
            *documents = documents.saturating_add(1);
            document(&take("source"), take("title").as_str(), take("context"), *documents)
        }
        "tool_use" => {
            json!({"toolUse": {"toolUseId": take("id"), "name": take("name"), "input": take("input")}})
        }
        "tool_result" => {
            let said = match take("content") {
                // A result says something.
                Value::Null => json!([{"json": {}}]),
                said => content_of(said, documents),
            };
            let mut result = Map::new();
            result.insert("toolUseId".into(), take("tool_use_id"));
            result.insert("content".into(), said);
            if take("is_error") == Value::Bool(true) {
                result.insert("status".into(), "error".into());
            }
            json!({"toolResult": result})
        }
        _ => json!({"text": take("text")}),
    }
}

fn image(source: &Value) -> Value {
    let format = source.get("media_type").and_then(Value::as_str).unwrap_or_default();
    let format = format.strip_prefix("image/").unwrap_or(format);
    json!({"image": {"format": format, "source": {"bytes": source.get("data")}}})
}

/// A document has a name, which is not another's.
fn document(source: &Value, title: Option<&str>, context: Value, number: u32) -> Value {
    let is_text = source.get("type").and_then(Value::as_str) == Some("text");
    let data = source.get("data").cloned().unwrap_or_default();
    let (format, held) = if is_text { ("txt", json!({"text": data})) } else { ("pdf", json!({"bytes": data})) };
    let mut written = Map::new();
    written.insert("format".into(), format.into());
    written.insert("name".into(), name_of(title.unwrap_or("document"), number).into());
    written.insert("source".into(), held);
    if !context.is_null() {
        written.insert("context".into(), context);
    }
    json!({"document": written})
}

/// Letters, digits, single blanks, hyphens, parentheses and brackets alone are taken (docs.aws.amazon.com, "DocumentBlock").
fn name_of(title: &str, number: u32) -> String {
    let mut name = String::new();
    for letter in title.chars().take(LONGEST_NAME - 12) {
        let kept = if letter.is_ascii_alphanumeric() || "-()[]".contains(letter) { letter } else { ' ' };
        if kept != ' ' || !(name.is_empty() || name.ends_with(' ')) {
            name.push(kept);
        }
    }
    format!("{} {number}", name.trim_end()).trim_start().to_owned()
}

/// A tool.
pub(super) fn tool(mut tool: Value) -> Value {
    let mut take = |name: &str| tool.get_mut(name).map(Value::take).unwrap_or_default();
    let mut spec = Map::new();
    spec.insert("name".into(), take("name"));
    let description = take("description");
    if description.as_str().is_some_and(|text| !text.is_empty()) {
        spec.insert("description".into(), description);
    }
    spec.insert("inputSchema".into(), json!({"json": take("input_schema")}));
    if take("strict") == Value::Bool(true) {
        spec.insert("strict".into(), true.into());
    }
    json!({"toolSpec": spec})
}

/// Which tool is to be called; `None`: as the model sees fit.
pub(super) fn tool_choice(choice: &Value) -> Option<Value> {
    match choice.get("type").and_then(Value::as_str).unwrap_or_default() {
        "any" => Some(json!({"any": {}})),
        "tool" => Some(json!({"tool": {"name": choice.get("name")}})),
        _ => None,
    }
}
