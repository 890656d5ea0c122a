use serde::Deserialize;
use serde_json::value::RawValue;

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
    let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
    usage_of_value(schema, answer.usage?.get())
}

/// The usage that the value of an answer's `usage` tells of.
pub fn usage_of_value(schema: Schema, json: &str) -> Option<Usage> {
    match schema {
        Schema::OpenAi => serde_json::from_str::<OpenAiUsage>(json).ok()?.stated(),
        Schema::Anthropic => serde_json::from_str::<AnthropicUsage>(json).ok()?.stated(),
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
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

impl OpenAiUsage {
    /// The figures; `None` if the input, which every answer has, is not among them: nothing must not count as zero.
    pub(crate) fn stated(self) -> Option<Usage> {
        Some(Usage {
            input: self.prompt_tokens?,
            cached_input: self.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
            output: self.completion_tokens.unwrap_or(0),
        })
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

impl AnthropicUsage {
    /// The figures; `None` if there are none. The last event of a stream may have the output alone.
    pub(crate) fn stated(self) -> Option<Usage> {
        if self.input_tokens.is_none() && self.output_tokens.is_none() {
            return None;
        }
        let cached_input = self.cache_read_input_tokens.unwrap_or(0);
        let uncached_input = self.input_tokens.unwrap_or(0);
        Some(Usage {
            input: uncached_input
                .saturating_add(self.cache_creation_input_tokens.unwrap_or(0))
                .saturating_add(cached_input),
            cached_input,
            output: self.output_tokens.unwrap_or(0),
        })
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
        for body in
            ["", "{}", "{\"usage\":null}", "{\"usage\":{}}", "{\"usage\":{\"total_tokens\":9}}", "{\"usage\":", "[]"]
        {
            check(OpenAi, body, None);
            check(Anthropic, body, None);
        }
    }
}
