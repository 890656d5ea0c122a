//! Work grows with the bytes and no faster, for every parser and every guardrail path: what is counted is the bytes, fields and texts that
//! are gone through ([`weir_llm::steps`]) and the bytes that are allocated, so that what else a machine does is no matter.
//!
//! Each input is made of a body or stream that a client or provider could send, of which one part is there many times; the work on four
//! times as many may be four times the work, or twice that where a list was doubled once more. What grows with the square takes sixteen times as much.

use std::fmt;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use weir_config::{Action, Capabilities, MaxTokensField};
use weir_llm::error::read_provider_error;
use weir_llm::sse::{Framer, MOST_EVENT_BYTES};
use weir_llm::usage::request_tokens;
use weir_llm::{Schema, read_head, steps, usage_of_response};
use weir_properties::detectors::rules;
use weir_properties::input::{chat, request};
use weir_properties::proxy::Proxy;
use weir_properties::samples::SAMPLES;

/// How often the part is there, and in the larger input.
const COUNT: usize = 500;
const TIMES: usize = 4;
/// What is not of the part: tables that grow by doubling, profiles, headers.
const BESIDE: u64 = 60_000;

fn work_of(work: &dyn Fn(&[u8]), input: &[u8]) -> u64 {
    let before = steps::counted();
    let allocated = allocation_counter::measure(|| work(input)).bytes_total;
    steps::counted() - before + allocated
}

/// The work on a part that is there so many times is in proportion.
fn check(name: &str, make: &dyn Fn(usize) -> Vec<u8>, work: &dyn Fn(&[u8])) -> Result<(), TestCaseError> {
    let (few, many) = (make(COUNT), make(COUNT * TIMES));
    // A part within a string or a name is longer the more of it there is: in proportion to the bytes.
    let times = (many.len() as f64 / few.len().max(1) as f64).max(1.0);
    let (few, many) = (work_of(work, &few), work_of(work, &many));
    // A list that grows by doubling may have been doubled once more.
    let most = few as f64 * times * 2.0 + BESIDE as f64;
    prop_assert!(many as f64 <= most, "{name}: {few} steps for some of it, {many} for {times:.1} times as much");
    Ok(())
}

/// Where in a JSON text something grows, and how.
#[derive(Clone)]
struct Growth {
    seed: Value,
    /// Of all places in the seed.
    place: usize,
}

impl fmt::Debug for Growth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", String::from_utf8_lossy(&self.made(3)))
    }
}

impl Growth {
    /// With so much at the place.
    fn made(&self, count: usize) -> Vec<u8> {
        let mut value = self.seed.clone();
        grow(&mut value, &mut self.place.clone(), count);
        value.to_string().into_bytes()
    }
}

/// Grows the place of this number, counted down on the way; whether it was there.
fn grow(value: &mut Value, place: &mut usize, count: usize) -> bool {
    if let Some(less) = place.checked_sub(1) {
        *place = less;
        return match value {
            Value::Array(items) => items.iter_mut().any(|item| grow(item, place, count)),
            Value::Object(fields) => fields.values_mut().any(|field| grow(field, place, count)),
            _ => false,
        };
    }
    match value {
        // As many items as there are in one that stands already, each with ids and numbers of its own.
        Value::Array(items) => {
            let item = items.last().cloned().unwrap_or(json!("x"));
            items.extend((0..count).map(|number| numbered(&item, number)));
        }
        // Bodies have 256 fields at most.
        Value::Object(fields) => {
            let field = fields.values().next_back().cloned().unwrap_or(json!("x"));
            fields.extend((0..count / 8).map(|number| (format!("f{number}"), field.clone())));
        }
        Value::String(text) => *text = format!("{text} a@b.io 4111 1111 1111 1111 {{\"q\\").repeat(count),
        _ => *value = json!(vec!["a"; count]),
    }
    true
}

/// The same with other ids and numbers.
fn numbered(value: &Value, number: usize) -> Value {
    match value {
        Value::Object(fields) => {
            let renumbered = fields.iter().map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("id" | "call_id" | "tool_call_id" | "tool_use_id", Value::String(id)) => {
                        json!(format!("{id}{number}"))
                    }
                    ("index" | "output_index", Value::Number(_)) => json!(number),
                    _ => numbered(value, number),
                };
                (name.clone(), value)
            });
            Value::Object(renumbered.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(|item| numbered(item, number)).collect(),
        other => other.clone(),
    }
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(places).sum(),
        Value::Object(fields) => fields.values().map(places).sum(),
        _ => 0,
    }
}

fn growth(seeds: Vec<(Schema, Value)>) -> impl Strategy<Value = (Schema, Growth)> {
    (prop::sample::select(seeds), any::<prop::sample::Index>()).prop_map(|((schema, seed), at)| {
        let place = at.index(places(&seed));
        (schema, Growth { seed, place })
    })
}

fn named(name: &str) -> Schema {
    Schema::named(name).expect("a schema of this name")
}

/// Requests with a part of every kind.
fn requests() -> Vec<(Schema, Value)> {
    let parameters =
        json!({"type": "object", "properties": {"q": {"type": "string", "minLength": 1}}, "required": ["q"]});
    let image = "data:image/png;base64,AAAA";
    vec![
        (
            named("openai"),
            json!({"model": "m", "stream": true, "max_completion_tokens": 9, "temperature": 0.5, "stop": ["a"], "new": {"deep": [1]},
                "messages": [
                    {"role": "developer", "content": "Be brief."},
                    {"role": "user", "name": "n", "content": [{"type": "text", "text": "to a@b.io"}, {"type": "image_url", "image_url": {"url": image}}]},
                    {"role": "assistant", "content": null, "refusal": "no", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"q\":1}"}}]},
                    {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "found"}]},
                    {"role": "user", "content": "so"}],
                "tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": true, "parameters": parameters}}],
                "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": parameters}}}),
        ),
        (
            named("anthropic"),
            json!({"model": "m", "max_tokens": 9, "stop_sequences": ["a"], "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "to a@b.io"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                        {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}]},
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "h", "signature": "s"}, {"type": "text", "text": "w"}, {"type": "tool_use", "id": "c", "name": "f", "input": {"q": 1}}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "is_error": true, "content": [{"type": "text", "text": "found"}]}]}],
                "tools": [{"name": "f", "description": "d", "input_schema": parameters}]}),
        ),
        (
            named("openai_responses"),
            json!({"model": "m", "instructions": "Be brief.", "max_output_tokens": 20,
                "input": [
                    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "to a@b.io"}, {"type": "input_image", "image_url": image}]},
                    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "h"}]},
                    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"q\":1}"},
                    {"type": "function_call_output", "call_id": "c", "output": "found"}],
                "tools": [{"type": "function", "name": "f", "description": "d", "parameters": parameters}],
                "text": {"format": {"type": "json_schema", "name": "s", "schema": parameters}}}),
        ),
    ]
}

/// Whole answers with a part of every kind.
fn answers() -> Vec<(Schema, Value)> {
    vec![
        (
            named("openai"),
            json!({"id": "i", "object": "chat.completion", "model": "m", "choices": [{"index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "to a@b.io", "reasoning_content": "h", "annotations": [{"type": "url_citation", "url": "u"}],
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"q\":\"a@b.io\"}"}}]},
                "logprobs": {"content": [{"token": "t", "logprob": -1}]}}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 1}}}),
        ),
        (
            named("anthropic"),
            json!({"id": "i", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
                "content": [{"type": "thinking", "thinking": "h", "signature": "s"}, {"type": "text", "text": "to a@b.io", "citations": [{"cited_text": "t"}]},
                    {"type": "tool_use", "id": "c", "name": "f", "input": {"q": "a@b.io"}}],
                "usage": {"input_tokens": 9, "output_tokens": 9, "cache_read_input_tokens": 1}}),
        ),
        (
            named("openai_responses"),
            json!({"id": "i", "object": "response", "model": "m", "status": "completed",
                "output": [{"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "h"}]},
                    {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "to a@b.io", "annotations": [{"type": "url_citation"}]}]},
                    {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{\"q\":1}"}],
                "usage": {"input_tokens": 9, "output_tokens": 9, "total_tokens": 18}}),
        ),
    ]
}

/// What servers say when they fail.
fn errors() -> Vec<(Schema, Value)> {
    let shapes = [
        json!({"error": {"message": "no", "type": "t", "code": "c", "param": "p"}}),
        json!([{"error": {"message": "no"}}]),
        json!({"detail": [{"loc": ["body"], "msg": "no"}]}),
        json!({"object": "error", "message": "no", "code": 400}),
    ];
    Schema::all().flat_map(|schema| shapes.clone().map(|shape| (schema, shape))).collect()
}

fn schema() -> impl Strategy<Value = Schema> {
    prop::sample::select(Schema::all().collect::<Vec<_>>())
}

fn less() -> Capabilities {
    Capabilities {
        max_tokens_field: MaxTokensField::MaxTokens,
        strict_tools: false,
        temperature: false,
        ..Capabilities::default()
    }
}

fn sent(client: Schema, provider: Schema, action: Action, body: &str) -> Proxy {
    Proxy::send(client, provider, rules(action, action), body.as_bytes())
        .unwrap_or_else(|reply| panic!("a good request was refused: {}", String::from_utf8_lossy(&reply.body)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn requests_take_work_in_proportion((client, growth) in growth(requests()), provider in schema()) {
        let make = |count| growth.made(count);
        let operation = chat(client);
        check("head", &make, &|body| _ = read_head(operation, "", body))?;
        check("estimate", &make, &|body| _ = request_tokens(operation, body))?;
        check("adaptation", &make, &|body| _ = client.adapt(body, &less()))?;
        check("guardrails and translation", &make, &|body| {
            _ = Proxy::send(client, provider, rules(Action::Redact, Action::Redact), body);
        })?;
    }

    #[test]
    fn answers_take_work_in_proportion((provider, growth) in growth(answers()), client in schema(), redacts: bool) {
        let make = |count| growth.made(count);
        let action = if redacts { Action::Redact } else { Action::Flag };
        check("usage", &make, &|body| _ = usage_of_response(provider, body))?;
        check("answer", &make, &|body| {
            _ = sent(client, provider, action, request(client, false)).answer("application/json", &[body]);
        })?;
    }

    #[test]
    fn errors_take_work_in_proportion((provider, growth) in growth(errors()), client in schema()) {
        check("error", &|count| growth.made(count), &|body| {
            _ = read_provider_error(provider, 400, body).to_client(client);
        })?;
    }

    #[test]
    fn streams_take_work_in_proportion(sample in prop::sample::select(SAMPLES), client in schema(), at: prop::sample::Index, redacts: bool) {
        let mut events: Vec<Vec<u8>> = Vec::new();
        let mut framer = Framer::new(MOST_EVENT_BYTES);
        framer.push(sample.bytes, &mut |event| events.push(event.raw.to_vec())).expect("short events");
        let at = at.index(events.len());
        // One event many times over, each in a piece of its own.
        let make = |count: usize| {
            let (before, rest) = events.split_at(at);
            let again = std::iter::repeat_n(&rest[0], count);
            before.iter().chain(again).chain(rest).flatten().copied().collect::<Vec<u8>>()
        };
        let action = if redacts { Action::Redact } else { Action::Flag };
        check("stream", &make, &|stream| {
            let mut pieces = Vec::new();
            let mut framer = Framer::new(MOST_EVENT_BYTES);
            let mut start = 0;
            _ = framer.push(stream, &mut |event| {
                pieces.push(&stream[start..start + event.raw.len()]);
                start += event.raw.len();
            });
            _ = sent(client, sample.provider(), action, request(client, true)).answer("text/event-stream", &pieces);
        })?;
        check("framing", &make, &|stream| {
            let mut framer = Framer::new(MOST_EVENT_BYTES);
            stream.chunks(1).for_each(|byte| _ = framer.push(byte, &mut |_| {}));
        })?;
    }

    #[test]
    fn one_event_takes_work_in_proportion(sample in prop::sample::select(SAMPLES), client in schema(), at: prop::sample::Index, inner: prop::sample::Index) {
        let mut events: Vec<(String, String)> = Vec::new();
        let mut framer = Framer::new(MOST_EVENT_BYTES);
        framer.push(sample.bytes, &mut |event| events.push((event.event.to_owned(), event.data.to_owned()))).expect("short events");
        let at = at.index(events.len());
        let Ok(seed) = serde_json::from_str::<Value>(&events[at].1) else { return Ok(()) };
        let growth = Growth { place: inner.index(places(&seed)), seed };
        check("event", &|count| growth.made(count), &|data| {
            let mut stream = Vec::new();
            for (number, (name, known)) in events.iter().enumerate() {
                let data = if number == at { std::str::from_utf8(data).unwrap_or_default() } else { known };
                weir_llm::sse::write_event(name, data, &mut stream);
            }
            _ = sent(client, sample.provider(), Action::Redact, request(client, true)).answer("text/event-stream", &[&stream]);
        })?;
    }
}
