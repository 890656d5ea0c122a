//! Streams of the kinds that providers send.

use weir_llm::Schema;

/// One stream.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What is in it.
    pub name: &'static str,
    /// The schema that it is in, by its name.
    pub schema: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

impl Sample {
    /// The schema that it is in.
    pub fn provider(&self) -> Schema {
        Schema::named(self.schema).expect("a schema of this name")
    }
}

macro_rules! samples {
    ($($schema:literal $name:literal,)*) => {
        /// All of them.
        pub const SAMPLES: &[Sample] = &[$(Sample {
            name: $name,
            schema: $schema,
            bytes: include_bytes!(concat!("../samples/", $name, ".sse")),
        },)*];
    };
}

samples! {
    "openai" "openai-text",
    "openai" "openai-tools",
    "openai" "openai-findings",
    "openai" "openai-tool-findings",
    "openai" "openai-mixed-calls",
    "openai" "openai-error-first",
    "openai" "openai-error-later",
    "openai" "openai-cut-off",
    "openai" "openai-crlf-bom",
    "openai" "openai-comments-cr",
    "openai" "openai-odd",
    "anthropic" "anthropic-text",
    "anthropic" "anthropic-tools",
    "anthropic" "anthropic-findings",
    "anthropic" "anthropic-mixed-findings",
    "anthropic" "anthropic-thinking",
    "anthropic" "anthropic-error-first",
    "anthropic" "anthropic-error-later",
    "anthropic" "anthropic-cut-off",
    "anthropic" "anthropic-crlf-bom",
    "gemini" "gemini-text",
    "gemini" "gemini-tools",
    "gemini" "gemini-cut-off",
    "openai_responses" "responses-text",
    "openai_responses" "responses-tools",
    "openai_responses" "responses-findings",
    "openai_responses" "responses-tool-findings",
    "openai_responses" "responses-error-first",
    "openai_responses" "responses-error-later",
    "openai_responses" "responses-cut-off",
    "openai_responses" "responses-odd",
}
