use serde::Deserialize;
use serde_json::value::RawValue;

use crate::schema::Schema;

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
    schema.usage(&serde_json::from_str(json).ok()?)
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
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
        let [openai, anthropic] = ["openai", "anthropic"].map(|name| Schema::named(name).unwrap());
        check(
            openai,
            r#"{"id":"x","usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,
                "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0}}}"#,
            Some((10, 4, 5)),
        );
        check(openai, r#"{"data":[],"usage":{"prompt_tokens":7,"total_tokens":7}}"#, Some((7, 0, 0)));
        check(
            anthropic,
            r#"{"usage":{"input_tokens":3,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"output_tokens":9}}"#,
            Some((123, 100, 9)),
        );
        check(
            anthropic,
            r#"{"usage":{"input_tokens":3,"cache_read_input_tokens":null,"output_tokens":9}}"#,
            Some((3, 0, 9)),
        );
        for body in
            ["", "{}", "{\"usage\":null}", "{\"usage\":{}}", "{\"usage\":{\"total_tokens\":9}}", "{\"usage\":", "[]"]
        {
            check(openai, body, None);
            check(anthropic, body, None);
        }
    }
}
