//! What is made of the Helm chart's `values.yaml`: the schema that refuses wrong values, and the table of its README.
//!
//! The file is read by its lines, since comments are what is wanted of it: two spaces a level, one key a line, each below a comment that
//! says what it is for. In the comment, `@enum a, b`, `@minimum n`, `@maximum n`, `@items type`, `@quantity` (`1`, `500m`) and `@open`
//! (further keys are allowed) tell what the default value cannot.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value as Json, json};

/// Where the README's table stands: between these lines.
const MARKS: [&str; 2] = ["<!-- values -->\n", "<!-- end of values -->\n"];

/// One key of `values.yaml`.
struct Key {
    path: Vec<String>,
    text: String,
    annotations: Vec<(String, String)>,
    /// As it is written; empty for one that has keys below it.
    default: String,
}

impl Key {
    fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.iter().find(|(is, _)| is == name).map(|(_, value)| value.as_str())
    }

    fn schema(&self) -> Result<Json> {
        let mut schema = match self.default.as_str() {
            "" => {
                json!({"type": "object", "additionalProperties": self.annotation("open").is_some(), "properties": {}})
            }
            "{}" => json!({"type": "object"}),
            "[]" => match self.annotation("items") {
                Some(items) => json!({"type": "array", "items": {"type": items}}),
                None => json!({"type": "array"}),
            },
            "true" | "false" => json!({"type": "boolean"}),
            number if number.parse::<i64>().is_ok() => json!({"type": "integer"}),
            _ => json!({"type": "string"}),
        };
        schema["description"] = self.text.clone().into();
        if let Some(values) = self.annotation("enum") {
            schema["enum"] = values.split(", ").collect();
        }
        for bound in ["minimum", "maximum"] {
            if let Some(number) = self.annotation(bound) {
                schema[bound] = number.parse::<i64>().with_context(|| self.path.join("."))?.into();
            }
        }
        if self.annotation("quantity").is_some() {
            schema["type"] = json!(["string", "number"]);
        }
        Ok(schema)
    }
}

/// The JSON Schema by which Helm checks values.
pub(crate) fn schema(values: &str) -> Result<String> {
    let mut root = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": false,
        // What a chart that has this one below it tells all of its charts.
        "properties": {"global": {"type": "object"}},
    });
    for key in keys(values)? {
        let mut parent = &mut root;
        let (last, before) = key.path.split_last().context("a key without name")?;
        for name in before {
            parent = &mut parent["properties"][name];
        }
        let properties: &mut Map<String, Json> =
            parent["properties"].as_object_mut().with_context(|| key.path.join("."))?;
        properties.insert(last.clone(), key.schema()?);
    }
    Ok(serde_json::to_string_pretty(&root)? + "\n")
}

/// The README with the table of all values.
pub(crate) fn readme(readme: &str, values: &str) -> Result<String> {
    let mut table = String::from("\n| value | default | |\n|---|---|---|\n");
    for key in keys(values)?.iter().filter(|key| !key.default.is_empty()) {
        let mut text = key.text.replace('|', "\\|");
        if let Some(values) = key.annotation("enum") {
            write!(text, " One of {values}.")?;
        }
        if let Some(minimum) = key.annotation("minimum") {
            write!(text, " At least {minimum}.")?;
        }
        if let Some(maximum) = key.annotation("maximum") {
            write!(text, " At most {maximum}.")?;
        }
        writeln!(table, "| `{}` | `{}` | {text} |", key.path.join("."), key.default)?;
    }
    table.push('\n');
    let [start, end] = MARKS;
    let (before, rest) = readme.split_once(start).with_context(|| format!("no {start}"))?;
    let (_, after) = rest.split_once(end).with_context(|| format!("no {end}"))?;
    Ok([before, start, &table, end, after].concat())
}

fn keys(values: &str) -> Result<Vec<Key>> {
    let mut keys: Vec<Key> = Vec::new();
    let (mut text, mut annotations, mut path) = (Vec::new(), Vec::new(), Vec::new());
    for line in values.lines() {
        let content = line.trim_start();
        if content.is_empty() {
            text.clear();
            annotations.clear();
        } else if let Some(annotation) = content.strip_prefix("# @") {
            let (name, value) = annotation.split_once(' ').unwrap_or((annotation, ""));
            annotations.push((name.to_owned(), value.to_owned()));
        } else if let Some(comment) = content.strip_prefix("# ") {
            text.push(comment);
        } else {
            let (name, default) = content.split_once(':').with_context(|| format!("not a key: {line}"))?;
            path.truncate((line.len() - content.len()) / 2);
            path.push(name.to_owned());
            if text.is_empty() {
                bail!("the value {} has no comment", path.join("."));
            }
            let text = std::mem::take(&mut text).join(" ");
            let default = default.trim().to_owned();
            keys.push(Key { path: path.clone(), text, annotations: std::mem::take(&mut annotations), default });
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: &str = "# Of the file.\n\n# A part.\npart:\n  # How\n  # many.\n  # @minimum 1\n  # @maximum 9\n  count: 2\n  # Which.\n  # \
                          @enum a, b\n  kind: a\n  # Names.\n  # @items string\n  names: []\n";

    #[test]
    fn values_get_the_types_of_their_defaults() {
        let schema: Json = serde_json::from_str(&schema(VALUES).unwrap()).unwrap();
        let part = &schema["properties"]["part"];
        assert_eq!(part["additionalProperties"], false);
        let count = json!({"type": "integer", "minimum": 1, "maximum": 9, "description": "How many."});
        assert_eq!(part["properties"]["count"], count);
        assert_eq!(part["properties"]["kind"]["enum"], json!(["a", "b"]));
        assert_eq!(part["properties"]["names"]["items"]["type"], "string");
    }

    #[test]
    fn a_value_without_a_comment_is_refused() {
        assert!(schema("# A part.\npart:\n  count: 2\n").unwrap_err().to_string().contains("part.count"));
    }

    #[test]
    fn the_table_has_every_value_and_leaves_the_rest_of_the_readme() {
        let made = readme("above\n<!-- values -->\nold\n<!-- end of values -->\nbelow\n", VALUES).unwrap();
        assert!(made.starts_with("above\n") && made.ends_with("below\n") && !made.contains("old"), "{made}");
        assert!(made.contains("| `part.count` | `2` | How many. At least 1. At most 9. |"), "{made}");
    }
}
