//! Names of persons and addresses of places.

use weir_config::{Action, FindingType, GuardrailProfile, GuardrailRule, RuleDirection};
use weir_guardrails::{Direction, Profile};

fn redacted(text: &str) -> String {
    let rule = |finding| GuardrailRule::new(finding, Action::Redact, RuleDirection::Both);
    let profile =
        Profile::compile(&GuardrailProfile::new("names", [FindingType::Person, FindingType::Address].map(rule).into()));
    profile.unwrap().apply(Direction::Input, text).text.into_owned()
}

#[test]
fn names_are_found_in_sentences_headers_and_lists() {
    for (text, expect) in [
        ("My name is Marcus Hallberg.", "My name is [PERSON]."),
        ("Please ask Dr. Ingrid Sørensen to call back.", "Please ask Dr. [PERSON] to call back."),
        ("Regards,\nPriya Raghavan", "Regards,\n[PERSON]"),
        ("Hi Tomasz, how are you?", "Hi [PERSON], how are you?"),
        ("I spoke with Maria and Johann yesterday.", "I spoke with [PERSON] and [PERSON] yesterday."),
        (r#"{"to":"x","body":"Dear Marcus Hallberg,\nthank you"}"#, r#"{"to":"x","body":"Dear [PERSON],\nthank you"}"#),
    ] {
        assert_eq!(redacted(text), expect);
    }
}

#[test]
fn addresses_are_found_with_what_belongs_to_them() {
    for (text, expect) in [
        ("Ship it to 12 Baker Street, London NW1 6XE", "Ship it to [ADDRESS]"),
        ("My new address is Lindenstraße 44, 10969 Berlin", "My new address is [ADDRESS]"),
        ("Deliver to 8514 Elm Avenue Apt. 85\n Springfield, IL 62704", "Deliver to [ADDRESS]"),
    ] {
        assert_eq!(redacted(text), expect);
    }
}

#[test]
fn ordinary_text_is_left_alone() {
    for text in [
        "What is the capital of France?",
        "Write a Python function that sorts a list of 12 numbers.",
        "The European Central Bank raised rates by 25 basis points in 2024.",
        "Why was my card declined twice on Monday?",
        "SELECT id, total FROM orders WHERE year = 2020 LIMIT 10",
        "It takes 15 minutes on foot and 5 minutes by car.",
    ] {
        assert_eq!(redacted(text), text);
    }
}
