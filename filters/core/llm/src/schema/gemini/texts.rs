//! Where text stands in Gemini's bodies and events. Requests may name each field in either of two spellings; answers are the server's,
//! which has one.

use serde_json::Value;

use crate::schema::Kind;
use crate::text::schema::{ADDRESS, BELOW, FIGURES, NOTHING, PART, PIECE, SCHEMA, SOURCE_DATA, SPELLING, TEXT, WORD};
use crate::text::{Holds, Source, TextSchema, Texts};

pub(super) static TEXTS: Texts = Texts {
    requests: &[
        (Kind::Chat, &REQUEST),
        (Kind::CountTokens, &COUNTING_REQUEST),
        (Kind::Embeddings, &EMBEDDING_REQUEST),
        (Kind::BatchEmbeddings, &EMBEDDINGS_REQUEST),
    ],
    answers: &[(Kind::Chat, &ANSWER)],
    event: &EVENT,
    last_data: "",
    ends: &[],
    ends_with_error: true,
    continued: continue_event,
};

static REQUEST: TextSchema = TextSchema {
    fields: &[
        ("contents", &CONTENT),
        ("systemInstruction", &CONTENT),
        ("system_instruction", &CONTENT),
        ("tools", &SCHEMA),
        ("toolConfig", &WORD),
        ("tool_config", &WORD),
        ("generationConfig", &SETTINGS),
        ("generation_config", &SETTINGS),
        ("safetySettings", &NOTHING),
        ("safety_settings", &NOTHING),
        ("cachedContent", &WORD),
        ("cached_content", &WORD),
        ("model", &WORD),
    ],
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

/// Contents, or a whole request.
static COUNTING_REQUEST: TextSchema = TextSchema {
    fields: &[("contents", &CONTENT), ("generateContentRequest", &REQUEST), ("generate_content_request", &REQUEST)],
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

static EMBEDDING_REQUEST: TextSchema = TextSchema {
    fields: &[
        ("content", &CONTENT),
        ("model", &WORD),
        ("taskType", &WORD),
        ("task_type", &WORD),
        ("outputDimensionality", &NOTHING),
        ("output_dimensionality", &NOTHING),
    ],
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

/// Each with its text.
static EMBEDDINGS_REQUEST: TextSchema =
    TextSchema { fields: &[("requests", &EMBEDDING_REQUEST)], ..TextSchema::of(Holds::Nothing, &TEXT) };

static SETTINGS: TextSchema = TextSchema {
    fields: &[
        ("responseSchema", &SCHEMA),
        ("response_schema", &SCHEMA),
        ("responseJsonSchema", &SCHEMA),
        ("response_json_schema", &SCHEMA),
        ("responseMimeType", &WORD),
        ("response_mime_type", &WORD),
        ("thinkingConfig", &NOTHING),
        ("thinking_config", &NOTHING),
        ("responseModalities", &WORD),
        ("response_modalities", &WORD),
        ("mediaResolution", &WORD),
        ("media_resolution", &WORD),
    ],
    ..TextSchema::of(Holds::Text, &TEXT)
};

static CONTENT: TextSchema =
    TextSchema { fields: &[("role", &WORD), ("parts", &PARTS)], ..TextSchema::of(Holds::Text, &TEXT) };

/// Texts of one content are read as one.
static PARTS: TextSchema = TextSchema {
    fields: &[
        ("text", &PART),
        ("thoughtSignature", &WORD),
        ("thought_signature", &WORD),
        ("inlineData", &BYTES),
        ("inline_data", &BYTES),
        ("fileData", &FILE),
        ("file_data", &FILE),
        ("functionCall", &CALLED),
        ("function_call", &CALLED),
        ("functionResponse", &CALLED),
        ("function_response", &CALLED),
    ],
    joins_parts: true,
    ..TextSchema::of(Holds::Text, &TEXT)
};

static BYTES: TextSchema = TextSchema {
    fields: &[("data", &SOURCE_DATA), ("mimeType", &WORD), ("mime_type", &WORD)],
    source: Source::Base64,
    ..TextSchema::of(Holds::Text, &TEXT)
};

static FILE: TextSchema = TextSchema {
    fields: &[("fileUri", &ADDRESS), ("file_uri", &ADDRESS), ("mimeType", &WORD), ("mime_type", &WORD)],
    ..TextSchema::of(Holds::Text, &TEXT)
};

/// A call, or its result.
static CALLED: TextSchema =
    TextSchema { fields: &[("id", &WORD), ("parts", &PARTS)], ..TextSchema::of(Holds::Text, &TEXT) };

const WORDS_OF_AN_ANSWER: [(&str, &TextSchema); 4] =
    [("usageMetadata", &FIGURES), ("modelVersion", &WORD), ("responseId", &WORD), ("createTime", &WORD)];

static ANSWER: TextSchema = TextSchema {
    fields: &[
        ("candidates", &CANDIDATE),
        WORDS_OF_AN_ANSWER[0],
        WORDS_OF_AN_ANSWER[1],
        WORDS_OF_AN_ANSWER[2],
        WORDS_OF_AN_ANSWER[3],
    ],
    list: "candidates",
    ..TextSchema::of(Holds::Nothing, &TEXT)
};

static CANDIDATE: TextSchema = TextSchema {
    fields: &[
        ("content", &CONTENT_OF_ANSWER),
        ("finishReason", &WORD),
        ("index", &WORD),
        ("safetyRatings", &NOTHING),
        ("avgLogprobs", &NOTHING),
        ("logprobsResult", &SPELLING),
        ("tokenCount", &NOTHING),
    ],
    ..TextSchema::of(Holds::Text, &TEXT)
};

static CONTENT_OF_ANSWER: TextSchema =
    TextSchema { fields: &[("role", &WORD), ("parts", &PARTS_OF_ANSWER)], ..TextSchema::of(Holds::Text, &TEXT) };

/// A reader who shows no thoughts reads the answer's parts as one, whatever thoughts stand between.
static PARTS_OF_ANSWER: TextSchema = TextSchema {
    fields: &[
        ("text", &PART),
        ("thought", &WORD),
        ("thoughtSignature", &WORD),
        ("inlineData", &BYTES),
        ("fileData", &FILE),
        ("functionCall", &CALLED),
        ("functionResponse", &CALLED),
    ],
    joins_parts: true,
    kind: "thought",
    ..TextSchema::of(Holds::Text, &TEXT)
};

static EVENT: TextSchema = TextSchema {
    fields: &[
        ("candidates", &CANDIDATE_OF_EVENT),
        WORDS_OF_AN_ANSWER[0],
        WORDS_OF_AN_ANSWER[1],
        WORDS_OF_AN_ANSWER[2],
        WORDS_OF_AN_ANSWER[3],
    ],
    ..TextSchema::of(Holds::Nothing, &BELOW)
};

/// A candidate of an event is told from the others by its index.
static CANDIDATE_OF_EVENT: TextSchema = TextSchema {
    fields: &[
        ("content", &CONTENT_OF_EVENT),
        ("finishReason", &WORD),
        ("index", &WORD),
        ("safetyRatings", &NOTHING),
        ("avgLogprobs", &NOTHING),
        ("logprobsResult", &SPELLING),
        ("tokenCount", &NOTHING),
    ],
    keys: &["index"],
    reason: "finishReason",
    ..TextSchema::of(Holds::Text, &BELOW)
};

static CONTENT_OF_EVENT: TextSchema =
    TextSchema { fields: &[("role", &WORD), ("parts", &PARTS_OF_EVENT)], ..TextSchema::of(Holds::Text, &BELOW) };

/// Texts go on in the next event, those of thoughts and those of the answer each for itself; a call is whole.
static PARTS_OF_EVENT: TextSchema = TextSchema {
    fields: &[
        ("text", &PIECE),
        ("thought", &WORD),
        ("thoughtSignature", &WORD),
        ("functionCall", &CALLED),
        ("inlineData", &BYTES),
    ],
    kind: "thought",
    ..TextSchema::of(Holds::Text, &BELOW)
};

/// An event that brings more text: without calls, the end and the usage, which come once.
fn continue_event(event: &mut Value) -> Option<&'static str> {
    if let Some(event) = event.as_object_mut() {
        event.shift_remove("usageMetadata");
    }
    for candidate in event.get_mut("candidates").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(candidate) = candidate.as_object_mut() {
            candidate.shift_remove("finishReason");
        }
        if let Some(parts) = candidate.pointer_mut("/content/parts").and_then(Value::as_array_mut) {
            parts.retain(|part| part.get("text").is_some());
        }
    }
    None
}
