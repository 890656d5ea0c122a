//! The OpenAPI document is complete enough to make a typed client of.

use std::collections::BTreeSet;

use serde_json::Value;

/// Fields of answers that are there only sometimes. This list only shrinks.
const SOMETIMES: &[&str] = &["AppliedAnswer.key", "AppliedAnswer.token"];
/// Fields with codes of whoever made them, which no list holds. This list only shrinks.
const OPEN: &[&str] = &["UsageError.code"];
/// Schemas of what is written as well as read, in which some fields may be absent. This list only shrinks.
const WRITTEN_TOO: &[&str] = &["Authentication", "Capabilities", "Origin", "Price", "PriceRates", "Rule", "TierPrice"];

fn document() -> Value {
    serde_json::from_str(&weir_api::openapi()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().unwrap().values();
    paths
        .flat_map(|methods| methods.as_object().unwrap().values())
        .map(|operation| (operation["operationId"].as_str().unwrap().to_owned(), operation.clone()))
        .collect()
}

fn name_of(reference: &Value) -> Option<String> {
    Some(reference.as_str()?.rsplit_once('/')?.1.to_owned())
}

/// The names of all schemas that this one is made of.
fn collect(document: &Value, schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(name_of)
                && found.insert(name.clone())
            {
                collect(document, &document["components"]["schemas"][&name], found);
            }
            fields.values().for_each(|value| collect(document, value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(document, item, found)),
        _ => {}
    }
}

#[test]
fn every_status_that_can_come_is_listed_with_its_headers() {
    let mut missing = Vec::new();
    for (name, operation) in operations(&document()) {
        let responses = operation["responses"].as_object().unwrap();
        let mut expected = vec!["500", "503"];
        if operation["requestBody"].is_object() {
            // What the playground sends on is the gateway's to judge.
            let own = if name == "send_playground_request" { vec!["413", "415"] } else { vec!["413", "415", "422"] };
            expected.extend(own);
        }
        if operation["security"]
            .as_array()
            .is_none_or(|security| security.iter().any(|one| one != &serde_json::json!({})))
        {
            expected.push("401");
        }
        missing.extend(
            expected.iter().filter(|status| !responses.contains_key(**status)).map(|status| format!("{name} {status}")),
        );
        for (status, response) in responses {
            let mut headers = vec!["x-request-id"];
            match status.as_str() {
                "201" if name.starts_with("create_") => headers.extend(["location", "etag"]),
                "401" => headers.push("www-authenticate"),
                "429" | "503" => headers.push("retry-after"),
                _ => {}
            }
            let known = &response["headers"];
            missing.extend(
                headers
                    .iter()
                    .filter(|header| known[**header].is_null())
                    .map(|header| format!("{name} {status} {header}")),
            );
            let is_refusal = status.starts_with('4') || status.starts_with('5');
            if is_refusal && response["content"]["application/problem+json"]["schema"]["$ref"].is_null() {
                missing.push(format!("{name} {status} is no problem document"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_field_of_an_answer_is_always_there() {
    let document = document();
    let mut answers = BTreeSet::new();
    for (_, operation) in operations(&document) {
        for (_, response) in
            operation["responses"].as_object().unwrap().iter().filter(|(status, _)| status.starts_with('2'))
        {
            collect(&document, &response["content"], &mut answers);
        }
    }
    let mut optional = Vec::new();
    for name in answers {
        if WRITTEN_TOO.contains(&name.as_str()) {
            continue;
        }
        let schema = &document["components"]["schemas"][&name];
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for field in schema["properties"].as_object().into_iter().flatten().map(|(field, _)| field) {
            if !required.contains(&field.as_str()) {
                optional.push(format!("{name}.{field}"));
            }
        }
    }
    assert_eq!(optional, SOMETIMES);
}

#[test]
fn lists_are_named_schemas_of_named_schemas() {
    let document = document();
    let mut wrong = Vec::new();
    for (name, operation) in operations(&document).into_iter().filter(|(name, _)| name.starts_with("list_")) {
        let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        let list = name_of(&answer["$ref"]).map(|list| &document["components"]["schemas"][&list]);
        let items = list.map(|list| &list["properties"]["items"]["items"]["$ref"]);
        if items.and_then(name_of).is_none() {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_has_a_fixed_set_of_values_is_an_enum() {
    let document = document();
    let mut wrong = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            if !["role", "code", "direction", "uninspectable"].contains(&field.as_str()) {
                continue;
            }
            let mut used = BTreeSet::new();
            collect(&document, property, &mut used);
            let is_enum = property["enum"].is_array()
                || used.iter().any(|name| {
                    document["components"]["schemas"][name]["enum"].is_array()
                        || document["components"]["schemas"][name]["oneOf"].is_array()
                });
            if !is_enum {
                wrong.push(format!("{name}.{field}"));
            }
        }
    }
    assert_eq!(wrong, OPEN);
}
