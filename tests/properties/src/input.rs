//! Choices and payload out of one string of bytes.

use weir_llm::{Kind, Operation, Schema};

/// OpenAI's chat schema.
pub fn openai() -> Schema {
    named("openai")
}

/// Anthropic's.
pub fn anthropic() -> Schema {
    named("anthropic")
}

/// OpenAI's responses.
pub fn responses() -> Schema {
    named("openai_responses")
}

/// A request for chat in this schema.
pub fn chat(schema: Schema) -> Operation {
    Operation::of_kind(Kind::Chat, schema).expect("every schema has chat")
}

/// All operations that have texts.
pub(crate) fn operations() -> Vec<Operation> {
    let of = |schema| {
        [Kind::Chat, Kind::Embeddings, Kind::BatchEmbeddings, Kind::CountTokens, Kind::Moderation]
            .into_iter()
            .filter_map(move |kind| Operation::of_kind(kind, schema))
    };
    Schema::all().flat_map(of).collect()
}

fn named(name: &str) -> Schema {
    Schema::named(name).expect("a schema of this name")
}

/// All schemas.
pub(crate) fn schemas() -> Vec<Schema> {
    Schema::all().collect()
}

/// The first byte, which chooses, and what follows it. Without bytes every choice is the first one.
pub(crate) fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// One of three schemas: one by a bit far up, or else one of the other two by a bit.
pub(crate) fn schema(bits: u8, bit: u8) -> Schema {
    match (bits >> (6 + bit) & 1, bits >> bit & 1) {
        (0, 0) => openai(),
        (0, _) => anthropic(),
        _ => responses(),
    }
}

/// What a body of a Gemini client says here where its path asks for a stream.
const STREAMED: &str = r#""labels":{"path":"stream"}"#;

/// Where a client of this schema asks for a chat. Gemini's path alone says more: the model, `m`, and whether the answer is a stream.
pub fn path(client: Schema, body: &[u8]) -> &'static str {
    let is_streamed = || body.windows(STREAMED.len()).any(|bytes| bytes == STREAMED.as_bytes());
    match client.name() {
        "openai" => "/v1/chat/completions",
        "openai_responses" => "/v1/responses",
        "gemini" if is_streamed() => "/v1beta/models/m:streamGenerateContent?alt=sse",
        "gemini" => "/v1beta/models/m:generateContent",
        _ => "/v1/messages",
    }
}

/// A good request for chat, as short as it can be.
pub fn request(client: Schema, stream: bool) -> &'static str {
    match (client.name(), stream) {
        ("openai_responses", false) => r#"{"model":"m","input":"hi"}"#,
        ("openai_responses", true) => r#"{"model":"m","stream":true,"input":"hi"}"#,
        ("gemini", false) => r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        ("gemini", true) => r#"{"labels":{"path":"stream"},"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        (_, false) => r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#,
        (_, true) => r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
    }
}

/// Cuts bytes into pieces whose lengths follow from `seed`: mostly short ones, some empty.
pub(crate) fn pieces(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let longest = [1, 3, 8, 40, 300][(state >> 32) as usize % 5];
        let (piece, more) = rest.split_at((state as usize % (longest + 1)).min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces
}

/// Whether bytes are one JSON text, whatever is in it.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}
