//! An answer through the filters that edit it: the provider's, then guardrails.

use std::collections::BTreeMap;

use serde_json::Value;
use weir_config::{Action, GuardrailProfile};
use weir_llm::Schema;
use weir_llm::sse::Framer;

use crate::detectors::{rules, unredacted};
use crate::input::{anthropic, choice, openai, pieces, request, schema};
use crate::proxy::{CREDENTIAL, Outcome, Proxy};

/// The first two bytes choose schemas, actions and pieces; the rest is what the provider answers.
///
/// Whatever the pieces, the client gets the same bytes, and the same usage, findings and end are recorded. What it gets are
/// events of its own schema, or one JSON; what is redacted is in no text of it.
pub fn check(data: &[u8]) {
    let (bits, rest) = choice(data);
    let (seed, answer) = choice(rest);
    let (client, provider) = (schema(bits, 0), schema(bits, 1));
    let action = Action::ALL[usize::from(bits >> 2 & 3)];
    let wants_usage = bits >> 4 & 1 == 1;
    if bits >> 5 & 1 == 1 {
        return check_whole(client, provider, action, answer, seed);
    }
    let whole = stream(client, provider, action, wants_usage, &[answer]);
    for pieces in [pieces(answer, seed), answer.chunks(1).collect()] {
        let split = stream(client, provider, action, wants_usage, &pieces);
        assert_eq!(split, whole, "{}\nwhole: {}", text(&split.body), text(&whole.body));
    }
    check_stream(client, action, answer, &whole);
}

/// A stream through both filters.
pub fn stream(client: Schema, provider: Schema, action: Action, wants_usage: bool, pieces: &[&[u8]]) -> Outcome {
    let body = match (client.name(), wants_usage) {
        ("openai", true) => {
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#
        }
        _ => request(client, true),
    };
    sent(client, provider, rules(action, action), body).answer("text/event-stream", pieces)
}

fn sent(client: Schema, provider: Schema, profile: GuardrailProfile, body: &str) -> Proxy {
    match Proxy::send(client, provider, profile, body.as_bytes()) {
        Ok(proxy) => proxy,
        Err(reply) => panic!("a good request was refused: {}", text(&reply.body)),
    }
}

/// What holds for a stream as its client gets it.
pub fn check_stream(client: Schema, action: Action, answer: &[u8], outcome: &Outcome) {
    let most = answer.len() * 60 + 5_000;
    assert!(outcome.body.len() <= most, "{} bytes of {}", outcome.body.len(), answer.len());
    check_headers(outcome);
    if outcome.status != "200" {
        return check_error(client, outcome);
    }
    let events = events(&outcome.body);
    let errors = events.iter().filter(|(_, data)| is_error(client, data)).count();
    assert!(errors <= 1, "more than one error: {}", text(&outcome.body));
    if errors == 1 {
        let end = |data: &Value| is_error(client, data) || data["type"] == "response.failed";
        assert!(events.last().is_some_and(|(_, data)| end(data)), "the error is not the end");
        assert!(outcome.refusal.is_some(), "an error that nobody recorded");
    }
    if action == Action::Redact && errors == 0 {
        for said in said(client, &events) {
            assert!(unredacted(&said).is_empty(), "{said:?} reached the client");
        }
    }
    assert!(action < Action::Redact || !outcome.findings.iter().any(|(_, found, _)| *found != action.name()));
}

/// Whether an event is the error that ends its stream. Anthropic's says so by its type: an event of a type that nobody knows is
/// passed on whatever its fields are, also one with an `error` in it, and ends nothing. OpenAI's chunks have no type.
fn is_error(client: Schema, data: &Value) -> bool {
    let is_of_its_type = client == openai() || data["type"] == "error";
    is_of_its_type && data["error"].is_object()
}

fn check_whole(client: Schema, provider: Schema, action: Action, answer: &[u8], seed: u8) {
    let body = request(client, false);
    let run = |pieces: &[&[u8]]| sent(client, provider, rules(action, action), body).answer("application/json", pieces);
    let whole = run(&[answer]);
    assert_eq!(run(&pieces(answer, seed)), whole);
    check_headers(&whole);
    let length = whole.headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| text(value));
    if whole.status != "200" {
        return check_error(client, &whole);
    }
    assert_eq!(length, Some(whole.body.len().to_string()));
    assert!(crate::input::is_json(&whole.body), "{}", text(&whole.body));
}

fn check_headers(outcome: &Outcome) {
    for (name, value) in &outcome.headers {
        assert!(!text(value).contains(CREDENTIAL), "{name} holds the credential");
    }
}

fn check_error(client: Schema, outcome: &Outcome) {
    let body: Value = serde_json::from_slice(&outcome.body).expect("an error is JSON");
    assert!(body["error"]["message"].is_string(), "{body}");
    assert_eq!(body["type"] == "error", client == anthropic());
    assert!(outcome.refusal.is_some(), "an error that nobody recorded");
}

/// The events of a stream, by name and data; `[DONE]` is null.
fn events(body: &[u8]) -> Vec<(String, Value)> {
    let mut framer = Framer::new(usize::MAX);
    let mut events = Vec::new();
    let mut each = |event: weir_llm::sse::Event<'_>| {
        if !event.data.is_empty() {
            events.push((event.event.to_owned(), serde_json::from_str(event.data).unwrap_or_default()));
        }
    };
    framer.push(body, &mut each).and_then(|()| framer.finish(&mut each)).expect("events without a bound");
    events
}

/// What a client puts together, or reads at once: each choice's content, each block's text, each copy of a text.
fn said(client: Schema, events: &[(String, Value)]) -> Vec<String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (_, data) in events {
        match client.name() {
            "openai" => {
                for choice in data["choices"].as_array().into_iter().flatten() {
                    let Some(text) = choice["delta"]["content"].as_str() else { continue };
                    *texts.entry(choice["index"].to_string()).or_default() += text;
                }
            }
            "openai_responses" => {
                for item in data["response"]["output"].as_array().into_iter().flatten().chain([&data["item"]]) {
                    for part in item["content"].as_array().into_iter().flatten() {
                        let Some(text) = part["text"].as_str() else { continue };
                        texts.insert(format!("copy {}", texts.len()), text.to_owned());
                    }
                }
                if data["type"] == "response.output_text.delta"
                    && let Some(text) = data["delta"].as_str()
                {
                    *texts.entry(format!("{} {}", data["output_index"], data["content_index"])).or_default() += text;
                }
                if let Some(text) = data["text"].as_str().or(data["part"]["text"].as_str()) {
                    texts.insert(format!("copy {}", texts.len()), text.to_owned());
                }
            }
            _ => {
                if let Some(text) = data["delta"]["text"].as_str() {
                    *texts.entry(data["index"].to_string()).or_default() += text;
                }
            }
        }
    }
    texts.into_values().collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
