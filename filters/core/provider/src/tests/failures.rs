//! Answers that are none: what the client reads, and the status by which the router tries the next provider.

use weir_config::names::RETRIED_BELOW_500;
use weir_host::Message;
use weir_test_proxy::Passed;

use super::answers::{CHAT, EVENTS, JSON, STREAM, WHOLE, answer, ask, chunk};
use super::{ANTHROPIC, Attempt, client, exchange};

#[test]
fn a_credential_that_the_provider_quotes_in_an_error_does_not_reach_the_client() {
    let error = |message: &str| {
        format!(
            r#"{{"error":{{"message":"{message}","type":"invalid_request_error","code":"secret-one","param":"secret-one"}}}}"#
        )
    };
    // The second would leave a part of it where messages are cut off.
    for message in ["wrong key secret-one", &format!("{}secret-one", "a".repeat(495))] {
        let (received, _) = answer(CHAT, &[(":status", "400"), JSON], &[&error(message)]);
        assert_eq!(received.status(), "400");
        assert!(!received.body().contains("secr"), "{}", received.body());
        for opening in [vec![], vec![chunk(r#"{"content":"hel"}"#, "null")]] {
            let event = format!("data: {}\n\n", error(message));
            let (first, second) = event.split_at(event.len() / 2);
            let mut pieces: Vec<&str> = opening.iter().map(String::as_str).collect();
            pieces.extend([first, second]);
            let (received, _) = answer(STREAM, &[(":status", "200"), EVENTS], &pieces);
            assert!(received.body().contains("[removed]"), "{}", received.body());
            assert!(!received.body().contains("secret-one"), "{}", received.body());
        }
    }
}

#[test]
fn only_the_event_of_an_error_is_searched_for_the_credential() {
    let said = chunk(r#"{"content":"secret-one"}"#, "null");
    // The last event lacks its blank line: only the end of the stream shows that it is one.
    for end in ["\n\n", ""] {
        let error = format!("data: {{\"error\":{{\"message\":\"wrong key secret-one\"}}}}{end}");
        let together = format!("{said}{error}");
        for pieces in [vec![together.as_str()], vec![said.as_str(), error.as_str()]] {
            let (received, _) = answer(STREAM, &[(":status", "200"), EVENTS], &pieces);
            let body = received.body();
            assert_eq!(body.matches("secret-one").count(), 1, "{body}");
            assert!(body.contains(r#"{"content":"secret-one"}"#) && body.contains("wrong key [removed]"), "{body}");
        }
    }
}

#[test]
fn a_failure_is_told_in_the_clients_schema_with_a_status_that_the_router_can_act_on() {
    let check = |body: &str, headers: &[(&str, &str)], pieces: &[&str], status: &str, code: &str| {
        let (received, exchange) = answer(body, headers, pieces);
        assert_eq!(received.status(), status, "{pieces:?}");
        let error: serde_json::Value = serde_json::from_str(&received.pieces.concat()).expect("one JSON error");
        assert_eq!(error["error"]["code"], code, "{pieces:?}");
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!(received.header("content-length"), Some(received.pieces[0].len().to_string().as_str()));
        assert!(exchange.read(|exchange| exchange.verdict.is_some() && !exchange.is_complete()).unwrap());
    };
    let failed = |status| [(":status", status), JSON];
    let slow_down = r#"{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#;
    let bad_key = r#"{"error":{"message":"Incorrect API key: sk-1","code":"invalid_api_key"}}"#;
    check(CHAT, &failed("429"), &[slow_down], "429", "rate_limit_exceeded");
    check(CHAT, &failed("401"), &[bad_key], "502", "upstream_auth_failed");
    check(CHAT, &failed("503"), &["<html>", "busy</html>"], "503", "upstream_unavailable");
    let good = [(":status", "200"), JSON];
    let invalid = "upstream_invalid_response";
    check(CHAT, &good, &["<html>hello</html>"], "502", invalid);
    check(CHAT, &good, &[&WHOLE[..50]], "502", invalid);
    check(CHAT, &good, &["[]"], "502", invalid);
    check(CHAT, &[(":status", "200"), JSON, ("content-encoding", "gzip")], &["\u{1f}", "x"], "502", invalid);
    check(CHAT, &[(":status", "200"), EVENTS], &["data: {}\n\n"], "502", invalid);
    check(STREAM, &good, &[WHOLE], "502", invalid);
    let events = [(":status", "200"), EVENTS];
    check(STREAM, &events, &[""], "502", invalid);
    check(STREAM, &events, &[": hello\n\n", ""], "502", invalid);
    let overloaded = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\",\"code\":null}}\n\n";
    check(STREAM, &events, &[overloaded, "data: [DONE]\n\n"], "500", "upstream_unavailable");
}

#[test]
fn an_answer_without_a_body_that_nobody_retries_becomes_a_reply() {
    let exchange = exchange();
    let mut sent = ask(CHAT, &exchange);
    sent.host.headers[1] = vec![(":status".into(), b"422".to_vec())];
    let passed = sent.hop.headers(&mut sent.host, Message::Response, true);
    let Passed::Reply(reply, _) = passed else { panic!("has no body: {passed:?}") };
    assert_eq!(reply.status, 422);
    assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap()["error"]["message"].is_string());
}

#[test]
fn an_answer_without_a_body_keeps_a_status_that_can_be_retried() {
    let check = |status: &str, expect: &str| {
        let (received, _) = answer(CHAT, &[(":status", status)], &[]);
        assert_eq!((received.status(), received.header("content-length")), (expect, Some("0")));
    };
    check("503", "503");
    check("429", "429");
    for operators in ["401", "402", "403", "404", "405"] {
        check(operators, "502");
    }
    check("200", "502");
    check("204", "502");
}

/// As a route retries.
fn is_retried(status: &str) -> bool {
    let status: u16 = status.parse().unwrap();
    status >= 500 || RETRIED_BELOW_500.contains(&status)
}

#[test]
fn what_another_provider_may_do_better_is_asked_of_the_next_and_what_it_would_refuse_too_is_not() {
    let check = |status: &str, body: &str, expect: bool| {
        let (received, _) = answer(CHAT, &[(":status", status), JSON], &[body]);
        assert_eq!(is_retried(received.status()), expect, "{status} {body}: {}", received.status());
    };
    let said = |message: &str, code: &str| format!(r#"{{"error":{{"message":"{message}","code":"{code}"}}}}"#);
    for status in ["401", "402", "403", "404", "408", "409", "425", "429", "500", "502", "503", "504", "529"] {
        check(status, &said("no", ""), true);
        check(status, "", true);
    }
    check("404", &said("The model `gpt-real` does not exist", "model_not_found"), true);
    check("429", &said("You exceeded your current quota", "insufficient_quota"), true);
    check("400", &said("Your credit balance is too low", ""), true);
    for status in ["400", "413", "422"] {
        check(status, &said("messages: must not be empty", "invalid"), false);
        check(status, "<html>", false);
    }
}

#[test]
fn what_is_no_answer_of_its_operation_is_an_error_for_which_the_next_provider_is_asked() {
    let check = |path: &str, body: &str, provider: &str, said: &str| {
        let sent = Attempt::send(client(path, &[]), Some(exchange()), provider, body).unwrap();
        let received = sent.answer(&[(":status", "200"), JSON], &[said.as_bytes()]);
        assert!(received.status().starts_with('5'), "{said}: {}", received.status());
        assert!(!received.body().contains("secret-"), "{}", received.body());
        let error: serde_json::Value = serde_json::from_str(&received.body()).unwrap();
        assert!(error["error"]["message"].is_string(), "{error}");
    };
    for said in [
        r#"{"code":401,"msg":"invalid api key secret-one"}"#,
        r#"{"code":400,"msg":"secret-one"}"#,
        r#"{"detail":"secret-one is not known"}"#,
        r#"{"object":"error","message":"secret-one","code":400}"#,
        r#"{"success":false,"secret-one":1}"#,
        r#"{"choices":null,"base_resp":{"status_code":1004,"status_msg":"login fail: secret-one"}}"#,
        r#"{"errors":[{"message":"secr\u0065t-one"}]}"#,
        "{}",
    ] {
        check("/v1/chat/completions", CHAT, super::OPENAI, said);
        // A document where a stream was asked for.
        check("/v1/chat/completions", STREAM, super::OPENAI, said);
        check("/v1/embeddings", r#"{"model":"chat","input":"x"}"#, super::OPENAI, said);
        check("/v1/chat/completions", CHAT, ANTHROPIC, &said.replace("t-one", "t-two"));
    }
    check("/v1/embeddings", r#"{"model":"chat","input":"x"}"#, super::OPENAI, r#"{"object":"list","model":"m"}"#);
    check("/v1/chat/completions", CHAT, ANTHROPIC, r#"{"choices":[]}"#);
}

#[test]
fn a_providers_words_reach_a_client_that_asked_for_a_stream() {
    let error = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
    let (received, _) = answer(STREAM, &[(":status", "200"), JSON], &[error]);
    assert_eq!(received.status(), "429");
    assert!(received.body().contains("slow down"), "{}", received.body());
}

#[test]
fn an_event_that_is_an_error_in_another_shape_ends_the_stream_without_the_credential() {
    let events = [
        r#"{"code":401,"msg":"invalid api key secret-one"}"#,
        r#"{"object":"error","message":"no secr\u0065t-one","code":400}"#,
        r#"{"detail":"secret-one"}"#,
        r#"{"error":{"message":"x"},"beside":{"a":["\u0073ecret-one"]},"secret-one":1}"#,
    ];
    for event in events {
        let event = format!("data: {event}\n\n");
        let (received, _) = answer(STREAM, &[(":status", "200"), EVENTS], &[&event, ""]);
        assert!(is_retried(received.status()) || received.status() == "400", "{event}: {}", received.status());
        let content = chunk(r#"{"content":"hel"}"#, "null");
        let (begun, exchange) = answer(STREAM, &[(":status", "200"), EVENTS], &[&content, &event, "data: [DONE]\n\n"]);
        for body in [received.body(), begun.body()] {
            assert!(!body.contains("cret-one") && !body.contains("\\u00") && !body.contains("[DONE]"), "{body}");
            assert_eq!(body.matches(r#""error":{"#).count(), 1, "{body}");
        }
        assert!(exchange.read(|exchange| exchange.verdict.is_some() && !exchange.is_complete()).unwrap());
    }
}

/// What nobody here knows passes, and may tell of an error all the same.
#[test]
fn an_event_of_an_unknown_form_passes_without_the_credential() {
    let content = chunk(r#"{"content":"hel"}"#, "null");
    for event in [
        "data: {\"type\":\"status\",\"error\":false,\"note\":\"key secr\\u0065t-one\"}\n\n",
        "data: {\"choices\":[],\"warnings\":[{\"secret-one\":[\"secret%2Done\"]}]}\n\n",
        ": key secret-one\n\n",
        "event: secret-one\ndata: {\"choices\":[],\"x_code\":1}\n\n",
    ] {
        let last = chunk("{}", "\"stop\"") + "data: [DONE]\n\n";
        let (received, exchange) = answer(STREAM, &[(":status", "200"), EVENTS], &[&content, event, &last, ""]);
        let body = received.body();
        assert!(body.contains("[removed]") && body.contains("hel") && body.contains("[DONE]"), "{body}");
        assert!(!body.contains("t-one") && !body.contains("%2Done"), "{body}");
        assert!(exchange.read(|exchange| exchange.is_complete()).unwrap());
    }
    let told =
        r#"{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"warning":"secr\u0065t-one"}"#;
    let (received, _) = answer(CHAT, &[(":status", "200"), JSON], &[told]);
    assert!(received.body().contains(r#""warning":"[removed]""#), "{}", received.body());
    assert_eq!(received.header("content-length"), Some(received.body().len().to_string().as_str()));
}

#[test]
fn an_error_that_is_no_event_of_the_schema_keeps_its_meaning() {
    let sent = Attempt::send(client("/v1/chat/completions", &[]), Some(exchange()), ANTHROPIC, STREAM).unwrap();
    let event = "data: {\"code\":401,\"msg\":\"invalid api key\"}\n\n";
    let received = sent.answer(&[(":status", "200"), EVENTS], &[event.as_bytes(), b""]);
    assert_eq!(received.status(), "502");
    assert!(received.body().contains("upstream_auth_failed"), "{}", received.body());
}

#[test]
fn an_event_of_an_error_keeps_what_stands_beside_it_where_the_schema_is_the_same() {
    let content = chunk(r#"{"content":"hel"}"#, "null");
    let event = "data: {\"error\":{\"message\":\"broke\",\"hint\":1},\"id\":\"i\"}\n\n";
    let (received, _) = answer(STREAM, &[(":status", "200"), EVENTS], &[&content, event, ""]);
    let body = received.body();
    assert!(body.contains(r#""hint":1"#) && body.ends_with("\"id\":\"i\"}\n\n"), "{body}");
}

/// Some schemas have more to say of a failed stream than the event of an error.
#[test]
fn every_client_is_told_in_its_own_events_and_never_the_credential() {
    for (path, body) in [
        ("/v1/responses", r#"{"model":"chat","input":"hi","stream":true}"#),
        (
            "/v1/messages",
            r#"{"model":"chat","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
        ),
    ] {
        let sent = Attempt::send(client(path, &[]), Some(exchange()), super::OPENAI, body).unwrap();
        let content = chunk(r#"{"content":"hel"}"#, "null");
        let event = "data: {\"error\":{\"message\":\"broke: secr\\u0065t-one\",\"secret-one\":1}}\n\n";
        let received = sent.answer(&[(":status", "200"), EVENTS], &[content.as_bytes(), event.as_bytes(), b""]);
        let body = received.body();
        assert!(body.contains("hel") && body.contains("broke: [removed]") && !body.contains("t-one"), "{body}");
        let is_failed = body.contains("event: response.failed\n");
        assert_eq!(is_failed, path == "/v1/responses", "{body}");
    }
}

#[test]
fn an_errors_body_of_the_clients_schema_keeps_what_stands_beside_the_message() {
    let body = r#"{"error":{"message":"bad","type":"invalid_request_error","param":"tools","code":null,"hint":1},"id":"secr\u0065t-one"}"#;
    let (received, _) = answer(CHAT, &[(":status", "400"), JSON], &[body]);
    let told: serde_json::Value = serde_json::from_str(&received.body()).unwrap();
    let error = serde_json::json!({"message": "bad", "type": "invalid_request_error", "param": "tools",
        "code": "invalid_request", "hint": 1});
    assert_eq!(told, serde_json::json!({"error": error, "id": "[removed]"}));
}

#[test]
fn headers_of_an_answer_pass_only_in_their_form() {
    let check = |name: &str, value: &str, expect: bool| {
        let received = answer(CHAT, &[(":status", "429"), JSON, (name, value)], &["{}"]).0;
        assert_eq!(received.header(name), expect.then_some(value), "{name}: {value}");
    };
    check("retry-after", "7", true);
    check("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", true);
    check("retry-after-ms", "700", true);
    check("x-should-retry", "false", true);
    check("x-request-id", "req_011:CX-a.b", true);
    check("request-id", "req_1", true);
    for (name, value) in [
        ("retry-after", "secret-one"),
        ("retry-after", "7; key=secret-one"),
        ("retry-after", "Sun, 06 Nov 1994 08:49:37 secret"),
        ("retry-after", "-1"),
        ("retry-after", "12345678901"),
        ("retry-after-ms", "x"),
        ("x-should-retry", "maybe"),
        ("x-request-id", "secret-one"),
        ("x-request-id", "a.secret-one.b"),
        ("request-id", "a b"),
        ("request-id", "<script>"),
        ("request-id", &"a".repeat(129)),
        ("x-ratelimit-remaining-tokens", "7"),
    ] {
        check(name, value, false);
    }
}
