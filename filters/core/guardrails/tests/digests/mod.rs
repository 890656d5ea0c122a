//! What is known of findings without their text.

use serde_json::json;
use weir_config::FindingType;
use weir_exchange::FindingKey;

use super::{answer, chat, redacting};

#[test]
fn what_is_found_has_a_digest_under_the_tenants_key_the_same_for_request_and_answer() {
    let key = || FindingKey::new(20_261_130, &[7; 32], 0, u64::MAX).unwrap();
    let mut gateway = redacting();
    gateway.finding_key(key());
    gateway.request(&chat("4111 1111 1111 1111, a@b.io and 4111-1111-1111-1111"), 1).passed();
    let json = [("content-type", "application/json")];
    gateway.response(200, &json, &[&answer("it was 4111111111111111")]).passed();
    let digests = gateway.exchange(|exchange| exchange.finding_digests.clone());
    let card = key().digest(FindingType::CreditCard, "4111111111111111");
    assert_eq!(digests, [("CREDIT_CARD", card), ("EMAIL", key().digest(FindingType::Email, "a@b.io"))]);
}

#[test]
fn a_stream_has_the_digests_of_the_whole_text() {
    let key = || FindingKey::new(1, &[7; 32], 0, u64::MAX).unwrap();
    let mut gateway = redacting();
    gateway.finding_key(key());
    gateway.request(&chat("hi"), 1).passed();
    let pieces: String = ["it is 4111 ", "1111 11", "11 1111", " yes"]
        .map(|piece| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": piece}}]})))
        .concat();
    gateway.response(200, &[("content-type", "text/event-stream")], &[&(pieces + "data: [DONE]\n\n")]).passed();
    let digests = gateway.exchange(|exchange| exchange.finding_digests.clone());
    assert_eq!(digests, [("CREDIT_CARD", key().digest(FindingType::CreditCard, "4111111111111111"))]);
}

#[test]
fn no_digest_without_a_key_of_this_time_and_few_of_many() {
    let mut gateway = redacting();
    gateway.finding_key(FindingKey::new(1, &[7; 32], 5, 9).unwrap());
    gateway.request(&chat("a@b.io"), 1).passed();
    assert!(gateway.exchange(|exchange| exchange.finding_digests.is_empty()), "it is not its time");
    let mut gateway = redacting();
    gateway.finding_key(FindingKey::new(1, &[7; 32], 0, u64::MAX).unwrap());
    gateway.request(&chat(&(0..100).map(|number| format!("a{number}@b.io ")).collect::<String>()), 1).passed();
    assert_eq!(gateway.exchange(|exchange| exchange.finding_digests.len()), weir_exchange::MOST_DIGESTS);
}
