//! The outline of a request's body: its fields, and that its messages are messages.

use std::borrow::Cow;

use crate::error::RequestError;
use crate::json::unescaped;
use crate::operation::{Operation, Schema};
use crate::strict::{Malformed, Reader};

/// More top-level fields than any schema has; keeps the look-ups linear and short.
const MOST_FIELDS: usize = 256;

/// The fields of a body, values as they are written, in their order.
pub(super) struct TopFields<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> TopFields<'a> {
    /// Passes the whole body.
    pub(super) fn read(operation: Operation, body: &'a [u8]) -> Result<Self, RequestError> {
        let mut reader = Reader::new(body)?;
        if reader.next().is_some_and(|first| first != b'{') {
            // Said only of what is JSON at all.
            reader.value()?;
            reader.end()?;
            return Err(RequestError::new("the body is not valid: a JSON object is expected"));
        }
        let mut fields = Vec::new();
        reader.object(|reader, name| {
            if fields.len() >= MOST_FIELDS {
                return Err(RequestError::new(format!("the body is not valid: it has more than {MOST_FIELDS} fields")));
            }
            let value = if name == "messages" && operation != Operation::Embeddings && reader.next() == Some(b'[') {
                read_messages(reader, operation.schema())?
            } else {
                reader.value()?
            };
            fields.push((name, value));
            Ok(())
        })?;
        reader.end()?;
        let fields = Self(fields);
        if let Some(name) = fields.duplicate() {
            return Err(RequestError::new("the field stands twice").at(name));
        }
        match fields.other_spelling() {
            Some((name, right)) => Err(RequestError::new(format!("the field is written `{right}`")).at(name)),
            None => Ok(fields),
        }
    }

    /// The value of a field; `null` counts as absent, as it does for both schemas.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.get_or_null(name).filter(|value| *value != "null")
    }

    /// The value of a field, `null` included.
    pub(super) fn get_or_null(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// Refuses a field whose type no provider of the schema would take.
    pub(super) fn check_types(&self, schema: Schema) -> Result<(), RequestError> {
        for (name, value) in self.0.iter().filter(|(_, value)| *value != "null") {
            if let Some((first, expected)) = type_of(schema, name)
                && !value.starts_with(first)
            {
                return Err(RequestError::new(format!("{expected} is expected")).at(name));
            }
        }
        Ok(())
    }

    /// The first name that stands twice, also in another case. Parsers disagree on which value of it counts: Go's, for one,
    /// takes no notice of case (`encoding/json`, `Unmarshal`).
    fn duplicate(&self) -> Option<&str> {
        let mut fields = self.0.iter();
        while let Some((name, _)) = fields.next() {
            if fields.clone().any(|(other, _)| is_same_in_any_case(other, name)) {
                return Some(name);
            }
        }
        None
    }

    /// A name that some parsers would take for one that decides here, and how that one is written.
    fn other_spelling(&self) -> Option<(&str, &'static str)> {
        self.0.iter().find_map(|(name, _)| {
            let right = DECIDING.into_iter().find(|right| is_same_in_any_case(right, name))?;
            (right != name).then_some((name.as_ref(), right))
        })
    }
}

/// Fields by which a request is routed, limited, charged and searched.
const DECIDING: [&str; 9] =
    ["model", "stream", "messages", "system", "input", "max_tokens", "max_completion_tokens", "n", "stream_options"];

/// Whether names differ in case only, as Unicode has it: `\u{17f}` is an `s`, and `\u{212a}` a `k`.
fn is_same_in_any_case(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    let folded = |name: &str| name.to_uppercase().to_lowercase();
    folded(one) == folded(other)
}

/// Passes the messages, each of which must be an object with one known role and at most one content.
fn read_messages<'a>(reader: &mut Reader<'a>, schema: Schema) -> Result<&'a str, RequestError> {
    let roles: &[&str] = match schema {
        Schema::OpenAi => &["system", "developer", "user", "assistant", "tool", "function"],
        Schema::Anthropic => &["user", "assistant", "system"],
    };
    let start = reader.position();
    reader.array(|reader, index| {
        let wrong = |what: &str, field: &str| Err(RequestError::new(what).at(&format!("messages[{index}]{field}")));
        if reader.next() != Some(b'{') {
            reader.value()?;
            return wrong("an object is expected", "");
        }
        let (mut role, mut content) = (None, None);
        let mut twice = None;
        reader.object(|reader, name| {
            let value = reader.value()?;
            let (field, known) = match name.as_ref() {
                "role" => (".role", &mut role),
                "content" => (".content", &mut content),
                _ => return Ok::<(), Malformed>(()),
            };
            if known.replace(value).is_some() {
                twice = Some(field);
            }
            Ok(())
        })?;
        if let Some(field) = twice {
            return wrong("the field stands twice", field);
        }
        if content.is_some_and(|content| !content.starts_with(['"', '[', 'n'])) {
            return wrong("a string or an array is expected", ".content");
        }
        match role {
            None | Some("null") => wrong("the field is required", ".role"),
            Some(role) if !role.starts_with('"') => wrong("a string is expected", ".role"),
            Some(role) if roles.contains(&unescaped(role).as_ref()) => Ok(()),
            Some(_) => wrong(&format!("must be one of {}", roles.join(", ")), ".role"),
        }
    })?;
    Ok(reader.since(start))
}

/// With which characters a field's value begins, where all providers of a schema agree on its type, and the type's name.
fn type_of(schema: Schema, name: &str) -> Option<(&'static [char], &'static str)> {
    Some(match (schema, name) {
        (_, "temperature" | "top_p") => (&['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'], "a number"),
        (_, "tools") | (Schema::Anthropic, "stop_sequences") => (&['['], "an array"),
        (_, "metadata") => (&['{'], "an object"),
        (Schema::OpenAi, "stop") | (Schema::Anthropic, "system") => (&['"', '['], "a string or an array"),
        (Schema::OpenAi, "user") => (&['"'], "a string"),
        _ => return None,
    })
}
