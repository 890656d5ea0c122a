use std::ops::Range;

use serde_json::value::RawValue;

use crate::error::RequestError;
use crate::json::{Fields, span_in, spliced, write_string};
use crate::operation::Operation;

/// What routing, quota and metering need of a request body, and where in it they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The model asked for.
    pub model: String,
    /// Where its JSON string stands in the body, quotes included.
    pub model_span: Range<usize>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The most output tokens that the client accepts in each answer, if it says so.
    pub max_output_tokens: Option<u64>,
    /// How many answers the client asks for (`n`); 1 where it does not say.
    pub choices: u64,
    /// Whether the client itself asked for usage in its stream (`stream_options.include_usage`).
    pub include_usage: bool,
    /// Where the value of `stream_options` stands in the body, if there is one.
    pub stream_options_span: Option<Range<usize>>,
}

/// Reads and checks the head of a request body: one JSON object without duplicate names, and every field that Weir itself
/// relies on of the right type. What it does not read stays the provider's to judge.
pub fn read_head(operation: Operation, body: &[u8]) -> Result<RequestHead, RequestError> {
    if !operation.has_body() {
        return Err(RequestError::new("this operation takes no body"));
    }
    let fields = Fields::read(body).map_err(|error| RequestError::new(format!("the body is not valid: {error}")))?;
    if let Some(name) = fields.duplicate() {
        return Err(RequestError::new("the field stands twice").at(name));
    }
    let model_json = fields.get("model").ok_or_else(|| RequestError::new("a model is required").at("model"))?;
    let model = read_as::<String>(model_json, "model", "a string")?;
    if model.trim().is_empty() {
        return Err(RequestError::new("a model is required").at("model"));
    }
    let model_span =
        span_in(body, model_json.get()).ok_or_else(|| RequestError::new("the model was not found").at("model"))?;
    check_content(operation, &fields)?;
    let mut head = RequestHead {
        model,
        model_span,
        stream: false,
        max_output_tokens: None,
        choices: 1,
        include_usage: false,
        stream_options_span: None,
    };
    if operation != Operation::Embeddings {
        read_answer_options(operation, body, &fields, &mut head)?;
    }
    Ok(head)
}

impl RequestHead {
    /// The body with another model, everything else byte for byte. `body` must be the one that the head was read from.
    pub fn with_model(&self, body: &[u8], model: &str) -> Vec<u8> {
        spliced(body, &mut [self.model_edit(model)])
    }

    /// The body of an OpenAI chat stream with another model and with `stream_options.include_usage` true, everything else
    /// byte for byte. A body that asks for no stream gets the model only.
    pub fn with_usage_asked(&self, body: &[u8], model: &str) -> Vec<u8> {
        let mut edits = vec![self.model_edit(model)];
        if self.stream && !self.include_usage {
            edits.extend(self.usage_edit(body));
        }
        spliced(body, &mut edits)
    }

    fn model_edit(&self, model: &str) -> (Range<usize>, Vec<u8>) {
        let mut name = Vec::with_capacity(model.len().saturating_add(2));
        write_string(model, &mut name);
        (self.model_span.clone(), name)
    }

    fn usage_edit(&self, body: &[u8]) -> Option<(Range<usize>, Vec<u8>)> {
        let Some(span) = self.stream_options_span.clone() else {
            let first = body.iter().position(|byte| *byte == b'{')?.checked_add(1)?;
            return Some((first..first, br#""stream_options":{"include_usage":true},"#.to_vec()));
        };
        let options = body.get(span.clone())?;
        let Ok(fields) = Fields::read(options) else {
            return Some((span, br#"{"include_usage":true}"#.to_vec()));
        };
        if let Some(value) = fields.get_or_null("include_usage") {
            let inner = span_in(body, value.get())?;
            return Some((inner, b"true".to_vec()));
        }
        let first = span.start.checked_add(1)?;
        let new: &[u8] = if fields.is_empty() { br#""include_usage":true"# } else { br#""include_usage":true,"# };
        Some((first..first, new.to_vec()))
    }
}

fn check_content(operation: Operation, fields: &Fields<'_>) -> Result<(), RequestError> {
    let name = if operation == Operation::Embeddings { "input" } else { "messages" };
    let value = fields.get(name).ok_or_else(|| RequestError::new("the field is required").at(name))?.get();
    let is_array = value.starts_with('[');
    let is_text = operation == Operation::Embeddings && value.starts_with('"');
    if !is_array && !is_text {
        return Err(RequestError::new("an array is expected").at(name));
    }
    let empty = value == "\"\"" || (is_array && value.trim_start_matches('[').trim_start() == "]");
    if empty { Err(RequestError::new("must not be empty").at(name)) } else { Ok(()) }
}

fn read_answer_options(
    operation: Operation,
    body: &[u8],
    fields: &Fields<'_>,
    head: &mut RequestHead,
) -> Result<(), RequestError> {
    if let Some(value) = fields.get("stream") {
        head.stream = read_as(value, "stream", "true or false")?;
    }
    let limits: &[&str] = match operation {
        Operation::ChatCompletions => &["max_completion_tokens", "max_tokens"],
        _ => &["max_tokens"],
    };
    for name in limits {
        if let Some(value) = fields.get(name) {
            let limit = read_as(value, name, "a whole number, at least 0,")?;
            head.max_output_tokens = Some(head.max_output_tokens.map_or(limit, |known: u64| known.max(limit)));
        }
    }
    if operation == Operation::ChatCompletions {
        if let Some(value) = fields.get("n") {
            head.choices = read_as(value, "n", "a whole number")?;
        }
        if let Some(value) = fields.get_or_null("stream_options") {
            head.stream_options_span = span_in(body, value.get());
        }
        if let Some(value) = fields.get("stream_options") {
            head.include_usage = read_include_usage(value)?;
        }
    }
    Ok(())
}

fn read_include_usage(options: &RawValue) -> Result<bool, RequestError> {
    let fields = Fields::of(options).map_err(|_| RequestError::new("an object is expected").at("stream_options"))?;
    if fields.duplicate().is_some() {
        return Err(RequestError::new("a field in it stands twice").at("stream_options"));
    }
    match fields.get("include_usage") {
        Some(value) => read_as(value, "stream_options.include_usage", "true or false"),
        None => Ok(false),
    }
}

fn read_as<'a, T: serde::Deserialize<'a>>(value: &'a RawValue, name: &str, expected: &str) -> Result<T, RequestError> {
    serde_json::from_str(value.get()).map_err(|_| RequestError::new(format!("{expected} is expected")).at(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: Operation = Operation::ChatCompletions;

    fn check_refused(operation: Operation, body: &str, param: Option<&str>) {
        let error = read_head(operation, body.as_bytes()).unwrap_err();
        assert_eq!(error.param.as_deref(), param, "{body}: {error}");
    }

    #[test]
    fn what_no_provider_could_answer_is_refused_with_its_field() {
        for body in
            ["", "[]", "{", "null", "{\"model\":\"m\",\"messages\":[1]}x", "{\"model\":\"m\",\"messages\":[\u{1}]}"]
        {
            check_refused(CHAT, body, None);
        }
        check_refused(CHAT, r#"{"messages":[1]}"#, Some("model"));
        check_refused(CHAT, r#"{"model":null,"messages":[1]}"#, Some("model"));
        check_refused(CHAT, r#"{"model":7,"messages":[1]}"#, Some("model"));
        check_refused(CHAT, r#"{"model":" ","messages":[1]}"#, Some("model"));
        check_refused(CHAT, r#"{"model":"a","messages":[1],"mod\u0065l":"b"}"#, Some("model"));
        check_refused(CHAT, r#"{"model":"a"}"#, Some("messages"));
        check_refused(CHAT, r#"{"model":"a","messages":"hi"}"#, Some("messages"));
        check_refused(Operation::Messages, r#"{"model":"a","messages":[ ]}"#, Some("messages"));
        check_refused(CHAT, r#"{"model":"a","messages":[1],"stream":"yes"}"#, Some("stream"));
        check_refused(CHAT, r#"{"model":"a","messages":[1],"max_tokens":1.5}"#, Some("max_tokens"));
        check_refused(
            CHAT,
            r#"{"model":"a","messages":[1],"max_completion_tokens":-1}"#,
            Some("max_completion_tokens"),
        );
        check_refused(
            CHAT,
            r#"{"model":"a","messages":[1],"stream_options":{"include_usage":1}}"#,
            Some("stream_options.include_usage"),
        );
        check_refused(Operation::Embeddings, r#"{"model":"a","input":""}"#, Some("input"));
        check_refused(Operation::Embeddings, r#"{"model":"a","input":[]}"#, Some("input"));
        check_refused(Operation::Embeddings, r#"{"model":"a","input":7}"#, Some("input"));
        let wide: String = (0..300).map(|number| format!("\"f{number}\":1,")).collect();
        check_refused(CHAT, &format!("{{{wide}\"model\":\"a\",\"messages\":[1]}}"), None);
    }

    #[test]
    fn the_head_holds_what_routing_and_quota_need() {
        let body = br#"{"messages":[{}],"n":3,"max_tokens":5,"max_completion_tokens":9,"stream":true,
            "stream_options":{"include_usage":true},"model":"a\u0062"}"#;
        let head = read_head(CHAT, body).unwrap();
        assert_eq!((head.model.as_str(), head.stream, head.include_usage), ("ab", true, true));
        assert_eq!((head.max_output_tokens, head.choices), (Some(9), 3));
        assert_eq!(&body[head.model_span], br#""a\u0062""#);
        let head = read_head(Operation::Embeddings, br#"{"model":"e","input":[[1,2]],"stream":"ignored"}"#).unwrap();
        assert!(!head.stream);
    }

    #[test]
    fn another_model_changes_nothing_else() {
        let body = br#" { "a" : 1.0 , "model" : "x" ,"messages":[ "\u00e4" ] } "#;
        let head = read_head(CHAT, body).unwrap();
        let expect = r#" { "a" : 1.0 , "model" : "\"y\"" ,"messages":[ "\u00e4" ] } "#;
        assert_eq!(String::from_utf8(head.with_model(body, "\"y\"")).unwrap(), expect);
    }

    fn check_usage(body: &str, expect: &str) {
        let head = read_head(CHAT, body.as_bytes()).unwrap();
        let written = String::from_utf8(head.with_usage_asked(body.as_bytes(), "y")).unwrap();
        assert_eq!(written, expect);
        assert_eq!(head.stream, read_head(CHAT, written.as_bytes()).unwrap().include_usage);
    }

    #[test]
    fn a_stream_asks_for_usage() {
        check_usage(
            r#" {"model":"x","messages":[1],"stream":true}"#,
            r#" {"stream_options":{"include_usage":true},"model":"y","messages":[1],"stream":true}"#,
        );
        check_usage(
            r#"{"stream_options":null,"model":"x","messages":[1],"stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"model":"y","messages":[1],"stream":true}"#,
        );
        check_usage(
            r#"{"model":"x","messages":[1],"stream":true,"stream_options":{ }}"#,
            r#"{"model":"y","messages":[1],"stream":true,"stream_options":{"include_usage":true }}"#,
        );
        check_usage(
            r#"{"model":"x","messages":[1],"stream":true,"stream_options":{"include_obfuscation":false}}"#,
            r#"{"model":"y","messages":[1],"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
        );
        check_usage(
            r#"{"model":"x","messages":[1],"stream":true,"stream_options":{"include_usage": false}}"#,
            r#"{"model":"y","messages":[1],"stream":true,"stream_options":{"include_usage": true}}"#,
        );
        check_usage(
            r#"{"model":"x","messages":[1],"stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"model":"y","messages":[1],"stream":true,"stream_options":{"include_usage":true}}"#,
        );
        check_usage(r#"{"model":"x","messages":[1]}"#, r#"{"model":"y","messages":[1]}"#);
    }
}
