//! Where text stands in messages.

use serde_json::Value;

use crate::schema::Kind;
use crate::text::schema::{ADDRESS, BELOW, FIGURES, MEDIA, PART, PIECE, SCHEMA, SOURCE_DATA, TEXT, WORD};
use crate::text::{Ends, Holds, Source, TextSchema, Texts};

pub(super) static TEXTS: Texts = Texts {
    requests: &[(Kind::Chat, &REQUEST), (Kind::CountTokens, &REQUEST)],
    answers: &[(Kind::Chat, &ANSWER)],
    event: &EVENT,
    last_data: "",
    ends: &[
        // Blocks follow each other, but a client puts them together by their index: text goes on until its own block ends.
        ("content_block_stop", Ends::Part),
        ("message_stop", Ends::Stream),
        ("error", Ends::Stream),
    ],
    ends_with_error: false,
    continued: continue_block,
};

static REQUEST: TextSchema = TextSchema {
    fields: &[
        ("messages", &MESSAGE),
        ("system", &CONTENT),
        ("model", &WORD),
        ("tools", &SCHEMA),
        ("output_config", &SCHEMA),
        ("output_format", &SCHEMA),
        ("type", &WORD),
        ("role", &WORD),
        ("id", &WORD),
        ("cache_control", &WORD),
        ("service_tier", &WORD),
        ("tool_choice", &WORD),
        ("temperature", &WORD),
        ("top_p", &WORD),
    ],
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

static MESSAGE: TextSchema = TextSchema {
    fields: &[("role", &WORD), ("content", &CONTENT), ("type", &WORD), ("id", &WORD), ("cache_control", &WORD)],
    ..TextSchema::of(Holds::Text, &TEXT)
};

/// A string, a block, or an array of blocks.
static CONTENT: TextSchema = TextSchema {
    fields: &[
        ("type", &WORD),
        ("text", &PART),
        ("id", &WORD),
        ("tool_use_id", &WORD),
        ("cache_control", &WORD),
        ("source", &SOURCE),
        ("content", &CONTENT),
        // These two are the provider's own, and no one else can read them.
        ("signature", &WORD),
        ("encrypted_content", &WORD),
    ],
    joins_parts: true,
    ..TextSchema::of(Holds::Text, &TEXT)
};

/// The source of an image or a document.
static SOURCE: TextSchema = TextSchema {
    fields: &[
        ("type", &WORD),
        ("media_type", &WORD),
        ("data", &SOURCE_DATA),
        ("content", &CONTENT),
        ("url", &ADDRESS),
        ("file_id", &MEDIA),
    ],
    source: Source::Typed,
    ..TextSchema::of(Holds::Text, &TEXT)
};

static ANSWER: TextSchema = TextSchema {
    fields: &[
        ("content", &CONTENT),
        ("id", &WORD),
        ("type", &WORD),
        ("role", &WORD),
        ("model", &WORD),
        ("stop_reason", &WORD),
        ("usage", &FIGURES),
    ],
    list: "content",
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

/// Any event. Its texts are told apart by the block that they belong to.
static EVENT: TextSchema = TextSchema {
    fields: &[
        ("type", &WORD),
        ("index", &WORD),
        ("delta", &DELTA),
        ("content_block", &BLOCK),
        ("message", &ANSWER),
        ("usage", &FIGURES),
    ],
    keys: &["index"],
    ..TextSchema::of(Holds::Nothing, &BELOW)
};

static DELTA: TextSchema = TextSchema {
    fields: &[
        ("type", &WORD),
        ("text", &PIECE),
        ("partial_json", &PIECE),
        ("thinking", &PIECE),
        ("signature", &WORD),
        ("stop_reason", &WORD),
        ("stop_sequence", &BELOW),
        ("citation", &BELOW),
        ("id", &WORD),
    ],
    ..TextSchema::of(Holds::Text, &PIECE)
};

/// A block that begins. What it has of its text already goes on in deltas; the rest of it is whole.
static BLOCK: TextSchema = TextSchema {
    fields: &[
        ("type", &WORD),
        ("text", &PIECE),
        ("thinking", &PIECE),
        ("id", &WORD),
        ("tool_use_id", &WORD),
        ("signature", &WORD),
        ("encrypted_content", &WORD),
        ("content", &CONTENT),
    ],
    goes_on_as: "delta",
    ..TextSchema::of(Holds::Text, &TEXT)
};

/// A block may begin with text: the rest of that comes as a delta.
fn continue_block(event: &mut Value) -> Option<&'static str> {
    if event.get("type").and_then(Value::as_str) != Some("content_block_start") {
        return None;
    }
    let event = event.as_object_mut()?;
    let mut block = event.shift_remove("content_block")?;
    let delta_type = match block.get("type").and_then(Value::as_str) {
        Some("thinking") => "thinking_delta",
        _ => "text_delta",
    };
    if let Some(block) = block.as_object_mut() {
        block.insert("type".into(), delta_type.into());
        block.retain(|name, _| matches!(name.as_str(), "type" | "text" | "thinking"));
    }
    event.insert("type".into(), "content_block_delta".into());
    event.insert("delta".into(), block);
    Some("content_block_delta")
}
