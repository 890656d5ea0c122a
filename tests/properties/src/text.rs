//! The visitor of texts in requests, answers and events.

use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use weir_llm::text::{StreamEvent, request_texts, response_texts, with_texts};
use weir_llm::{Kind, Operation, Schema};

use crate::input::{anthropic, chat, is_json, operations, responses, schemas};

/// The bytes are a request, an answer and the data of an event at once.
///
/// Texts stand where the visitor says, one behind the other; what is JSON for others is JSON for it; the texts that any
/// reader sees at the well-known places are among those that it finds; texts can be replaced without breaking the JSON.
pub fn check(data: &[u8]) {
    let json = is_json(data);
    let value = serde_json::from_slice::<Value>(data).ok();
    for operation in operations() {
        match request_texts(operation, data) {
            Ok(texts) => {
                let (values, spans): (Vec<_>, Vec<_>) =
                    texts.texts.into_iter().map(|text| (text.value, text.span)).unzip();
                check_spans(data, json, &spans);
                if let Some(value) = &value {
                    expect_all(&values, &said_in_request(operation, value));
                }
            }
            Err(error) => assert!(!json || error.message.contains("nested deeper"), "JSON is refused: {error}"),
        }
    }
    for client in schemas() {
        let operation = chat(client);
        let texts = response_texts(client, operation, data);
        // What serde cannot read, half a surrogate pair in a name for example, it cannot judge.
        let is_judged = value.is_some();
        assert!(!is_judged || texts.is_ok() == is_answer(client, data), "{}", String::from_utf8_lossy(data));
        if let Ok(texts) = texts {
            let (values, spans): (Vec<_>, Vec<_>) = texts.texts.into_iter().map(|text| (text.value, text.span)).unzip();
            check_spans(data, json, &spans);
            if let Some(value) = &value {
                expect_all(&values, &said_in_answer(client, value));
            }
        }
        if let Ok(text) = std::str::from_utf8(data)
            && let Ok(event) = StreamEvent::read(client, text)
        {
            let spans: Vec<_> = event.texts.into_iter().map(|text| text.text.span).collect();
            check_spans(data, json, &spans);
        }
    }
}

/// An object with one list of what the model said.
fn is_answer(schema: Schema, json: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Completion {
        #[serde(rename = "choices")]
        _choices: Vec<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Message {
        #[serde(rename = "content")]
        _content: Vec<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Response {
        #[serde(rename = "output")]
        _output: Vec<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Candidates {
        #[serde(rename = "candidates")]
        _candidates: Vec<IgnoredAny>,
    }
    // An object alone: serde would read a struct from a list as well.
    json.trim_ascii_start().starts_with(b"{")
        && match schema.name() {
            "openai" => serde_json::from_slice::<Completion>(json).is_ok(),
            "openai_responses" => serde_json::from_slice::<Response>(json).is_ok(),
            "gemini" => serde_json::from_slice::<Candidates>(json).is_ok(),
            _ => serde_json::from_slice::<Message>(json).is_ok(),
        }
}

fn check_spans(body: &[u8], json: bool, spans: &[Range<usize>]) {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable_by_key(|span| span.start);
    for pair in sorted.windows(2) {
        assert!(pair[0].end <= pair[1].start, "texts overlap");
    }
    for span in spans {
        let token = body.get(span.clone()).expect("a text stands in the body");
        assert!(!token.is_empty());
        assert!(!json || is_json(token), "{:?} is no JSON value", String::from_utf8_lossy(token));
    }
    let edits: Vec<_> = spans.iter().map(|span| (span.clone(), "[\"\\ä\n]".to_owned())).collect();
    let edited = with_texts(body, &edits);
    assert!(!json || is_json(&edited), "replacing texts broke the JSON");
    assert_eq!(with_texts(body, &[]), body);
}

/// Half of a surrogate pair is the only thing that both may read differently, and then `said` has none of it.
fn expect_all(found: &[String], said: &[String]) {
    for text in said {
        // A text that is JSON itself is read without its needless escapes.
        assert!(text.contains("\\u") || found.contains(text), "{text:?} was not visited");
    }
}

fn said_in_request(operation: Operation, body: &Value) -> Vec<String> {
    let mut said = Vec::new();
    match operation.kind() {
        Kind::Embeddings => strings(&body["input"], &mut said),
        _ if operation == chat(responses()) => {
            content(&body["instructions"], &mut said);
            said.extend(body["input"].as_str().map(str::to_owned));
            items(&body["input"], &mut said);
            for tool in body["tools"].as_array().into_iter().flatten() {
                said.extend(tool["description"].as_str().map(str::to_owned));
            }
        }
        _ if operation.schema().name() == "gemini" => {
            contents(&body["contents"], &mut said);
            contents(&body["systemInstruction"], &mut said);
        }
        _ => {
            if operation == chat(anthropic()) {
                content(&body["system"], &mut said);
            }
            for message in body["messages"].as_array().into_iter().flatten() {
                content(&message["content"], &mut said);
                for call in message["tool_calls"].as_array().into_iter().flatten() {
                    said.extend(call["function"]["arguments"].as_str().map(str::to_owned));
                }
            }
            for tool in body["tools"].as_array().into_iter().flatten() {
                said.extend(tool["description"].as_str().map(str::to_owned));
                said.extend(tool["function"]["description"].as_str().map(str::to_owned));
            }
        }
    }
    said
}

fn said_in_answer(client: Schema, body: &Value) -> Vec<String> {
    let mut said = Vec::new();
    match client.name() {
        "anthropic" => content(&body["content"], &mut said),
        "openai_responses" => items(&body["output"], &mut said),
        "gemini" => {
            for candidate in body["candidates"].as_array().into_iter().flatten() {
                contents(&candidate["content"], &mut said);
            }
        }
        _ => {
            for choice in body["choices"].as_array().into_iter().flatten() {
                content(&choice["message"]["content"], &mut said);
                said.extend(choice["message"]["refusal"].as_str().map(str::to_owned));
            }
        }
    }
    said
}

/// What contents of Gemini's say, one or several.
fn contents(contents: &Value, said: &mut Vec<String>) {
    let each = contents.as_array().into_iter().flatten().chain(contents.is_object().then_some(contents));
    for part in each.filter_map(|content| content["parts"].as_array()).flatten() {
        said.extend(part["text"].as_str().map(str::to_owned));
    }
}

/// What items say: their content, the arguments of calls and the outputs of tools.
fn items(items: &Value, said: &mut Vec<String>) {
    for item in items.as_array().into_iter().flatten() {
        for field in ["content", "output", "summary"] {
            content(&item[field], said);
        }
        said.extend(item["arguments"].as_str().map(str::to_owned));
    }
}

/// A string, or the texts of parts.
fn content(content: &Value, said: &mut Vec<String>) {
    said.extend(content.as_str().map(str::to_owned));
    for part in content.as_array().into_iter().flatten() {
        said.extend(part["text"].as_str().map(str::to_owned));
        if part["type"] == "tool_use" {
            strings(&part["input"], said);
        }
        if part["type"] == "tool_result" {
            self::content(&part["content"], said);
        }
    }
}

fn strings(value: &Value, said: &mut Vec<String>) {
    match value {
        Value::String(text) => said.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, said)),
        Value::Object(fields) => fields.values().for_each(|field| strings(field, said)),
        _ => {}
    }
}
