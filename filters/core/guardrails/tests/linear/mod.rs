//! Twice as much of anything is at most twice the work, by what is counted.

use serde_json::{Map, Value, json};
use weir_config::{Action, FindingType, GuardrailProfile};
use weir_guardrails::stream::TextStream;
use weir_guardrails::{Direction, Profile, all_rules};
use weir_llm::steps;

use crate::proxy::{ANTHROPIC, Gateway, OPENAI};

const SSE: [(&str, &str); 1] = [("content-type", "text/event-stream")];

fn gateway(path: &str) -> Gateway {
    Gateway::new(path, &[(FindingType::CreditCard, Action::Redact), (FindingType::Email, Action::Redact)])
}

/// What it takes to do this at two sizes.
#[track_caller]
fn check(most: usize, run: &dyn Fn(usize)) {
    let steps_of = |size: usize| {
        let before = steps::counted();
        run(size);
        steps::counted() - before
    };
    let (half, whole) = (steps_of(most / 2), steps_of(most));
    assert!(whole > 0, "nothing was counted");
    assert!(whole * 10 <= half * 22 + 20_000, "{half} steps for half of it, {whole} for all");
}

fn request(path: &str, content: &Value) {
    let body = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": content}]});
    gateway(path).request(&body.to_string(), 1).passed();
}

fn stream(path: &str, events: &[Value]) {
    let mut gateway = gateway(path);
    gateway.request(r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#, 1).passed();
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    gateway.response(200, &SSE, &[&events]).passed();
}

fn chunk(delta: Value, finish: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn names(count: usize) -> Value {
    Value::Object((0..count).map(|number| (format!("a{number}@b.io"), json!("c@d.io"))).collect::<Map<_, _>>())
}

#[test]
fn requests_take_work_in_proportion() {
    check(20_000, &|size| request(OPENAI, &json!("a@b.io ".repeat(size))));
    check(20_000, &|size| request(OPENAI, &json!("4111 1111 1111 1111 ".repeat(size))));
    check(20_000, &|size| request(OPENAI, &json!("a@b.io".to_string() + &"@b.io".repeat(size))));
    check(100_000, &|size| request(OPENAI, &json!("7".repeat(size))));
    check(100_000, &|size| request(OPENAI, &json!("a".repeat(size) + "@b.io")));
    check(20_000, &|size| request(OPENAI, &json!(vec![json!({"type": "text", "text": "a@b.io"}); size])));
    check(20_000, &|size| request(OPENAI, &json!(vec![json!({"type": "text", "text": "4"}); size])));
    check(20_000, &|size| request(OPENAI, &json!(vec![json!({"type": "text", "text": "4111 1111 "}); size])));
    check(10_000, &|size| request(ANTHROPIC, &json!([{"type": "tool_use", "input": names(size)}])));
    check(10_000, &|size| request(ANTHROPIC, &json!([{"type": "text", "text": names(size).to_string()}])));
}

#[test]
fn whole_answers_take_work_in_proportion() {
    check(10_000, &|size| {
        let choices = vec![json!({"message": {"content": "to a@b.io"}, "logprobs": {"content": []}}); size];
        let mut gateway = gateway(OPENAI);
        gateway.request(r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#, 1).passed();
        let body = json!({ "choices": choices }).to_string();
        gateway.response(200, &[("content-type", "application/json")], &[&body]).passed();
    });
}

#[test]
fn one_event_takes_work_in_proportion() {
    let one = |delta: Value| stream(OPENAI, &[chunk(delta, Value::Null), chunk(json!({}), json!("stop"))]);
    check(9_000, &|size| one(json!({"content": vec!["x"; size]})));
    check(9_000, &|size| one(json!({"content": vec!["a@b.io"; size]})));
    check(9_000, &|size| one(json!({"new": {"deep": vec!["4111 1111"; size]}})));
    check(4_000, &|size| one(json!({"new": names(size)})));
    check(1_000, &|size| {
        one(Value::Object((0..size).map(|number| (format!("f{number}"), json!("held@x.org"))).collect()));
    });
    check(40_000, &|size| {
        one(Value::Object((0..size).map(|number| (format!("f{number}"), json!("x"))).collect()));
    });
}

/// What is read of each byte of a text, whole and in pieces of four bytes, by every detector.
fn steps_of_a_byte(text: &str) -> (u64, u64) {
    let profile = Profile::compile(&GuardrailProfile::new("every", all_rules())).unwrap();
    let per_byte = |run: &dyn Fn()| {
        let before = steps::counted();
        run();
        (steps::counted() - before) / u64::try_from(text.len()).unwrap()
    };
    let whole = per_byte(&|| _ = profile.apply(Direction::Output, text));
    let pieces = per_byte(&|| {
        let mut stream = TextStream::default();
        for piece in text.as_bytes().chunks(4) {
            _ = stream.push(&profile, Direction::Output, std::str::from_utf8(piece).unwrap());
        }
        _ = stream.finish(&profile, Direction::Output);
    });
    (whole, pieces)
}

#[test]
fn each_byte_is_read_a_bounded_number_of_times() {
    const MOST_OF_A_WHOLE: u64 = 150;
    const MOST_OF_PIECES: u64 = 1_000;
    for (before, again) in [
        ("", "word of it. "),
        ("", "eyJ-"),
        ("", "eyJrIjoi/"),
        ("", "eyJhbGciOiJIUzI1NiJ9.eyJhbGciOiJIUzI1NiJ9."),
        ("", "MIIEow/MIIEpQ/MIGHAgEA/"),
        ("", &format!("{} ", "pw=".repeat(170))),
        ("", &format!("{} ", "pw=1".repeat(120))),
        ("", &format!("{} ", "xxxx_pw=1exexexex".repeat(30))),
        ("", &format!("{} ", "pw:'a\\\"".repeat(60))),
        ("", &format!("{}=Xx1#1 ", "pw".repeat(32))),
        ("-----BEGIN PRIVATE KEY-----\n", "...."),
        ("-----BEGIN PRIVATE KEY-----\n", "_"),
        ("-----BEGIN PRIVATE KEY-----\n", "="),
        ("", "-----BEGIN PRIVATE KEY-----\n"),
        ("", &format!("-----BEGIN PRIVATE KEY-----\n{}", "MIIEowIBAAKCAQEA\n".repeat(220))),
        ("", "7Q~"),
        ("", "a://a:a"),
    ] {
        let text = format!("{before}{}", again.repeat(32_000 / again.len()));
        let (whole, pieces) = steps_of_a_byte(&text);
        println!("{whole:>6} {pieces:>6} {before:?} {:?}", &again[..again.len().min(40)]);
        let name = &again[..again.len().min(40)];
        assert!(
            whole <= MOST_OF_A_WHOLE && pieces <= MOST_OF_PIECES,
            "{before:?} {name:?}: {whole}, {pieces} in pieces"
        );
    }
}

/// However many choices say that they are over, and however many texts there are.
#[test]
fn ends_of_choices_take_work_in_proportion() {
    let call = |at: usize| json!({"tool_calls": [{"index": at, "function": {"arguments": "held"}}]});
    let calls: Vec<_> = (0..1_000).map(|at| chunk(call(at), Value::Null)).collect();
    let ends = |size: usize| json!({ "choices": vec![json!({"finish_reason": "stop"}); size] });
    let steps_of = |events: &[Value]| {
        let before = steps::counted();
        stream(OPENAI, events);
        steps::counted() - before
    };
    let without = steps_of(&calls);
    let alone = steps_of(&[ends(40_000)]);
    assert!(steps_of(&[calls.as_slice(), &[ends(40_000)]].concat()) < (without + alone) * 11 / 10);
    check(4_000, &|size| stream(OPENAI, &[calls.as_slice(), &vec![ends(1); size]].concat()));
}

#[test]
fn streams_take_work_in_proportion() {
    let pieces =
        |size: usize, piece: &dyn Fn(usize) -> Value| stream(OPENAI, &(0..size).map(piece).collect::<Vec<_>>());
    check(2_000, &|size| pieces(size, &|_| chunk(json!({"content": " word"}), Value::Null)));
    check(2_000, &|size| pieces(size, &|_| chunk(json!({"content": "word"}), json!("stop"))));
    check(2_000, &|size| pieces(size, &|_| chunk(json!({"content": "@b.io"}), json!("stop"))));
    check(2_000, &|size| pieces(size, &|_| json!({"choices": null, "usage": {"total_tokens": 1}})));
    check(900, &|size| pieces(size, &|at| json!({"choices": [{"index": at, "delta": {"content": "held"}}]})));
    check(4_000, &|size| {
        pieces(
            size,
            &|at| json!({"choices": [{"index": at % 900, "delta": {"content": "held"}, "finish_reason": "stop"}]}),
        );
    });
    check(4_000, &|size| {
        let block = |index: usize| {
            [
                json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": "to a@b.io"}}),
                json!({"type": "content_block_stop", "index": index}),
            ]
        };
        stream(ANTHROPIC, &(0..size).flat_map(block).collect::<Vec<_>>());
    });
}
