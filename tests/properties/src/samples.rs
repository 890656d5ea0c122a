//! Streams of the kinds that providers send.

use weir_llm::Schema;

/// One stream.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What is in it.
    pub name: &'static str,
    /// Whose it is.
    pub provider: Schema,
    /// Its bytes.
    pub bytes: &'static [u8],
}

macro_rules! samples {
    ($($provider:ident $name:literal,)*) => {
        /// All of them.
        pub const SAMPLES: &[Sample] = &[$(Sample {
            name: $name,
            provider: Schema::$provider,
            bytes: include_bytes!(concat!("../samples/", $name, ".sse")),
        },)*];
    };
}

samples! {
    OpenAi "openai-text",
    OpenAi "openai-tools",
    OpenAi "openai-findings",
    OpenAi "openai-tool-findings",
    OpenAi "openai-mixed-calls",
    OpenAi "openai-error-first",
    OpenAi "openai-error-later",
    OpenAi "openai-cut-off",
    OpenAi "openai-crlf-bom",
    OpenAi "openai-comments-cr",
    OpenAi "openai-odd",
    Anthropic "anthropic-text",
    Anthropic "anthropic-tools",
    Anthropic "anthropic-findings",
    Anthropic "anthropic-mixed-findings",
    Anthropic "anthropic-thinking",
    Anthropic "anthropic-error-first",
    Anthropic "anthropic-error-later",
    Anthropic "anthropic-cut-off",
    Anthropic "anthropic-crlf-bom",
}
