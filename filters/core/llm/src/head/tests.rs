use super::*;
use crate::schema::{Kind, Schema};

fn chat() -> Operation {
    Operation::of_kind(Kind::Chat, Schema::named("openai").unwrap()).unwrap()
}

fn messages() -> Operation {
    Operation::of_kind(Kind::Chat, Schema::named("anthropic").unwrap()).unwrap()
}

fn embeddings() -> Operation {
    Operation::of_kind(Kind::Embeddings, Schema::named("openai").unwrap()).unwrap()
}

fn check_refused(operation: Operation, body: &str, param: Option<&str>) {
    let error = read_head(operation, "", body.as_bytes()).unwrap_err();
    assert_eq!(error.param.as_deref(), param, "{body}: {error}");
}

#[test]
fn what_no_provider_could_answer_is_refused_with_its_field() {
    for body in [
        "",
        "[]",
        "{",
        "null",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}x",
        "{\"model\":\"m\",\"messages\":[\u{1}]}",
    ] {
        check_refused(chat(), body, None);
    }
    check_refused(chat(), r#"{"messages":[{"role":"user"}]}"#, Some("model"));
    check_refused(chat(), r#"{"model":null,"messages":[{"role":"user"}]}"#, Some("model"));
    check_refused(chat(), r#"{"model":7,"messages":[{"role":"user"}]}"#, Some("model"));
    check_refused(chat(), r#"{"model":" ","messages":[{"role":"user"}]}"#, Some("model"));
    check_refused(chat(), r#"{"model":"a","messages":[{"role":"user"}],"mod\u0065l":"b"}"#, Some("model"));
    check_refused(chat(), r#"{"model":"a","messages":[{"role":"user"}],"Model":"b"}"#, Some("model"));
    check_refused(chat(), r#"{"model":"a","messages":[{"role":"user"}],"Stream":true}"#, Some("Stream"));
    check_refused(
        chat(),
        "{\"model\":\"a\",\"me\u{17f}\u{17f}ages\":[],\"messages\":[{\"role\":\"user\"}]}",
        Some("me\u{17f}\u{17f}ages"),
    );
    check_refused(chat(), r#"{"model":"a"}"#, Some("messages"));
    check_refused(chat(), r#"{"model":"a","messages":"hi"}"#, Some("messages"));
    check_refused(messages(), r#"{"model":"a","messages":[ ]}"#, Some("messages"));
    check_refused(chat(), r#"{"model":"a","messages":[{"role":"user"}],"stream":"yes"}"#, Some("stream"));
    check_refused(chat(), r#"{"model":"a","messages":[{"role":"user"}],"max_tokens":1.5}"#, Some("max_tokens"));
    check_refused(
        chat(),
        r#"{"model":"a","messages":[{"role":"user"}],"max_completion_tokens":-1}"#,
        Some("max_completion_tokens"),
    );
    check_refused(
        chat(),
        r#"{"model":"a","messages":[{"role":"user"}],"stream_options":{"include_usage":1}}"#,
        Some("stream_options.include_usage"),
    );
    check_refused(embeddings(), r#"{"model":"a","input":""}"#, Some("input"));
    check_refused(embeddings(), r#"{"model":"a","input":[]}"#, Some("input"));
    check_refused(embeddings(), r#"{"model":"a","input":7}"#, Some("input"));
    let wide: String = (0..300).map(|number| format!("\"f{number}\":1,")).collect();
    check_refused(chat(), &format!("{{{wide}\"model\":\"a\",\"messages\":[{{\"role\":\"user\"}}]}}"), None);
}

#[test]
fn every_message_has_one_known_role() {
    let check = |operation, messages: &str, param: &str| {
        check_refused(operation, &format!(r#"{{"model":"a","messages":{messages}}}"#), Some(param));
    };
    for operation in [chat(), messages()] {
        check(operation, "[7]", "messages[0]");
        check(operation, r#"[{"role":"user"},null]"#, "messages[1]");
        check(operation, r#"[{"role":"user"},{}]"#, "messages[1].role");
        check(operation, r#"[{"role":null}]"#, "messages[0].role");
        check(operation, r#"[{"role":7}]"#, "messages[0].role");
        check(operation, r#"[{"role":"wizard"}]"#, "messages[0].role");
        check(operation, r#"[{"role":"User"}]"#, "messages[0].role");
        check(operation, r#"[{"role":"user","rol\u0065":"user"}]"#, "messages[0].role");
        check(operation, r#"[{"role":"user","content":"a","content":"b"}]"#, "messages[0].content");
        check(operation, r#"[{"role":"user","content":7}]"#, "messages[0].content");
        check(operation, r#"[{"role":"user","content":{}}]"#, "messages[0].content");
    }
    check(messages(), r#"[{"role":"tool"}]"#, "messages[0].role");
    let spelt = r#"{"model":"a","messages": [ { "role" : "\u0075ser" } , {"role":"tool"} ] }"#;
    assert!(read_head(chat(), "", spelt.as_bytes()).is_ok());
}

#[test]
fn what_all_providers_agree_on_has_its_type() {
    let body = |field: &str, value: &str| {
        format!(r#"{{"model":"a","messages":[{{"role":"assistant","content":null}}],"{field}":{value}}}"#)
    };
    for (schema, field, wrong, right) in [
        (chat(), "temperature", r#""hot""#, "0.5"),
        (messages(), "top_p", "[]", "1"),
        (chat(), "tools", "{}", "[]"),
        (chat(), "stop", "7", r#""x""#),
        (chat(), "user", "7", "null"),
        (messages(), "stop_sequences", r#""x""#, "[]"),
        (messages(), "system", "7", "[]"),
        (messages(), "metadata", "7", "{}"),
    ] {
        check_refused(schema, &body(field, wrong), Some(field));
        assert!(read_head(schema, "", body(field, right).as_bytes()).is_ok(), "{field}");
    }
    assert!(read_head(chat(), "", body("system", "7").as_bytes()).is_ok());
}

/// A provider of the other schema would not take them, so that no provider does.
#[test]
fn what_is_read_differently_by_different_readers_is_refused_in_any_field() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let unknown = |value: &str| format!(r#"{{"model":"a","messages":[{{"role":"user"}}],"x":{value}}}"#);
    for (value, reason) in [
        (deep.as_str(), "nested deeper than 127 levels at byte"),
        ("1e999", "larger than a double"),
        (r#""\ud800""#, "surrogate"),
        ("01", "not JSON at byte 47"),
    ] {
        for operation in [chat(), messages()] {
            let error = read_head(operation, "", unknown(value).as_bytes()).unwrap_err();
            assert!(error.message.contains(reason) && error.param.is_none(), "{error}");
        }
    }
    assert!(read_head(chat(), "", unknown("12345678901234567890123").as_bytes()).is_ok());
    for (body, reason) in
        [("\u{feff}{}", "byte-order mark"), ("{} {}", "goes on"), ("[1]", "object"), ("[1", "not JSON")]
    {
        let error = read_head(chat(), "", body.as_bytes()).unwrap_err();
        assert!(error.message.contains(reason), "{body}: {error}");
    }
}

#[test]
fn the_head_holds_what_routing_and_quota_need() {
    let body = br#"{"messages":[{"role":"user"}],"n":3,"max_tokens":5,"max_completion_tokens":9,"stream":true,
        "stream_options":{"include_usage":true},"model":"a\u0062"}"#;
    let head = read_head(chat(), "", body).unwrap();
    assert_eq!((head.model.as_str(), head.stream, head.include_usage), ("ab", true, true));
    assert_eq!((head.max_output_tokens, head.choices), (Some(9), 3));
    assert_eq!(&body[head.model_span.unwrap()], br#""a\u0062""#);
    let head = read_head(embeddings(), "", br#"{"model":"e","input":[[1,2]],"stream":"ignored"}"#).unwrap();
    assert!(!head.stream);
}

#[test]
fn another_model_changes_nothing_else() {
    let body = br#" { "a" : 1.0 , "model" : "x" ,"messages":[ {"role":"user","content":"\u00e4"} ] } "#;
    let head = read_head(chat(), "", body).unwrap();
    let expect = r#" { "a" : 1.0 , "model" : "\"y\"" ,"messages":[ {"role":"user","content":"\u00e4"} ] } "#;
    assert_eq!(String::from_utf8(head.with_model(body, "\"y\"")).unwrap(), expect);
}

fn check_usage(body: &str, expect: &str) {
    let head = read_head(chat(), "", body.as_bytes()).unwrap();
    let written = String::from_utf8(head.adapted(body.as_bytes(), "y", true, Vec::new())).unwrap();
    assert_eq!(written, expect);
    assert_eq!(head.stream, read_head(chat(), "", written.as_bytes()).unwrap().include_usage);
}

#[test]
fn a_stream_asks_for_usage() {
    check_usage(
        r#" {"model":"x","messages":[{"role":"user"}],"stream":true}"#,
        r#" {"stream_options":{"include_usage":true},"model":"y","messages":[{"role":"user"}],"stream":true}"#,
    );
    check_usage(
        r#"{"stream_options":null,"model":"x","messages":[{"role":"user"}],"stream":true}"#,
        r#"{"stream_options":{"include_usage":true},"model":"y","messages":[{"role":"user"}],"stream":true}"#,
    );
    check_usage(
        r#"{"model":"x","messages":[{"role":"user"}],"stream":true,"stream_options":{ }}"#,
        r#"{"model":"y","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true }}"#,
    );
    check_usage(
        r#"{"model":"x","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_obfuscation":false}}"#,
        r#"{"model":"y","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
    );
    check_usage(
        r#"{"model":"x","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage": false}}"#,
        r#"{"model":"y","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage": true}}"#,
    );
    check_usage(
        r#"{"model":"x","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true}}"#,
        r#"{"model":"y","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true}}"#,
    );
    check_usage(r#"{"model":"x","messages":[{"role":"user"}]}"#, r#"{"model":"y","messages":[{"role":"user"}]}"#);
}
