use serde_json::{Value, json};

use super::responses;
use crate::operation::Operation;
use crate::schema::Kind;
use crate::sse::Framer;
use crate::text::{Role, StreamEvent, StreamText, request_texts, response_texts, with_texts};

const TOOLS: &str = include_str!("../../../../fixtures/responses-tools.sse");

fn operation() -> Operation {
    Operation::of_kind(Kind::Chat, responses()).unwrap()
}

fn stream_texts(data: &str) -> Vec<StreamText> {
    StreamEvent::read(responses(), data).unwrap().texts
}

/// Whether each of these words is among the texts, and none of those.
fn check(found: &[String], texts: &[&str], others: &[&str]) {
    for text in texts {
        assert!(found.iter().any(|found| found.contains(text)), "{text} is not in {found:?}");
    }
    for other in others {
        assert!(!found.iter().any(|found| found.contains(other)), "{other} is in {found:?}");
    }
}

#[test]
fn texts_of_a_request_are_all_that_a_model_reads() {
    let body = json!({
        "model": "not-m", "instructions": "t-a", "previous_response_id": "not-p",
        "input": [
            {"role": "user", "content": "t-b"},
            {"id": "not-i", "type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "t-c"},
                {"type": "input_image", "image_url": "data:image/png;base64,not-AA=="},
                {"type": "input_file", "filename": "t-d", "file_data": "data:application/pdf;base64,not-BB=="},
            ]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t-e"}], "encrypted_content": "not-e"},
            {"type": "function_call", "call_id": "not-c", "name": "t-f", "arguments": "{\"q\":\"t-g\"}"},
            {"type": "function_call_output", "call_id": "not-c", "output": [{"type": "input_text", "text": "t-h"}]},
            {"type": "function_call_output", "call_id": "not-c", "output": "t-i"},
            {"type": "from_the_future", "words": ["t-j"]},
        ],
        "tools": [{"type": "function", "name": "t-k", "description": "t-l"}],
    });
    let texts = request_texts(operation(), body.to_string().as_bytes()).unwrap();
    let found: Vec<_> = texts.texts.into_iter().map(|text| text.value).collect();
    let words = ["t-a", "t-b", "t-c", "t-d", "t-e", "t-f", "t-g", "t-h", "t-i", "t-j", "t-k", "t-l"];
    check(&found, &words, &["not-"]);
}

#[test]
fn texts_of_an_answer_are_all_that_a_client_may_read() {
    let body = json!({
        "id": "not-i", "model": "not-m", "status": "completed", "instructions": "not-s", "output_text": "t-z",
        "output": [
            {"id": "not-i", "type": "reasoning", "summary": [{"type": "summary_text", "text": "t-a"}], "encrypted_content": "not-e"},
            {"id": "not-i", "type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "t-b", "annotations": [{"type": "url_citation", "title": "t-c"}],
                    "logprobs": [{"token": "not-l"}]},
                {"type": "refusal", "refusal": "t-d"},
            ]},
            {"type": "function_call", "call_id": "not-c", "name": "t-e", "arguments": "t-f"},
            {"type": "web_search_call", "action": {"query": "t-g"}},
        ],
    });
    let texts = response_texts(responses(), operation(), body.to_string().as_bytes()).unwrap();
    let found: Vec<_> = texts.texts.into_iter().map(|text| text.value).collect();
    check(&found, &["t-a", "t-b", "t-c", "t-d", "t-e", "t-f", "t-g", "t-z"], &["not-"]);
    for body in ["{}", "{\"output\":\"a\"}", "{\"output\":[],\"output\":[]}", "[]"] {
        assert!(response_texts(responses(), operation(), body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn every_copy_of_a_text_in_a_stream_is_found_where_it_stands() {
    let mut seen = Vec::new();
    Framer::default()
        .push(TOOLS.as_bytes(), &mut |event| {
            let texts = stream_texts(event.data);
            for text in &texts {
                let token = &event.data[text.text.span.clone()];
                assert_eq!(serde_json::from_str::<String>(token).unwrap(), text.text.value);
            }
            seen.extend(texts.iter().map(|text| (text.text.value.clone(), text.role)));
            // With each of its texts replaced an event is still one, and says none of them.
            let edits: Vec<_> = texts.into_iter().map(|text| (text.text.span, "-".to_owned())).collect();
            let edited = with_texts(event.data.as_bytes(), &edits);
            let edited = serde_json::from_slice::<Value>(&edited).unwrap().to_string();
            assert!(!["Grüß", "dich", "Ulm", "Look", "ther"].iter().any(|word| edited.contains(word)), "{edited}");
        })
        .unwrap();
    let copies = |text: &str| seen.iter().filter(|(value, role)| value == text && *role == Role::Copy).count();
    assert_eq!(copies("Grüß \"dich\" 😀"), 4);
    assert_eq!(copies("{\"city\":\"Ulm\"}"), 3);
    assert_eq!(copies("**Weather**"), 4);
    let pieces: Vec<_> =
        seen.iter().filter(|(_, role)| *role == Role::Piece).map(|(value, _)| value.as_str()).collect();
    assert_eq!(pieces, ["**Wea", "ther**", "Look.", "Grüß ", "\"dich\" 😀", "{\"city\":", "\"Ulm\"}", "{}"]);
}

#[test]
fn pieces_of_one_text_have_one_channel_of_their_own() {
    let channel = |kind: &str, item: u32, part: u32| {
        let event = json!({"type": format!("response.{kind}.delta"), "output_index": item, "content_index": part, "delta": "a"});
        let texts = stream_texts(&event.to_string());
        assert!(matches!(texts.as_slice(), [text] if text.role == Role::Piece), "{event}");
        texts[0].channel
    };
    let all = [
        channel("output_text", 0, 0),
        channel("output_text", 0, 1),
        channel("output_text", 1, 0),
        channel("refusal", 0, 0),
        channel("reasoning_text", 0, 0),
        channel("function_call_arguments", 0, 0),
        channel("something_new", 0, 0),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[index + 1..].contains(one), "{all:?}");
    }
    assert_eq!(channel("output_text", 1, 0), all[2]);
}

#[test]
fn text_of_an_event_that_nobody_knows_is_found() {
    let found = |event: Value| -> Vec<String> {
        stream_texts(&event.to_string()).into_iter().map(|text| text.text.value).collect()
    };
    check(&found(json!({"type": "response.new", "words": {"a": ["t-a"]}, "item_id": "not-i"})), &["t-a"], &["not-"]);
    let mut wide = json!({"type": "response.output_text.delta", "delta": "t-b"});
    for number in 0..300 {
        wide[format!("f{number}")] = "x".into();
    }
    check(&found(wide), &["t-b"], &[]);
}
