use serde_json::Value;

use super::{finish::finish_of, usage};
use crate::chat::{Echo, Other, Part, Response, ToolCall};
use crate::error::RequestError;
use crate::node::Node;

/// Reads a whole answer. It has neither an id nor a model's name.
pub(super) fn read_response(root: &Node<'_>) -> Result<Response, RequestError> {
    let message = root.required("output")?.required("message")?;
    let word = root.get("stopReason").and_then(|reason| reason.value().as_str()).unwrap_or_default();
    let finish = finish_of(word).map_err(|error| root.error(&error.message))?;
    let mut response = Response {
        id: String::new(),
        model: String::new(),
        created_unix_s: 0,
        parts: Vec::new(),
        finish,
        stop_sequence: None,
        usage: root.get("usage").and_then(|node| usage::read(node.value())),
        echo: Echo::default(),
        others: Vec::new(),
    };
    let content = message.get("content").map(|content| content.items_but_null()).transpose()?.unwrap_or_default();
    for block in &content {
        block.object()?;
        match read_block(block)? {
            Some(part) => response.parts.push(part),
            None => response.others.push(Other { path: block.path().to_owned(), value: block.value().clone() }),
        }
    }
    Ok(response)
}

/// A block; `None`: one that no other schema can say.
fn read_block(block: &Node<'_>) -> Result<Option<Part>, RequestError> {
    if let Some(text) = block.get("text") {
        return Ok(Some(Part::Text(text.str()?.to_owned())));
    }
    if let Some(called) = block.get("toolUse") {
        let arguments = called.get("input").map_or_else(|| "{}".to_owned(), |input| input.value().to_string());
        let (id, name) = (called.required_str("toolUseId")?.to_owned(), called.required_str("name")?.to_owned());
        return Ok(Some(Part::ToolCall(ToolCall { id, name, arguments })));
    }
    if let Some(reasoning) = block.get("reasoningContent") {
        // Its signature is for Bedrock alone.
        let text = reasoning.get("reasoningText").map(|said| said.optional_str("text")).transpose()?.flatten();
        return Ok(text.map(|text| Part::Thinking { text, signature: None }));
    }
    if let Some(cited) = block.get("citationsContent") {
        let texts = cited.get("content").map(|content| content.items_but_null()).transpose()?.unwrap_or_default();
        let texts = texts.iter().filter_map(|text| text.value().get("text").and_then(Value::as_str));
        return Ok(Some(Part::Text(texts.collect())));
    }
    Ok(None)
}
