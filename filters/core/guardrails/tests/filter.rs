//! The filter between a client and a provider: what passes, what is edited, what is refused.

mod digests;
mod linear;
mod proxy;
mod pseudonyms;
mod redaction;
mod scanning;

use proptest::prelude::*;
use proxy::{ANTHROPIC, Gateway, OPENAI, Outcome, openai_text};
use weir_config::{Action, FindingType, GuardrailRule, RuleDirection, RuleMode};

const CARD: &str = "4111 1111 1111 1111";

fn chat(content: &str) -> String {
    serde_json::json!({"model": "m", "messages": [{"role": "user", "content": content}]}).to_string()
}

fn answer(content: &str) -> String {
    serde_json::json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    ]})
    .to_string()
}

fn redacting() -> Gateway {
    Gateway::new(OPENAI, &[(FindingType::CreditCard, Action::Redact), (FindingType::Email, Action::Redact)])
}

fn blocking() -> Gateway {
    Gateway::new(OPENAI, &[(FindingType::CreditCard, Action::Block)])
}

mod requests {
    use super::*;

    #[test]
    fn a_finding_is_redacted_in_place_in_one_piece_or_several() {
        for (body_known, pieces) in [(true, 1), (true, 3), (false, 1), (false, 3)] {
            let mut gateway = redacting();
            gateway.body_known = body_known;
            let sent = gateway.request(&chat(&format!("pay with {CARD} please")), pieces);
            let expect = chat("pay with [CREDIT_CARD] please");
            assert_eq!(sent.passed(), expect);
            assert_eq!(gateway.request_header("content-length"), Some(expect.len().to_string()));
            let (body, model) = gateway.exchange(|exchange| {
                (exchange.body().bytes.clone().unwrap(), exchange.body().head.as_ref().unwrap().model.clone())
            });
            assert_eq!((body.as_slice(), model.as_str()), (expect.as_bytes(), "m"));
            assert_eq!(gateway.exchange(|exchange| exchange.findings.clone()), [("CREDIT_CARD", "redact", 1)]);
        }
    }

    #[test]
    fn what_has_no_finding_goes_on_at_once_and_untouched() {
        let mut gateway = redacting();
        let body = chat("nothing to see, 4111 1111 1111 1112");
        assert_eq!(gateway.request(&body, 2).passed(), body);
        assert!(!gateway.was_held, "a request without findings was held");
    }

    #[test]
    fn a_finding_that_blocks_is_refused_in_the_clients_schema_without_the_text() {
        for body_known in [true, false] {
            let mut gateway = blocking();
            gateway.body_known = body_known;
            let refused = gateway.request(&chat(CARD), 2).refused(400, "content_blocked");
            assert!(refused.contains("CREDIT_CARD") && !refused.contains("4111"), "{refused}");
            assert_eq!(
                gateway.exchange(|exchange| exchange.verdict.map(|verdict| verdict.code)),
                Some("content_blocked")
            );
        }
        let mut gateway = Gateway::new(ANTHROPIC, &[(FindingType::CreditCard, Action::Block)]);
        let body = serde_json::json!({"model": "m", "max_tokens": 5, "system": CARD,
            "messages": [{"role": "user", "content": "hi"}]});
        let refused = gateway.request(&body.to_string(), 1).refused(400, "content_blocked");
        assert!(refused.starts_with(r#"{"type":"error""#), "{refused}");
    }

    #[test]
    fn what_is_not_in_a_message_is_read_too() {
        for (body, expect) in [
            (r#"{"model":"m","user":"a@b.io"}"#, r#"{"model":"m","user":"[EMAIL]"}"#),
            (
                r#"{"model":"m","new":{"a@b.io":4111111111111111}}"#,
                r#"{"model":"m","new":{"[EMAIL]":"[CREDIT_CARD]"}}"#,
            ),
            (r#"{"model":"m","stop":["a@b.io"],"seed":1}"#, r#"{"model":"m","stop":["[EMAIL]"],"seed":1}"#),
        ] {
            let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],{}"#, &body[1..]);
            let expect = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],{}"#, &expect[1..]);
            assert_eq!(redacting().request(&body, 1).passed(), expect);
        }
    }

    #[test]
    fn a_flag_passes_and_is_told_to_the_client() {
        let mut gateway = Gateway::new(OPENAI, &[(FindingType::Email, Action::Flag)]);
        let body = chat("a@b.io and c@d.io");
        assert_eq!(gateway.request(&body, 1).passed(), body);
        gateway.response(200, &[("content-type", "application/json")], &[&answer("ok")]).passed();
        assert_eq!(gateway.findings(), "EMAIL:flag=2");
    }

    #[test]
    fn a_rule_in_shadow_lets_pass_and_is_recorded() {
        let mut gateway = Gateway::new(OPENAI, &[]);
        let rule = GuardrailRule::new(FindingType::Email, Action::Block, RuleDirection::Both);
        gateway.profile_of_principal(Some(vec![GuardrailRule { mode: RuleMode::Shadow, ..rule }]));
        let body = chat("a@b.io");
        assert_eq!(gateway.request(&body, 1).passed(), body);
        let answered = gateway.response(200, &[("content-type", "application/json")], &[&answer("c@d.io")]).passed();
        assert_eq!(answered, answer("c@d.io"));
        assert_eq!(gateway.findings(), "EMAIL:would_block=2");
    }

    #[test]
    fn an_answer_that_was_checked_where_it_arrived_is_not_checked_again() {
        let passed = |is_checked: bool| {
            let mut gateway = redacting();
            gateway.request(&chat("hi"), 1).passed();
            gateway.attempted(is_checked);
            gateway.response(200, &[("content-type", "application/json")], &[&answer("a@b.io")]).passed()
        };
        assert_eq!(passed(true), answer("a@b.io"));
        assert_eq!(passed(false), answer("[EMAIL]"));
    }

    #[test]
    fn who_has_no_profile_passes_and_who_cannot_be_checked_does_not() {
        let mut gateway = redacting();
        gateway.profile_of_principal(None);
        assert_eq!(gateway.request(&chat(CARD), 1).passed(), chat(CARD));

        let mut gateway = redacting();
        gateway.profile_of_principal(Some(Vec::new()));
        gateway.request(&chat("hi"), 1).refused(503, "guardrail_unavailable");

        let mut gateway = redacting();
        gateway.forget_exchange();
        gateway.request(&chat("hi"), 1).refused(503, "guardrail_unavailable");

        let mut gateway = redacting();
        gateway.body_known = false;
        gateway.request("{\"model\":", 2).refused(400, "invalid_request");

        let mut gateway = Gateway::new("/v1/unheard-of", &[(FindingType::Email, Action::Flag)]);
        gateway.request("{}", 1).refused(400, "request_not_inspectable");
    }
}

mod whole_answers {
    use super::*;

    fn respond(gateway: &mut Gateway, status: u16, headers: &[(&str, &str)], body: &str) -> Outcome {
        gateway.request(&chat("hi"), 1).passed();
        let (one, other) = body.split_at(body.len() / 2);
        gateway.response(status, headers, &[one, other])
    }

    #[test]
    fn findings_are_redacted() {
        let mut gateway = redacting();
        let json = [("content-type", "application/json; charset=utf-8"), ("content-length", "1"), ("etag", "x")];
        let outcome = respond(&mut gateway, 200, &json, &answer(&format!("it is {CARD}, a@b.io")));
        let expect = answer("it is [CREDIT_CARD], [EMAIL]");
        assert_eq!(outcome.passed(), expect);
        assert_eq!(gateway.response_header("content-length"), Some(expect.len().to_string()));
        assert_eq!(gateway.response_header("etag"), None);
        assert_eq!(gateway.findings(), "CREDIT_CARD:redact=1, EMAIL:redact=1");
    }

    #[test]
    fn log_probabilities_do_not_spell_what_was_redacted() {
        let mut gateway = redacting();
        let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"4111111111111111"},"logprobs":{"content":[{"token":"41111111"}]},"finish_reason":"stop"}]}"#;
        let passed = respond(&mut gateway, 200, &[("content-type", "application/json")], body).passed();
        assert!(passed.contains("[CREDIT_CARD]") && !passed.contains("4111"), "{passed}");
    }

    #[test]
    fn an_answer_that_is_blocked_becomes_an_error() {
        let mut gateway = blocking();
        let outcome = respond(&mut gateway, 200, &[("content-type", "application/json")], &answer(CARD));
        let body = outcome.passed();
        assert!(body.contains("content_blocked") && !body.contains("4111"), "{body}");
        assert_eq!(gateway.response_header(":status").as_deref(), Some("400"));
        assert_eq!(gateway.response_header("content-length"), Some(body.len().to_string()));
        assert_eq!(gateway.exchange(|exchange| exchange.verdict.map(|verdict| verdict.code)), Some("content_blocked"));
    }

    #[test]
    fn errors_pass_and_what_cannot_be_read_is_refused() {
        let mut gateway = blocking();
        assert_eq!(respond(&mut gateway, 503, &[("content-type", "text/html")], "<p>no</p>").passed(), "<p>no</p>");
        for headers in [
            &[("content-type", "text/plain")][..],
            &[],
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
            &[("content-type", "text/event-stream"), ("content-encoding", "br")],
        ] {
            respond(&mut blocking(), 200, headers, "body").refused(502, "response_not_inspectable");
        }
        for body in ["{\"choices\":", "\"4111 1111 1111 1111\"", "{\"output\":\"4111 1111 1111 1111\"}"] {
            let json = &[("content-type", "application/json")];
            let told = respond(&mut blocking(), 200, json, body).refused(502, "response_not_inspectable");
            assert!(!told.contains("1111"), "{told}");
        }
    }

    #[test]
    fn what_a_filter_in_front_answers_passes() {
        let refused = r#"{"error":{"message":"no such key"}}"#;
        assert_eq!(redacting().response(401, &[("content-type", "application/json")], &[refused]).passed(), refused);
        assert_eq!(redacting().response(200, &[("content-type", "text/plain")], &["fine"]).passed(), "fine");
    }

    #[test]
    fn nothing_found_leaves_no_trace() {
        let mut gateway = redacting();
        let json = [("content-type", "application/json"), ("etag", "x")];
        assert_eq!(respond(&mut gateway, 200, &json, &answer("fine")).passed(), answer("fine"));
        assert_eq!(gateway.findings(), "");
        assert_eq!(gateway.response_header("etag").as_deref(), Some("x"));
    }
}

mod streams {
    use super::*;

    const SSE: [(&str, &str); 1] = [("content-type", "text/event-stream; charset=utf-8")];

    fn chunk(delta: serde_json::Value, finish: Option<&str>) -> String {
        let chunk = serde_json::json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        format!("data: {chunk}\n\n")
    }

    fn content(text: &str) -> String {
        chunk(serde_json::json!({ "content": text }), None)
    }

    fn stream(texts: &[&str]) -> String {
        let mut events = chunk(serde_json::json!({"role": "assistant", "content": ""}), None);
        for text in texts {
            events += &content(text);
        }
        events + &chunk(serde_json::json!({}), Some("stop")) + "data: [DONE]\n\n"
    }

    fn run(gateway: &mut Gateway, pieces: &[&str]) -> String {
        gateway.request(&chat("hi"), 1).passed();
        gateway.response(200, &SSE, pieces).passed()
    }

    #[test]
    fn a_card_over_several_events_is_redacted_and_the_rest_flows() {
        let mut gateway = redacting();
        let texts = ["Your card ", "is 4111 11", "11 1111", " 1111 now, mail", " a@", "b.io"];
        let passed = run(&mut gateway, &[&stream(&texts)]);
        assert_eq!(openai_text(&passed), "Your card is [CREDIT_CARD] now, mail [EMAIL]");
        assert!(!passed.contains("1111"), "{passed}");
        assert!(passed.ends_with("data: [DONE]\n\n"));
        let findings = [("CREDIT_CARD", "redact", 1), ("EMAIL", "redact", 1)];
        assert_eq!(gateway.exchange(|exchange| exchange.findings.clone()), findings);
    }

    #[test]
    fn held_text_leaves_in_an_event_of_its_own_before_the_end() {
        let passed = run(&mut redacting(), &[&stream(&["Hello", " world"])]);
        let events: Vec<_> = passed.split_inclusive("\n\n").collect();
        assert_eq!(events.len(), 6, "{passed}");
        assert_eq!(openai_text(events[3]), "world");
        assert!(events[4].contains("\"stop\""));
        assert_eq!(openai_text(&passed), "Hello world");
    }

    #[test]
    fn text_in_the_last_event_or_without_any_end_is_not_lost() {
        let last = chunk(serde_json::json!({"content": " a@b.io"}), Some("stop"));
        assert_eq!(openai_text(&run(&mut redacting(), &[&(content("to") + &last)])), "to [EMAIL]");
        assert_eq!(openai_text(&run(&mut redacting(), &[&content("to a@b.io")])), "to [EMAIL]");
        assert_eq!(openai_text(&run(&mut redacting(), &[content("to a@b.io").trim_end()])), "to [EMAIL]");
    }

    #[test]
    fn choices_do_not_mix() {
        let choice = |index: u32, text: &str, finish: Option<&str>| {
            let chunk =
                serde_json::json!({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]});
            format!("data: {chunk}\n\n")
        };
        let events = choice(0, "4111 1111 ", None)
            + &choice(1, "other", None)
            + &choice(1, "", Some("stop"))
            + &choice(0, "1111 1111", None)
            + &choice(0, "", Some("stop"))
            + "data: [DONE]\n\n";
        let passed = run(&mut redacting(), &[&events]);
        assert!(!passed.contains("1111") && passed.contains("[CREDIT_CARD]") && passed.contains("other"), "{passed}");
    }

    #[test]
    fn the_arguments_of_a_tool_call_are_read_and_its_name_comes_once() {
        let call = |call: serde_json::Value| chunk(serde_json::json!({ "tool_calls": [call] }), None);
        let events = call(serde_json::json!({"index": 0, "id": "c", "type": "function",
                "function": {"name": "pay", "arguments": "{\"card\":\"4111"}}))
            + &call(serde_json::json!({"index": 0, "function": {"arguments": " 1111 1111 1111\",\"to\":\"x"}}))
            + &chunk(serde_json::json!({}), Some("tool_calls"))
            + "data: [DONE]\n\n";
        let passed = run(&mut redacting(), &[&events]);
        let arguments = proxy::openai_arguments(&passed);
        assert_eq!(arguments, r#"{"card":"[CREDIT_CARD]","to":"x"#);
        assert_eq!(passed.matches("\"pay\"").count(), 1, "{passed}");
    }

    #[test]
    fn texts_are_found_wherever_a_chunk_holds_them() {
        let choice = |choice: serde_json::Value| format!("data: {}\n\n", serde_json::json!({ "choices": [choice] }));
        let call = |call: serde_json::Value| choice(serde_json::json!({"index": 0, "delta": {"tool_calls": [call]}}));
        let end = chunk(serde_json::json!({}), Some("stop")) + "data: [DONE]\n\n";
        for (events, pointer, expect) in [
            (
                call(
                    serde_json::json!({"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": "x 4111 1111"}}),
                ) + &call(serde_json::json!({"index": 0, "custom": {"input": " 1111 1111."}})),
                "/choices/0/delta/tool_calls/0/custom/input",
                "x [CREDIT_CARD].",
            ),
            (
                choice(serde_json::json!({"index": 0, "text": "x 4111 1111"}))
                    + &choice(serde_json::json!({"index": 0, "text": " 1111 1111."})),
                "/choices/0/text",
                "x [CREDIT_CARD].",
            ),
            (
                choice(
                    serde_json::json!({"index": 0, "message": {"role": "assistant", "content": format!("x {CARD}.")}}),
                ),
                "/choices/0/message/content",
                "x [CREDIT_CARD].",
            ),
            (
                call(serde_json::json!({"index": 0, "new": {"4111111111111111": 4_111_111_111_111_111_u64}})),
                "/choices/0/delta/tool_calls/0/new/[CREDIT_CARD]",
                "[CREDIT_CARD]",
            ),
            (
                choice(serde_json::json!({"index": 0, "delta": {}, "logprobs": {"content": [{"token": CARD}]}})),
                "/choices/0/delta/content",
                "",
            ),
        ] {
            let passed = run(&mut redacting(), &[&(events + &end)]);
            assert_eq!(proxy::texts(&passed, pointer).concat(), expect, "{passed}");
            assert!(!passed.contains("1111"), "{passed}");
        }
    }

    #[test]
    fn a_stream_that_is_blocked_ends_with_an_error_event() {
        let mut gateway = blocking();
        let events = stream(&["it is ", "4111 1111", " 1111 1111", ". And", " more"]);
        let middle = events.len() / 2;
        let passed = run(&mut gateway, &[&events[..middle], &events[middle..], "data: more\n\n"]);
        assert_eq!(openai_text(&passed), "it is ");
        assert!(passed.contains("content_blocked") && !passed.contains("1111"), "{passed}");
        assert!(!passed.contains("more") && !passed.contains("stop"), "{passed}");
        assert_eq!(gateway.exchange(|exchange| exchange.verdict.map(|verdict| verdict.code)), Some("content_blocked"));
    }

    #[test]
    fn what_cannot_be_read_ends_the_stream() {
        let passed = run(&mut redacting(), &[&(content("fine. ") + "data: {\"choices\":[\n\n" + &content("more"))]);
        assert_eq!(openai_text(&passed), "fine. ");
        assert!(passed.contains("response_not_inspectable") && !passed.contains("more"), "{passed}");
    }

    #[test]
    fn what_has_no_finding_and_nothing_held_passes_byte_for_byte() {
        let events = ": hello\r\n\r\n".to_string() + &stream(&["a. ", "b! "]).replace('\n', "\r\n");
        assert_eq!(run(&mut redacting(), &[&events]), events);
    }

    #[test]
    fn an_anthropic_stream_is_edited_block_by_block() {
        let event = |name: &str, data: serde_json::Value| format!("event: {name}\ndata: {data}\n\n");
        let delta = |index: u32, delta: serde_json::Value| {
            let data = serde_json::json!({"type": "content_block_delta", "index": index, "delta": delta});
            event("content_block_delta", data)
        };
        let text = |text: &str| delta(0, serde_json::json!({"type": "text_delta", "text": text}));
        let arguments = |text: &str| delta(1, serde_json::json!({"type": "input_json_delta", "partial_json": text}));
        let stop =
            |index: u32| event("content_block_stop", serde_json::json!({"type": "content_block_stop", "index": index}));
        let events = event(
            "message_start",
            serde_json::json!({"type": "message_start", "message": {"id": "m", "type": "message",
                "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
        ) + &event(
            "content_block_start",
            serde_json::json!({"type": "content_block_start", "index": 0,
                "content_block": {"type": "text", "text": ""}}),
        ) + &event("ping", serde_json::json!({"type": "ping"}))
            + &text("card 4111 1111")
            + &delta(
                0,
                serde_json::json!({"type": "citations_delta",
                "citation": {"type": "char_location", "cited_text": "see a@b.io there", "document_title": "title"}}),
            )
            + &text(" 1111 1111")
            + &stop(0)
            + &event(
                "content_block_start",
                serde_json::json!({"type": "content_block_start", "index": 1,
                "content_block": {"type": "tool_use", "id": "t", "name": "pay", "input": {}}}),
            )
            + &arguments("{\"to\":\"a@")
            + &arguments("b.io\"}")
            + &stop(1)
            + &event(
                "message_delta",
                serde_json::json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"},
                "usage": {"output_tokens": 9}}),
            )
            + &event("message_stop", serde_json::json!({"type": "message_stop"}));
        let mut gateway =
            Gateway::new(ANTHROPIC, &[(FindingType::CreditCard, Action::Redact), (FindingType::Email, Action::Redact)]);
        gateway.request(r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#, 1).passed();
        let passed = gateway.response(200, &SSE, &[&events]).passed();
        assert_eq!(proxy::anthropic_texts(&passed), ["card [CREDIT_CARD]", r#"{"to":"[EMAIL]"}"#]);
        let names: Vec<_> = passed.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        assert_eq!(names.last(), Some(&"message_stop"));
        assert_eq!(proxy::texts(&passed, "/delta/stop_reason"), ["tool_use"]);
        assert_eq!(proxy::texts(&passed, "/delta/citation/cited_text"), ["see [EMAIL] there"]);
        assert!(names.windows(2).all(|pair| pair != ["content_block_stop", "content_block_delta"]), "{passed}");
    }

    #[test]
    fn strings_that_are_whole_stay_whole() {
        let thought = |text: &str| {
            let details = serde_json::json!([{"type": "reasoning.text", "text": text, "format": "unknown"}]);
            chunk(serde_json::json!({"reasoning": text, "reasoning_details": details}), None)
        };
        let events = thought("think of a@") + &thought("b.io now") + &stream(&["yes"]);
        let passed = run(&mut redacting(), &[&events]);
        let texts = |pointer: &str| -> String { proxy::texts(&passed, pointer).concat() };
        assert_eq!(texts("/choices/0/delta/reasoning"), "think of [EMAIL] now");
        assert_eq!(texts("/choices/0/delta/reasoning_details/0/text"), "think of [EMAIL] now");
        let types = proxy::texts(&passed, "/choices/0/delta/reasoning_details/0/type");
        assert!(types.len() >= 2 && types.iter().all(|name| name == "reasoning.text"), "{passed}");
        assert_eq!(openai_text(&passed), "yes");
    }

    #[test]
    fn events_whose_text_could_go_unseen_end_the_stream() {
        let deep =
            format!(r#"{{"choices":[{{"index":0,"delta":{{"x":{}"{CARD}"{}}}}}]}}"#, "[".repeat(200), "]".repeat(200));
        for data in [r#"["4111 1111 1111 1111"]"#, "4111 1111 1111 1111", &deep] {
            let passed = run(&mut redacting(), &[&format!("data: {data}\n\n")]);
            assert!(passed.contains("response_not_inspectable") && !passed.contains("1111"), "{data} became {passed}");
        }
    }

    #[test]
    fn odd_events_are_read_as_they_are() {
        for data in [
            r#"{"choices":[{"index":null,"delta":{"content":"4111 1111 1111 1111"}}]}"#,
            r#"{"choices":[],"choices":[{"index":0,"delta":{"content":"4111 1111 1111 1111"}}]}"#,
            r#"{"choices":[{"index":0,"delta":"4111 1111 1111 1111"}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":{"arguments":"4111 1111 1111 1111"}}}]}"#,
            r#"{"choices":{"0":{"delta":{"content":"4111 1111 1111 1111"}}}}"#,
            r#"{"choices":[],"citations":["4111 1111 1111 1111"]}"#,
            r#"{"choices":null,"new":{"4111 1111 1111 1111":1}}"#,
            r#"{"error":{"message":"4111 1111 1111 1111"}}"#,
        ] {
            let passed = run(&mut redacting(), &[&format!("data: {data}\n\n")]);
            assert!(passed.contains("[CREDIT_CARD]") && !passed.contains("1111"), "{data} became {passed}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

        #[test]
        fn the_bytes_may_be_split_anywhere(cuts in prop::collection::vec(any::<usize>(), 0..20)) {
            let events = stream(&["für ", "4111", "-1111-", "1111-1111, ", "write jane", "@x.", "org\n", "bye"]);
            let mut places: Vec<_> = cuts.iter().map(|cut| events.floor_char_boundary(cut % events.len())).collect();
            places.extend([0, events.len()]);
            places.sort_unstable();
            let pieces: Vec<_> = places.windows(2).map(|pair| &events[pair[0]..pair[1]]).collect();
            let passed = run(&mut redacting(), &pieces);
            prop_assert_eq!(openai_text(&passed), "für [CREDIT_CARD], write [EMAIL]\nbye");
        }
    }
}

mod judges {
    use weir_config::{FailMode, JudgeRule, RuleDirection};
    use weir_host::{HttpAnswer, HttpError};

    use super::*;
    use weir_test_proxy::Passed;

    fn judged(direction: RuleDirection, fail_mode: FailMode) -> Gateway {
        let mut gateway = redacting();
        gateway.judge(JudgeRule {
            name: "j".into(),
            cluster: "judge".into(),
            authority: Some("judge.example".into()),
            path: "/v1".into(),
            direction,
            timeout_ms: 1000,
            fail_mode,
            max_question_bytes: 1000,
        });
        gateway
    }

    #[test]
    fn who_cannot_be_asked_yet_is_asked_when_the_stream_is_woken() {
        for body_known in [true, false] {
            let mut gateway = judged(RuleDirection::Both, FailMode::Closed);
            gateway.body_known = body_known;
            gateway.host.cannot_call = true;
            let mut hop = gateway.begin(&chat(&format!("pay with {CARD} please")));
            assert!(gateway.host.http_calls.is_empty());
            assert!(!gateway.exchange(|exchange| exchange.is_judged));
            gateway.host.cannot_call = false;
            assert_eq!(hop.wake(&mut gateway.host), Passed::Nothing);
            assert_eq!(hop.wake(&mut gateway.host), Passed::Nothing);
            assert_eq!(gateway.host.http_calls.len(), 1);
            assert!(gateway.exchange(|exchange| exchange.is_judged), "also if nobody waits for the answer");
            let answer = HttpAnswer { status: 200, body: br#"{"action":"allow"}"#.to_vec() };
            let passed = hop.http_answer(&mut gateway.host, 1, Ok(&answer));
            let Passed::On { body, end: true, .. } = passed else { panic!("{passed:?}") };
            assert_eq!(String::from_utf8(body).unwrap(), chat("pay with [CREDIT_CARD] please"));
        }
    }

    #[test]
    fn content_that_was_held_is_not_said_to_have_gone_when_it_came() {
        let mut gateway = judged(RuleDirection::Output, FailMode::Open);
        gateway.request(&chat("hello"), 1).passed();
        gateway.attempted(true);
        gateway.first_content(Some(7));
        gateway.host.refuse_calls = true;
        let json = &[("content-type", "application/json")];
        assert_eq!(gateway.response(200, json, &[&answer("hi")]).passed(), answer("hi"));
        assert_eq!(gateway.exchange(|exchange| exchange.attempt().map(|attempt| attempt.first_content)), Some(None));
    }

    #[test]
    fn no_fail_mode_of_a_judge_lets_a_long_answer_past_the_rules() {
        let event = |text: &str| {
            format!("data: {}\n\n", serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
        };
        let long = event(&"word ".repeat(200_000));
        let card = event(CARD);
        let mut pieces = vec![long.as_str(); 18];
        pieces.push(&card);
        for fail_mode in [FailMode::Open, FailMode::Closed] {
            let mut gateway = judged(RuleDirection::Output, fail_mode);
            gateway.request(&chat("hello"), 1).passed();
            let body = gateway.response(200, &[("content-type", "text/event-stream")], &pieces).passed();
            assert!(body.contains("response_not_inspectable") && !body.contains("word") && !body.contains("4111"));
            assert_eq!(gateway.response_header(":status").as_deref(), Some("502"));
            assert_eq!(gateway.response_header("content-length"), Some(body.len().to_string()));
        }
    }

    #[test]
    fn one_who_is_not_there_is_no_judgement() {
        let mut gateway = judged(RuleDirection::Both, FailMode::Closed);
        gateway.host.refuse_calls = true;
        gateway.request(&chat("hello"), 1).refused(503, "guardrail_unavailable");
        let mut gateway = judged(RuleDirection::Both, FailMode::Open);
        gateway.host.refuse_calls = true;
        assert_eq!(gateway.request(&chat("hello"), 1).passed(), chat("hello"));
        let mut gateway = judged(RuleDirection::Both, FailMode::Open);
        let mut hop = gateway.begin(&chat("hello"));
        let passed = hop.http_answer(&mut gateway.host, 1, Err(HttpError::Broken));
        assert!(matches!(passed, Passed::On { end: true, .. }), "{passed:?}");
    }
}
