//! Reading one level of a JSON object without copying it, and editing bytes in place.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;

use crate::reader::Reader;
use crate::steps;

/// More top-level fields than any schema has; keeps the look-ups linear and short.
const MOST_FIELDS: usize = 256;

/// The fields of one JSON object, values as they are written, in their order.
#[derive(Debug)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Fields<'a> {
    /// Reads a whole JSON text that must be one object; nothing may follow it. `None`: it is none, or has too many fields.
    pub(crate) fn read(json: &'a [u8]) -> Option<Self> {
        Self::of(std::str::from_utf8(json).ok()?)
    }

    /// The same of a text.
    pub(crate) fn of(json: &'a str) -> Option<Self> {
        let mut reader = Reader::of(json);
        let mut fields = Vec::new();
        reader
            .object(|reader, name, _| {
                if fields.len() >= MOST_FIELDS {
                    return Err(reader.not_json());
                }
                fields.push((name, reader.value()?));
                Ok(())
            })
            .and_then(|()| reader.end())
            .ok()?;
        Some(Self(fields))
    }

    /// The value of a field; `null` counts as absent, as it does for both schemas.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.get_or_null(name).filter(|value| *value != "null")
    }

    /// The value of a field, `null` included.
    pub(crate) fn get_or_null(&self, name: &str) -> Option<&'a str> {
        steps::count(self.0.len());
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// All fields in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// Whether the object has no fields.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first name that stands twice. Parsers disagree on which value of it counts.
    pub(crate) fn duplicate(&self) -> Option<&str> {
        let mut seen = BTreeSet::new();
        self.0.iter().map(|(name, _)| name.as_ref()).find(|name| !seen.insert(*name))
    }
}

/// A JSON text as a value; all of it is read.
pub(crate) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, serde_json::Error> {
    steps::count(json.len());
    serde_json::from_str(json)
}

/// The same of bytes.
pub(crate) fn parse_bytes<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, serde_json::Error> {
    steps::count(json.len());
    serde_json::from_slice(json)
}

/// The text of a value that is a string.
pub(crate) fn string_of(value: &RawValue) -> Option<Cow<'_, str>> {
    value.get().starts_with('"').then(|| unescaped(value.get()))
}

/// The text of a JSON string, given with its quotes. Half a surrogate pair becomes U+FFFD.
pub(crate) fn unescaped(json_string: &str) -> Cow<'_, str> {
    let inner = json_string.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    Cow::Owned(parse(json_string).unwrap_or_else(|_| unescaped_lossy(json_string)))
}

/// JSON may hold half a surrogate pair, which no Rust string can: serde_json gives it as bytes only.
fn unescaped_lossy(json_string: &str) -> String {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = String;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }
    serde_json::Deserializer::from_str(json_string).deserialize_bytes(Bytes).unwrap_or_default()
}

/// Where a part stands in the whole that it was borrowed from.
pub(crate) fn span_in(whole: &[u8], part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (whole.get(start..end)? == part.as_bytes()).then_some(start..end)
}

/// Appends a JSON string, quotes included.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    write(text, out);
}

/// Appends a value as compact JSON. Only a value whose `Serialize` fails could fail here, and ours do not.
pub(crate) fn write<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let before = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(before);
        out.extend_from_slice(b"null");
    }
}

/// A copy with some ranges replaced. Edits that overlap an earlier one, or lie outside, are left out.
pub(crate) fn spliced(bytes: &[u8], edits: &mut [(Range<usize>, Vec<u8>)]) -> Vec<u8> {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut out = Vec::with_capacity(bytes.len().saturating_add(grown));
    let mut at = 0;
    for (range, new) in edits.iter() {
        let Some(before) = bytes.get(at..range.start).filter(|_| range.start <= range.end && range.end <= bytes.len())
        else {
            continue;
        };
        out.extend_from_slice(before);
        out.extend_from_slice(new);
        at = range.end;
    }
    steps::count(bytes.len().saturating_add(edits.len()));
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}
