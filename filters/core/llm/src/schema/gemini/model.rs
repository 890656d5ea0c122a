//! Bodies that repeat the model of their path.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::json::{Fields, parse, span_in, write_string};

type Edits = Vec<(Range<usize>, Vec<u8>)>;

/// A model as bodies name it; a tuned one stands beside the vendor's.
pub(super) fn resource(model: &str) -> String {
    if model.contains('/') { model.to_owned() } else { format!("models/{model}") }
}

/// Puts a model in the place of the one that the body names.
pub(super) fn edits(body: &[u8], model: &str) -> Edits {
    Fields::read(body).map(|fields| of_object(body, &fields, model)).unwrap_or_default()
}

/// The same where it stands in an object of the body, which has several spellings.
pub(super) fn edits_within(body: &[u8], names: &[&str], model: &str) -> Edits {
    let Some(fields) = Fields::read(body) else { return Vec::new() };
    let objects = fields.iter().filter(|(name, _)| names.contains(name)).filter_map(|(_, value)| Fields::of(value));
    objects.flat_map(|object| of_object(body, &object, model)).collect()
}

/// The same where it stands in each object of a list of the body.
pub(super) fn edits_in_list(body: &[u8], name: &str, model: &str) -> Edits {
    let Some(fields) = Fields::read(body) else { return Vec::new() };
    let lists = fields.iter().filter(|(known, _)| *known == name);
    let items = lists.filter_map(|(_, value)| parse::<Vec<&RawValue>>(value).ok()).flatten();
    items.filter_map(|item| Fields::of(item.get())).flat_map(|object| of_object(body, &object, model)).collect()
}

fn of_object(body: &[u8], fields: &Fields<'_>, model: &str) -> Edits {
    let edit = |value: &str| {
        let mut name = Vec::new();
        write_string(&resource(model), &mut name);
        Some((span_in(body, value)?, name))
    };
    fields.iter().filter(|(name, _)| *name == "model").filter_map(|(_, value)| edit(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::spliced;

    #[test]
    fn a_body_names_no_other_model_than_its_path() {
        let check = |mut edits: Edits, body: &str, expect: &str| {
            assert_eq!(String::from_utf8(spliced(body.as_bytes(), &mut edits)).unwrap(), expect);
        };
        let one = r#"{ "model" : "models/a", "content": {"model":"x"} ,"m\u006fdel":null}"#;
        let expect = r#"{ "model" : "models/p", "content": {"model":"x"} ,"m\u006fdel":"models/p"}"#;
        check(edits(one.as_bytes(), "p"), one, expect);
        let list = format!(r#"{{"model":"models/b","requests":[{one}, 7, {one}]}}"#);
        let expect = format!(r#"{{"model":"models/b","requests":[{expect}, 7, {expect}]}}"#);
        check(edits_in_list(list.as_bytes(), "requests", "p"), &list, &expect);
        let within = r#"{"r":{"model":"models/a"},"model":"x"}"#;
        let tuned = r#"{"r":{"model":"tunedModels/p"},"model":"x"}"#;
        check(edits_within(within.as_bytes(), &["r", "s"], "tunedModels/p"), within, tuned);
        for nothing in ["", "[]", "{}", r#"{"requests":{}}"#] {
            check(edits_in_list(nothing.as_bytes(), "requests", "p"), nothing, nothing);
        }
    }
}
