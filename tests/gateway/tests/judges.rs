//! Judges: services that are asked about whole texts while a request or an answer is held for them.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};
use weir_gateway_tests::{SCHEMAS, World, ask, check_error, said, said_in_stream};
use weir_host::fake::FakeHttpCall;
use weir_host::{Callouts, HttpError};
use weir_test_proxy::{End, Ended, Received, Served, When};

const ANSWER: &str = "Grüße an ada@example.com 👋, and so on.";
const REFUSED: &str = r#"{"action":"refuse","message":"Not about that."}"#;

fn says(text: &str) -> Value {
    json!({"type": "ok", "text": text, "chunks": 5})
}

fn judge(direction: &str) -> Value {
    json!([{"name": "of the tests", "cluster": "judge", "direction": direction}])
}

fn allow() -> Served {
    Served::new(200, r#"{"action":"allow"}"#)
}

fn refuse() -> Served {
    Served::new(200, REFUSED)
}

/// Has the services of a world answer like this; what they were asked.
fn serve(
    world: &mut World,
    mut served: impl FnMut(&FakeHttpCall) -> Served + 'static,
) -> Rc<RefCell<Vec<FakeHttpCall>>> {
    let asked: Rc<RefCell<Vec<FakeHttpCall>>> = Rc::default();
    let calls = Rc::clone(&asked);
    world.envoy().services = Box::new(move |call| {
        calls.borrow_mut().push(call.clone());
        served(call)
    });
    asked
}

fn question(call: &FakeHttpCall) -> Value {
    serde_json::from_slice(&call.body).expect("a question is JSON")
}

fn send(world: &mut World, client: &str, streamed: bool) -> Received {
    world.send(client, ask(client, "m", json!({"stream": streamed})).to_string())
}

fn text_of(client: &str, received: &Received, streamed: bool) -> String {
    assert_eq!((received.status(), received.ended), (200, Ended::Whole), "{}", received.text());
    match streamed {
        true => said_in_stream(client, &received.text()),
        false => said(client, &received.json()),
    }
}

/// Every client's schema, whole and streamed.
fn everyone(mut check: impl FnMut(&str, bool)) {
    for client in SCHEMAS {
        for streamed in [false, true] {
            check(client, streamed);
        }
    }
}

/// When an answer may come that is in time.
const IN_TIME: [When; 3] = [When::AtOnce, When::AfterPieces(0), When::AtRest];

#[test]
fn a_request_waits_for_its_judge_who_sees_what_the_provider_would() {
    everyone(|client, streamed| {
        for when in IN_TIME {
            let rules = [("EMAIL", "redact", "input")];
            let mut world = World::new().guarded(&rules).judged(judge("input"));
            let upstream = world.model("m", client, says(ANSWER));
            let asked = serve(&mut world, move |_| allow().when(when));
            let messages = json!([{"role": "user", "content": "I am ada@example.com"}]);
            let body = ask(client, "m", json!({"messages": messages, "stream": streamed})).to_string();
            let received = world.send(client, body);
            assert_eq!(text_of(client, &received, streamed), ANSWER);
            assert!(upstream.borrow().only().text().contains("I am [EMAIL]"));
            let asked = asked.borrow();
            assert_eq!(asked.len(), 1);
            assert_eq!((asked[0].cluster.as_str(), asked[0].timeout_ms), ("judge", 1000));
            assert_eq!(asked[0].address, ("judge".to_owned(), "/".to_owned()));
            let id = received.header("x-weir-request-id").expect("an id");
            assert_eq!(
                question(&asked[0]),
                json!({"direction": "input", "texts": ["I am [EMAIL]"], "model": "m", "request_id": id})
            );
        }
    });
}

#[test]
fn a_request_that_its_judge_refuses_reaches_no_provider() {
    everyone(|client, streamed| {
        for when in IN_TIME {
            let mut world = World::new().judged(judge("both"));
            let upstream = world.model("m", client, says(ANSWER));
            serve(&mut world, move |_| refuse().when(when));
            let received = send(&mut world, client, streamed);
            let message = check_error(client, &received, 400, "content_blocked", None);
            assert!(message.contains("Not about that."), "{message}");
            assert!(upstream.borrow().received.is_empty());
            let record = world.record();
            assert_eq!(record["guardrail_findings"], json!(["JUDGE:block=1"]));
            assert_eq!((&record["status"], &record["error_code"]), (&json!(400), &json!("content_blocked")));
        }
    });
}

#[test]
fn an_answer_waits_for_its_judge_whole_or_streamed_and_goes_on_as_it_came() {
    everyone(|client, streamed| {
        for provider in SCHEMAS {
            for when in IN_TIME {
                let rules = [("EMAIL", "redact", "output")];
                let mut world = World::new().guarded(&rules).judged(judge("output"));
                world.model("m", provider, says(ANSWER));
                let asked = serve(&mut world, move |_| allow().when(when));
                let received = send(&mut world, client, streamed);
                let redacted = ANSWER.replace("ada@example.com", "[EMAIL]");
                assert_eq!(text_of(client, &received, streamed), redacted);
                let asked = asked.borrow();
                assert_eq!(asked.len(), 1);
                let question = question(&asked[0]);
                assert_eq!(question["direction"], "output");
                assert!(question["texts"].as_array().expect("texts").contains(&json!(redacted)), "{question}");
                let told = received.header("x-weir-guardrails");
                assert_eq!(told, Some("EMAIL:redact=1"), "a stream that is held tells of its answer too");
            }
        }
    });
}

#[test]
fn an_answer_that_its_judge_refuses_is_an_error_and_billed() {
    everyone(|client, streamed| {
        for when in IN_TIME {
            let mut world = World::new().judged(judge("output"));
            world.model("m", client, says(ANSWER));
            serve(&mut world, move |_| refuse().when(when));
            let received = send(&mut world, client, streamed);
            check_error(client, &received, 400, "content_blocked", None);
            assert!(!received.text().contains("ada@example.com"));
            assert_eq!(received.header("x-weir-guardrails"), Some("JUDGE:block=1"));
            let record = world.record();
            assert_eq!((&record["status"], &record["error_code"]), (&json!(400), &json!("content_blocked")));
            assert!(record["output_tokens"].as_u64() > Some(0), "{record}");
        }
    });
}

#[test]
fn an_answer_that_nobody_may_judge_is_owed_though_its_provider_gives_no_figures() {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"});
    let answer = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [choice]});
    for client in SCHEMAS {
        let mut world = World::new().judged(judge("output"));
        world.model("m", "openai", json!({"type": "status", "status": 200, "body": answer}));
        let received = send(&mut world, client, false);
        check_error(client, &received, 503, "guardrail_unavailable", None);
        let record = world.record();
        assert_eq!((&record["outcome"], &record["decided_by"]), (&json!("failed"), &json!("guardrails")));
        assert_eq!((&record["input_source"], &record["output_source"]), (&json!("estimated"), &json!("estimated")));
        assert!(record["output_tokens"].as_u64() > Some(0) && record["cost_microusd"].as_u64() > Some(0), "{record}");
        assert_eq!(record["time_to_first_token_us"], Value::Null, "its client got none");
    }
}

#[test]
fn what_is_no_judgement_is_decided_by_the_fail_mode() {
    let broken: [(&str, Served); 9] = [
        ("no_answer", Served::failing(HttpError::Broken)),
        ("answer_too_long", Served::failing(HttpError::TooLong)),
        ("status", Served::new(504, "upstream request timeout")),
        ("status", Served::new(404, r#"{"action":"allow"}"#)),
        ("not_understood", Served::new(200, "")),
        ("not_understood", Served::new(200, r#"{"action":"allow""#)),
        ("not_understood", Served::new(200, r#"{"action":["allow"]}"#)),
        ("not_understood", Served::new(200, r#"{"action":"permit"}"#)),
        ("not_understood", Served::new(200, b"\xff\xfe".to_vec())),
    ];
    for (reason, served) in broken {
        everyone(|client, streamed| {
            for direction in ["input", "output"] {
                for fail_mode in ["open", "closed"] {
                    let judges =
                        json!([{"name": "j", "cluster": "judge", "direction": direction, "fail_mode": fail_mode}]);
                    let mut world = World::new().judged(judges);
                    world.model("m", client, says(ANSWER));
                    let answer = served.clone();
                    serve(&mut world, move |_| answer.clone().when(When::AtRest));
                    let received = send(&mut world, client, streamed);
                    let findings = world.record()["guardrail_findings"].clone();
                    if fail_mode == "open" {
                        assert_eq!(text_of(client, &received, streamed), ANSWER);
                        assert_eq!(findings, json!(["NOT_JUDGED:flag=1"]));
                    } else {
                        check_error(client, &received, 503, "guardrail_unavailable", None);
                        assert!(!received.text().contains("ada@example.com"));
                        let should_retry = (direction == "output").then_some("false");
                        assert_eq!(received.header("x-should-retry"), should_retry, "an answer is paid for");
                        assert_eq!(findings, json!([]));
                    }
                    assert_eq!(world.envoy().counters.get(&format!("weir_guardrails_unjudged.{reason}")), Some(&1));
                }
            }
        });
    }
}

#[test]
fn all_judges_have_to_agree_whoever_is_first() {
    let judges = json!([
        {"name": "a", "cluster": "a", "direction": "output"},
        {"name": "b", "cluster": "b", "direction": "output"},
    ]);
    let orders = [(When::AtOnce, When::AtOnce), (When::AtRest, When::AtOnce), (When::AtRest, When::AtRest)];
    everyone(|client, streamed| {
        for (a, b) in orders {
            for refusing in ["", "a", "b"] {
                let mut world = World::new().judged(judges.clone());
                world.model("m", client, says(ANSWER));
                let asked = serve(&mut world, move |call| {
                    let served = if call.cluster == refusing { refuse() } else { allow() };
                    // Each is told twice, which must not stand for the other.
                    served.twice().when(if call.cluster == "a" { a } else { b })
                });
                let received = send(&mut world, client, streamed);
                assert_eq!(asked.borrow().len(), 2);
                match refusing {
                    "" => assert_eq!(text_of(client, &received, streamed), ANSWER),
                    _ => _ = check_error(client, &received, 400, "content_blocked", None),
                }
            }
        }
    });
}

#[test]
fn one_judge_heard_twice_is_not_two() {
    let judges = json!([
        {"name": "a", "cluster": "a", "direction": "output"},
        {"name": "b", "cluster": "b", "direction": "output"},
    ]);
    everyone(|client, streamed| {
        let mut world = World::new().judged(judges.clone());
        world.model("m", client, says(ANSWER));
        serve(&mut world, |call| match call.cluster.as_str() {
            "a" => allow().twice(),
            _ => allow().when(When::Never),
        });
        let received = send(&mut world, client, streamed);
        assert_eq!((received.ended, received.pieces.len()), (Ended::Open, 0));
    });
}

#[test]
fn clients_that_leave_a_judge_who_hangs_ask_no_more_than_he_may_be_asked() {
    for direction in ["input", "output"] {
        let mut world = World::new().judged(judge(direction));
        let upstream = world.model("m", "openai", says(ANSWER));
        let asked = serve(&mut world, |_| allow().when(When::Never));
        let most = Callouts::MOST_OF_A_CLUSTER;
        for _ in 0..most {
            assert_eq!(send(&mut world, "openai", false).ended, Ended::Open);
        }
        assert_eq!(world.record()["outcome"], "client_disconnect");
        // Envoy goes on with the questions of those who left.
        assert_eq!(send(&mut world, "openai", false).status(), 503);
        assert_eq!(asked.borrow().len(), most);
        assert_eq!(upstream.borrow().received.len(), if direction == "input" { 0 } else { most + 1 });
        world.envoy().now += 1_000_001;
        assert_eq!(send(&mut world, "openai", false).ended, Ended::Open);
    }
}

#[test]
fn a_judgement_after_the_end_changes_nothing() {
    for served in [allow(), refuse(), Served::failing(HttpError::Broken)] {
        everyone(|client, streamed| {
            for direction in ["input", "output"] {
                let mut world = World::new().judged(judge(direction));
                let upstream = world.model("m", client, says(ANSWER));
                let answer = served.clone();
                serve(&mut world, move |_| answer.clone().twice().when(When::AfterEnd));
                let received = send(&mut world, client, streamed);
                assert_eq!((received.ended, received.pieces.len()), (Ended::Open, 0));
                assert_eq!(upstream.borrow().received.len(), usize::from(direction == "output"));
                let records = world.records();
                assert_eq!((records.len(), &records[0]["outcome"]), (1, &json!("client_disconnect")));
            }
        });
    }
}

#[test]
fn a_judge_who_takes_his_time_starts_no_other_attempt() {
    everyone(|client, streamed| {
        for (served, status) in [(allow(), 200), (refuse(), 400), (Served::new(504, ""), 503)] {
            let mut world = World::new().judged(judge("output"));
            let members = [(client, says(ANSWER)), (client, says("from the second"))];
            let upstreams = world.models("m", &members);
            serve(&mut world, move |_| served.clone().when(When::AtRest));
            assert_eq!(send(&mut world, client, streamed).status(), status);
            assert_eq!(upstreams[1].borrow().received.len(), 0);
        }
    });
}

#[test]
fn a_question_has_a_bound_and_what_is_beyond_is_not_judged() {
    for direction in ["input", "output"] {
        for (most, fail_mode, status) in [(4000, "closed", 200), (2000, "closed", 503), (2000, "open", 200)] {
            let judges = json!([{"name": "j", "cluster": "judge", "direction": direction, "fail_mode": fail_mode,
                "max_question_bytes": most}]);
            everyone(|client, streamed| {
                let mut world = World::new().judged(judges.clone());
                let long = "word ".repeat(600);
                world.model("m", client, says(&long));
                let asked = serve(&mut world, |_| allow());
                let messages = json!([{"role": "user", "content": long}]);
                let body =
                    ask(client, "m", json!({"messages": messages, "stream": streamed, "max_tokens": 1000})).to_string();
                let received = world.send(client, body);
                assert_eq!(received.status(), status, "{direction} {most} {fail_mode}");
                assert_eq!(asked.borrow().len(), usize::from(most == 4000));
            });
        }
    }
}

#[test]
fn an_answer_that_is_too_long_to_be_held_is_not_judged_and_nothing_of_it_follows_its_refusal() {
    let long = "word and ".repeat(20 * 1024 * 1024 / 9);
    for client in SCHEMAS {
        for (end, fail_mode) in [(End::Alone, "closed"), (End::WithTrailers, "closed"), (End::Alone, "open")] {
            let judges = json!([{"name": "j", "cluster": "judge", "direction": "output", "fail_mode": fail_mode}]);
            let mut world = World::new().judged(judges);
            let upstream = world.model("m", client, json!({"type": "ok", "text": long, "chunks": 21}));
            upstream.borrow_mut().end = end;
            let asked = serve(&mut world, |_| allow());
            let body = ask(client, "m", json!({"stream": true, "max_tokens": long.len()})).to_string();
            let received = world.send(client, body);
            assert_eq!(asked.borrow().len(), 0);
            if fail_mode == "open" {
                assert!(text_of(client, &received, true) == long, "what is not judged comes whole");
                continue;
            }
            check_error(client, &received, 503, "guardrail_unavailable", None);
            assert_eq!(received.header("content-length"), Some(received.text().len().to_string().as_str()));
            assert_eq!(received.ended, Ended::Whole);
        }
    }
}

#[test]
fn an_answer_that_is_none_of_a_model_is_not_judged() {
    for status in [400, 429] {
        let mut world = World::new().judged(judge("output"));
        world.model("m", "openai", json!({"type": "status", "status": status}));
        let asked = serve(&mut world, |_| refuse());
        assert_eq!(send(&mut world, "openai", false).status(), status);
        assert_eq!(asked.borrow().len(), 0);
    }
}
