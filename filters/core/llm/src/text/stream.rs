use std::ops::Range;

use serde_json::Value;

use super::scan::{Found, Scanned, Unreadable, scan_event};
use super::schema::Ends;
use super::{Text, edited, value_of};
use crate::error::ResponseError;
use crate::schema::Schema;

/// The most texts in one event. Honest events have some dozens; the last one of a stream may repeat a whole answer.
pub const MOST_TEXTS_OF_AN_EVENT: usize = 10_000;

/// What a text in an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A piece of a text that goes on in later events, and of which a rest can come in an event of its own.
    Piece,
    /// Whole in itself, as far as anybody knows.
    Whole,
    /// A text that was streamed in pieces before.
    Copy,
    /// A number or the name of a field: it never goes on.
    Closed,
}

/// A text in one event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamText {
    /// Texts with the same channel follow each other: a choice's content, a block, a tool call's arguments.
    pub channel: u64,
    /// Texts with the same run are of one kind: a reader may read those of one part on from those of the part before.
    pub run: u64,
    /// The choice, block or item that it belongs to.
    pub part: u64,
    /// What it is.
    pub role: Role,
    /// What it says, and where.
    pub text: Text,
}

/// What there is in one event of a stream, for somebody who reads its texts and knows no schema.
#[derive(Debug, Default)]
pub struct StreamEvent {
    /// In their order.
    pub texts: Vec<StreamText>,
    /// Values that spell a text once more. See [`super::edited`].
    pub spellings: Vec<Range<usize>>,
    /// What it ends, before its own texts.
    pub ends: Ends,
    /// The part that the whole event belongs to.
    pub part: u64,
    /// The parts in it, where one event has several, and whether each tells that it is over after its own texts.
    pub parts: Vec<(u64, bool)>,
}

impl StreamEvent {
    /// Reads an event's data in the client's schema. Fails on what cannot be searched for text.
    pub fn read(client: Schema, data: &str) -> Result<Self, ResponseError> {
        let texts = client.texts();
        if !texts.last_data.is_empty() && data.trim() == texts.last_data {
            return Ok(Self { ends: Ends::Stream, ..Self::default() });
        }
        if !data.trim_start().starts_with('{') {
            return Err(ResponseError::new("an event is no JSON object".to_owned()));
        }
        let scanned =
            scan_event(data, texts.event).map_err(|error: Unreadable| ResponseError::new(error.to_string()))?;
        if scanned.texts.len() > MOST_TEXTS_OF_AN_EVENT {
            return Err(ResponseError::new(format!("an event has more than {MOST_TEXTS_OF_AN_EVENT} texts")));
        }
        let ends = ends(client, data, &scanned);
        // What ends nothing repeats nothing that was streamed before.
        let may_copy = ends != Ends::Nothing;
        let of = |found| StreamText::of(found, data, may_copy);
        Ok(Self {
            texts: scanned.texts.into_iter().map(of).collect(),
            spellings: scanned.spellings,
            ends,
            part: scanned.part,
            parts: scanned.parts,
        })
    }
}

fn ends(client: Schema, data: &str, scanned: &Scanned) -> Ends {
    let texts = client.texts();
    if texts.ends_with_error && scanned.has_error {
        return Ends::Stream;
    }
    let kind = value_of(data.get(scanned.kind.clone()).unwrap_or_default());
    let fits = |pattern: &str| match pattern.strip_prefix('*') {
        Some(end) => kind.ends_with(end),
        None => kind == pattern,
    };
    texts.ends.iter().find(|(pattern, _)| fits(pattern)).map_or(Ends::Nothing, |(_, ends)| *ends)
}

impl StreamText {
    fn of(found: Found, data: &str, may_copy: bool) -> Self {
        let token = data.get(found.span.clone()).unwrap_or_default();
        let role = match found.schema {
            _ if found.name_of > 0 || !token.starts_with('"') => Role::Closed,
            schema if schema.is_copy && may_copy => Role::Copy,
            schema if schema.pieces => Role::Piece,
            _ => Role::Whole,
        };
        let (span, name_of, joined) = (found.span, found.name_of, found.joined);
        let text = Text { value: value_of(token), span, name_of, joined, base64_behind: None };
        Self { channel: found.channel, run: found.run, part: found.part, role, text }
    }
}

/// An event that brings more of the texts of an earlier one: its name and data. `data` is the earlier one's, `edits` what its
/// texts are in the new one.
pub fn continuation(client: Schema, name: &str, data: &str, edits: &[(Range<usize>, String)]) -> (String, String) {
    let data = edited(data.as_bytes(), edits, &[]);
    let Ok(mut event) = crate::json::parse_bytes::<Value>(&data) else {
        return (name.to_owned(), String::from_utf8_lossy(&data).into_owned());
    };
    let other_name = (client.texts().continued)(&mut event).filter(|_| !name.is_empty());
    (other_name.unwrap_or(name).to_owned(), event.to_string())
}
