use std::borrow::Cow;
use std::ops::Range;

use super::schema::{Holds, Source, TextSchema};
use crate::json::unescaped;
use crate::reader::{Malformed, Reader};

/// Digits from which on a number counts as text: payment cards, accounts and identity numbers have as many.
const LONG_NUMBER: usize = 12;
/// What the address of embedded data begins with.
const DATA: &[u8] = b"data:";
/// Where it must say that it is base64.
const LONGEST_HEAD: usize = 133;

/// Marks the number of an array for those of its parts that are of another kind than most. No body has so many arrays.
const OF_A_KIND: u32 = 1 << 31;

/// Why a text could not be scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Readers disagree on which of the values counts, and pieces of a text are put together from what is read.
    #[error("it has a field twice")]
    Twice,
}

/// What the scanner found.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// All that is text, in its order.
    pub(super) texts: Vec<Found>,
    /// Values that spell a text once more, unless they are null.
    pub(super) spellings: Vec<Range<usize>>,
    /// Whether the whole is what an answer's schema promises: an object with one list of what the model said.
    pub(super) is_answer: bool,
    /// The value of the outermost `type`.
    pub(super) kind: Range<usize>,
    /// Whether the outermost object has an `error`.
    pub(super) has_error: bool,
    /// The parts of a stream that were seen, and whether each gave the reason of its end.
    pub(super) parts: Vec<(u64, bool)>,
    /// The part that the outermost object belongs to.
    pub(super) part: u64,
    /// Values that hold what is no text.
    pub(super) unread: u32,
}

/// One text: strings and names with their quotes, long numbers as they are.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) span: Range<usize>,
    /// Where it stands.
    pub(super) schema: &'static TextSchema,
    /// Of an object's name: the object, counted from 1.
    pub(super) name_of: u32,
    /// The array whose parts are read as one, counted from 1; 0: it stands alone.
    pub(super) joined: u32,
    /// Stands for the way that leads to it and for the keys on it.
    pub(super) channel: u64,
    /// Stands for the way and the kind of text, whatever the keys.
    pub(super) run: u64,
    /// Stands for the outermost keys on that way.
    pub(super) part: u64,
    /// It stands beside what the model said, not in it.
    pub(super) is_beside: bool,
    /// It is base64, but for so many bytes before it, if it is what it seems to be.
    pub(super) base64_behind: Option<usize>,
}

/// Scans a whole JSON text.
pub(super) fn scan(json: &str, schema: &'static TextSchema) -> Result<Scanned, Unreadable> {
    scan_as(json, schema, false)
}

/// Scans the data of an event, in which texts have channels.
pub(super) fn scan_event(json: &str, schema: &'static TextSchema) -> Result<Scanned, Unreadable> {
    scan_as(json, schema, true)
}

fn scan_as(json: &str, schema: &'static TextSchema, has_channels: bool) -> Result<Scanned, Unreadable> {
    let mut scanner = Scanner {
        json,
        out: Scanned::default(),
        said: Said::Nothing,
        objects: 0,
        arrays: 0,
        has_channels,
        tokens: false,
    };
    let mut reader = Reader::of(json);
    let is_object = reader.next() == Some(b'{');
    let way = Way { is_outermost: true, hash: FNV_OFFSET, joined: 0, is_beside: !schema.list.is_empty() };
    scanner.value(&mut reader, schema, way)?;
    reader.end()?;
    scanner.out.unread = scanner.out.unread.saturating_add(u32::from(scanner.tokens));
    scanner.out.is_answer = is_object && scanner.said == Said::List;
    Ok(scanner.out)
}

/// What an answer has where it says what the model said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    List,
    /// Something else, or more than one.
    Unclear,
}

/// What an address holds itself.
enum Embedded {
    /// It holds nothing.
    Nothing,
    /// Something that is readable as it stands.
    Other,
    /// Base64 behind so many bytes, perhaps of a text.
    Base64(usize),
    /// Base64 of what is no text.
    Media,
}

/// How the scanner came to a value.
#[derive(Clone, Copy)]
struct Way {
    /// Nothing is around it.
    is_outermost: bool,
    /// Stands for the names on it.
    hash: u64,
    joined: u32,
    is_beside: bool,
}

struct Scanner<'a> {
    json: &'a str,
    out: Scanned,
    said: Said,
    objects: u32,
    arrays: u32,
    has_channels: bool,
    /// Tokens stand where text may.
    tokens: bool,
}

impl<'a> Scanner<'a> {
    fn value(&mut self, reader: &mut Reader<'a>, schema: &'static TextSchema, way: Way) -> Result<(), Unreadable> {
        let first = reader.next();
        let (start, spellings) = (reader.position(), self.out.spellings.len());
        match first {
            Some(b'{') => self.object(reader, schema, way)?,
            Some(b'[') => self.array(reader, schema, way)?,
            _ => {
                reader.scalar()?;
                let span = start..reader.position();
                match first {
                    Some(b'"') => self.string_at(span, schema, way),
                    Some(b'-' | b'0'..=b'9') => self.number_at(span, schema, way),
                    // Null spells nothing, either.
                    Some(b'n') => return Ok(()),
                    _ => {}
                }
            }
        }
        if schema.holds == Holds::Spelling {
            // With all that is below it. What is empty spells nothing.
            self.out.spellings.truncate(spellings);
            if !matches!(reader.since(start), "[]" | "{}" | "\"\"") {
                self.out.spellings.push(start..reader.position());
            }
        }
        Ok(())
    }

    fn number_at(&mut self, span: Range<usize>, schema: &'static TextSchema, way: Way) {
        self.tokens |= schema.holds == Holds::TextOrTokens;
        if span.len() < LONG_NUMBER || !schema.has_text_numbers() {
            return;
        }
        let token = self.json.get(span.clone()).unwrap_or_default();
        if token.bytes().filter(u8::is_ascii_digit).count() >= LONG_NUMBER {
            self.found(span, schema, 0, way);
        }
    }

    fn string_at(&mut self, span: Range<usize>, schema: &'static TextSchema, way: Way) {
        match schema.holds {
            Holds::Media => self.out.unread = self.out.unread.saturating_add(1),
            Holds::Address | Holds::File => match self.embedded(&span) {
                Embedded::Media => self.out.unread = self.out.unread.saturating_add(1),
                Embedded::Base64(head) => self.found_base64(span, head, schema, way),
                Embedded::Nothing if schema.holds == Holds::File => self.found_base64(span, 0, schema, way),
                Embedded::Nothing | Embedded::Other => self.found(span, schema, 0, way),
            },
            Holds::Word if self.is_word(&span) => {}
            Holds::Word | Holds::Text | Holds::Remark | Holds::TextOrTokens | Holds::SourceData => {
                self.found(span, schema, 0, way);
            }
            Holds::Nothing | Holds::Spelling => {}
        }
    }

    /// Whether a string looks like an id or a fixed word.
    fn is_word(&self, string: &Range<usize>) -> bool {
        let token = self.json.get(string.clone()).unwrap_or_default();
        let is_of_a_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=');
        let inner = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
        inner.bytes().all(is_of_a_word) || (inner.contains('\\') && unescaped(token).bytes().all(is_of_a_word))
    }

    fn found_base64(&mut self, span: Range<usize>, head: usize, schema: &'static TextSchema, way: Way) {
        self.found(span, schema, 0, way);
        if let Some(found) = self.out.texts.last_mut() {
            found.base64_behind = Some(head);
        }
    }

    fn found(&mut self, span: Range<usize>, schema: &'static TextSchema, name_of: u32, way: Way) {
        let joined = if name_of == 0 && (schema.is_part || schema.joins_parts) { way.joined } else { 0 };
        let (channel, is_beside) = (way.hash, way.is_beside);
        let run = channel;
        let found = Found { span, schema, name_of, joined, channel, run, part: 0, is_beside, base64_behind: None };
        self.out.texts.push(found);
    }

    fn object(&mut self, reader: &mut Reader<'a>, schema: &'static TextSchema, way: Way) -> Result<(), Unreadable> {
        let is_outermost = way.is_outermost;
        self.objects = self.objects.saturating_add(1);
        let object = self.objects;
        let first_text = self.out.texts.len();
        let mut keys = Keys::default();
        let mut source = SourceFields::default();
        let mut seen = 0_u64;
        reader.object(|reader, name, name_span| {
            if schema.has_text_name(&name) {
                self.found(name_span, schema, object, way);
            }
            let first = reader.next();
            let (first_span, value_start) = (self.out.texts.len(), reader.position());
            let known = schema.field(&name);
            let value_schema = known.map_or(schema.others, |(_, schema)| schema);
            let is_list = !schema.list.is_empty() && name == schema.list;
            let way = Way {
                is_outermost: false,
                hash: match value_schema.goes_on_as {
                    _ if !self.has_channels => way.hash,
                    "" => fnv(way.hash, &name),
                    other => fnv(way.hash, other),
                },
                joined: if value_schema.is_part { way.joined } else { 0 },
                is_beside: way.is_beside && !is_list,
            };
            self.value(reader, value_schema, way)?;
            if let (true, Some((number, _))) = (self.has_channels, known) {
                let says = self.out.texts.get(first_span..).unwrap_or_default().iter().any(|text| text.span.len() > 2);
                if says || schema.keys.contains(&&*name) || schema.kind == name {
                    let bit = 1_u64.checked_shl(number).unwrap_or_default();
                    if seen & bit != 0 {
                        return Err(Unreadable::Twice);
                    }
                    seen |= bit;
                }
            }
            if is_list {
                let is_list = self.said == Said::Nothing && first == Some(b'[');
                self.said = if is_list { Said::List } else { Said::Unclear };
            }
            let value = reader.since(value_start);
            if schema.source != Source::No {
                source.field(&name, value, first_span..self.out.texts.len());
            }
            if schema.has_keys() {
                keys.field(schema, &name, value);
            }
            if is_outermost {
                if name == "type" {
                    self.out.kind = value_start..reader.position();
                }
                self.out.has_error |= name == "error" && says_something(value);
            }
            Ok(())
        })?;
        match source.read(schema.source) {
            Encoding::Text => {}
            Encoding::Base64(data) => {
                let texts = self.out.texts.get_mut(data).unwrap_or_default();
                for found in
                    texts.iter_mut().filter(|found| found.schema.holds == Holds::SourceData && found.name_of == 0)
                {
                    found.base64_behind = Some(0);
                }
            }
            Encoding::Media(data) => {
                self.out.unread = self.out.unread.saturating_add(1);
                if data.end <= self.out.texts.len() {
                    self.out.texts.drain(data);
                }
            }
        }
        if self.has_channels && (is_outermost || schema.has_keys()) {
            self.close(schema, &keys, first_text, is_outermost);
        }
        if keys.kind != 0 {
            // Other kinds of parts are not read as one with these.
            for text in self.out.texts.get_mut(first_text..).unwrap_or_default() {
                text.joined |= if text.joined == way.joined && text.joined > 0 { OF_A_KIND } else { 0 };
            }
        }
        Ok(())
    }

    /// Tells the texts of an object apart from those of others by its keys.
    fn close(&mut self, schema: &TextSchema, keys: &Keys, first_text: usize, is_outermost: bool) {
        let is_choice = !schema.reason.is_empty();
        // What stands outside of all of an event's choices is no part of the first one.
        let part = keys.hash.wrapping_add(u64::from(is_choice));
        if keys.hash != 0 || keys.kind != 0 || is_choice {
            for text in self.out.texts.get_mut(first_text..).unwrap_or_default() {
                text.channel = text.channel.rotate_left(5) ^ keys.hash ^ keys.kind;
                text.run ^= keys.kind;
                text.part = if is_choice || is_outermost { part } else { text.part };
            }
        }
        if is_outermost {
            self.out.part = part;
        }
        if is_choice {
            self.out.parts.push((part, keys.gives_reason));
        }
    }

    fn array(&mut self, reader: &mut Reader<'a>, schema: &'static TextSchema, way: Way) -> Result<(), Unreadable> {
        let mut joined = way.joined;
        if schema.joins_parts {
            self.arrays = self.arrays.saturating_add(1);
            joined = self.arrays;
        }
        let way = Way { is_outermost: false, joined, ..way };
        reader.array(|reader, _| self.value(reader, schema, way))
    }

    /// What a string holds, if it is an address with the data itself, in base64.
    fn embedded(&self, string: &Range<usize>) -> Embedded {
        let token =
            self.json.as_bytes().get(string.start.saturating_add(1)..string.end.saturating_sub(1)).unwrap_or_default();
        let head = token.get(..LONGEST_HEAD.min(token.len())).unwrap_or_default();
        // Escapes are seldom, and what is escaped before the data must not hide it.
        let escaped = memchr::memchr(b'\\', head).is_some();
        let text =
            if escaped { unescaped(self.json.get(string.clone()).unwrap_or_default()) } else { Cow::Borrowed("") };
        let head = if escaped { text.as_bytes().get(..LONGEST_HEAD.min(text.len())).unwrap_or_default() } else { head };
        let Some((scheme, media_type)) = head.split_at_checked(DATA.len()) else { return Embedded::Nothing };
        if !scheme.eq_ignore_ascii_case(DATA) {
            return Embedded::Nothing;
        }
        let Some(comma) = memchr::memchr(b',', media_type) else { return Embedded::Other };
        let media_type = media_type.get(..comma).unwrap_or_default().to_ascii_lowercase();
        if !media_type.trim_ascii_end().ends_with(b"base64") {
            return Embedded::Other;
        }
        let known: [&[u8]; 4] = [b"image/", b"audio/", b"video/", b"application/pdf;"];
        if known.iter().any(|prefix| media_type.starts_with(prefix)) {
            return Embedded::Media;
        }
        Embedded::Base64(DATA.len().saturating_add(comma).saturating_add(1))
    }
}

/// Whether the value of an `error` is one: some servers say in every event that there is none.
fn says_something(error: &str) -> bool {
    match error.as_bytes().first() {
        Some(b'{' | b'[' | b'"') => crate::json::parse(error).is_ok_and(|error| crate::error::says_something(&error)),
        _ => false,
    }
}

/// What an object says of the data in it.
#[derive(Default)]
struct SourceFields {
    data: Option<Range<usize>>,
    types: u32,
    base64_types: u32,
    has_media_type: bool,
    is_text: bool,
    is_unclear: bool,
}

impl SourceFields {
    /// `texts`: those found in the value.
    fn field(&mut self, name: &str, value: &str, texts: Range<usize>) {
        match name {
            // A second one would hide what stands between: then all of it counts.
            "data" => {
                self.is_unclear |= self.data.is_some();
                self.data = Some(self.data.take().map_or(texts.start, |data| data.start)..texts.end);
            }
            "type" => {
                self.types = self.types.saturating_add(1);
                self.base64_types = self.base64_types.saturating_add(u32::from(unescaped(value) == "base64"));
            }
            "media_type" | "mimeType" | "mime_type" => {
                self.has_media_type = true;
                self.is_text |= !is_binary(&unescaped(value));
            }
            _ => {}
        }
    }

    fn read(self, source: Source) -> Encoding {
        let Some(data) = self.data else { return Encoding::Text };
        // Where one of two types or data is base64, nobody knows which one is read.
        let is_unclear = self.is_unclear || self.types != self.base64_types;
        let (is_base64, is_text) = match source {
            Source::No => (false, true),
            Source::Typed => (self.base64_types > 0, self.is_text || is_unclear),
            Source::Base64 => (true, self.is_text || !self.has_media_type || self.is_unclear),
        };
        match (is_base64, is_text) {
            (false, _) => Encoding::Text,
            (true, true) => Encoding::Base64(data),
            (true, false) => Encoding::Media(data),
        }
    }
}

/// How a source's data is read, and the texts found in it.
enum Encoding {
    Text,
    Base64(Range<usize>),
    Media(Range<usize>),
}

/// Whether a source's media type is one whose data is no text.
fn is_binary(media_type: &str) -> bool {
    ["image/", "audio/", "video/", "application/pdf"].iter().any(|prefix| media_type.starts_with(prefix))
}

/// What tells the texts of one object from those of the next.
#[derive(Default)]
struct Keys {
    hash: u64,
    /// Of the kind of text.
    kind: u64,
    gives_reason: bool,
}

impl Keys {
    fn field(&mut self, schema: &TextSchema, name: &str, value: &str) {
        if let Some(at) = schema.keys.iter().position(|key| *key == name) {
            self.hash ^= key_hash(value).rotate_left(u32::try_from(at).unwrap_or(0) * 7);
        }
        if !schema.kind.is_empty() && schema.kind == name {
            self.kind ^= key_hash(value);
        }
        if !schema.reason.is_empty() && schema.reason == name {
            let reason = unescaped(value);
            // Some servers write nothing, or the word, where others have a null.
            self.gives_reason |= !reason.trim().is_empty() && reason != "null";
        }
    }
}

/// What is absent, null, nought or false is the first of its kind, for clients too.
fn key_hash(value: &str) -> u64 {
    if matches!(value, "0" | "null" | "false") {
        return 0;
    }
    match value.parse::<f64>() {
        Ok(0.0) => 0,
        Ok(number) => fnv(FNV_OFFSET, "n") ^ number.to_bits(),
        Err(_) => fnv(FNV_OFFSET, &unescaped(value)),
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: the ways in one stream are few, and nobody gains by making two the same.
fn fnv(hash: u64, name: &str) -> u64 {
    const PRIME: u64 = 0x100_0000_01b3;
    // The length keeps apart what is said in two names and in one.
    let length = u64::try_from(name.len()).unwrap_or(u64::MAX);
    name.bytes().fold((hash ^ length).wrapping_mul(PRIME), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
