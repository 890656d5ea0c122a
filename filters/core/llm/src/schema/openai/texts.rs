//! Where text stands in chat completions and embeddings.

use serde_json::Value;

use crate::schema::Kind;
use crate::text::schema::{
    ADDRESS, BELOW, FIGURES, MEDIA, NOTHING, PART, PIECE, SCHEMA, SPELLING, TEXT, TEXT_OR_TOKENS, WORD,
};
use crate::text::{Holds, TextSchema, Texts};

pub(super) static TEXTS: Texts = Texts {
    requests: &[
        (Kind::Chat, &CHAT_REQUEST),
        (Kind::Embeddings, &EMBEDDINGS_REQUEST),
        (Kind::Moderation, &MODERATION_REQUEST),
    ],
    answers: &[(Kind::Chat, &CHAT_ANSWER)],
    event: &CHUNK,
    last_data: "[DONE]",
    // An error has an `error`, also where it was told in another form.
    ends: &[],
    ends_with_error: true,
    continued: continue_chunk,
};

const WORDS_OF_A_REQUEST: &[(&str, &TextSchema)] = &[
    ("messages", &MESSAGE),
    ("model", &WORD),
    ("tools", &SCHEMA),
    ("functions", &SCHEMA),
    ("response_format", &SCHEMA),
    ("prediction", &CONTENT),
    ("type", &WORD),
    ("role", &WORD),
    ("id", &WORD),
    ("cache_control", &WORD),
    ("service_tier", &WORD),
    ("reasoning_effort", &WORD),
    ("verbosity", &WORD),
    ("modalities", &WORD),
    ("tool_choice", &WORD),
    ("function_call", &WORD),
    ("encoding_format", &WORD),
    ("seed", &WORD),
    ("temperature", &WORD),
    ("top_p", &WORD),
];

static CHAT_REQUEST: TextSchema = TextSchema { fields: WORDS_OF_A_REQUEST, ..TextSchema::of(Holds::Nothing, &TEXT) };

static EMBEDDINGS_REQUEST: TextSchema = TextSchema {
    fields: &[("input", &TEXT_OR_TOKENS), ("model", &WORD), ("encoding_format", &WORD)],
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

/// Texts, or parts as a message has them.
static MODERATION_REQUEST: TextSchema =
    TextSchema { fields: &[("input", &CONTENT), ("model", &WORD)], ..TextSchema::of(Holds::Nothing, &TEXT) };

static MESSAGE: TextSchema = TextSchema {
    fields: &[
        ("role", &WORD),
        ("content", &CONTENT),
        ("type", &WORD),
        ("id", &WORD),
        ("tool_call_id", &WORD),
        ("cache_control", &WORD),
        ("tool_calls", &TOOL_CALL),
        ("function_call", &TOOL_CALL),
        ("audio", &AUDIO),
        // They spell the text once more, token by token.
        ("logprobs", &SPELLING),
        ("token_ids", &SPELLING),
    ],
    ..TextSchema::of(Holds::Text, &TEXT)
};

/// A string, a part, or an array of parts.
static CONTENT: TextSchema = TextSchema {
    fields: &[
        ("type", &WORD),
        ("text", &PART),
        ("image_url", &ADDRESS),
        ("video_url", &ADDRESS),
        ("audio_url", &ADDRESS),
        ("document_url", &ADDRESS),
        ("file", &ADDRESS),
        ("input_audio", &SOUND),
        ("content", &CONTENT),
        ("cache_control", &WORD),
        ("id", &WORD),
        ("tool_use_id", &WORD),
        // These two are the provider's own, and no one else can read them.
        ("signature", &WORD),
        ("encrypted_content", &WORD),
    ],
    joins_parts: true,
    ..TextSchema::of(Holds::Text, &TEXT)
};

/// Sound that the client sends: base64.
static SOUND: TextSchema = TextSchema {
    fields: &[("data", &MEDIA), ("id", &WORD), ("format", &WORD)],
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

/// What the model says, beside its transcript.
static AUDIO: TextSchema = TextSchema {
    fields: &[("data", &SPELLING), ("id", &WORD), ("format", &WORD)],
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

static TOOL_CALL: TextSchema = TextSchema {
    fields: &[("function", &TOOL_CALL), ("custom", &TOOL_CALL), ("type", &WORD), ("id", &WORD), ("index", &WORD)],
    ..TextSchema::of(Holds::Text, &TEXT)
};

static CHAT_ANSWER: TextSchema = TextSchema {
    fields: &[
        ("choices", &CHOICE),
        ("id", &WORD),
        ("object", &WORD),
        ("created", &WORD),
        ("model", &WORD),
        ("usage", &FIGURES),
        ("system_fingerprint", &WORD),
        ("service_tier", &WORD),
        ("provider", &WORD),
        ("prompt_filter_results", &FILTERS),
        ("prompt_token_ids", &NOTHING),
        ("prompt_logprobs", &NOTHING),
    ],
    list: "choices",
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

static CHOICE: TextSchema = TextSchema {
    fields: &[
        ("message", &MESSAGE),
        ("index", &WORD),
        ("finish_reason", &WORD),
        ("native_finish_reason", &WORD),
        ("stop_reason", &WORD),
        ("logprobs", &SPELLING),
        ("token_ids", &SPELLING),
        ("content_filter_results", &FILTERS),
    ],
    ..TextSchema::of(Holds::Text, &TEXT)
};

static CHUNK: TextSchema = TextSchema {
    fields: &[
        ("choices", &CHUNK_CHOICE),
        ("type", &WORD),
        ("id", &WORD),
        ("object", &WORD),
        ("created", &WORD),
        ("model", &WORD),
        ("usage", &FIGURES),
        ("system_fingerprint", &WORD),
        ("service_tier", &WORD),
        ("provider", &WORD),
        ("obfuscation", &WORD),
        ("prompt_filter_results", &FILTERS),
        ("prompt_token_ids", &NOTHING),
        ("prompt_logprobs", &NOTHING),
    ],
    ..TextSchema::of(Holds::Nothing, &BELOW)
};

/// A choice of a chunk is told from the others by its index, as clients do it.
static CHUNK_CHOICE: TextSchema = TextSchema {
    fields: &[
        ("delta", &DELTA),
        ("index", &WORD),
        ("finish_reason", &WORD),
        ("native_finish_reason", &WORD),
        ("stop_reason", &WORD),
        ("text", &PIECE),
        ("message", &DELTA),
        ("logprobs", &SPELLING),
        ("token_ids", &SPELLING),
        ("content_filter_results", &FILTERS),
    ],
    keys: &["index"],
    reason: "finish_reason",
    ..TextSchema::of(Holds::Text, &BELOW)
};

static DELTA: TextSchema = TextSchema {
    fields: &[
        ("content", &PIECE),
        ("role", &WORD),
        ("tool_calls", &CALL_DELTA),
        ("function_call", &CALL_DELTA),
        ("audio", &AUDIO_DELTA),
        ("id", &WORD),
        ("type", &WORD),
        ("name", &BELOW),
        ("logprobs", &SPELLING),
        ("token_ids", &SPELLING),
        ("reasoning_details", &BELOW),
    ],
    ..TextSchema::of(Holds::Text, &PIECE)
};

static CALL_DELTA: TextSchema = TextSchema {
    fields: &[
        ("function", &CALLED),
        ("custom", &CALLED),
        ("index", &WORD),
        ("id", &WORD),
        ("type", &WORD),
        ("arguments", &PIECE),
        ("name", &BELOW),
    ],
    keys: &["index"],
    ..TextSchema::of(Holds::Text, &BELOW)
};

static CALLED: TextSchema = TextSchema {
    fields: &[("arguments", &PIECE), ("input", &PIECE), ("name", &BELOW)],
    ..TextSchema::of(Holds::Text, &BELOW)
};

static AUDIO_DELTA: TextSchema = TextSchema {
    fields: &[("data", &SPELLING), ("transcript", &PIECE), ("id", &WORD), ("expires_at", &WORD)],
    ..TextSchema::of(Holds::Nothing, &BELOW)
};

/// What a content filter says of a text: categories and severities. What it quotes is text.
static FILTERS: TextSchema = TextSchema { fields: &[("citation", &BELOW)], ..TextSchema::of(Holds::Nothing, &FILTERS) };

/// Role and ids come once, and so does usage. A name that is empty now came before.
fn continue_chunk(chunk: &mut Value) -> Option<&'static str> {
    if let Some(chunk) = chunk.as_object_mut() {
        chunk.shift_remove("usage");
    }
    for choice in chunk.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(choice) = choice.as_object_mut() {
            choice.shift_remove("logprobs");
            choice.insert("finish_reason".into(), Value::Null);
        }
        let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) else { continue };
        delta.shift_remove("role");
        for call in delta.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(call) = call.as_object_mut() {
                call.shift_remove("id");
                call.shift_remove("type");
            }
            for kind in ["function", "custom"] {
                if let Some(called) = call.get_mut(kind).and_then(Value::as_object_mut)
                    && called.get("name").and_then(Value::as_str) == Some("")
                {
                    called.shift_remove("name");
                }
            }
        }
    }
    None
}
