//! Fields by either of their names: servers of this schema read Protocol Buffers' JSON, which takes a field's own name too
//! (protobuf.dev, "ProtoJSON Format": `systemInstruction` or `system_instruction`).

use serde_json::Value;

use crate::chat::Other;
use crate::error::RequestError;
use crate::node::Node;

/// `systemInstruction` as `system_instruction`.
fn original(name: &str) -> String {
    let mut written = String::with_capacity(name.len().saturating_add(4));
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            written.push('_');
        }
        written.push(letter.to_ascii_lowercase());
    }
    written
}

/// A field, by either name.
pub(super) fn get<'a>(node: &Node<'a>, name: &str) -> Option<Node<'a>> {
    node.get(name).or_else(|| node.get(&original(name)))
}

/// A string field, if it is there.
pub(super) fn optional_str(node: &Node<'_>, name: &str) -> Result<Option<String>, RequestError> {
    get(node, name).map(|field| field.str().map(str::to_owned)).transpose()
}

/// Notes the fields that are not known by either name. One that stands under both is refused.
pub(super) fn others(node: &Node<'_>, known: &[&str], others: &mut Vec<Other>) -> Result<(), RequestError> {
    let originals: Vec<String> = known.iter().map(|name| original(name)).collect();
    for (name, original) in known.iter().zip(&originals).filter(|(name, original)| name != original) {
        if let (Some(_), Some(again)) = (node.get(name), node.get(original)) {
            return Err(again.error("the field stands there twice"));
        }
    }
    let all: Vec<&str> = known.iter().copied().chain(originals.iter().map(String::as_str)).collect();
    node.others(&all, others);
    Ok(())
}

/// A JSON Schema without the spelling of OpenAPI's: types in lower case, and what may be null says so in its type.
pub(super) fn json_schema(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(json_schema).collect(),
        Value::Object(fields) => {
            let mut written = serde_json::Map::new();
            for (name, value) in fields {
                let value = match (name.as_str(), value) {
                    ("type", Value::String(kind)) => kind.to_ascii_lowercase().into(),
                    ("enum" | "default" | "example" | "required" | "propertyOrdering", value) => value.clone(),
                    ("nullable", _) => continue,
                    (_, value) => json_schema(value),
                };
                written.insert(name.clone(), value);
            }
            if fields.get("nullable") == Some(&Value::Bool(true))
                && let Some(kind) = written.get_mut("type").filter(|kind| kind.is_string())
            {
                *kind = Value::Array(vec![kind.take(), "null".into()]);
            }
            written.into()
        }
        other => other.clone(),
    }
}
