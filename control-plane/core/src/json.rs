//! Reading what administrators write as JSON, with errors that name the field and never repeat a value: it may be a secret.

use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::field::FieldError;

/// The fields of an object.
pub type Object = Map<String, Value>;

/// JSON in which no object names a field twice, so that nobody who reads it after us can read something else.
#[derive(Clone, Debug, PartialEq)]
pub struct Strict(pub Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut read = Object::new();
        while let Some(name) = fields.next_key::<String>()? {
            if read.contains_key(&name) {
                return Err(A::Error::custom(format!("duplicate field `{name}`")));
            }
            let Strict(value) = fields.next_value()?;
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }
}

/// A merge patch (RFC 7396): what is absent stays, null takes away, objects are merged, everything else takes the place of what was.
pub fn merge(target: &mut Object, patch: Object) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(inner) => {
                let place = target.entry(name).or_insert_with(|| Object::new().into());
                match place {
                    Value::Object(object) => merge(object, inner),
                    place => {
                        let mut object = Object::new();
                        merge(&mut object, inner);
                        *place = object.into();
                    }
                }
            }
            value => {
                target.insert(name, value);
            }
        }
    }
}

/// Null is absent, in all objects within.
pub fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reads a type of ours.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Vec<FieldError>> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        vec![data_error(&path, &error.into_inner().to_string())]
    })
}

/// Writes a type of ours.
pub fn write<T: serde::Serialize>(value: &T) -> Object {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Object::new(),
    }
}

/// One place where two objects differ.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// For example `members[0].model`.
    pub path: String,
    /// What was; null: nothing.
    pub before: Value,
    /// What is; null: nothing.
    pub after: Value,
}

/// Where two objects differ, in the order of paths.
pub fn differences(before: &Object, after: &Object) -> Vec<Difference> {
    let mut found = Vec::new();
    compare_objects("", before, after, &mut found);
    found
}

/// What an object was before it came to differ so; `None`: it is not what it was afterwards, or the paths do not tell.
pub fn undone(after: &Object, differences: &[Difference]) -> Option<Object> {
    let mut before = Value::Object(after.clone());
    for difference in differences {
        *place(&mut before, &difference.path)? = difference.before.clone();
    }
    let Value::Object(before) = before else { return None };
    (self::differences(&before, after) == differences).then_some(before)
}

/// What a path of [`Difference`] leads to. A field's name may itself hold what paths are made of.
fn place<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    if path.is_empty() {
        return Some(value);
    }
    match value {
        Value::Array(items) => {
            let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
            place(items.get_mut(index.parse::<usize>().ok()?)?, rest.strip_prefix('.').unwrap_or(rest))
        }
        Value::Object(fields) => {
            let leads = |name: &&String| {
                path.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let name = fields.keys().filter(leads).max_by_key(|name| name.len()).cloned();
            // What is not there has no parts that differ.
            let name = name.unwrap_or_else(|| path.to_owned());
            let rest = path.get(name.len()..)?;
            place(fields.entry(name).or_insert(Value::Null), rest.strip_prefix('.').unwrap_or(rest))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn compare_objects(path: &str, before: &Object, after: &Object, found: &mut Vec<Difference>) {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let of = |object: &Object| object.get(name).cloned().unwrap_or_default();
        compare(path, of(before), of(after), found);
    }
}

fn compare(path: String, before: Value, after: Value, found: &mut Vec<Difference>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(before), Value::Object(after)) => compare_objects(&path, &before, &after, found),
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.into_iter().zip(after).enumerate() {
                compare(format!("{path}[{index}]"), before, after, found);
            }
        }
        (before, after) => found.push(Difference { path, before, after }),
    }
}

/// The field that serde's message is about, and what it says, without the place in the text. A value from the request is
/// never repeated: it may be a secret.
pub fn data_error(path: &str, message: &str) -> FieldError {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let parent = if path == "." { "" } else { path };
    let child = |name: &str| {
        // Depending on the type, the path ends at the object or at its unknown field.
        if parent == name || parent.ends_with(&format!(".{name}")) {
            parent.to_owned()
        } else if parent.is_empty() {
            name.to_owned()
        } else {
            format!("{parent}.{name}")
        }
    };
    let quoted = |prefix: &str| message.strip_prefix(prefix)?.split_once('`').map(|(name, _)| name);
    if let Some(name) = quoted("missing field `") {
        return FieldError::new(child(name), "is required");
    }
    if let Some(name) = quoted("unknown field `") {
        return FieldError::new(child(name), "is not known");
    }
    if let Some(name) = quoted("duplicate field `") {
        return FieldError::new(child(name), "is given twice");
    }
    let field = if parent.is_empty() { "$".to_owned() } else { parent.to_owned() };
    FieldError::new(field, rule(message))
}

/// The rule behind the message of a parser: in words of the API's, not of the language that it is written in.
pub fn rule(message: &str) -> String {
    const NUMBER: &str = "must be a whole number that is not negative and not too large";
    const TIME: &str = "must be a time such as 2026-01-31T12:00:00Z";
    let lower = message.to_ascii_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    if says(&["uuid"]) {
        return "must be a UUID".into();
    }
    // What chrono says of a text that is no time.
    if says(&["date and time", "premature end of input", "input contains invalid", "input is ", "trailing input"]) {
        return TIME.into();
    }
    if says(&["digit found in string", "number too large", "number too small", "integer from empty string"]) {
        return NUMBER.into();
    }
    let Some((_, expected)) = message.rsplit_once("expected ") else { return "has a value of the wrong form".into() };
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => NUMBER.into(),
        "i8" | "i16" | "i32" | "i64" => "must be a whole number".into(),
        "f32" | "f64" => "must be a number".into(),
        "a sequence" => "must be a list".into(),
        "a map" => "must be an object".into(),
        expected if expected.starts_with("struct ") => "must be an object".into(),
        expected if expected.contains(" or ") || expected.starts_with("one of ") || expected.starts_with('`') => {
            format!("must be {expected}")
        }
        "a boolean" | "a string" => format!("must be {expected}"),
        _ => "has a value of the wrong form".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_patch_is_merged() {
        let check = |target: Value, patch: Value, expect: Value| {
            let mut target = object(target);
            merge(&mut target, object(patch));
            assert_eq!(Value::Object(target), expect);
        };
        // Of RFC 7396, appendix A.
        check(json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"}));
        check(json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"}));
        check(json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]}));
        check(json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}}));
        check(json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]}));
        check(json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1}));
        check(json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}}));
    }

    #[test]
    fn differences_are_named_by_their_paths() {
        let check = |before: Value, after: Value, expect: &[(&str, Value, Value)]| {
            let found = differences(&object(before), &object(after));
            let found: Vec<_> =
                found.iter().map(|one| (one.path.as_str(), one.before.clone(), one.after.clone())).collect();
            assert_eq!(found, expect);
        };
        check(json!({"a": 1, "b": {"c": [1]}}), json!({"a": 1, "b": {"c": [1]}}), &[]);
        check(json!({"a": 1}), json!({"b": 2}), &[("a", json!(1), json!(null)), ("b", json!(null), json!(2))]);
        check(
            json!({"m": [{"x": 1, "y": 1}, 2]}),
            json!({"m": [{"x": 1, "y": 3}, 2]}),
            &[("m[0].y", json!(1), json!(3))],
        );
        check(json!({"m": [1]}), json!({"m": [1, 2]}), &[("m", json!([1]), json!([1, 2]))]);
    }

    #[test]
    fn differences_are_undone() {
        let check = |before: Value, after: Value| {
            let found = differences(&object(before.clone()), &object(after.clone()));
            let mut undone = Value::Object(undone(&object(after), &found).unwrap());
            without_nulls(&mut undone);
            assert_eq!(undone, before, "{found:?}");
        };
        check(json!({"a": 1, "b": {"c": [1]}}), json!({"a": 2, "b": {"c": [1, 2]}}));
        check(json!({"a": 1}), json!({"b": 2}));
        check(json!({"m": [{"x": 1, "y": {"z": 1}}, 2]}), json!({"m": [{"x": 3, "y": {"z": 2}}, 4]}));
        check(json!({"o": {"a.b[0]": 1, "a": {"b[0]": 5}}}), json!({"o": {"a.b[0]": 2, "a": {"b[0]": 5}}}));
        check(json!({"o": {"a.b": 1}}), json!({"o": {}}));
        // What is something else now.
        let found = differences(&object(json!({"a": 1})), &object(json!({"a": 2})));
        assert_eq!(undone(&object(json!({"a": 3})), &found), None);
        let found = differences(&object(json!({"m": [[1]]})), &object(json!({"m": [[2]]})));
        assert_eq!(undone(&object(json!({"m": []})), &found), None);
    }

    #[test]
    fn a_field_given_twice_is_refused_wherever_it_stands() {
        for json in [r#"{"a":1,"a":1}"#, r#"{"m":[{"a":1,"a":2}]}"#] {
            assert!(serde_json::from_str::<Strict>(json).unwrap_err().to_string().contains("duplicate field `a`"));
        }
        let value = json!({"a": [1, -1, 1.5, "x", true, null, {}]});
        assert_eq!(serde_json::from_str::<Strict>(&value.to_string()).unwrap(), Strict(value));
    }
}
