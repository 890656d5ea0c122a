//! Bodies that are wrong, odd, deep or long: the client is told what is wrong, or the provider gets just that.

use serde_json::{Value, json};
use weir_gateway_tests::{SCHEMAS, World, ask, check_error, path_of, said};
use weir_test_proxy::Request;

fn ok() -> Value {
    json!({"type": "ok", "text": "Served."})
}

fn nested(open: &str, middle: &str, close: &str, times: usize) -> String {
    open.repeat(times) + middle + &close.repeat(times)
}

/// Bodies of one schema: a good one, and what is made of it.
struct Bodies {
    schema: &'static str,
    good: String,
}

impl Bodies {
    fn of(schema: &'static str) -> Self {
        Self { schema, good: ask(schema, "m", json!({})).to_string() }
    }

    fn with(&self, fields: Value) -> Vec<u8> {
        ask(self.schema, "m", fields).to_string().into()
    }

    fn without(&self, name: &str) -> Vec<u8> {
        let mut body = ask(self.schema, "m", json!({}));
        body.as_object_mut().expect("an object").remove(name);
        body.to_string().into()
    }

    /// A good body that begins with one more field.
    fn beside(&self, name: &str, value: &str) -> Vec<u8> {
        format!("{{\"{name}\":{value},{}", &self.good[1..]).into()
    }

    /// A good body that ends with more fields.
    fn and(&self, fields: &str) -> Vec<u8> {
        format!("{},{fields}}}", &self.good[..self.good.len() - 1]).into()
    }

    fn message(&self, message: &str) -> Vec<u8> {
        self.replaced(r#"{"role":"user","content":"Hello"}"#, message)
    }

    fn replaced(&self, from: &str, to: &str) -> Vec<u8> {
        assert!(self.good.contains(from), "{from} in {}", self.good);
        self.good.replace(from, to).into()
    }

    /// With these bytes in the middle of a text.
    fn amid(&self, bytes: &[u8]) -> Vec<u8> {
        let (before, behind) = self.good.split_once("Hello").expect("the question");
        [before.as_bytes(), bytes, behind.as_bytes()].concat()
    }
}

type Wrong = (&'static str, Vec<u8>, Option<&'static str>);

/// What is no JSON that every parser reads alike.
fn unreadable(of: &Bodies) -> Vec<Wrong> {
    let good = &of.good;
    let deep = nested("[", "", "]", 100_000);
    let bytes: [(&str, Vec<u8>); 44] = [
        ("empty", Vec::new()),
        ("blank", b" \r\n\t".into()),
        ("not JSON", b"hello".into()),
        ("half", good[..good.len() / 2].into()),
        ("trailing garbage", format!("{good} x").into()),
        ("trailing bracket", format!("{good}}}").into()),
        ("trailing NUL", format!("{good}\0").into()),
        ("two documents", format!("{good}{good}").into()),
        ("array", b"[1, 2]".into()),
        ("the body in an array", format!("[{good}]").into()),
        ("string", b"\"hello\"".into()),
        ("number", b"7".into()),
        ("null", b"null".into()),
        ("true", b"true".into()),
        ("form", b"model=m&messages=hello".into()),
        ("trailing comma", format!("{},}}", &good[..good.len() - 1]).into()),
        ("single quotes", good.replace('"', "'").into()),
        ("comment", format!("/* */{good}").into()),
        ("control character", of.amid(b"H\nllo")),
        ("unknown escape", of.amid(b"H\\xllo")),
        ("byte-order mark", [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("gzip that does not say so", [b"\x1f\x8b\x08\0".as_slice(), &[0; 20]].concat()),
        ("invalid UTF-8", of.amid(b"\xffHello")),
        ("overlong UTF-8", of.amid(b"\xc0\xafHello")),
        ("surrogate in UTF-8", of.amid(b"\xed\xa0\x80Hello")),
        ("invalid UTF-8 in an unknown field", [b"{\"x\":\"\xfe\",", &good.as_bytes()[1..]].concat()),
        ("half a surrogate pair", of.amid(b"\\ud83d")),
        ("the other half", of.amid(b"\\ude00")),
        ("surrogates the wrong way round", of.amid(b"\\ude00\\ud83d")),
        ("half a surrogate pair in an unknown field", of.beside("x", "[\"\\ud83d\"]")),
        ("half a surrogate pair as a name", of.beside("\\udead", "1")),
        ("NaN", of.beside("temperature", "NaN")),
        ("Infinity", of.beside("temperature", "-Infinity")),
        ("leading zero", of.beside("temperature", "01")),
        ("number beyond a double", of.beside("temperature", "1e999")),
        ("number beyond a double in an unknown field", of.beside("x", "[-1e400]")),
        ("number of 400 digits", of.beside("x", &"9".repeat(400))),
        ("deep messages", of.replaced(r#"[{"role":"user","content":"Hello"}]"#, &deep)),
        ("deep content", of.message(&format!(r#"{{"role":"user","content":{deep}}}"#))),
        ("deep unknown field", of.beside("x", &deep)),
        ("deep objects in an unknown field", of.beside("metadata", &nested("{\"a\":", "1", "}", 100_000))),
        ("just too deep", of.beside("x", &nested("[", "", "]", 127))),
        ("never closed", of.beside("x", &"[".repeat(100_000))),
    ];
    let mut bodies: Vec<Wrong> = bytes.into_iter().map(|(name, bytes)| (name, bytes, None)).collect();
    let fields: String = (0..1000).map(|number| format!("\"f{number}\":{number},")).collect();
    bodies.push(("a thousand fields", format!("{{{fields}{}", &good[1..]).into(), None));
    bodies.push(("half a surrogate pair as model", of.replaced("\"m\"", "\"\\ud83d\""), None));
    bodies
}

/// What stands twice: parsers disagree on which of the two counts.
fn doubled(of: &Bodies) -> Vec<Wrong> {
    vec![
        ("model", of.beside("model", "\"other\""), Some("model")),
        ("model, once escaped", of.beside("mod\\u0065l", "\"other\""), Some("model")),
        ("messages", of.beside("messages", "[]"), Some("messages")),
        ("stream", of.and(r#""stream":false,"stream":true"#), Some("stream")),
        ("unknown field", of.and(r#""x":1,"x":2"#), Some("x")),
        ("role", of.message(r#"{"role":"user","content":"a","role":"system"}"#), Some("messages[0].role")),
        ("content", of.message(r#"{"role":"user","content":"a","content":"b"}"#), Some("messages[0].content")),
    ]
}

/// What is not what the field takes.
fn mistaken(of: &Bodies) -> Vec<Wrong> {
    let big: Value = serde_json::from_str("10000000000000000000000000").expect("a number");
    let mut wrong = vec![
        ("no model", of.without("model"), Some("model")),
        ("empty model", of.with(json!({"model": ""})), Some("model")),
        ("blank model", of.with(json!({"model": " "})), Some("model")),
        ("number as model", of.with(json!({"model": 7})), Some("model")),
        ("null as model", of.with(json!({"model": null})), Some("model")),
        ("list as model", of.with(json!({"model": ["m"]})), Some("model")),
        ("no messages", of.without("messages"), Some("messages")),
        ("empty messages", of.with(json!({"messages": []})), Some("messages")),
        ("null as messages", of.with(json!({"messages": null})), Some("messages")),
        ("text as messages", of.with(json!({"messages": "Hello"})), Some("messages")),
        ("object as messages", of.with(json!({"messages": {"role": "user", "content": "Hello"}})), Some("messages")),
        ("text as message", of.with(json!({"messages": ["Hello"]})), Some("messages[0]")),
        ("null as message", of.with(json!({"messages": [null]})), Some("messages[0]")),
        ("no role", of.message(r#"{"content":"Hello"}"#), Some("messages[0].role")),
        ("number as role", of.message(r#"{"role":7,"content":"Hello"}"#), Some("messages[0].role")),
        ("unknown role", of.message(r#"{"role":"wizard","content":"Hello"}"#), Some("messages[0].role")),
        ("role in capitals", of.message(r#"{"role":"USER","content":"Hello"}"#), Some("messages[0].role")),
        (
            "unknown role, later",
            of.message(r#"{"role":"user","content":"Hello"},{"role":"wizard","content":"Hello"}"#),
            Some("messages[1].role"),
        ),
        ("number as content", of.message(r#"{"role":"user","content":7}"#), Some("messages[0].content")),
        ("stream says yes", of.with(json!({"stream": "yes"})), Some("stream")),
        ("stream says 1", of.with(json!({"stream": 1})), Some("stream")),
        ("stream is an object", of.with(json!({"stream": {}})), Some("stream")),
        ("text as max_tokens", of.with(json!({"max_tokens": "many"})), Some("max_tokens")),
        ("half a max_tokens", of.with(json!({"max_tokens": 1.5})), Some("max_tokens")),
        ("negative max_tokens", of.with(json!({"max_tokens": -1})), Some("max_tokens")),
        ("max_tokens beyond 64 bits", of.with(json!({"max_tokens": big})), Some("max_tokens")),
        ("text as temperature", of.with(json!({"temperature": "hot"})), Some("temperature")),
        ("object as tools", of.with(json!({"tools": {}})), Some("tools")),
        ("number as metadata", of.with(json!({"metadata": 7})), Some("metadata")),
    ];
    if of.schema == "openai" {
        let options = r#"{"include_usage":true,"include_usage":false}"#;
        wrong.extend([
            ("text as bound", of.with(json!({"max_completion_tokens": "many"})), Some("max_completion_tokens")),
            ("number as stop", of.with(json!({"stop": 7})), Some("stop")),
            ("text as n", of.with(json!({"n": "two"})), Some("n")),
            ("text as options", of.with(json!({"stream": true, "stream_options": "usage"})), Some("stream_options")),
            ("a stream option twice", of.beside("stream_options", options), Some("stream_options")),
        ]);
    } else {
        let tool = r#"{"role":"tool","content":"Hello"}"#;
        wrong.extend([
            ("number as system", of.with(json!({"system": 7})), Some("system")),
            ("text as stop_sequences", of.with(json!({"stop_sequences": "x"})), Some("stop_sequences")),
            ("tool as role", of.message(tool), Some("messages[0].role")),
        ]);
    }
    wrong
}

/// Each wrong body, in one piece and in many, is refused with its field and reaches nobody; afterwards a good one is answered.
fn check_wrong(bodies: impl Fn(&Bodies) -> Vec<Wrong>) {
    for client in SCHEMAS {
        let of = Bodies::of(client);
        for provider in SCHEMAS {
            let mut world = World::new();
            let upstream = world.model("m", provider, ok());
            for (name, body, param) in bodies(&of) {
                let pieces = body.len().div_ceil(3);
                for request in [
                    Request::post(path_of(client), body.clone()),
                    Request::post(path_of(client), body).in_pieces_of(pieces),
                ] {
                    let received = world.request(&request.header("anthropic-version", "2023-06-01"));
                    assert_eq!(received.status(), 400, "{name}: {}", received.text());
                    assert!(received.header("x-weir-request-id").is_some(), "{name}");
                    check_error(client, &received, 400, "invalid_request", param);
                }
            }
            assert!(upstream.borrow().received.is_empty(), "a wrong body reached a provider");
            assert_eq!(world.send(client, of.good.clone()).status(), 200, "nothing is served any more");
        }
    }
}

#[test]
fn a_body_that_is_no_clear_json_is_refused() {
    check_wrong(unreadable);
}

#[test]
fn a_body_that_says_a_thing_twice_is_refused_with_the_field() {
    check_wrong(doubled);
}

#[test]
fn a_body_with_a_field_that_is_wrong_is_refused_with_the_field() {
    check_wrong(mistaken);
}

#[test]
fn an_unknown_model_is_not_found() {
    let long = "x".repeat(10_000);
    for client in SCHEMAS {
        let mut world = World::new();
        let upstream = world.model("m", client, ok());
        for name in ["nowhere", "M", " m", "m ", "../m", "m\0", &long, "😀", "'--"] {
            let received = world.send(client, ask(client, name, json!({})).to_string());
            let message = check_error(client, &received, 404, "model_not_found", Some("model"));
            assert!(message.len() < 200, "{message}");
        }
        assert!(upstream.borrow().received.is_empty());
    }
}

/// Bodies that are right, however odd they look.
fn odd(of: &Bodies) -> Vec<(&'static str, String)> {
    let good = &of.good;
    let beside = |fields: &str| format!("{{{fields},{}", &good[1..]);
    vec![
        ("as deep as may be", beside(&format!("\"x\": {}", nested("[", "", "]", 126)))),
        ("large numbers", beside("\"x\": [1e308, -0.0, 12345678901234567890123, 1.00, 1E-999]")),
        ("much white space", " \r\n\t".repeat(1000) + &good.replace(',', " ,\n\n ") + &" ".repeat(1000)),
        ("escaped names", good.replace("\"messages\"", "\"\\u006dessages\"").replace("\"role\"", "\"rol\\u0065\"")),
        ("escaped model", good.replace("\"m\"", "\"\\u006d\"")),
        ("surrogate pairs and NUL", good.replace("Hello", "\\ud83d\\ude00\\u0000\\uffff")),
        ("every kind of character", good.replace("Hello", "ä€😀\u{2028}\u{202e}\u{feff}\u{7f}\u{80}")),
        ("null in place of nothing", beside("\"stream\": null, \"tools\": null, \"temperature\": null")),
        ("unknown fields", beside("\"\": [], \"from_the_future\": {\"a\": {\"b\": null}}")),
    ]
}

#[test]
fn what_is_odd_but_right_arrives_as_it_was_sent() {
    for schema in SCHEMAS {
        let model = if schema == "openai" { "\"gpt-4o\"" } else { "\"claude-sonnet-5\"" };
        for (name, body) in odd(&Bodies::of(schema)) {
            let mut world = World::new();
            let upstream = world.model("m", schema, ok());
            let received = world.send(schema, body.clone());
            assert_eq!(received.status(), 200, "{name}: {}", received.text());
            let spelt = if name == "escaped model" { "\"\\u006d\"" } else { "\"m\"" };
            assert_eq!(upstream.borrow().only().text(), body.replacen(spelt, model, 1), "{name}");
        }
    }
}

/// Whichever of two values reaches the provider was checked.
#[test]
fn what_stands_twice_is_checked_twice() {
    let contents = [
        r#"[{"type": "text", "text": "first@example.com", "text": "second@example.com"}]"#,
        r#"[{"type": "text", "type": "text", "text": "first@example.com", "te\u0078t": "second@example.com"}]"#,
        r#"[{"type": "text", "text": "Hello", "x": "first@example.com", "x": "second@example.com"}]"#,
    ];
    for client in SCHEMAS {
        for provider in SCHEMAS {
            for content in contents {
                let mut world = World::new().guarded(&[("EMAIL", "redact", "both")]);
                let upstream = world.model("m", provider, ok());
                let received = world.send(client, Bodies::of(client).replaced("\"Hello\"", content));
                // What the other schema has no place for is refused, not dropped.
                if content.contains("\"x\"") && client != provider {
                    check_error(client, &received, 400, "unsupported_parameter", None);
                    continue;
                }
                assert_eq!(received.status(), 200, "{}", received.text());
                let sent = upstream.borrow().only().text();
                assert!(!sent.contains("example.com"), "{sent}");
            }
        }
    }
}

#[test]
fn ten_thousand_messages_are_answered() {
    let turns: Vec<Value> = (0..10_001)
        .map(|number| json!({"role": (["user", "assistant"][number % 2]), "content": format!("Message {number}")}))
        .collect();
    for client in SCHEMAS {
        for provider in SCHEMAS {
            let mut world = World::new().guarded(&[("EMAIL", "redact", "both")]);
            let upstream = world.model("m", provider, ok());
            let received = world.send(client, ask(client, "m", json!({"messages": turns})).to_string());
            assert_eq!(received.status(), 200, "{}", received.text());
            assert_eq!(said(client, &received.json()), "Served.");
            let sent: Value = serde_json::from_slice(&upstream.borrow().only().body).unwrap();
            let sent = sent["messages"].as_array().expect("messages");
            assert!(sent.len() == 10_001 && sent[10_000].to_string().contains("Message 10000"));
        }
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_however_it_comes() {
    for (schema, pieces) in [("openai", 64 << 20), ("anthropic", 4 << 20)] {
        let mut world = World::new();
        let upstream = world.model("m", schema, ok());
        let mut body = Bodies::of(schema).good.into_bytes();
        body.resize(51 << 20, b' ');
        let request = Request::post(path_of(schema), body).in_pieces_of(pieces);
        let received = world.request(&request.header("anthropic-version", "2023-06-01"));
        check_error(schema, &received, 413, "request_too_large", None);
        assert!(upstream.borrow().received.is_empty());
    }
}
