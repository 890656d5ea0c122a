//! A plausible value for a JSON Schema: the arguments of a forced tool call.

use serde_json::{Map, Value, json};

/// Deeper schemas (they may refer to themselves) end in null.
const MAX_DEPTH: usize = 12;

/// A value that satisfies `schema` as far as types, enumerations, constants, bounds and required fields go.
pub(crate) fn of_schema(schema: &Value) -> Value {
    match value(schema, schema, "", 0) {
        // Both APIs want an object here, whatever the schema forgot to say.
        object @ Value::Object(_) => object,
        _ => json!({}),
    }
}

fn value(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?)) {
        return value(target, root, name, depth + 1);
    }
    if let Some(fixed) = schema.get("const").or_else(|| schema.get("default")).or_else(|| schema.pointer("/enum/0")) {
        return fixed.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[choice].get(0) {
            return value(first, root, name, depth + 1);
        }
    }
    match type_of(schema) {
        "string" => text(schema, name).into(),
        "integer" => integer(schema).into(),
        "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1.5)),
        "boolean" => true.into(),
        "array" => {
            let items = schema["minItems"].as_u64().unwrap_or(1).min(16);
            (0..items).map(|_| value(&schema["items"], root, name, depth + 1)).collect()
        }
        "object" => object(schema, root, depth),
        _ => Value::Null,
    }
}

fn type_of(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(name) => name,
        // `["string", "null"]`: the first one that is not null.
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("null"),
        _ if schema.get("properties").is_some() => "object",
        _ if schema.is_object() => "string",
        _ => "null",
    }
}

/// The required properties; all of them if none is required, so that the call shows something.
fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(properties) = schema["properties"].as_object() else { return json!({}) };
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    properties
        .iter()
        .filter(|(name, _)| required.is_empty() || required.contains(&name.as_str()))
        .map(|(name, property)| (name.clone(), value(property, root, name, depth + 1)))
        .collect::<Map<_, _>>()
        .into()
}

fn integer(schema: &Value) -> i64 {
    let lowest = schema["minimum"].as_i64().or_else(|| Some(schema["exclusiveMinimum"].as_i64()?.saturating_add(1)));
    let highest = schema["maximum"].as_i64().unwrap_or(i64::MAX);
    lowest.unwrap_or(1).min(highest)
}

fn text(schema: &Value, name: &str) -> String {
    match schema["format"].as_str() {
        Some("date") => return "2026-01-31".into(),
        Some("date-time") => return "2026-01-31T12:00:00Z".into(),
        Some("email") => return "ada@example.com".into(),
        Some("uri" | "url") => return "https://example.com/".into(),
        Some("uuid") => return "0190163d-8694-739b-aea5-966c26f8ad91".into(),
        _ => {}
    }
    let name = name.to_lowercase();
    let plausible = [
        ("city", "Paris"),
        ("location", "Paris"),
        ("country", "France"),
        ("unit", "celsius"),
        ("name", "Ada"),
        ("query", "weather in Paris"),
        ("date", "2026-01-31"),
    ];
    let known = plausible.iter().find(|(part, _)| name.contains(part)).map(|(_, value)| *value);
    let mut text = known.unwrap_or("example").to_owned();
    while (text.chars().count() as u64) < schema["minLength"].as_u64().unwrap_or(0).min(1_000) {
        text.push('x');
    }
    match schema["maxLength"].as_u64().and_then(|limit| text.char_indices().nth(limit as usize)) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::of_schema;

    #[track_caller]
    fn check(property: Value, expect: Value) {
        let schema = json!({"type": "object", "properties": {"value": property}, "required": ["value"],
            "$defs": {"loop": {"type": "object", "properties": {"next": {"$ref": "#/$defs/loop"}}},
                      "day": {"enum": ["monday", "friday"]}}});
        assert_eq!(of_schema(&schema), json!({"value": expect}));
    }

    #[test]
    fn values_follow_their_schema() {
        check(json!({"type": "string"}), json!("example"));
        check(json!({"type": "string", "maxLength": 2}), json!("ex"));
        check(json!({"type": "string", "minLength": 9}), json!("examplexx"));
        check(json!({"type": "string", "format": "email"}), json!("ada@example.com"));
        check(json!({"type": "integer"}), json!(1));
        check(json!({"type": "integer", "maximum": -3}), json!(-3));
        check(json!({"type": "integer", "exclusiveMinimum": 6}), json!(7));
        check(json!({"type": "number"}), json!(1.5));
        check(json!({"type": ["null", "boolean"]}), json!(true));
        check(json!({"type": "array", "items": {"type": "integer"}, "minItems": 2}), json!([1, 1]));
        check(json!({"anyOf": [{"const": "a"}, {"const": "b"}]}), json!("a"));
        check(json!({"$ref": "#/$defs/day"}), json!("monday"));
        check(json!({"type": "null"}), Value::Null);
    }

    #[test]
    fn optional_properties_only_where_none_is_required() {
        assert_eq!(
            of_schema(&json!({"properties": {"city": {}, "unit": {}}})),
            json!({"city": "Paris", "unit": "celsius"})
        );
        assert_eq!(
            of_schema(&json!({"properties": {"city": {}, "unit": {}}, "required": ["unit"]})),
            json!({"unit": "celsius"})
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        of_schema(&json!({"$ref": "#"}));
        of_schema(&json!({"type": "object", "properties": {"again": {"$ref": "#"}}}));
        assert_eq!(of_schema(&json!("nonsense")), json!({}));
    }
}
