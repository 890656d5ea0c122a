//! Text in pieces gives what the whole text gives, and nothing leaves before it is decided.

use proptest::prelude::*;
use weir_config::{Action, FindingType, GuardrailProfile, GuardrailRule, RuleDirection, RuleMode};
use weir_guardrails::stream::{MOST_HELD, TextStream};
use weir_guardrails::{Direction, Finding, Profile};

/// Looks for cards and addresses only.
fn profile(card: Action, email: Action) -> Profile {
    with_others(card, email, Action::Allow)
}

fn with_others(card: Action, email: Action, others: Action) -> Profile {
    let action = |finding| match finding {
        FindingType::CreditCard => card,
        FindingType::Email => email,
        _ => others,
    };
    let rule = |finding| GuardrailRule::new(finding, action(finding), RuleDirection::Both);
    let rules = FindingType::ALL.into_iter().map(rule).collect();
    Profile::compile(&GuardrailProfile::new("test", rules)).unwrap()
}

/// What came out, what was found, whether it was blocked.
fn run(profile: &Profile, pieces: &[&str]) -> (String, Vec<Finding>, bool) {
    let mut stream = TextStream::default();
    let (mut text, mut findings, mut blocked) = (String::new(), Vec::new(), false);
    for piece in pieces {
        let released = stream.push(profile, Direction::Output, piece);
        assert!(stream.held() <= MOST_HELD, "{} bytes are held", stream.held());
        text += &released.text;
        findings.extend(released.findings);
        blocked |= released.blocked;
    }
    let released = stream.finish(profile, Direction::Output);
    text += &released.text;
    findings.extend(released.findings);
    (text, findings, blocked | released.blocked)
}

fn check(profile: &Profile, text: &str, pieces: &[&str]) {
    let whole = profile.apply(Direction::Output, text);
    let (passed, findings, blocked) = run(profile, pieces);
    let context = format!("{text:?} as {pieces:?}");
    match whole.findings.iter().position(|finding| finding.action == Action::Block) {
        None => {
            assert_eq!(passed, whole.text, "{context}");
            assert_eq!(findings, whole.findings, "{context}");
            assert!(!blocked);
        }
        Some(index) => {
            let (mut expect, mut written) = (String::new(), 0);
            for finding in whole.findings[..index].iter().filter(|finding| finding.action == Action::Redact) {
                expect += &text[written..finding.start];
                expect += &format!("[{}]", finding.finding.name());
                written = finding.end;
            }
            expect += &text[written..whole.findings[index].start];
            assert_eq!(passed, expect, "{context}");
            assert_eq!(findings, whole.findings[..=index], "{context}");
            assert!(blocked);
        }
    }
}

#[test]
fn half_a_private_key_takes_nothing_of_what_follows() {
    let redact = with_others(Action::Redact, Action::Redact, Action::Redact);
    let begin = "-----BEGIN PRIVATE KEY-----\n";
    let line = "MIIEowIBAAKCAQEAx7Zq8vT2mN4pK7wX1yB5dF9gH3jL6rS0cV8eU2iO4aQ7tW1z\n";
    for text in [
        format!("{begin}{} and é words", line.repeat(20)),
        format!("{begin}{}{}", line.repeat(80), "é".repeat(90)),
        format!("{begin}{}{}", "a".repeat(4_069), "é".repeat(90)),
        format!("{begin}{}{}-----END PRIVATE KEY-----", line.repeat(20), "é".repeat(90)),
        format!("{begin}{}-----END PRIVATE KEY-----é", line.repeat(20)),
    ] {
        for size in [1, 3, 4, 64, 1_000] {
            let cuts: Vec<_> = (0..text.len()).step_by(size).collect();
            check(&redact, &text, &split(&text, &cuts));
        }
        assert!(redact.apply(Direction::Output, &text).text.matches('é').eq(text.matches('é')), "{text}");
    }
}

fn split<'a>(text: &'a str, cuts: &[usize]) -> Vec<&'a str> {
    let mut places: Vec<_> = cuts.iter().map(|cut| text.floor_char_boundary(cut % (text.len() + 1))).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

#[test]
fn every_single_split_and_every_character_alone() {
    let redact = profile(Action::Redact, Action::Redact);
    for text in [
        "my card is 4111 1111 1111 1111 123, mail jane.doe@example.com. Bye",
        "2024 4111-1111-1111-1111.5 and 0.4111111111111111",
        "4111 1111 1111 1111 4111 1111 1111 1111 4111",
        "see..jane@x.org@y.org!bob@z.io-x",
        r"line\n4111111111111111\u003cjane@x.org\u003e",
        r"\u003c-jane@x.org",
        "für 4111111111111111。jane@x.org。",
        r"\\u0034111\u00a01111  1111–1111, jane\\u0040x.org or bob%40y.io, ann&#64;z.de.",
        "card4111.1111.1111.1111 ４１１１\n１１１１\n１１１１\n１１１１ x.4111/1111/1111/1111",
    ] {
        for cut in text.char_indices().map(|(index, _)| index) {
            check(&redact, text, &[&text[..cut], &text[cut..]]);
        }
        let characters: Vec<_> = text.split_inclusive(|_| true).collect();
        check(&redact, text, &characters);
    }
}

#[test]
fn every_detector_finds_in_pieces_what_it_finds_in_the_whole() {
    let redact = with_others(Action::Redact, Action::Redact, Action::Redact);
    for (text, expect) in [
        ("call +91-99274 47239 or (555) 507-8075x12, now", "call [PHONE] or [PHONE], now"),
        ("IBAN DE89 3704 0044 0532 0130 00 and GB29NWBK60161331926819.", "IBAN [IBAN] and [IBAN]."),
        ("a/c no. 06487808497, account number: 1234-5678-90", "a/c no. [BANK_ACCOUNT], account number: [BANK_ACCOUNT]"),
        ("ssn 536 22 1234 or 536-22-1235 (order 536-22-1236)", "ssn [US_SSN] or [US_SSN] (order 536-22-1236)"),
        (
            "Aadhaar 2341-2341-2346, PAN ABCPE1234F; EPIC XYZ1234567",
            "Aadhaar [IN_AADHAAR], PAN [IN_PAN]; EPIC [IN_VOTER_ID]",
        ),
        (
            "from 203.0.113.7:443 or 2001:db8::8a2e:370:7334, v. 1.2.3.4",
            "from [IP_ADDRESS]:443 or [IP_ADDRESS], v. 1.2.3.4",
        ),
        (
            "key sk-ant-api03-Zq8vT2mN4pK7wX1yB5dF9gH3jL6rS0cV8eU2iO4aQ7tW1zY5xM9nP3kD6fG0hJ4lR8sC2vE6uI1oA5qW7xY, then",
            "key [SECRET], then",
        ),
        (
            "aws AKIAZ7QX4M2NPLWK5RTB; clone https://ci:s3cr3tPw9@git/a.git",
            "aws [SECRET]; clone https://ci:[SECRET]@git/a.git",
        ),
        (
            r#"{"a":"-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx7Zq8vT2mN4pK7wX1yB5dF9gH3jL6rS0\n-----END RSA PRIVATE KEY-----\n"}"#,
            r#"{"a":"[SECRET]\n"}"#,
        ),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBGPx7Zq8vT2mN4pK7wX1yB5dF9gH3jL6rS0cV8eU2i", "[SECRET]"),
        (
            "db_password = \"k9#mQ2x!vL\" # and api_key: 7f3a9c1e5b8d2046",
            "db_password = \"[SECRET]\" # and api_key: [SECRET]",
        ),
        (
            "my password is hunter2x9. --token 8Kq2Zx7Wm4Pn1Vb9 -u bob:Tr0ub4dor",
            "my password is [SECRET]. --token [SECRET] -u bob:[SECRET]",
        ),
        (
            "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIiwiaWF0IjoxfQ.k5HibIuLnRTuPcaCNkaVaQH2y5q6 end",
            "Authorization: Bearer [SECRET] end",
        ),
        ("secretoken=8Kq2Zx7Wm4Pn1Vb9 &key%3D8Kq2Zx7Wm4Pn1Vb9", "secretoken=[SECRET] &key%3D[SECRET]"),
        ("ITIN 912-90-3456, tax 912903457; no. 912-40-3456", "ITIN [US_ITIN], tax [US_ITIN]; no. 912-40-3456"),
        ("routing 021000021, order 021000021", "routing [US_BANK_ROUTING], order 021000021"),
        ("GSTIN 27AAPFU0939F1ZV and 27AAPFU0939F1ZA", "GSTIN [IN_GSTIN] and 27AAPFU0939F1ZA"),
        ("IFSC SBIN0001234 to jane.d5@okaxis, not b@c.io.", "IFSC [IN_IFSC] to [IN_UPI], not [EMAIL]."),
        ("NINO AB123456C, NHS 943 476 5919; BG123456C", "NINO [UK_NINO], NHS [UK_NHS]; BG123456C"),
        (
            "passport no. K1234567, driver's license number D1234567",
            "passport no. [PASSPORT], driver's license number [DRIVER_LICENSE]",
        ),
        ("MRN: 00482913, member ID XQ4482913", "MRN: [MEDICAL_RECORD], member ID [INSURANCE_NUMBER]"),
        (
            "born on 31/12/1984, DOB: 1984-12-31; due 31/12/1984",
            "born on [DATE_OF_BIRTH], DOB: [DATE_OF_BIRTH]; due 31/12/1984",
        ),
        ("so she is maria lopez, they say", "so she is [PERSON], they say"),
        ("ask Marcus Hallberg, who lives at 12 Baker Street, London", "ask [PERSON], who lives at [ADDRESS]"),
        ("car 1M8GDM9AXKP042788, not 1M8GDM9A1KP042788", "car [VIN], not 1M8GDM9A1KP042788"),
        ("536-22-1234 4111 1111 1111 1111 jane@x.org +1 555 507 8075", "[US_SSN] [CREDIT_CARD] [EMAIL] [PHONE]"),
    ] {
        assert_eq!(redact.apply(Direction::Output, text).text, expect);
        for cut in 0..text.len() {
            check(&redact, text, &[&text[..cut], &text[cut..]]);
        }
        let characters: Vec<_> = text.split_inclusive(|_| true).collect();
        check(&redact, text, &characters);
    }
}

#[test]
fn json_in_a_text_stays_json() {
    let redact = profile(Action::Redact, Action::Redact);
    for (text, expect) in [
        (r#"{"ada@x.example":1,"bob@y.example":2}"#, r#"{"[EMAIL]":1,"[EMAIL_2]":2}"#),
        (
            r#"[{"a@b.io":{"a@b.io":"a@b.io","c@d.io":["c@d.io"]}},{"a@b.io":1,"4111111111111111":2, "e@f.io" : 3}]"#,
            r#"[{"[EMAIL]":{"[EMAIL]":"[EMAIL]","[EMAIL_2]":["[EMAIL]"]}},{"[EMAIL]":1,"[CREDIT_CARD]":2, "[EMAIL_2]" : 3}]"#,
        ),
        (r#" {"card": 4111111111111111, "to":"\"a@b.io"}"#, r#" {"card": "[CREDIT_CARD]", "to":"\"[EMAIL]"}"#),
        (r#"{"n":[null,true,false,-1.5e3, 4111111111111111]}"#, r#"{"n":[null,true,false,-1.5e3, "[CREDIT_CARD]"]}"#),
        ("[note] 4111111111111111 {", "[note] [CREDIT_CARD] {"),
        ("to a@b.io and 4111111111111111", "to [EMAIL] and [CREDIT_CARD]"),
    ] {
        assert_eq!(redact.apply(Direction::Output, text).text, expect);
        for cut in 0..text.len() {
            check(&redact, text, &[&text[..cut], &text[cut..]]);
        }
        let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert_eq!(is_json(text), is_json(expect));
    }
}

#[test]
fn ordinary_text_is_held_back_by_a_word_at_most() {
    let redact = profile(Action::Redact, Action::Redact);
    let mut stream = TextStream::default();
    for (piece, expect) in
        [("Hello", ""), (" wor", "Hello "), ("ld, it is", "world, it "), (" 5 o'clock.\n", "is 5 o'clock.\n")]
    {
        assert_eq!(stream.push(&redact, Direction::Output, piece).text, expect);
    }
    assert_eq!(stream.held(), 0);
}

#[test]
fn no_digit_of_a_card_leaves_before_it_is_decided() {
    let redact = profile(Action::Redact, Action::Flag);
    let mut stream = TextStream::default();
    let mut passed = String::new();
    for character in "no 4111 1111 1111 1111".chars() {
        passed += &stream.push(&redact, Direction::Output, &character.to_string()).text;
        assert!("no ".starts_with(&passed), "{passed:?} left");
    }
    assert_eq!(stream.finish(&redact, Direction::Output).text, "[CREDIT_CARD]");
}

#[test]
fn a_long_run_flows_on_and_hides_no_address() {
    let redact = profile(Action::Redact, Action::Redact);
    let run =
        "a".repeat(5000) + "@x.org " + &"7".repeat(5000) + &" 4111111111111112".repeat(300) + &"@b.io".repeat(900);
    check(&redact, &run, &split(&run, &(0..900).map(|index| index * 13).collect::<Vec<_>>()));
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("4111 1111 1111 1111".to_string()),
        Just("5555-5555-5555-4444".to_string()),
        Just("378282246310005".to_string()),
        Just("4000000000000000006".to_string()),
        Just("jane.doe@example.co.uk".to_string()),
        Just("@x.org".to_string()),
        Just("\\u0040".to_string()),
        Just("%40x.io".to_string()),
        Just("\\\\u0034111".to_string()),
        Just("\u{a0}1111".to_string()),
        Just("\n1111".to_string()),
        Just(".1111".to_string()),
        Just("４１１１".to_string()),
        Just("a@b".to_string()),
        Just("\\n".to_string()),
        Just("\\u003c".to_string()),
        Just("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_string()),
        Just("ü。".to_string()),
        Just("GB29 NWBK 6016 1331 9268 19".to_string()),
        Just("DE89370400440532013000".to_string()),
        Just("(555) 507-8075".to_string()),
        Just("+91 ".to_string()),
        Just("x123".to_string()),
        Just("536-22-1234".to_string()),
        Just("2341 2341 2346".to_string()),
        Just("ABCPE1234F".to_string()),
        Just("XYZ1234567".to_string()),
        Just("203.0.113.7".to_string()),
        Just("2001:db8::8a2e:370".to_string()),
        Just(" account number ".to_string()),
        Just(" call ".to_string()),
        Just(" ssn: ".to_string()),
        Just(" order ".to_string()),
        "[ .,@_\\-\\\\\n]{1,2}",
        "[0-9]{1,5}",
        "[a-z.]{1,5}",
        ".{0,3}",
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![Just(Action::Allow), Just(Action::Flag), Just(Action::Redact), Just(Action::Block)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn pieces_give_what_the_whole_gives(
        pieces in prop::collection::vec(piece(), 0..14),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        card in action(),
        email in action(),
        others in action(),
    ) {
        let text = pieces.concat();
        check(&with_others(card, email, others), &text, &split(&text, &cuts));
    }
}

#[test]
fn what_is_only_told_hides_nothing_that_is_acted_upon() {
    let rule = |finding, action| GuardrailRule::new(finding, action, RuleDirection::Both);
    let blocks = rule(FindingType::CreditCard, Action::Block);
    let flags = rule(FindingType::Phone, Action::Flag);
    let shadows = GuardrailRule { mode: RuleMode::Shadow, ..rule(FindingType::Phone, Action::Block) };
    for others in [vec![], vec![flags], vec![shadows]] {
        let named = format!("{others:?}");
        let rules = [blocks.clone()].into_iter().chain(others).collect();
        let profile = Profile::compile(&GuardrailProfile::new("test", rules)).unwrap();
        let mut stream = TextStream::default();
        let first = stream.push(&profile, Direction::Output, "call 4111 1111");
        assert!(!first.blocked && stream.ends_with_half(&profile, Direction::Output), "{named}");
        stream.begin_part();
        assert!(stream.push(&profile, Direction::Output, " 1111 1111, bye").blocked, "{named}");

        // Nobody waits any longer, and it goes on after all.
        let mut stream = TextStream::default();
        stream.push(&profile, Direction::Output, "call 4111 1111");
        let told = stream.let_go(&profile, Direction::Output).findings;
        let last = stream.push(&profile, Direction::Output, " 1111 1111, bye");
        assert!(last.blocked, "{named}");
        let again = last.findings.iter().filter(|finding| finding.finding == FindingType::Phone).count();
        assert!(told.is_empty() || again == 0, "{told:?}, then {:?}", last.findings);
    }
}
