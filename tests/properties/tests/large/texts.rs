//! Framing, errors, and every detector.

use serde_json::json;
use weir_config::{Action, GuardrailProfile};
use weir_guardrails::stream::TextStream;
use weir_guardrails::{Direction, Profile, all_rules};
use weir_llm::Schema;
use weir_llm::error::read_provider_error;
use weir_llm::sse::{Framer, MOST_EVENT_BYTES, write_event};
use weir_properties::detectors::rules;
use weir_properties::input::request;

use crate::streams::begun;
use crate::work::{check, named, sent};

#[test]
fn framing_and_errors() {
    let lines = |count: usize| "data: a line of it\n".repeat(count).into_bytes();
    let events = |count: usize| "event: a\ndata: b\n\n".repeat(count).into_bytes();
    for (name, make, size) in [
        ("lines", &lines as &dyn Fn(usize) -> Vec<u8>, 1),
        ("lines", &lines, 900),
        ("events", &events, 1),
        ("events", &events, usize::MAX),
    ] {
        check(&format!("{name} in pieces of {size}"), 2_000, make, &|stream| {
            let mut framer = Framer::new(MOST_EVENT_BYTES);
            stream.chunks(size).for_each(|piece| framer.push(piece, &mut |_| {}).expect("short enough"));
        });
    }
    for schema in Schema::all() {
        for client in Schema::all() {
            let words = |count: usize| {
                json!({"error": {"message": "the-operators-secret is no key \n".repeat(count)}})
                    .to_string()
                    .into_bytes()
            };
            let many = |count: usize| {
                json!({"detail": vec![json!({"loc": ["body"], "msg": "no"}); count]}).to_string().into_bytes()
            };
            for (name, make) in [("words", &words as &dyn Fn(usize) -> Vec<u8>), ("many", &many)] {
                check(&format!("error: {name}"), 300, make, &|body| {
                    _ = read_provider_error(schema, 400, body).to_client(client)
                });
                // As the first event of a stream, with what is hidden of it.
                check(&format!("error event: {name}"), 300, make, &|body| {
                    let mut stream = Vec::new();
                    for event in begun(schema) {
                        stream.extend(event);
                    }
                    write_event("error", std::str::from_utf8(body).expect("text"), &mut stream);
                    _ = sent(client, schema, Action::Redact, request(client, true))
                        .answer("text/event-stream", &[&stream]);
                });
            }
        }
    }
}

/// What begins like a finding, or is one, or is looked at by a detector and is none.
const TEXTS: &[&str] = &[
    "a@b.io ",
    "@",
    "a@",
    "@b.",
    "a.b-c_",
    "4111 1111 1111 1111 ",
    "4",
    "4-",
    "4111-1111-",
    "card4111",
    "%B4111^",
    "\\u0034",
    "\\\\\\\"4",
    "٤",
    "4\u{a0}",
    "123-45-6789 ",
    "+49 170 1234567 ",
    "+4",
    "(555) 123-4567 ",
    "DE89370400440532013000 ",
    "DE89 3704 ",
    "1.2.3.4 ",
    "1.",
    "2001:db8::1 ",
    "::",
    "a:",
    "account 12345678 routing 021000021 ",
    "12 Main Street, Springfield, IL 62704 ",
    "ABCDE1234F ",
    "2345 6789 0123 ",
    "sk-",
    "sk-ant-api03-",
    "AKIA",
    "-----BEGIN ",
    "password=",
    "token: 8Kq2Zx7Wm4Pn1Vb9",
    "https://a:b",
    "https://a:b@",
    "{\"",
    "\u{ff14}",
    "word ",
];

/// What a stream holds back for as long as a secret may be: 4,096 bytes.
const LONG_TEXTS: &[&str] = &["eyJhbGciOiJIUzI1NiJ9.", "-----BEGIN PRIVATE KEY-----\n"];

#[test]
fn every_detector_on_a_whole_text_and_on_pieces() {
    let every = GuardrailProfile::new("every", all_rules());
    let profile = Profile::compile(&every).expect("good rules");
    let texts = LONG_TEXTS.iter().map(|text| (text, 16_000)).chain(TEXTS.iter().map(|text| (text, 1_000)));
    for (text, held) in texts {
        // As many pieces as fill what is looked at again with each.
        let make = |count: usize| text.repeat(count).into_bytes();
        check(&format!("{text:?}"), 2_000, &make, &|text| {
            _ = profile.apply(Direction::Output, std::str::from_utf8(text).expect("text"));
        });
        check(&format!("{text:?} in pieces"), 100.max(held / text.len()), &make, &|whole| {
            let mut stream = TextStream::default();
            for piece in std::str::from_utf8(whole).expect("text").split_inclusive(text) {
                _ = stream.push(&profile, Direction::Output, piece);
            }
            _ = stream.finish(&profile, Direction::Output);
        });
    }
}

/// What moves bytes for each finding shows only where there are many of both.
#[test]
fn a_megabyte_of_findings() {
    let text = |count: usize| "to a@b.io or 4111 1111 1111 1111 ".repeat(count);
    let profile = Profile::compile(&rules(Action::Redact, Action::Redact)).expect("good rules");
    check("text", 7_500, &|count| text(count).into_bytes(), &|text| {
        _ = profile.apply(Direction::Output, std::str::from_utf8(text).expect("text"));
    });
    let request = |count| {
        json!({"model": "m", "messages": vec![json!({"role": "user", "content": text(1)}); count]})
            .to_string()
            .into_bytes()
    };
    check("request", 4_000, &request, &|body| {
        _ = sent(named("openai"), named("openai"), Action::Redact, std::str::from_utf8(body).expect("text"));
    });
}
