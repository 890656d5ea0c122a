//! Counting a conversation's tokens at a provider of another schema: a chat request without what it says of its answer.

use serde_json::Value;
use weir_config::Capabilities;

use super::{Request, Written, WrittenFields, write_fields};
use crate::error::RequestError;
use crate::node::Node;
use crate::schema::Schema;

/// Reads a request to count.
///
/// Fails as [`read_request`](super::read_request) does.
pub fn read_count_request(schema: Schema, body: &[u8]) -> Result<Request, RequestError> {
    let mut value: Value =
        crate::json::parse_bytes(body).map_err(|error| RequestError::new(format!("the body is not valid: {error}")))?;
    let Some(name) = schema.counting().and_then(|counting| counting.within) else {
        return schema.read_request(&Node::root(&value));
    };
    let names = [name.to_owned(), in_lower_case(name)];
    let whole = names.iter().filter(|name| value.get(name.as_str()).is_some_and(|whole| !whole.is_null()));
    let whole = whole.collect::<Vec<_>>();
    match whole.as_slice() {
        [] => schema.read_request(&Node::root(&value)),
        [name] if value.as_object().is_some_and(|fields| fields.len() == 1) => {
            // The path names the model, too.
            if let Some(fields) = value.get_mut(name.as_str()).and_then(Value::as_object_mut) {
                fields.shift_remove("model");
            }
            match Node::root(&value).get(name) {
                Some(whole) => schema.read_request(&whole),
                None => schema.read_request(&Node::root(&value)),
            }
        }
        [name, ..] => Err(RequestError::new("nothing may stand beside the whole request").at(name)),
    }
}

/// `generateContentRequest` as `generate_content_request`.
fn in_lower_case(name: &str) -> String {
    let mut written = String::with_capacity(name.len().saturating_add(4));
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            written.push('_');
        }
        written.push(letter.to_ascii_lowercase());
    }
    written
}

/// Writes a request to count what another schema's client sent. Refuses what [`write_request`](super::write_request) refuses, and what a
/// schema cannot count.
pub fn write_count_request(
    schema: Schema,
    request: &Request,
    capabilities: &Capabilities,
) -> Result<Written, RequestError> {
    let counting = schema.counting().ok_or_else(|| RequestError::unsupported("the provider counts no tokens"))?;
    let WrittenFields { root, left_out, tool_names } = write_fields(schema, request, capabilities)?;
    let mut body = Vec::new();
    crate::json::write(&(counting.request)(root, &request.model), &mut body);
    Ok(Written { body, left_out, tool_names })
}

/// A provider's answer to such a request as the client reads it; `None`: it says no number.
pub fn translate_count(provider: Schema, client: Schema, body: &[u8]) -> Option<Vec<u8>> {
    let answer: Value = crate::json::parse_bytes(body).ok()?;
    let tokens = answer.get(provider.counting()?.field)?.as_u64()?;
    let mut written = Vec::new();
    crate::json::write(&(client.counting()?.answer)(tokens), &mut written);
    Some(written)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(name: &str) -> Schema {
        Schema::named(name).unwrap()
    }

    fn check(client: &str, provider: &str, body: Value, expect: Result<Value, Option<&str>>) {
        let written = read_count_request(named(client), body.to_string().as_bytes()).and_then(|mut request| {
            request.model = "p".into();
            write_count_request(named(provider), &request, &Capabilities::default())
        });
        let written = written.map(|written| serde_json::from_slice::<Value>(&written.body).unwrap());
        match (&written, expect) {
            (Ok(written), Ok(expect)) => assert_eq!(*written, expect, "{client} to {provider}"),
            (Err(error), Err(param)) => assert_eq!(error.param.as_deref(), param, "{error:?}"),
            (written, expect) => panic!("{client} to {provider}: {written:?}, not {expect:?}"),
        }
    }

    #[test]
    fn a_conversation_is_counted_in_any_schema_that_counts() {
        let asked = json!([{"role": "user", "content": "Hi"}]);
        let anthropic = json!({"model": "m", "messages": asked, "system": "Brief.", "tools": [
            {"name": "t", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}]});
        let whole = json!({"model": "models/p", "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
            "systemInstruction": {"parts": [{"text": "Brief."}]},
            "tools": [{"functionDeclarations": [{"name": "t", "parametersJsonSchema":
                {"type": "object", "properties": {"a": {"type": "string"}}}}]}]});
        check("anthropic", "gemini", anthropic.clone(), Ok(json!({"generateContentRequest": whole})));
        let mut theirs = whole;
        theirs["model"] = json!("models/m");
        let mut ours = anthropic.clone();
        ours["model"] = json!("p");
        for name in ["generateContentRequest", "generate_content_request"] {
            check("gemini", "anthropic", json!({name: theirs}), Ok(ours.clone()));
            check("gemini", "anthropic", json!({"contents": [], name: theirs}), Err(Some(name)));
        }
        let contents = json!({"contents": [{"parts": [{"text": "Hi"}]}]});
        let turn = json!({"type": "message", "role": "user", "content": "Hi"});
        check("gemini", "openai_responses", contents, Ok(json!({"model": "p", "input": [turn]})));
        check("anthropic", "openai", anthropic, Err(None));
    }

    #[test]
    fn what_says_no_number_is_no_count() {
        let check = |provider: &str, client: &str, body: &str, expect: Option<&str>| {
            let answer = translate_count(named(provider), named(client), body.as_bytes());
            assert_eq!(answer.map(|answer| String::from_utf8(answer).unwrap()).as_deref(), expect);
        };
        check("gemini", "anthropic", r#"{"totalTokens":7,"promptTokensDetails":[]}"#, Some(r#"{"input_tokens":7}"#));
        let of_responses = r#"{"object":"response.input_tokens","input_tokens":9}"#;
        check("anthropic", "openai_responses", r#"{"input_tokens":9}"#, Some(of_responses));
        check("openai_responses", "gemini", of_responses, Some(r#"{"totalTokens":9}"#));
        for nothing in ["{}", r#"{"totalTokens":-1}"#, r#"{"totalTokens":"7"}"#, "7", ""] {
            check("gemini", "anthropic", nothing, None);
        }
    }
}
