use weir_exchange::{ENDED_BY_POLICY, Exchange, Party, RateLimitStatus, Shared};
use weir_host::Message;

use super::{ANTHROPIC, Attempt, OPENAI, Passed, Received, client, exchange};

pub(super) const CHAT: &str = r#"{"messages":[{"role":"user","content":"hi"}],"model":"chat"}"#;
pub(super) const STREAM: &str = r#"{"messages":[{"role":"user","content":"hi"}],"model":"chat","stream":true}"#;
pub(super) const WHOLE: &str = r#"{"id":"1","object":"chat.completion","created":1,"model":"gpt-real","choices":[{"index":0,"message":{"role":"assistant","content":"hello","new":1.50},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#;
pub(super) const JSON: (&str, &str) = ("content-type", "application/json");
pub(super) const EVENTS: (&str, &str) = ("content-type", "text/event-stream; charset=utf-8");

pub(super) fn ask(body: &str, exchange: &Shared) -> Attempt {
    Attempt::send(client("/v1/chat/completions", &[]), Some(exchange.clone()), OPENAI, body).unwrap()
}

pub(super) fn answer(body: &str, headers: &[(&str, &str)], pieces: &[&str]) -> (Received, Shared) {
    let exchange = exchange();
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
    (ask(body, &exchange).answer(headers, &pieces), exchange)
}

pub(super) fn chunk(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-real\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

#[test]
fn a_whole_answer_of_the_same_schema_passes_byte_for_byte_but_for_the_models_name() {
    let headers = [
        (":status", "200"),
        JSON,
        ("set-cookie", "a=b"),
        ("x-ratelimit-limit", "1"),
        ("x-weir-cost", "1"),
        ("x-weir-request-id", "spoofed"),
        ("x-envoy-upstream-service-time", "1"),
        ("access-control-allow-origin", "*"),
        ("anything-else", "1"),
        ("x-request-id", "theirs"),
    ];
    let (first, second) = WHOLE.split_at(100);
    let exchange = exchange();
    exchange.write(|exchange| {
        exchange.prepare().expect("no attempt").rate_limit =
            Some(RateLimitStatus { limit: 5, remaining: 4, window_end: 65_000_000 });
        exchange.add_finding("EMAIL", "redact");
    });
    let received = ask(CHAT, &exchange).answer(&headers, &[first.as_bytes(), second.as_bytes()]);
    let expect = WHOLE.replace("gpt-real", "chat");
    assert_eq!((received.status(), &received.body()), ("200", &expect));
    assert_eq!(received.header("content-length"), Some(expect.len().to_string().as_str()));
    // Of the provider's own headers only what is known to be of use is passed on; the others are ours.
    let mut others: Vec<_> = received.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    others.retain(|(name, _)| !["content-length", "content-type", ":status"].contains(name));
    others.sort_unstable();
    assert_eq!(exchange.read(Exchange::has_passed_on), Some(true));
    let expect = [
        ("x-ratelimit-limit-requests", "5"),
        ("x-ratelimit-remaining-requests", "4"),
        ("x-ratelimit-reset-requests", "1m0s"),
        ("x-request-id", "theirs"),
        ("x-weir-guardrails", "EMAIL:redact=1"),
        ("x-weir-model", "gpt-real"),
        ("x-weir-provider", "gpt-real"),
        ("x-weir-request-id", "00000000-0000-0000-0000-000000000000"),
    ];
    assert_eq!(others, expect);
    exchange.read(|exchange| {
        let usage = exchange.attempt().expect("an attempt").usage.reported.expect("the provider reported it").counted();
        assert_eq!((usage.input, usage.output), (Some(7), Some(3)));
        assert_eq!(exchange.attempts.last().map(|attempt| attempt.status), Some(200));
        assert_eq!(
            (exchange.is_complete(), exchange.attempt().expect("an attempt").first_content),
            (true, Some(5_000_000))
        );
        assert_eq!(exchange.verdict, None);
    });
}

#[test]
fn a_stream_is_held_until_its_first_content_and_then_passes_as_it_comes() {
    let role = chunk(r#"{"role":"assistant","content":""}"#, "null");
    let (one, two) = (chunk(r#"{"content":"hel"}"#, "null"), chunk(r#"{"content":"lo"}"#, "null"));
    let (stop, done) = (chunk("{}", "\"stop\""), "data: [DONE]\n\n".to_owned());
    let headers = [(":status", "200"), EVENTS, ("content-length", "999")];
    let (received, exchange) = answer(STREAM, &headers, &[&role, &one, &two, &stop, &done, ""]);
    assert_eq!(received.status(), "200");
    assert_eq!(received.header("content-type"), Some("text/event-stream"));
    assert_eq!(received.header("content-length"), None);
    assert!(received.pieces.len() >= 4, "{:?}", received.pieces);
    assert!(received.pieces[0].contains("hel") && !received.pieces[0].contains("\"lo\""), "{:?}", received.pieces);
    assert!(received.body().ends_with("data: [DONE]\n\n"));
    exchange.read(|exchange| {
        assert!(exchange.is_complete());
        assert_eq!(
            (
                exchange.attempt().expect("an attempt").first_content,
                exchange.attempt().expect("an attempt").usage.output_characters
            ),
            (Some(5_000_000), 5)
        );
    });
}

#[test]
fn a_stream_that_stops_early_does_not_look_whole() {
    let one = chunk(r#"{"content":"hel"}"#, "null");
    let (received, exchange) = answer(STREAM, &[(":status", "200"), EVENTS], &[&one, ""]);
    assert_eq!(received.status(), "200");
    let body = received.body();
    assert!(body.contains("ended before its answer did") && !body.contains("[DONE]"), "{body}");
    exchange.read(|exchange| {
        assert!(!exchange.is_complete());
        assert_eq!(exchange.verdict.map(|verdict| verdict.code), Some("upstream_incomplete"));
    });
}

#[test]
fn an_error_after_content_ends_the_stream_with_an_error_event() {
    let one = chunk(r#"{"content":"hel"}"#, "null");
    let error = "data: {\"error\":{\"message\":\"broke\",\"type\":\"server_error\"}}\n\n";
    let (received, exchange) = answer(STREAM, &[(":status", "200"), EVENTS], &[&one, error, ""]);
    let body = received.body();
    assert_eq!(body.matches("\"error\"").count(), 1, "{body}");
    assert!(body.contains("broke") && !body.contains("[DONE]"), "{body}");
    assert_eq!(
        exchange.read(|exchange| exchange.verdict.map(|verdict| verdict.code)),
        Some(Some("upstream_unavailable"))
    );
}

#[test]
fn what_a_filter_behind_told_the_client_first_stays_recorded() {
    let exchange = exchange();
    let mut sent = ask(STREAM, &exchange);
    sent.begin_answer(&[(":status", "200"), EVENTS]);
    for piece in [chunk(r#"{"content":"a card"}"#, "null").as_str(), "data: <html>\n\n"] {
        sent.passes(piece);
        exchange.write(|exchange| exchange.decide_if_first(Party::Guardrail, "content_blocked"));
    }
    assert_eq!(exchange.read(|exchange| exchange.verdict.map(|verdict| verdict.code)), Some(Some("content_blocked")));
}

#[test]
fn another_schemas_answer_is_translated() {
    let exchange = exchange();
    let sent = Attempt::send(client("/v1/chat/completions", &[]), Some(exchange.clone()), ANTHROPIC, CHAT).unwrap();
    let whole = br#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-real","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":8,"output_tokens":4}}"#;
    let received = sent.answer(&[(":status", "200"), JSON], &[whole]);
    let body: serde_json::Value = serde_json::from_str(&received.body()).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "hello");
    assert_eq!(body["model"], "chat");
    assert_eq!(body["usage"]["prompt_tokens"], 8);
    assert_eq!(
        exchange.read(|exchange| exchange
            .attempt()
            .expect("an attempt")
            .usage
            .reported
            .and_then(|usage| usage.counted().output)),
        Some(Some(4))
    );
}

/// A client that leaves between the figures and the last event is charged what the provider said, not an estimate.
#[test]
fn figures_are_final_once_the_reason_of_the_end_is_known() {
    let usage = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5,\"total_tokens\":14}}\n\n";
    let (content, stop) = (chunk(r#"{"content":"hello"}"#, "null"), chunk("{}", "\"stop\""));
    let check = |pieces: &[&str], expect: bool| {
        let exchange = exchange();
        let mut sent = ask(STREAM, &exchange);
        sent.begin_answer(&[(":status", "200"), EVENTS]);
        for piece in pieces {
            sent.passes(piece);
        }
        let seen =
            exchange.read(|exchange| (exchange.attempt().expect("an attempt").usage.is_final, exchange.is_complete()));
        assert_eq!(seen, Some((expect, false)), "{pieces:?}");
    };
    check(&[&content, usage], false);
    check(&[&content, usage, &stop], true);
    check(&[&content, usage, &content, &stop], false);
    check(&[&content, &stop], false);
    check(&[&content, &stop, usage], true);
    check(&[&[content.as_str(), &stop, usage].concat()], true);
}

#[test]
fn what_a_failed_attempt_used_is_not_the_next_ones() {
    let exchange = exchange();
    let first = ask(STREAM, &exchange);
    let usage = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":900,\"completion_tokens\":900,\"total_tokens\":1800}}\n\n";
    let received = first.answer(&[(":status", "200"), EVENTS], &[usage.as_bytes(), b""]);
    assert_eq!(received.status(), "502");
    let second = ask(CHAT, &exchange).answer(&[(":status", "200"), JSON], &[WHOLE.as_bytes()]);
    assert_eq!(second.status(), "200");
    exchange.read(|exchange| {
        assert_eq!(
            exchange.attempt().expect("an attempt").usage.reported.and_then(|usage| usage.counted().input),
            Some(7)
        );
        assert!(exchange.attempt().expect("an attempt").usage.is_final);
        assert_eq!(exchange.verdict, None);
        assert_eq!(exchange.attempts.len(), 2);
    });
}

#[test]
fn a_stream_gives_the_same_answer_however_it_is_split() {
    let stream = [
        chunk(r#"{"role":"assistant","content":""}"#, "null"),
        chunk(r#"{"content":"häl"}"#, "null"),
        chunk(r#"{"content":"lo"}"#, "\"stop\""),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    let (whole, _) = answer(STREAM, &[(":status", "200"), EVENTS], &[&stream]);
    for at in 0..=stream.len() {
        let (first, second) = stream.as_bytes().split_at(at);
        let exchange = exchange();
        let received = ask(STREAM, &exchange).answer(&[(":status", "200"), EVENTS], &[first, second, b""]);
        assert_eq!((received.status(), received.body()), ("200", whole.body()), "split at {at}");
        let usage = exchange
            .read(|exchange| (exchange.is_complete(), exchange.attempt().expect("an attempt").usage.output_characters));
        assert_eq!(usage, Some((true, 5)), "split at {at}");
    }
}

/// What the provider says that it used is owed, whether or not its answer is of use.
#[test]
fn figures_are_noted_before_an_answer_can_be_refused() {
    let check = |body: &str, expect: Option<u64>| {
        let exchange = exchange();
        let path = [("anthropic-version", "2023-06-01")];
        let request = r#"{"model":"chat","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
        let sent = Attempt::send(client("/v1/messages", &path), Some(exchange.clone()), OPENAI, request).unwrap();
        let received = sent.answer(&[(":status", "200"), JSON], &[body.as_bytes()]);
        assert_eq!(received.status(), "502", "{body}");
        let seen = exchange.read(|exchange| {
            exchange.attempt().expect("an attempt").usage.reported.and_then(|usage| usage.counted().output)
        });
        assert_eq!(seen, Some(expect), "{body}");
    };
    check(r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5}}"#, Some(5));
    check(r#"{"usage":{"prompt_tokens":9,"completion_tokens":5}}"#, Some(5));
    check(r#"{"choices":[]}"#, None);
}

#[test]
fn text_is_counted_where_the_provider_has_no_figure_for_it() {
    let check = |usage: &str, expect: u64| {
        let answer = WHOLE.replace(r#""completion_tokens":3,"total_tokens":10"#, usage);
        let exchange = exchange();
        assert_eq!(ask(CHAT, &exchange).answer(&[(":status", "200"), JSON], &[answer.as_bytes()]).status(), "200");
        assert_eq!(
            exchange.read(|exchange| exchange.attempt().expect("an attempt").usage.output_characters),
            Some(expect),
            "{usage}"
        );
    };
    check(r#""completion_tokens":3"#, 0);
    check(r#""completion_tokens":0"#, 5);
    check(r#""completion_tokens":-3"#, 5);
    check(r#""new":3"#, 5);
}

/// OpenAI takes 64 characters.
#[test]
fn a_tool_whose_name_is_too_long_for_the_provider_keeps_it_for_the_client() {
    let name = "a".repeat(71);
    let ask = |stream: bool| {
        let body = serde_json::json!({"model": "chat", "max_tokens": 5, "stream": stream,
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"name": name, "input_schema": {"type": "object", "properties": {}}}]});
        let sent = Attempt::send(client("/v1/messages", &[]), Some(exchange()), OPENAI, &body.to_string()).unwrap();
        let body: serde_json::Value = serde_json::from_str(&sent.sent_body()).unwrap();
        let short = body["tools"][0]["function"]["name"].as_str().unwrap().to_owned();
        assert!(short.len() <= 64, "{short}");
        (sent, short)
    };
    let (sent, short) = ask(false);
    let whole = format!(
        r#"{{"id":"1","object":"chat.completion","created":1,"model":"gpt-real","choices":[{{"index":0,"message":{{"role":"assistant","content":null,"tool_calls":[{{"id":"c","type":"function","function":{{"name":"{short}","arguments":"{{}}"}}}}]}},"finish_reason":"tool_calls"}}]}}"#
    );
    let body = sent.answer(&[(":status", "200"), JSON], &[whole.as_bytes()]).body();
    assert!(body.contains(&name) && !body.contains(&short), "{body}");
    let (sent, short) = ask(true);
    let call = format!(
        r#"{{"tool_calls":[{{"index":0,"id":"c","type":"function","function":{{"name":"{short}","arguments":"{{}}"}}}}]}}"#
    );
    let pieces = [chunk(&call, "null"), chunk("{}", "\"tool_calls\""), "data: [DONE]\n\n".to_owned()];
    let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
    let body = sent.answer(&[(":status", "200"), EVENTS], &pieces).body();
    assert!(body.contains(&name) && !body.contains(&short), "{body}");
}

#[test]
fn what_a_translation_leaves_out_is_counted_by_field() {
    let body = r#"{"model":"chat","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}"#;
    let sent = Attempt::send(client("/v1/messages", &[]), Some(exchange()), OPENAI, body).unwrap();
    let counter = "weir_translation_left_out.messages.content.cache_control";
    assert_eq!(sent.host.counters.get(counter), Some(&1), "{:?}", sent.host.counters);
}

#[test]
fn a_stream_that_an_administrator_ends_has_an_error_as_its_last_event_in_the_clients_schema() {
    for (path, provider, last) in [
        ("/v1/chat/completions", OPENAI, r#"data: {"error":{"message":"An administrator has ended this stream.""#),
        ("/v1/messages", OPENAI, "event: error\ndata: {\"type\":\"error\",\"error\":{"),
    ] {
        let exchange = exchange();
        let body = match path {
            "/v1/messages" => STREAM.replace(r#","stream""#, r#","max_tokens":5,"stream""#),
            _ => STREAM.to_owned(),
        };
        let mut attempt = Attempt::send(client(path, &[]), Some(exchange.clone()), provider, &body).unwrap();
        attempt.begin_answer(&[(":status", "200"), EVENTS]);
        attempt.passes(&chunk(r#"{"content":"be"}"#, "null"));
        exchange.write(|exchange| exchange.end(7));
        let mut piece = |piece: &str, end_of_stream| match attempt.hop.piece(
            &mut attempt.host,
            Message::Response,
            piece.as_bytes(),
            end_of_stream,
        ) {
            Passed::On { body, .. } => String::from_utf8(body).unwrap(),
            other => panic!("{other:?}"),
        };
        let told = piece(&chunk(r#"{"content":"secret"}"#, "null"), false);
        assert!(told.starts_with(last) && told.contains(ENDED_BY_POLICY) && !told.contains("secret"), "{told}");
        assert_eq!(piece(&chunk(r#"{"content":"more"}"#, r#""stop""#), false), "");
        assert_eq!(piece("data: [DONE]\n\n", true), "");
        let seen = exchange.read(|exchange| (exchange.verdict.map(|verdict| verdict.by), exchange.ended())).unwrap();
        assert_eq!(seen.0, Some(Party::Policy));
        assert_eq!(seen.1.map(|ended| (ended.at, ended.told_at.is_some())), Some((7, true)));
    }
}

#[test]
fn a_request_that_an_administrator_ends_before_its_answer_is_refused_though_the_answer_comes() {
    let (first, second) = WHOLE.split_at(100);
    let content = chunk(r#"{"content":"secret"}"#, r#""stop""#);
    for (body, content_type, pieces) in
        [(CHAT, JSON, vec![first, second]), (STREAM, EVENTS, vec![": wait\n\n", &content, "data: [DONE]\n\n"])]
    {
        let exchange = exchange();
        let mut attempt =
            Attempt::send(client("/v1/chat/completions", &[]), Some(exchange.clone()), OPENAI, body).unwrap();
        attempt.begin_answer(&[(":status", "200"), content_type]);
        let last = pieces.len() - 1;
        let mut seen = Vec::new();
        for (number, piece) in pieces.into_iter().enumerate() {
            match attempt.hop.piece(&mut attempt.host, Message::Response, piece.as_bytes(), number == last) {
                Passed::Nothing => {}
                Passed::On { body, .. } => seen.extend(body),
                other => panic!("{other:?}"),
            }
            exchange.write(|exchange| exchange.end(7));
        }
        let (told, status) = (
            String::from_utf8(seen).unwrap(),
            weir_host::Host::header_text(&attempt.host, Message::Response, ":status"),
        );
        assert_eq!(status.as_deref(), Some("403"), "{told}");
        assert!(told.contains(ENDED_BY_POLICY) && !told.contains("choices"), "{told}");
        let verdict = exchange.read(|exchange| exchange.verdict.map(|verdict| (verdict.by, verdict.code))).unwrap();
        assert_eq!(verdict, Some((Party::Policy, ENDED_BY_POLICY)));
        // What it used is owed all the same.
        let usage = exchange.read(|exchange| exchange.attempt().map(|attempt| attempt.usage.reported.is_some()));
        assert_eq!(usage.flatten(), Some(content_type == JSON));
    }
}

#[test]
fn what_was_whole_before_it_was_ended_stays_so() {
    let (_, exchange) = answer(CHAT, &[(":status", "200"), JSON], &[WHOLE]);
    exchange.write(|exchange| exchange.end(7));
    assert_eq!(exchange.read(|exchange| (exchange.ended(), exchange.verdict)), Some((None, None)));
}
