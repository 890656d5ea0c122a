//! One recorded request and its answer through the filters' cores, without a proxy: what was read, written, left out and why.
//!
//! It is the way from a user's bug report to a test. A recording is JSON:
//!
//! ```json
//! {
//!   "request": {"path": "/v1/messages", "headers": {"anthropic-version": "2023-06-01"}, "body": {"model": "m", "messages": []}},
//!   "provider": {"schema": "openai", "model": "gpt-4o", "capabilities": {"stream_options": false}},
//!   "answer": {"status": 200, "content_type": "text/event-stream", "body": "data: …\n\n"}
//! }
//! ```
//!
//! A body is JSON, or a string that holds it as it was sent. Without a provider or an answer the replay ends where the recording does.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use weir_config::Capabilities;
use weir_llm::chat::{self, Echo, Written};
use weir_llm::error::read_provider_error;
use weir_llm::stream::{StreamOptions, StreamTranslator};
use weir_llm::{Kind, Operation, RequestHead, Schema, read_head, text, usage_of_response};

/// What was recorded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recording {
    request: Request,
    provider: Option<Provider>,
    answer: Option<Answer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default = "post")]
    method: String,
    path: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    body: Value,
}

fn post() -> String {
    "POST".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    schema: String,
    model: Option<String>,
    #[serde(default)]
    capabilities: Capabilities,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    content_type: String,
    body: Value,
}

fn ok() -> u16 {
    200
}

/// Replays the recording in a file. The report is for people.
///
/// # Errors
///
/// The file cannot be read or is no recording. What the gateway refuses is part of the report.
pub fn replay(file: &Path) -> Result<String> {
    let json = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let recording: Recording =
        serde_json::from_str(&json).with_context(|| format!("{} is no recording", file.display()))?;
    let mut report = String::new();
    run(&recording, &mut report)?;
    Ok(report)
}

fn run(recording: &Recording, report: &mut String) -> Result<()> {
    let Recording { request, provider, answer } = recording;
    let has_header = |name: &str| request.headers.keys().any(|key| key.eq_ignore_ascii_case(name));
    let operation = match Operation::of(&request.method, &request.path, &has_header) {
        Ok(operation) => operation,
        Err(error) => {
            writeln!(report, "refused: {error}")?;
            return Ok(());
        }
    };
    writeln!(report, "client: {} in the schema {}", operation.name(), operation.schema().name())?;
    let body = bytes(&request.body);
    let head = match read_head(operation, &request.path, &body) {
        Ok(head) => head,
        Err(error) => {
            writeln!(report, "refused: {} {error}", error.code)?;
            return Ok(());
        }
    };
    writeln!(report, "model {}, stream {}, output bound {:?}", head.model, head.stream, head.max_output_tokens)?;
    for found in text::request_texts(operation, &body)?.texts {
        writeln!(report, "  guardrails read: {:?}", found.value)?;
    }
    let Some(provider) = provider else { return Ok(()) };
    let schema = Schema::named(&provider.schema).with_context(|| format!("no schema {}", provider.schema))?;
    let Some(written) = write_request(operation, schema, provider, &head, &body, report)? else { return Ok(()) };
    writeln!(report, "provider is sent: {}", String::from_utf8_lossy(&written.body))?;
    for left_out in &written.left_out {
        writeln!(report, "  left out: {} ({})", left_out.path, left_out.reason)?;
    }
    match answer {
        Some(answer) => read_answer(operation, schema, &head, Echo::of(operation.schema(), &body), answer, report),
        None => Ok(()),
    }
}

/// What the provider is sent; `None`: the gateway refuses.
fn write_request(
    operation: Operation,
    schema: Schema,
    provider: &Provider,
    head: &RequestHead,
    body: &[u8],
    report: &mut String,
) -> Result<Option<Written>> {
    let model = provider.model.as_deref().unwrap_or(&head.model);
    if operation.schema() == schema || operation.kind() != Kind::Chat {
        writeln!(report, "not translated: the provider speaks the client's schema")?;
        return Ok(Some(Written { body: head.with_model(body, model), ..Written::default() }));
    }
    let written = chat::read_request(operation.schema(), body).and_then(|mut request| {
        model.clone_into(&mut request.model);
        chat::write_request(schema, &request, &provider.capabilities)
    });
    match written {
        Ok(written) => Ok(Some(written)),
        Err(error) => {
            writeln!(report, "refused: {} {error}", error.code)?;
            Ok(None)
        }
    }
}

fn read_answer(
    operation: Operation,
    provider: Schema,
    head: &RequestHead,
    echo: Echo,
    answer: &Answer,
    report: &mut String,
) -> Result<()> {
    let body = bytes(&answer.body);
    let client = operation.schema();
    if answer.status != 200 {
        let error = read_provider_error(provider, answer.status, &body);
        writeln!(report, "the provider's error, read: {error:?}")?;
        let told = error.to_client(client);
        writeln!(report, "client gets: {} {}", error.client_status(), String::from_utf8_lossy(&told))?;
        return Ok(());
    }
    if answer.content_type.starts_with("text/event-stream") {
        return read_stream(client, provider, head, echo, &body, report);
    }
    if let Some(usage) = usage_of_response(provider, &body) {
        writeln!(report, "usage: {usage:?}")?;
    }
    if client == provider || operation.kind() != Kind::Chat {
        writeln!(report, "client gets the answer as it is")?;
        return Ok(());
    }
    match chat::read_response(provider, &body) {
        Ok(mut response) => {
            response.echo = echo;
            for other in &response.others {
                writeln!(report, "  not translated: {} {}", other.path, other.value)?;
            }
            let told = chat::write_response(client, &response);
            writeln!(report, "client gets: {}", String::from_utf8_lossy(&told))?;
        }
        Err(error) => writeln!(report, "refused: {error}")?,
    }
    Ok(())
}

fn read_stream(
    client: Schema,
    provider: Schema,
    head: &RequestHead,
    echo: Echo,
    body: &[u8],
    report: &mut String,
) -> Result<()> {
    let options = StreamOptions {
        client_model: head.model.clone(),
        client_wants_usage: head.include_usage,
        id: format!("{}replay", client.answer_id_prefix()),
        created_unix_s: 0,
        echo,
        ..StreamOptions::default()
    };
    let mut translator = StreamTranslator::new(provider, client, options);
    let mut out = Vec::new();
    for progress in [translator.push(body, &mut out), translator.finish(&mut out)] {
        if let Some(usage) = progress.usage {
            writeln!(report, "usage: {usage:?}, final {}", progress.usage_is_final)?;
        }
        if let Some(error) = progress.error {
            writeln!(report, "ended with an error: {error:?}")?;
        }
        if progress.complete {
            writeln!(report, "the provider completed its answer")?;
        }
    }
    writeln!(report, "client gets:\n{}", String::from_utf8_lossy(&out))?;
    Ok(())
}

fn bytes(body: &Value) -> Vec<u8> {
    match body {
        Value::String(text) => text.clone().into_bytes(),
        json => json.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(recording: &str, expect: &[&str]) {
        let recording: Recording = serde_json::from_str(recording).unwrap();
        let mut report = String::new();
        run(&recording, &mut report).unwrap();
        for line in expect {
            assert!(report.contains(line), "{line} is not in\n{report}");
        }
    }

    #[test]
    fn a_recording_tells_what_was_read_written_and_left_out() {
        check(
            r#"{"request": {"path": "/v1/chat/completions", "body": {"model": "m", "seed": 7, "messages": [
                    {"role": "user", "content": "hi"}]}},
                "provider": {"schema": "anthropic", "model": "claude"},
                "answer": {"body": {"content": [{"type": "text", "text": "ho"}], "stop_reason": "end_turn"}}}"#,
            &[
                "chat.completions",
                "guardrails read: \"hi\"",
                "\"model\":\"claude\"",
                "left out: seed",
                "\"content\":\"ho\"",
            ],
        );
        check(
            r#"{"request": {"path": "/v1/chat/completions", "body": {"model": "m", "n": 2, "messages": [
                    {"role": "user", "content": "hi"}]}},
                "provider": {"schema": "anthropic"}}"#,
            &["refused: unsupported_parameter n:"],
        );
    }
}
