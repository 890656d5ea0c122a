use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::schema::Writing;
use crate::schema::openai::json_schema::as_of_object;

/// Keywords that Anthropic's structured output takes as they are.
const TAKEN: &[&str] = &["type", "title", "description", "enum", "const", "default", "required", "$ref"];

/// Keywords that say nothing about a value.
const SILENT: &[&str] = &["$schema", "$id", "$anchor", "$comment", "examples", "deprecated", "readOnly", "writeOnly"];

/// The formats of strings that it takes.
const FORMATS: &[&str] = &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The most that is reported of one schema, and the most characters of a name in their paths: names may be long and deep.
const MOST_REPORTS: usize = 100;
const MOST_NAME_CHARACTERS: usize = 64;

/// Whether a schema restricts anything.
pub(super) fn says_something(schema: &Value) -> bool {
    let keywords = schema.as_object().into_iter().flatten();
    keywords.into_iter().any(|(name, _)| {
        !SILENT.contains(&name.as_str()) && !matches!(name.as_str(), "title" | "description" | "default")
    })
}

/// A schema as Anthropic's structured output takes it: every object has its own properties only, `oneOf` becomes `anyOf`, and what cannot
/// be enforced is said to the model in the description. Linear in the schema's size.
pub(super) fn restricted(schema: &Value, at: &str, writing: &mut Writing<'_>) -> Value {
    let mut rewriting = Rewriting { path: vec![at.to_owned()], reports_left: MOST_REPORTS, writing };
    let mut written = rewriting.schema(schema);
    if let Some(fields) = written.as_object_mut()
        && !["type", "anyOf", "allOf", "$ref", "enum", "const"].iter().any(|name| fields.contains_key(*name))
    {
        fields.insert("type".into(), "object".into());
        fields.insert("additionalProperties".into(), false.into());
    }
    written
}

/// The schema of a tool's arguments: it must describe an object, and not by alternatives at its top. Their properties are merged, of which
/// those of `allOf` stay required.
pub(super) fn of_object(schema: Option<&Value>, at: &str, writing: &mut Writing<'_>) -> Value {
    let Some(fields) = schema.and_then(Value::as_object).filter(|fields| !fields.is_empty()) else {
        return json!({"type": "object", "properties": {}});
    };
    let mut fields = fields.clone();
    for name in ["allOf", "anyOf", "oneOf"] {
        let Some(branches) = fields.shift_remove(name) else { continue };
        writing.leave_out(format!("{at}.{name}"), "a tool has no alternatives: they are merged");
        for branch in branches.as_array().into_iter().flatten() {
            merge(branch, name == "allOf", &mut fields);
        }
    }
    as_of_object(&mut fields);
    fields.into()
}

fn merge(branch: &Value, is_required: bool, fields: &mut Map<String, Value>) {
    if let Some(properties) = branch.get("properties").and_then(Value::as_object)
        && let Some(known) = fields.entry("properties").or_insert_with(|| json!({})).as_object_mut()
    {
        for (name, property) in properties {
            known.entry(name.as_str()).or_insert_with(|| property.clone());
        }
    }
    if let Some(required) = branch.get("required").and_then(Value::as_array).filter(|_| is_required)
        && let Some(known) = fields.entry("required").or_insert_with(|| json!([])).as_array_mut()
    {
        let said: HashSet<Value> = known.iter().cloned().collect();
        known.extend(required.iter().filter(|name| !said.contains(*name)).cloned());
    }
}

struct Rewriting<'a, 'b> {
    path: Vec<String>,
    reports_left: usize,
    writing: &'a mut Writing<'b>,
}

impl Rewriting<'_, '_> {
    fn schema(&mut self, schema: &Value) -> Value {
        let Some(fields) = schema.as_object() else { return schema.clone() };
        let mut written = Map::new();
        let mut unenforced: Vec<String> = Vec::new();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match name.as_str() {
                "additionalProperties" => {
                    if *value != Value::Bool(false) {
                        self.report(name, "an object has its own properties only");
                    }
                    written.insert(name.clone(), false.into());
                }
                "properties" | "$defs" | "definitions" if value.is_object() => {
                    written.insert(name.clone(), self.named(name, value));
                }
                "anyOf" | "allOf" if value.is_array() => {
                    written.insert(name.clone(), self.listed(name, value));
                }
                "oneOf" if value.is_array() && !fields.contains_key("anyOf") => {
                    written.insert("anyOf".into(), self.listed(name, value));
                }
                "items" if value.is_object() => {
                    let items = self.below(name, |rewriting| rewriting.schema(value));
                    written.insert(name.clone(), items);
                }
                keyword if is_taken(keyword, value) => {
                    written.insert(name.clone(), value.clone());
                }
                keyword if SILENT.contains(&keyword) => self.report(name, "it says nothing about the value"),
                _ => {
                    self.report(name, "it cannot be enforced: the description tells it");
                    unenforced.push(format!("{name}: {value}"));
                }
            }
        }
        self.close(&mut written);
        if !unenforced.is_empty() {
            let unenforced = format!("({})", unenforced.join(", "));
            let description = match written.get("description").and_then(Value::as_str) {
                Some(said) => format!("{said} {unenforced}"),
                None => unenforced,
            };
            written.insert("description".into(), description.into());
        }
        written.into()
    }

    /// An object has its own properties only.
    fn close(&self, written: &mut Map<String, Value>) {
        let is_object = match written.get("type") {
            Some(Value::Array(types)) => types.iter().any(|one| one == "object"),
            Some(kind) => kind == "object",
            None => written.contains_key("properties"),
        };
        if !is_object {
            return;
        }
        written.entry("type").or_insert_with(|| "object".into());
        written.insert("additionalProperties".into(), false.into());
    }

    fn named(&mut self, keyword: &str, schemas: &Value) -> Value {
        let schemas = schemas.as_object().into_iter().flatten();
        self.below(keyword, |rewriting| {
            let mut written = Map::new();
            for (name, schema) in schemas {
                let schema = rewriting.below(name, |rewriting| rewriting.schema(schema));
                written.insert(name.clone(), schema);
            }
            written.into()
        })
    }

    fn listed(&mut self, keyword: &str, schemas: &Value) -> Value {
        let schemas = schemas.as_array().into_iter().flatten();
        let each = schemas.enumerate();
        each.map(|(index, schema)| self.below(&format!("{keyword}[{index}]"), |rewriting| rewriting.schema(schema)))
            .collect()
    }

    fn below<T>(&mut self, name: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        let short: String = name.chars().take(MOST_NAME_CHARACTERS).collect();
        self.path.push(short);
        let result = then(self);
        self.path.pop();
        result
    }

    fn report(&mut self, name: &str, reason: &'static str) {
        let Some(left) = self.reports_left.checked_sub(1) else { return };
        self.reports_left = left;
        let short: String = name.chars().take(MOST_NAME_CHARACTERS).collect();
        self.writing.leave_out(format!("{}.{short}", self.path.join(".")), reason);
    }
}

fn is_taken(keyword: &str, value: &Value) -> bool {
    match keyword {
        "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
        "minItems" => value.as_u64().is_some_and(|least| least <= 1),
        keyword => TAKEN.contains(&keyword),
    }
}
