use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Words under which a JSON Schema holds other schemas, by name.
const BY_NAME: &[&str] = &["properties", "$defs", "definitions"];
/// Words under which it holds a list of them.
const LISTS: &[&str] = &["anyOf", "prefixItems"];
/// Words that `strict` does not take.
const NOT_STRICT: &[&str] =
    &["allOf", "oneOf", "not", "if", "then", "else", "patternProperties", "dependentRequired", "dependentSchemas"];

/// Whether an answer can be held to this schema: `strict` needs an object, and every object in it to require all of its properties
/// and to allow no others.
pub(in crate::schema) fn allows_strict(schema: &Value) -> bool {
    schema.as_object().is_some_and(is_of_object) && all_objects_are_closed(schema)
}

fn all_objects_are_closed(schema: &Value) -> bool {
    let Some(fields) = schema.as_object().filter(|fields| !fields.is_empty()) else { return false };
    let is_odd = NOT_STRICT.iter().any(|word| fields.contains_key(*word));
    !is_odd && (!is_of_object(fields) || is_closed(fields)) && all_within_are_closed(fields)
}

fn is_of_object(fields: &Map<String, Value>) -> bool {
    let says_object = match fields.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
        None => false,
    };
    says_object || fields.contains_key("properties")
}

fn is_closed(fields: &Map<String, Value>) -> bool {
    let required: BTreeSet<&str> =
        fields.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut properties = fields.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    fields.get("additionalProperties") == Some(&Value::Bool(false))
        && properties.all(|name| required.contains(name.as_str()))
}

fn all_within_are_closed(fields: &Map<String, Value>) -> bool {
    let named = BY_NAME.iter().filter_map(|word| fields.get(*word)?.as_object()).flat_map(Map::values);
    let listed = LISTS.iter().filter_map(|word| fields.get(*word)?.as_array()).flatten();
    let items = fields.get("items").into_iter().flat_map(|items| match items {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    });
    named.chain(listed).chain(items).all(all_objects_are_closed)
}

/// Says of a JSON Schema that it is of an object with properties, however a client spells that: no type, one of several, in capitals,
/// and no properties as `null` or as an empty list.
pub(in crate::schema) fn as_of_object(fields: &mut Map<String, Value>) {
    let is_object = |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("object"));
    let says_object = match fields.get("type") {
        None | Some(Value::Null) => true,
        Some(Value::Array(kinds)) => kinds.iter().any(is_object),
        Some(kind) => is_object(kind),
    };
    if !says_object {
        return;
    }
    fields.insert("type".into(), "object".into());
    if !fields.contains_key("$ref") && !fields.get("properties").is_some_and(Value::is_object) {
        fields.insert("properties".into(), json!({}));
    }
}

/// The parameters of a tool as every server of this schema takes them: of an object, with properties.
pub(in crate::schema) fn parameters(parameters: &Value) -> Value {
    let Some(fields) = parameters.as_object() else { return json!({"type": "object", "properties": {}}) };
    let mut fields = fields.clone();
    as_of_object(&mut fields);
    fields.into()
}
