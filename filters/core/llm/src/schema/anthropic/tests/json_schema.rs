use serde_json::{Value, json};
use weir_config::Capabilities;

use super::super::json_schema::restricted;
use crate::schema::Writing;

#[track_caller]
fn check(schema: Value, expect: Value, left_out: &[&str]) {
    let capabilities = Capabilities::default();
    let mut writing = Writing::new(&capabilities);
    let written = restricted(&schema, "s", &mut writing);
    assert_eq!(written, expect);
    assert_eq!(writing.left_out.iter().map(|left_out| left_out.path.as_str()).collect::<Vec<_>>(), left_out);
    let mut again = Writing::new(&capabilities);
    assert_eq!(restricted(&written, "s", &mut again), written, "it changes when written again");
    assert_eq!(again.left_out, []);
}

#[test]
fn every_object_has_its_own_properties_only() {
    let object = |properties: Value| json!({"type": "object", "properties": properties, "additionalProperties": false});
    check(
        json!({"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}),
        object(json!({"a": object(json!({}))})),
        &[],
    );
    check(
        json!({"properties": {"a": {"type": "array", "items": {"properties": {}}}}}),
        json!({
            "properties": {"a": {"type": "array", "items": {
                "properties": {}, "type": "object", "additionalProperties": false}}},
            "type": "object", "additionalProperties": false,
        }),
        &[],
    );
    check(
        json!({"type": ["object", "null"], "additionalProperties": {"type": "string"}}),
        json!({"type": ["object", "null"], "additionalProperties": false}),
        &["s.additionalProperties"],
    );
    check(
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "additionalProperties": false}}}),
        &[],
    );
}

#[test]
fn what_cannot_be_enforced_is_told() {
    check(
        json!({"type": "string", "description": "A name.", "minLength": 3, "pattern": "^a"}),
        json!({"type": "string", "description": "A name. (minLength: 3, pattern: \"^a\")"}),
        &["s.minLength", "s.pattern"],
    );
    check(
        json!({"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 2}),
        json!({
            "type": "array",
            "items": {"type": "integer", "description": "(minimum: 0, maximum: 9)"},
            "description": "(minItems: 2)",
        }),
        &["s.items.minimum", "s.items.maximum", "s.minItems"],
    );
    check(
        json!({"type": "string", "format": "regex"}),
        json!({"type": "string", "description": "(format: \"regex\")"}),
        &["s.format"],
    );
}

#[test]
fn what_can_be_enforced_stays() {
    let schema = json!({
        "type": "object", "title": "T",
        "properties": {
            "minLength": {"type": "string", "format": "date-time", "enum": ["a"]},
            "b": {"type": "array", "minItems": 1, "items": {"const": 1}},
            "c": {"anyOf": [{"type": "null"}, {"$ref": "#/definitions/d"}], "default": null},
        },
        "required": ["minLength"],
        "additionalProperties": false,
        "definitions": {"d": {"type": "number"}},
    });
    let mut expect = schema.clone();
    expect["properties"]["c"].as_object_mut().unwrap().remove("default");
    check(schema, expect, &[]);
    check(
        json!({"$schema": "x", "oneOf": [{"type": "string", "maxLength": 1}]}),
        json!({"anyOf": [{"type": "string", "description": "(maxLength: 1)"}]}),
        &["s.$schema", "s.oneOf[0].maxLength"],
    );
}

/// Long names above many keywords: the paths of notes would be the square of it.
#[test]
fn notes_are_bounded() {
    let capabilities = Capabilities::default();
    let mut writing = Writing::new(&capabilities);
    let many: serde_json::Map<String, Value> =
        (0..5_000).map(|number| (format!("p{number}"), json!({"type": "string", "minLength": 1}))).collect();
    let schema = json!({"properties": {"n".repeat(100_000): {"properties": many}}});
    restricted(&schema, "s", &mut writing);
    assert_eq!(writing.left_out.len(), 100);
    assert!(writing.left_out.iter().all(|left_out| left_out.path.len() < 200));
}
