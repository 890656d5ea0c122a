//! The outline of a request's body: its fields, and that its messages are messages.

use std::borrow::Cow;

use crate::error::RequestError;
use crate::head::rules::{HeadRules, JsonType, MessageRules};
use crate::json::unescaped;
use crate::reader::{Malformed, Reader};

/// More top-level fields than any schema has; keeps the look-ups linear and short.
const MOST_FIELDS: usize = 256;

/// The fields of a body, values as they are written, in their order.
pub(super) struct TopFields<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> TopFields<'a> {
    /// Passes the whole body.
    pub(super) fn read(rules: &HeadRules, body: &'a [u8]) -> Result<Self, RequestError> {
        let mut reader = Reader::strict(body)?;
        if reader.next().is_some_and(|first| first != b'{') {
            // Said only of what is JSON at all.
            reader.value()?;
            reader.end()?;
            return Err(RequestError::new("the body is not valid: a JSON object is expected"));
        }
        let mut fields = Vec::new();
        reader.object(|reader, name, _| {
            if fields.len() >= MOST_FIELDS {
                return Err(RequestError::new(format!("the body is not valid: it has more than {MOST_FIELDS} fields")));
            }
            let messages = rules.content.messages.as_ref().filter(|_| name == rules.content.field);
            let value = match messages {
                Some(messages) if reader.next() == Some(b'[') => read_messages(reader, rules.content.field, messages)?,
                _ => reader.value()?,
            };
            fields.push((name, value));
            Ok(())
        })?;
        reader.end()?;
        let fields = Self(fields);
        if let Some(name) = fields.duplicate() {
            return Err(RequestError::new("the field stands twice").at(name));
        }
        match fields.other_spelling(rules.deciding) {
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
    pub(super) fn check_types(&self, types: &[(&str, JsonType)]) -> Result<(), RequestError> {
        for (name, value) in self.0.iter().filter(|(_, value)| *value != "null") {
            if let Some((_, expected)) = types.iter().find(|(known, _)| known == name)
                && !expected.fits(value)
            {
                return Err(RequestError::new(format!("{} is expected", expected.name())).at(name));
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
    fn other_spelling(&self, deciding: &[&'static str]) -> Option<(&str, &'static str)> {
        self.0.iter().find_map(|(name, _)| {
            let right = deciding.iter().copied().find(|right| is_same_in_any_case(right, name))?;
            (right != name).then_some((name.as_ref(), right))
        })
    }
}

/// Whether names differ in case only, as Unicode has it: `\u{17f}` is an `s`, and `\u{212a}` a `k`.
fn is_same_in_any_case(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    let folded = |name: &str| name.to_uppercase().to_lowercase();
    folded(one) == folded(other)
}

/// Passes the messages, each of which must be an object with one known role and at most one content.
fn read_messages<'a>(reader: &mut Reader<'a>, field: &str, rules: &MessageRules) -> Result<&'a str, RequestError> {
    let start = reader.position();
    reader.array(|reader, index| {
        let wrong = |what: &str, below: &str| Err(RequestError::new(what).at(&format!("{field}[{index}]{below}")));
        if reader.next() != Some(b'{') {
            reader.value()?;
            return wrong("an object is expected", "");
        }
        let (mut role, mut content) = (None, None);
        let mut twice = None;
        reader.object(|reader, name, _| {
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
            None | Some("null") if !rules.role_is_required => Ok(()),
            None | Some("null") => wrong("the field is required", ".role"),
            Some(role) if !role.starts_with('"') => wrong("a string is expected", ".role"),
            Some(role) if rules.roles.contains(&unescaped(role).as_ref()) => Ok(()),
            Some(_) => wrong(&format!("must be one of {}", rules.roles.join(", ")), ".role"),
        }
    })?;
    Ok(reader.since(start))
}
