use serde::Deserialize;

use crate::operation::Schema;

/// Tokens as a provider reported them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All input tokens, cached ones included.
    pub input: u64,
    /// Input tokens that the provider read from its cache.
    pub cached_input: u64,
    /// Output tokens, those of reasoning included.
    pub output: u64,
}

impl Usage {
    /// Field by field the larger figure: what providers send along a stream are running totals.
    pub fn maximum(&self, other: &Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached_input: self.cached_input.max(other.cached_input),
            output: self.output.max(other.output),
        }
    }
}

/// The usage of a whole answer: chat, embeddings or message. `None` if the answer is unreadable or says nothing.
pub fn usage_of_response(schema: Schema, body: &[u8]) -> Option<Usage> {
    match schema {
        Schema::OpenAi => serde_json::from_slice::<Answer<OpenAiUsage>>(body).ok()?.usage.map(Usage::from),
        Schema::Anthropic => serde_json::from_slice::<Answer<AnthropicUsage>>(body).ok()?.usage.map(Usage::from),
    }
}

#[derive(Deserialize)]
struct Answer<U> {
    usage: Option<U>,
}

/// OpenAI's `usage`; embeddings have no completion tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct OpenAiUsage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptTokensDetails>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct PromptTokensDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

impl From<OpenAiUsage> for Usage {
    fn from(usage: OpenAiUsage) -> Self {
        Self {
            input: usage.prompt_tokens.unwrap_or(0),
            cached_input: usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
            output: usage.completion_tokens.unwrap_or(0),
        }
    }
}

/// Anthropic's `usage`: its `input_tokens` leaves out what was read from or written to the cache.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct AnthropicUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

impl From<AnthropicUsage> for Usage {
    fn from(usage: AnthropicUsage) -> Self {
        let cached_input = usage.cache_read_input_tokens.unwrap_or(0);
        Self {
            input: usage
                .input_tokens
                .unwrap_or(0)
                .saturating_add(usage.cache_creation_input_tokens.unwrap_or(0))
                .saturating_add(cached_input),
            cached_input,
            output: usage.output_tokens.unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: Schema, body: &str, expect: Option<(u64, u64, u64)>) {
        let usage = usage_of_response(schema, body.as_bytes());
        assert_eq!(usage.map(|usage| (usage.input, usage.cached_input, usage.output)), expect, "{body}");
    }

    #[test]
    fn input_always_includes_what_was_cached() {
        use Schema::{Anthropic, OpenAi};
        check(
            OpenAi,
            r#"{"id":"x","usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,
                "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0}}}"#,
            Some((10, 4, 5)),
        );
        check(OpenAi, r#"{"data":[],"usage":{"prompt_tokens":7,"total_tokens":7}}"#, Some((7, 0, 0)));
        check(
            Anthropic,
            r#"{"usage":{"input_tokens":3,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"output_tokens":9}}"#,
            Some((123, 100, 9)),
        );
        check(
            Anthropic,
            r#"{"usage":{"input_tokens":3,"cache_read_input_tokens":null,"output_tokens":9}}"#,
            Some((3, 0, 9)),
        );
        for body in ["", "{}", "{\"usage\":null}", "{\"usage\":", "[]"] {
            check(OpenAi, body, None);
            check(Anthropic, body, None);
        }
    }
}
