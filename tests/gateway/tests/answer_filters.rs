//! Several filters of one answer, in order: guardrails as they are, each with a profile of its own.

use std::rc::Rc;

use serde_json::json;
use uuid::Uuid;
use weir_config::{Action, FindingType, GuardrailProfile, GuardrailRule, GuardrailsConfig, RuleDirection};
use weir_exchange::{AnswerChecks, Checked, Exchange, NamedProfile, Principal, Shared};
use weir_gateway_tests::{said, said_in_stream};
use weir_guardrails::{GuardrailsPlugin, ProfileCache};
use weir_host::fake::FakeHost;
use weir_host::{Callouts, Flow, StreamFilter};
use weir_llm::Operation;

const REDACTS_EMAILS: (FindingType, Action) = (FindingType::Email, Action::Redact);
const BLOCKS_EMAILS: (FindingType, Action) = (FindingType::Email, Action::Block);
const REDACTS_CARDS: (FindingType, Action) = (FindingType::CreditCard, Action::Redact);
const BLOCKS_CARDS: (FindingType, Action) = (FindingType::CreditCard, Action::Block);

const CARD: &str = "4111 1111 1111 1111";

/// What checks an answer whose request passed a filter for each of these rules.
fn checks(rules: &[(FindingType, Action)]) -> (AnswerChecks, Shared) {
    let mut exchange = Exchange::new(Uuid::nil(), 0);
    exchange.prepare().expect("no attempt was made").operation =
        Operation::of("POST", "/v1/chat/completions", &|_| false).ok();
    let shared = Shared::new(exchange);
    for (number, (finding, action)) in rules.iter().enumerate() {
        let rule = GuardrailRule::new(*finding, *action, RuleDirection::Output);
        let profile = GuardrailProfile::new("of the tests", vec![rule]);
        let named = NamedProfile { id: number.to_string(), profile };
        let principal = Principal { guardrail_profile: Some(Rc::new(named)), ..Principal::default() };
        shared.prepare(|request| request.principal = Some(Rc::new(principal)));
        let plugin = GuardrailsPlugin::new(GuardrailsConfig {});
        let mut filter = plugin.stream(Some(shared.clone()), Rc::new(ProfileCache::new()), Callouts::default());
        assert_eq!(filter.on_request_headers(&mut FakeHost::default(), false), Flow::Continue);
    }
    let filters = shared.read(|exchange| exchange.request().answer_filters.clone()).expect("is free");
    (AnswerChecks::of(&filters, &shared).expect("filters"), shared)
}

/// What the client gets of a whole answer; `Err`: the code of a refusal.
fn whole(rules: &[(FindingType, Action)], content: &str) -> Result<String, &'static str> {
    let message = json!({"role": "assistant", "content": content});
    let answer = json!({"object": "chat.completion", "choices": [{"index": 0, "message": message}]});
    match checks(rules).0.whole(answer.to_string().as_bytes()) {
        Checked::Passes => Ok(content.to_owned()),
        Checked::Edited(body) => Ok(said("openai", &serde_json::from_slice(&body).expect("JSON"))),
        Checked::Refused(error) | Checked::Unreadable(error) => Err(error.code),
    }
}

/// The events of a stream that says this in pieces of so many characters, as the client gets them.
fn streamed(rules: &[(FindingType, Action)], content: &str, length: usize) -> (String, Shared) {
    let (mut checks, shared) = checks(rules);
    let characters: Vec<char> = content.chars().collect();
    let mut out = Vec::new();
    for piece in characters.chunks(length) {
        let delta = json!({"content": piece.iter().collect::<String>()});
        let event = json!({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]});
        out.extend(checks.piece(format!("data: {event}\n\n").into_bytes(), false));
    }
    out.extend(checks.piece(b"data: [DONE]\n\n".to_vec(), false));
    out.extend(checks.piece(Vec::new(), true));
    (String::from_utf8(out).expect("text"), shared)
}

#[test]
fn each_reads_what_those_before_it_let_go_on() {
    let check = |rules: &[(FindingType, Action)], content: &str, expect: Result<&str, &str>| {
        assert_eq!(whole(rules, content).as_deref().map_err(|code| *code), expect, "{rules:?}");
        for length in 1..content.len() {
            let (events, shared) = streamed(rules, content, length);
            let verdict = shared.read(|exchange| exchange.verdict.map(|verdict| verdict.code)).expect("is free");
            assert_eq!(verdict, expect.err(), "{rules:?} in pieces of {length}");
            assert_eq!(events.contains("[DONE]"), expect.is_ok(), "{events}");
            assert_eq!(events.matches(r#""error""#).count(), usize::from(expect.is_err()), "{events}");
            if let Ok(expect) = expect {
                assert_eq!(said_in_stream("openai", &events), expect, "{rules:?} in pieces of {length}");
            }
        }
    };
    let both = format!("Mail ada@example.org the number {CARD} now.");
    check(&[REDACTS_EMAILS, REDACTS_CARDS], &both, Ok("Mail [EMAIL] the number [CREDIT_CARD] now."));
    check(&[REDACTS_CARDS, REDACTS_EMAILS], &both, Ok("Mail [EMAIL] the number [CREDIT_CARD] now."));
    // What the first took away the second does not see.
    check(&[REDACTS_EMAILS, BLOCKS_EMAILS], &both, Ok(&format!("Mail [EMAIL] the number {CARD} now.")));
    check(&[BLOCKS_EMAILS, REDACTS_EMAILS], &both, Err("content_blocked"));
    // The strictest wins, wherever it stands.
    check(&[REDACTS_EMAILS, BLOCKS_CARDS], &both, Err("content_blocked"));
    check(&[BLOCKS_CARDS, REDACTS_EMAILS], &both, Err("content_blocked"));
}

/// What a filter behind holds back goes before the error, and nothing comes after it.
#[test]
fn a_filter_that_ends_a_stream_ends_it_for_those_behind_it() {
    let content = format!("{CARD} or so, says ada@example.or");
    for rules in [[BLOCKS_CARDS, REDACTS_EMAILS], [REDACTS_EMAILS, BLOCKS_CARDS]] {
        let (mut checks, _) = checks(&rules);
        let mut last = Vec::new();
        for piece in ["Hello ada@exam", &content] {
            let event = json!({"choices": [{"index": 0, "delta": {"content": piece}}]});
            last = checks.piece(format!("data: {event}\n\n").into_bytes(), false);
        }
        let last = String::from_utf8(last).expect("text");
        assert!(last.contains("content_blocked") && !last.contains("4111"), "{rules:?}: {last}");
        assert!(checks.piece(b"data: {}\n\n".to_vec(), false).is_empty());
        assert!(checks.piece(Vec::new(), true).is_empty());
    }
}
