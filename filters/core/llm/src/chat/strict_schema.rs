//! Which JSON Schemas OpenAI's APIs hold an output to (`strict`): they refuse a request with another one.

use serde_json::Value;

/// Keywords that strict mode does not know.
const UNKNOWN: &[&str] = &[
    "allOf",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "not",
    "oneOf",
    "patternProperties",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// Whether a schema may be called strict: an object at the top; in every object all properties are required and no others are allowed.
pub(crate) fn is_strict(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "object") && holds(schema)
}

fn holds(schema: &Value) -> bool {
    let Some(fields) = schema.as_object() else { return schema.as_bool() != Some(true) };
    if UNKNOWN.iter().any(|name| fields.contains_key(*name)) {
        return false;
    }
    let kind = fields.get("type");
    let is_object = kind.is_some_and(|kind| {
        kind == "object" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "object"))
    });
    if is_object || fields.contains_key("properties") {
        let properties = fields.get("properties").and_then(Value::as_object);
        let required = fields.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
        if fields.get("additionalProperties") != Some(&Value::Bool(false))
            || !properties.is_none_or(|properties| properties.keys().all(|name| is_required(name)))
        {
            return false;
        }
    }
    fields.iter().all(|(name, value)| match name.as_str() {
        "properties" | "$defs" | "definitions" => value.as_object().is_some_and(|inner| inner.values().all(holds)),
        "anyOf" => value.as_array().is_some_and(|inner| inner.iter().all(holds)),
        "items" => holds(value),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: Value, expect: bool) {
        assert_eq!(is_strict(&schema), expect, "{schema}");
    }

    #[test]
    fn a_schema_is_strict_if_nothing_in_it_is_optional() {
        let text = || json!({"type": "string"});
        let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        check(object(json!({"a": text()}), json!(["a"])), true);
        check(object(json!({}), json!([])), true);
        check(json!({"type": "object", "additionalProperties": false}), true);
        check(json!({"type": "object"}), false);
        check(json!({"type": "object", "properties": {"a": text()}, "required": ["a"]}), false);
        check(object(json!({"a": text(), "b": text()}), json!(["a"])), false);
        check(text(), false);
        check(json!({}), false);
        let open = || json!({"type": "object", "properties": {"a": {}}});
        check(object(json!({"a": open()}), json!(["a"])), false);
        check(object(json!({"a": {"type": "array", "items": open()}}), json!(["a"])), false);
        check(object(json!({"a": {"anyOf": [text(), open()]}}), json!(["a"])), false);
        check(object(json!({"a": {"oneOf": [text()]}}), json!(["a"])), false);
        check(object(json!({"a": {"type": ["object", "null"]}}), json!(["a"])), false);
        check(object(json!({"a": {"anyOf": [text(), {"type": "null"}]}}), json!(["a"])), true);
    }
}
