//! Where in a body the scanner is: decides which of the strings below are text.
//!
//! A dialect says it in tables: which fields lead where. Everything is read by exclusion: only what nobody reads as text is left
//! out, and everything else counts, also in fields that nobody here knows.

use serde_json::Value;

use crate::schema::Kind;

/// All that a dialect tells about its texts.
#[derive(Debug)]
pub struct Texts {
    /// Where the search begins in a request of each kind.
    pub requests: &'static [(Kind, &'static TextSchema)],
    /// The same in a whole answer. What stands in none of these kinds has no texts.
    pub answers: &'static [(Kind, &'static TextSchema)],
    /// The same in the data of a stream's event, whatever its type.
    pub event: &'static TextSchema,
    /// The data of a stream's last event, where that is no JSON; empty: there is none.
    pub last_data: &'static str,
    /// What an event ends, by its `type`. One that begins with a `*` fits whatever ends so.
    pub ends: &'static [(&'static str, Ends)],
    /// Whether an event with an `error` is the last one, whatever its type.
    pub ends_with_error: bool,
    /// Makes an event that brought text into one that brings more of it: what must come once only is taken out. Answers the name
    /// of such an event, if it is another one.
    pub continued: fn(&mut Value) -> Option<&'static str>,
}

/// What an event ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    /// Nothing. The unknown is never an end.
    #[default]
    Nothing,
    /// The texts of its own part: a block, an item.
    Part,
    /// All texts.
    Stream,
}

/// What a string, or a long number, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// The same, but for numbers, however long.
    Remark,
    /// An id, a fixed word, a setting: text only if it looks like none of these.
    Word,
    /// What nobody reads, or no one can read.
    Nothing,
    /// An address: text, unless it holds an image, a sound, a film or a PDF itself.
    Address,
    /// A file: an address as above, or base64 without one.
    File,
    /// Base64 of a picture or of sound.
    Media,
    /// Text, or numbers that stand for its tokens.
    TextOrTokens,
    /// What a source holds: text, unless the source says that it is base64 of something else than text.
    SourceData,
    /// A text once more in another spelling, for example token by token. It goes when the text is edited.
    Spelling,
}

/// How the `data` of an object is read, which is [`Holds::SourceData`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// As any other field.
    No,
    /// As its `type` and `media_type` say.
    Typed,
    /// It is base64 of what its media type says, and of a text where it says nothing.
    Base64,
}

/// Whether the names of an object's fields are text: a model reads those of a tool's input and of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// They are words of the schema.
    Words,
    /// Whoever wrote the body chose them.
    Texts,
    /// The same, but for these.
    TextsBut(&'static [&'static str]),
}

/// What stands at one level of a body, and below it, as a JSON Schema and its subschemas say it. The elements of an array have the
/// schema of the array.
#[derive(Debug)]
pub struct TextSchema {
    /// What a string here is.
    pub holds: Holds,
    /// What the names of an object's fields are.
    pub names: Names,
    /// Where fields lead.
    pub fields: &'static [(&'static str, &'static Self)],
    /// Where all others lead.
    pub others: &'static Self,
    /// Strings are pieces of one text, which goes on in the next event.
    pub pieces: bool,
    /// Strings were streamed before, piece by piece.
    pub is_copy: bool,
    /// A string is read as one with the other parts of its array.
    pub is_part: bool,
    /// The parts of an array are read as one.
    pub joins_parts: bool,
    /// Fields by which texts in objects here are told apart from those of the next object: an index, an id.
    pub keys: &'static [&'static str],
    /// The field by which texts of one part are told apart: what kind of text it is. Empty: none does.
    pub kind: &'static str,
    /// The field that says why this part of a stream ended; empty: none does.
    pub reason: &'static str,
    /// Of a whole answer: the field with the list of what the model said. An answer has it once.
    pub list: &'static str,
    /// How the `data` of an object is read.
    pub source: Source,
    /// The name by which pieces here go on under another one.
    pub goes_on_as: &'static str,
}

impl TextSchema {
    /// One where strings are this and fields lead there.
    pub const fn of(holds: Holds, others: &'static Self) -> Self {
        Self {
            holds,
            names: Names::Words,
            fields: &[],
            others,
            pieces: false,
            is_copy: false,
            is_part: false,
            joins_parts: false,
            keys: &[],
            kind: "",
            reason: "",
            list: "",
            source: Source::No,
            goes_on_as: "",
        }
    }

    /// Whether fields of an object tell its texts apart from others.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty() || !self.kind.is_empty()
    }

    /// The number and the schema of a field that the table has.
    pub(crate) fn field(&self, name: &str) -> Option<(u32, &'static Self)> {
        let known = (0..).zip(self.fields).find(|(_, (known, _))| *known == name);
        known.map(|(number, (_, schema))| (number, *schema))
    }

    /// Whether a long number here is text.
    pub(crate) fn has_text_numbers(&self) -> bool {
        matches!(self.holds, Holds::Text | Holds::Address | Holds::File | Holds::SourceData | Holds::TextOrTokens)
    }

    /// Whether the name of an object's field is text.
    pub(crate) fn has_text_name(&self, name: &str) -> bool {
        match self.names {
            Names::Words => false,
            Names::Texts => true,
            Names::TextsBut(words) => !words.contains(&name),
        }
    }
}

/// Every string below is text.
pub static TEXT: TextSchema = TextSchema { names: Names::Texts, ..TextSchema::of(Holds::Text, &TEXT) };

/// A text among others that are read as one.
pub static PART: TextSchema = TextSchema { is_part: true, ..TextSchema::of(Holds::Text, &TEXT) };

/// No string below is text.
pub static NOTHING: TextSchema = TextSchema::of(Holds::Nothing, &NOTHING);

/// Figures. What is said beside them is text.
pub static FIGURES: TextSchema = TextSchema::of(Holds::Remark, &FIGURES);

/// An id, a fixed word, a setting: no text, unless it is an object after all, or has what no word has.
pub static WORD: TextSchema = TextSchema {
    // What the schemas have where a word is expected.
    names: Names::TextsBut(&["type", "name", "function", "ttl"]),
    fields: &[("type", &WORD)],
    ..TextSchema::of(Holds::Word, &TEXT)
};

/// The text once more.
pub static SPELLING: TextSchema = TextSchema::of(Holds::Spelling, &SPELLING);

/// An address, or an object with one.
pub static ADDRESS: TextSchema = TextSchema {
    fields: &[("url", &ADDRESS), ("file_data", &FILE), ("file_id", &MEDIA)],
    ..TextSchema::of(Holds::Address, &TEXT)
};

/// What a file holds.
pub static FILE: TextSchema = TextSchema::of(Holds::File, &TEXT);

/// A picture or sound, or a file that the provider has.
pub static MEDIA: TextSchema = TextSchema::of(Holds::Media, &TEXT);

/// The data of a source.
pub static SOURCE_DATA: TextSchema = TextSchema::of(Holds::SourceData, &TEXT);

/// Texts to embed, or their tokens.
pub static TEXT_OR_TOKENS: TextSchema =
    TextSchema { names: Names::Texts, ..TextSchema::of(Holds::TextOrTokens, &TEXT) };

/// The definition of a tool, or a JSON Schema in it.
pub static SCHEMA: TextSchema = TextSchema {
    // Words of the schemas and of JSON Schema: most of what stands in a definition.
    names: Names::TextsBut(&[
        "type",
        "function",
        "name",
        "description",
        "parameters",
        "input_schema",
        "properties",
        "required",
        "items",
        "enum",
        "anyOf",
        "additionalProperties",
        "strict",
        "cache_control",
        "json_schema",
        "schema",
        "format",
        "custom",
    ]),
    fields: &[
        ("type", &WORD),
        ("properties", &PROPERTIES),
        ("cache_control", &WORD),
        // Values, not schemas: what is named type there is none.
        ("enum", &TEXT),
        ("const", &TEXT),
        ("default", &TEXT),
        ("example", &TEXT),
        ("examples", &TEXT),
        ("input_examples", &TEXT),
        ("patternProperties", &PROPERTIES),
        ("$defs", &PROPERTIES),
        ("definitions", &PROPERTIES),
    ],
    ..TextSchema::of(Holds::Text, &SCHEMA)
};

/// An object whose names the client chose, each with a JSON Schema.
static PROPERTIES: TextSchema = TextSchema { names: Names::Texts, ..TextSchema::of(Holds::Text, &SCHEMA) };

/// A field of a delta: a piece of a text, also in fields that nobody knows, since a new kind of text looks like that.
pub static PIECE: TextSchema =
    TextSchema { names: NAMES_BELOW, fields: &BELOW_A_DELTA, pieces: true, ..TextSchema::of(Holds::Text, &BELOW) };

/// Deeper down, and in what is no delta, a string is whole in itself, unless it is known to come in pieces: holding back part of a
/// link or a type would spoil it.
pub static BELOW: TextSchema =
    TextSchema { names: NAMES_BELOW, fields: &BELOW_A_DELTA, keys: &["index"], ..TextSchema::of(Holds::Text, &BELOW) };

const NAMES_BELOW: Names =
    Names::TextsBut(&["type", "text", "index", "id", "format", "summary", "content", "name", "data"]);

static BELOW_A_DELTA: [(&str, &TextSchema); 14] = [
    ("arguments", &PIECE),
    ("content", &PIECE),
    ("input", &PIECE),
    ("partial_json", &PIECE),
    ("reasoning", &PIECE),
    ("reasoning_content", &PIECE),
    ("refusal", &PIECE),
    ("summary", &PIECE),
    ("text", &PIECE),
    ("thinking", &PIECE),
    ("transcript", &PIECE),
    ("type", &WORD),
    ("index", &WORD),
    ("id", &WORD),
];
