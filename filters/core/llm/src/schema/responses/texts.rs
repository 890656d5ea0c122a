//! Where text stands in responses.
//!
//! A client may read any copy of a text, so each is found:
//!
//! | where | what |
//! |---|---|
//! | `delta` of `….delta` | a piece; what tells it apart is the item, the part and the event's type |
//! | `text`, `refusal`, `arguments`, … of `….done` | a copy of one part |
//! | `part` of `response.content_part.done`, `response.reasoning_summary_part.done` | a copy of one part |
//! | `item` of `response.output_item.done` | copies of all parts of an item |
//! | `response` of `response.completed`, `….incomplete`, `….failed` | copies of all items |
//!
//! An event that nobody knows is read in the same way: its `delta` is a piece, and any other string a text.

use serde_json::{Value, json};

use crate::schema::Kind;
use crate::text::schema::{BELOW, FIGURES, FILE, MEDIA, NOTHING, PIECE, SCHEMA, SPELLING, TEXT, WORD};
use crate::text::{Ends, Holds, Names, TextSchema, Texts};

pub(super) static TEXTS: Texts = Texts {
    requests: &[(Kind::Chat, &REQUEST), (Kind::CountTokens, &REQUEST)],
    answers: &[(Kind::Chat, &ANSWER)],
    event: &EVENT,
    // Promised by nobody; some servers send it.
    last_data: "[DONE]",
    ends: &[
        ("response.completed", Ends::Stream),
        ("response.incomplete", Ends::Stream),
        ("response.failed", Ends::Stream),
        ("error", Ends::Stream),
        // The copy follows its pieces.
        ("*.done", Ends::Part),
    ],
    ends_with_error: false,
    continued: continue_piece,
};

static REQUEST: TextSchema = TextSchema {
    fields: &[
        ("input", &ITEM),
        ("tools", &SCHEMA),
        ("text", &SCHEMA),
        ("model", &WORD),
        ("include", &WORD),
        ("previous_response_id", &WORD),
        ("service_tier", &WORD),
        ("truncation", &WORD),
        ("tool_choice", &WORD),
        ("reasoning", &WORD),
        ("temperature", &WORD),
        ("top_p", &WORD),
    ],
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

/// A message, a call, a result, reasoning, of either side. In a stream it says what was streamed before.
static ITEM: TextSchema = TextSchema {
    fields: &[
        ("type", &COPIED_WORD),
        ("id", &COPIED_WORD),
        ("role", &COPIED_WORD),
        ("status", &COPIED_WORD),
        ("phase", &COPIED_WORD),
        ("call_id", &COPIED_WORD),
        // The provider's own, and no one else can read it.
        ("encrypted_content", &COPIED_WORD),
        ("content", &CONTENT),
        ("output", &CONTENT),
        ("summary", &CONTENT),
    ],
    ..COPY_OF_TEXT
};

/// A string, a part, or an array of parts.
static CONTENT: TextSchema = TextSchema {
    fields: &[
        ("type", &COPIED_WORD),
        ("text", &COPIED_PART),
        ("image_url", &COPIED_ADDRESS),
        ("file_data", &FILE),
        ("file_url", &COPIED_ADDRESS),
        ("file_id", &MEDIA),
        ("detail", &COPIED_WORD),
        ("input_audio", &SOUND),
        ("prompt_cache_breakpoint", &COPIED_WORD),
        // The text once more, token by token.
        ("logprobs", &SPELLING),
    ],
    names: Names::Words,
    joins_parts: true,
    ..COPY_OF_TEXT
};

/// Sound that the client sends: base64.
static SOUND: TextSchema =
    TextSchema { fields: &[("data", &MEDIA), ("format", &COPIED_WORD)], ..TextSchema::of(Holds::Nothing, &COPY) };

static ANSWER: TextSchema = TextSchema {
    fields: &[
        ("output", &ITEM),
        // What it says of itself, and what the client had said.
        ("id", &NOTHING),
        ("object", &NOTHING),
        ("created_at", &NOTHING),
        ("completed_at", &NOTHING),
        ("status", &NOTHING),
        ("background", &NOTHING),
        ("model", &NOTHING),
        ("usage", &FIGURES),
        ("tool_usage", &NOTHING),
        ("service_tier", &NOTHING),
        ("incomplete_details", &NOTHING),
        ("instructions", &NOTHING),
        ("metadata", &NOTHING),
        ("tools", &NOTHING),
        ("tool_choice", &NOTHING),
        ("text", &NOTHING),
        ("reasoning", &NOTHING),
        ("prompt", &NOTHING),
        ("previous_response_id", &NOTHING),
        ("conversation", &NOTHING),
        ("user", &NOTHING),
        ("safety_identifier", &NOTHING),
        ("prompt_cache_key", &NOTHING),
        ("prompt_cache_options", &NOTHING),
        ("prompt_cache_retention", &NOTHING),
        ("truncation", &NOTHING),
    ],
    list: "output",
    ..TextSchema::of(Holds::Nothing, &COPY)
};

/// Any event. Its texts are told apart by the item and the part that they belong to, and pieces by the event's type as well.
static EVENT: TextSchema = TextSchema {
    fields: &[
        ("type", &WORD),
        ("sequence_number", &WORD),
        ("item_id", &WORD),
        ("output_index", &WORD),
        ("content_index", &WORD),
        ("summary_index", &WORD),
        // Padding.
        ("obfuscation", &WORD),
        ("logprobs", &SPELLING),
        // An image in base64.
        ("partial_image_b64", &WORD),
        ("delta", &PIECE),
        ("text", &COPY),
        ("refusal", &COPY),
        ("arguments", &COPY),
        ("input", &COPY),
        ("code", &COPY),
        ("annotation", &COPY),
        ("part", &CONTENT),
        ("item", &ITEM),
        ("response", &ANSWER),
        ("error", &COPY),
        ("message", &COPY),
        ("param", &COPY),
    ],
    keys: &["output_index", "content_index", "summary_index"],
    kind: "type",
    ..TextSchema::of(Holds::Nothing, &BELOW)
};

const COPY_OF_TEXT: TextSchema = TextSchema { is_copy: true, ..TextSchema::of(Holds::Text, &COPY) };

/// Every string below is a text, and in a stream one that is whole in itself.
static COPY: TextSchema = TextSchema { names: Names::Texts, is_copy: true, ..TextSchema::of(Holds::Text, &COPY) };

static COPIED_PART: TextSchema = TextSchema { is_part: true, ..COPY_OF_TEXT };

static COPIED_ADDRESS: TextSchema =
    TextSchema { fields: &[("url", &COPIED_ADDRESS)], is_copy: true, ..TextSchema::of(Holds::Address, &COPY) };

/// An id or a fixed word: no text, unless it is an object after all.
static COPIED_WORD: TextSchema = TextSchema {
    names: Names::TextsBut(&["type", "mode", "ttl"]),
    fields: &[("type", &COPIED_WORD)],
    is_copy: true,
    ..TextSchema::of(Holds::Word, &COPY)
};

/// The rest of a piece is a piece. It spells nothing once more.
fn continue_piece(event: &mut Value) -> Option<&'static str> {
    if let Some(probabilities) = event.get_mut("logprobs") {
        *probabilities = json!([]);
    }
    None
}
