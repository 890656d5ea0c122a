//! What is found in a text, what is not, and what becomes of it.

use weir_config::{
    Action, FindingType, GuardrailProfile, GuardrailRule, RedactForm, RuleDirection, RuleMode, Threshold,
};
use weir_guardrails::stream::TextStream;
use weir_guardrails::{Direction, Profile, all_rules};

fn all() -> Profile {
    Profile::compile(&GuardrailProfile::new("all", all_rules())).unwrap()
}

fn rule(finding: FindingType, action: Action, direction: RuleDirection) -> GuardrailRule {
    GuardrailRule::new(finding, action, direction)
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(all().apply(Direction::Input, text).text, expect, "in {text:?}");
}

#[test]
fn card_numbers_are_found_however_they_are_written() {
    check("4111111111111111", "[CREDIT_CARD]");
    check("my card 4111 1111 1111 1111, thanks", "my card [CREDIT_CARD], thanks");
    check("4111-1111-1111-1111.", "[CREDIT_CARD].");
    check("(5555555555554444)", "([CREDIT_CARD])");
    check("amex 3782 822463 10005", "amex [CREDIT_CARD]");
    check("diners 30569309025904", "diners [CREDIT_CARD]");
    check("discover 6011 1111 1111 1117", "discover [CREDIT_CARD]");
    check("jcb 3530111333300000", "jcb [CREDIT_CARD]");
    check("two-series 2223003122003222", "two-series [CREDIT_CARD]");
    check("union 6200000000000005", "union [CREDIT_CARD]");
    check("nineteen 4000000000000000006", "nineteen [CREDIT_CARD]");
    check("thirteen 4222222222222", "thirteen [CREDIT_CARD]");
    check("maestro 6759649826438453", "maestro [CREDIT_CARD]");
}

#[test]
fn card_numbers_are_found_beside_other_numbers_and_words() {
    check("4111 1111 1111 1111 123", "[CREDIT_CARD] 123");
    check("2024 4111 1111 1111 1111 12/27", "2024 [CREDIT_CARD] 12/27");
    check("4111111111111111,5555555555554444", "[CREDIT_CARD],[CREDIT_CARD]");
    check("4111111111111111 5555555555554444", "[CREDIT_CARD] [CREDIT_CARD]");
    check("card-4111111111111111", "card-[CREDIT_CARD]");
    check("卡号4111111111111111。", "卡号[CREDIT_CARD]。");
    check(r#"{"text":"line\n4111111111111111\n"}"#, r#"{"text":"line\n[CREDIT_CARD]\n"}"#);
    check(r"\u003c4111111111111111\u003e", r"\u003c[CREDIT_CARD]\u003e");
    check(r"\u00204111111111111111", r"\u0020[CREDIT_CARD]");
    check("paid.4111111111111111", "paid.[CREDIT_CARD]");
}

#[test]
fn card_numbers_are_found_in_every_form_that_people_and_programs_give_them() {
    for separator in [
        "\u{a0}",
        "\u{202f}",
        "\u{2009}",
        "–",
        "‑",
        "−",
        "  ",
        "\t",
        "\n",
        "\r\n",
        ".",
        "/",
        " - ",
        r"\n",
        r"\\n",
        r"\t",
        r"\u00a0",
        r"\\u00a0",
        r"\\\\u2013",
        "\u{200b}",
        "\u{200d}",
        "\u{fe0f}",
        "\u{feff}",
        "\u{2028}",
        "\u{b}",
        "⁃",
        "•",
        "+",
    ] {
        let number = ["4111", "1111", "1111", "1111"].join(separator);
        check(&format!("pay {number}, thanks"), "pay [CREDIT_CARD], thanks");
        let number = ["3782", "822463", "10005"].join(separator);
        check(&format!("({number})"), "([CREDIT_CARD])");
    }
    check("４１１１　１１１１　１１１１　１１１１", "[CREDIT_CARD]");
    check("٤١١١١١١١١١١١١١١١", "[CREDIT_CARD]");
    check("४१११-११११-११११-११११", "[CREDIT_CARD]");
    check("𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏", "[CREDIT_CARD]");
    check("card4111111111111111", "card[CREDIT_CARD]");
    check("Visa:4111111111111111", "Visa:[CREDIT_CARD]");
    check("%B4111111111111111^DOE/JANE^2512101?", "%B[CREDIT_CARD]^DOE/JANE^2512101?");
    check(";4111111111111111=2512101?", ";[CREDIT_CARD]=2512101?");
    check(r"\u0034\u0031\u0031\u0031111111111111", "[CREDIT_CARD]");
    check(r#"{"a":"{\"b\":\"\\u0034111 1111 1111 1111\"}"}"#, r#"{"a":"{\"b\":\"[CREDIT_CARD]\"}"}"#);
    check(r"line\\n4111111111111111\\n", r"line\\n[CREDIT_CARD]\\n");
}

/// What one detector looks at hides nothing from another, nor one number from the next.
#[test]
fn whatever_overlaps_is_looked_at() {
    check("123-45-6789 4111 1111 1111 1111", "[US_SSN] [CREDIT_CARD]");
    check("4111 1111 1111 1111@x.org", "[CREDIT_CARD]");
    check("a@b.io4111111111111111", "a@b.io[CREDIT_CARD]");
    check("jane+4111-1111-1111-1111@x.org", "[EMAIL]");
    check("4111 1111 1111 1111 5555 5555 5555 4444", "[CREDIT_CARD] [CREDIT_CARD]");
    check("1234 5678 4111 1111 1111 1111 1234 5678", "1234 5678 [CREDIT_CARD] 1234 5678");
    check("4111 4111 1111 1111 1111", "4111 [CREDIT_CARD]");
    check(&format!("{} 4111111111111111", "7".repeat(40)), &format!("{} [CREDIT_CARD]", "7".repeat(40)));
    check(r"4111111111111111\u0040x.org", "[EMAIL]");
}

#[test]
fn numbers_that_are_no_cards_stay() {
    for text in [
        "4111111111111112",
        "1234567812345670",
        "411111111111111",
        "41111111111111110000",
        "00004111111111111111",
        "a1x4111111111111111",
        "4111111111111111x",
        "id_4111111111111111",
        "0.4111111111111111",
        "4111111111111111.5",
        "4111   1111   1111    1111",
        "4111--1111--1111--1111",
        "411\n111\n111\n111\n111\n1",
        "4111.111111.111111",
        r"\u4111111111111111",
        r"\u00414111111111111111111111",
        "４１１１１１１１１１１１１１１２",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "1700000000000",
        "550e8400-e29b-41d4-a716-446655440000",
        "9400 1000 0000 0000 0000 00",
        "DE88 3704 0044 0532 0130 00",
    ] {
        check(text, text);
    }
}

#[test]
fn addresses_are_found_without_what_stands_around_them() {
    check("write to jane.doe+x@example.co.uk.", "write to [EMAIL].");
    check("<a@b.io>", "<[EMAIL]>");
    check("mailto:a@b.io?subject=x", "mailto:[EMAIL]?subject=x");
    check("mail=a@b.io&x=1", "mail=[EMAIL]&x=1");
    check("'a@b.io'", "'[EMAIL]'");
    check("**a@b.io**", "**[EMAIL]**");
    check("o'brien@x.org", "[EMAIL]");
    check("...jane@x.org", "...[EMAIL]");
    check("邮箱jane@x.org。", "邮箱[EMAIL]。");
    check("jane@x.org_old", "[EMAIL]_old");
    check("jane@x.xn--p1ai", "[EMAIL]");
    check("4111111111111111@x.org", "[EMAIL]");
    check(r#"{"a":"hi\njane@x.org\n"}"#, r#"{"a":"hi\n[EMAIL]\n"}"#);
    check(r"\u003cjane@x.org\u003e", r"\u003c[EMAIL]\u003e");
    check("jane@x.org@y.org", "[EMAIL]");
    check(&format!("{}@x.org", "a".repeat(70)), &format!("{}[EMAIL]", "a".repeat(6)));
    check(&format!("a@{}.org", "b".repeat(63)), "[EMAIL]");
}

#[test]
fn the_sign_of_an_address_may_be_written_otherwise() {
    check("to jane＠x.org now", "to [EMAIL] now");
    check(r"to jane\u0040x.org now", "to [EMAIL] now");
    check(r"to jane\\u0040x.org now", "to [EMAIL] now");
    check("?to=jane%40x.org&x=1", "?to=[EMAIL]&x=1");
    check("to jane&#64;x.org now", "to [EMAIL] now");
    check(r"\u0040x.org %40 &#64;", r"\u0040x.org %40 &#64;");
}

#[test]
fn what_is_no_address_stays() {
    let long_label = format!("a@{}.org", "b".repeat(64));
    let long_domain = format!("a@{}org", "b.".repeat(130));
    for text in [
        "@abc",
        "info@",
        "info@localhost",
        "abc@x.1",
        "abc@x.c",
        "abc.@x.org",
        "abc@.org",
        "abc@-x.org",
        "a @ b.org",
        "lodash@4.17.21",
        "@app.route",
        "abc@x.org1",
        &long_label,
        &long_domain,
    ] {
        check(text, text);
    }
}

#[test]
fn findings_tell_type_place_and_action() {
    let text = "für 4111111111111111 an a@b.io";
    let findings = all().scan(Direction::Output, text);
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (finding.detector, finding.finding.name(), (finding.start, finding.end), finding.action))
        .collect();
    assert_eq!(
        told,
        [("credit_card", "CREDIT_CARD", (5, 21), Action::Redact), ("email", "EMAIL", (25, 31), Action::Redact)]
    );
    assert_eq!(&text[findings[0].start..findings[0].end], "4111111111111111");
}

#[test]
fn rules_hold_in_their_direction_and_the_strictest_wins() {
    let profile = Profile::compile(&GuardrailProfile::new(
        "mixed",
        vec![
            rule(FindingType::Email, Action::Flag, RuleDirection::Both),
            rule(FindingType::CreditCard, Action::Redact, RuleDirection::Both),
            rule(FindingType::CreditCard, Action::Block, RuleDirection::Output),
        ],
    ))
    .unwrap();
    let check = |direction, text: &str, action, expect: &str, findings: usize| {
        let verdict = profile.apply(direction, text);
        assert_eq!((verdict.action, &*verdict.text, verdict.findings.len()), (action, expect, findings));
    };
    check(Direction::Input, "a@b.io", Action::Flag, "a@b.io", 1);
    check(Direction::Input, "4111111111111111", Action::Redact, "[CREDIT_CARD]", 1);
    check(Direction::Output, "4111111111111111", Action::Block, "[CREDIT_CARD]", 1);
    check(Direction::Input, "4111111111111111@b.io", Action::Redact, "[CREDIT_CARD]", 1);
    check(Direction::Input, "nothing", Action::Allow, "nothing", 0);
}

#[test]
fn a_rule_that_allows_neither_finds_nor_reports() {
    let rules = vec![rule(FindingType::Email, Action::Allow, RuleDirection::Both)];
    let profile = Profile::compile(&GuardrailProfile::new("off", rules)).unwrap();
    assert!(!profile.watches(Direction::Input));
    assert_eq!(profile.apply(Direction::Input, "a@b.io").action, Action::Allow);
}

#[test]
fn a_profile_without_rules_is_refused() {
    let error = Profile::compile(&GuardrailProfile::new("empty", Vec::new())).unwrap_err();
    assert_eq!(error.field, "rules");
}

#[test]
fn a_chain_of_overlapping_findings_is_cut_and_stays_hidden() {
    let chain = "a@b.io".to_string() + &"@b.io".repeat(1000);
    let verdict = all().apply(Direction::Input, &chain);
    assert!(verdict.findings.len() > 1 && verdict.findings.len() < 20);
    assert_eq!(verdict.text, "[EMAIL]".repeat(verdict.findings.len()));
}

#[test]
fn passwords_are_found_by_their_names() {
    for (before, secret, after) in [
        ("password=", "k9mQ2xvL", ""),
        ("\"db_password\": \"", "k9#mQ2x!vL", "\","),
        ("DB_PASSWORD='", "k9mQ2xvL", "'"),
        ("password: str = \"", "k9mQ2xvL", "\""),
        ("var authToken string = \"", "8Kq2Zx7Wm4Pn1Vb9", "\""),
        ("my password is ", "k9mQ2xvL", ", why?"),
        ("password for bob: ", "k9mQ2xvL", ""),
        ("mysql --password ", "k9mQ2xvL", " -h db"),
        ("CREATE USER a IDENTIFIED BY '", "k9mQ2xvL", "';"),
        ("<apiKey>", "8Kq2Zx7Wm4Pn1Vb9", "</apiKey>"),
        ("AWS_SECRET_ACCESS_KEY=", "wZ8qLr2TnXvK5mPd7YbGh3JcFs9AeUo1iNtRxQwE", ""),
        ("AccountKey=", "lJzRc1YdHaAA2KCNJJ1tkYwFmKK6Ygw0NGe170Xu592euJv2wYUtBlV8zqnlcNQSnIYVTkLWntUO1F8j8rQ==", ""),
        ("curl -u admin:", "k9mQ2xvL", " http://x.io"),
        ("Authorization: Basic ", "YWxhZGRpbjpPcGVuU2VzYW1l", ""),
        (r#"{"args":"{\"token\":\""#, "8Kq2Zx7Wm4Pn1Vb9", r#"\"}"}"#),
        ("postgres://app:", "s3cret", "@db:5432/app"),
        ("mongodb+srv://app:", "p@ss!1", "@db/test"),
    ] {
        check(&format!("{before}{secret}{after}"), &format!("{before}[SECRET]{after}"));
    }
}

/// A line of base64 that looks like chance.
const LINE: &str = "MIIEowIBAAKCAQEAx7Zq8vT2mN4pK7wX1yB5dF9gH3jL6rS0cV8eU2iO4aQ7tW1z";

#[test]
fn private_keys_are_found_however_they_are_written() {
    let key = |lines: &[&str], separator: &str| {
        let begin = "-----BEGIN RSA PRIVATE KEY-----";
        [&[begin], lines, &["-----END RSA PRIVATE KEY-----"]].concat().join(separator)
    };
    for separator in [
        "\n",
        "\r\n",
        r"\n",
        r"\r\n",
        r"\\n",
        " ",
        "\n    ",
        "\n> ",
        "\n+",
        "\n-",
        "\n# ",
        "\\n\" +\n  \"",
        "\",\n  \"",
        "<br>",
    ] {
        check(&format!("a {} b", key(&[LINE, LINE, "x4Q="], separator)), "a [SECRET] b");
        check(&format!("a {} b", key(&[LINE, "...", LINE], separator)), "a [SECRET] b");
    }
    check(
        &key(&["Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,0F1E2D3C4B5A69788796A5B4C3D2E1F0", "", LINE], "\n"),
        "[SECRET]",
    );
    check(&key(&["Version: GnuPG v2", "Comment: für mich", "", LINE, "=x4Qa"], "\n"), "[SECRET]");
}

#[test]
fn what_stands_behind_half_a_private_key_stays() {
    let begin = "-----BEGIN PRIVATE KEY-----\n";
    for text in [
        format!("{begin}…é is how such a file begins, {}", "and many words follow it in ordinary prose ".repeat(200)),
        format!("{begin}Here a key would follow: {}", &LINE[20..]),
        format!("{begin}{}", "....".repeat(2000)),
    ] {
        check(&text, &text);
    }
    check(&format!("{begin}{LINE}\n{LINE}\nx4Q=\nand then, an été"), "[SECRET]\nand then, an été");
    check(&format!("{begin}{LINE}\nand then some more words"), "[SECRET]\nand then some more words");
    check(&format!("{begin}{LINE}é{}", "é".repeat(3000)), &format!("[SECRET]é{}", "é".repeat(3000)));
    // Of one that is too long the beginning is found, wherever it is cut.
    for shift in 0..4 {
        let long = format!("{}{begin}{}", "é".repeat(shift), LINE.repeat(63));
        let text = format!("{long}{}", "é".repeat(40));
        let edited = all().apply(Direction::Input, &text).text.into_owned();
        assert!(edited.ends_with(&"é".repeat(40)), "{edited}");
    }
}

#[test]
fn a_number_of_a_thing_is_a_secret_where_its_name_says_so() {
    check("client_secret=7d444840-9dc0-41d1-b245-5ffdce74fad2", "client_secret=[SECRET]");
    let key = format!("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{}", "Kq2Zx7Wm4Pn1Vb9Lt6Rc3Yd8Hf5Gs0J".repeat(2));
    check(&format!("it is {key} ok"), "it is [SECRET] ok");
}

#[test]
fn what_is_named_a_secret_and_is_none_stays() {
    for text in [
        "password = os.environ[\"DB_PASSWORD\"]",
        "password = getpass()",
        "password=your_password_here",
        "password: ${DB_PASSWORD}",
        "password = config.db.password2",
        "The password must be at least 12 characters long.",
        "max_tokens: 4096, token_count = 123456",
        "const key = event.key; if (key === \"Enter\") return",
        "public_key = 8Kq2Zx7Wm4Pn1Vb9",
        "primary_key=8Kq2Zx7Wm4Pn1Vb9",
        "sorted(items, key=lambda item: item.price)",
        "Authorization: Bearer $TOKEN",
        "Authorization: Bearer <token>",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "checksum = \"27a7a9b72ba121f6f1f6c3632b85604cac41aedb5ddc70accbebb6cac83de846\"",
        "\"integrity\": \"sha512-Lcvm7MGST/4fup+ifyKi2hjyIAwcdI4HRgtvTpIUxBRhB+RFtUh8XtDOxUfctVCnhVi+QQj49i91OyvzkJl6cg==\"",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "session: e5d3d961-e31c-4719-9b3e-0730e2d8cfa1",
        "https://host:8080/path?user=a@b",
        "https://{user}:{password}@host/",
        "\"idempotency_key\": \"550e8400-e29b-41d4-a716-446655440000\"",
        "\"auth_request\": \"7d444840-9dc0-41d1-b245-5ffdce74fad2\"",
        "\"authorized_at\": \"2024-03-17T14:25:36Z\"",
        "\"key_created_at\": \"2024-03-17T14:25:36.123+02:00\"",
        "\"token_issued\": \"2024-03-17T14:25:36Z\"",
        "\"key_id\": \"9f8Qz2Lm4Rt7Xc1V\"",
        "\"nextPageToken\": \"CAoQAhoYMS45ZjhRejJMbTRSdDdYYzFW\"",
        "\"key_fingerprint\": \"16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48\"",
        "MIIEvDCCA6SgAwIBAgIQZ9f8Qz2Lm4Rt7Xc1VbN5pKw3DyT6uEhGjSa0iOrPzMxCl",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PRIVATE KEY-----\nanything\n-----END PRIVATE KEY-----",
    ] {
        check(text, text);
    }
}

#[test]
fn numbers_of_persons_are_found_where_their_form_or_their_words_tell() {
    check("021000021", "[US_BANK_ROUTING]");
    check("Wire to ABA 021000021.", "Wire to ABA [US_BANK_ROUTING].");
    check("taxpayer id 988-70-1234", "taxpayer id [US_ITIN]");
    check("my NHS number is 9434765919", "my NHS number is [UK_NHS]");
    check("pay 9876543210@ybl today", "pay [IN_UPI] today");
    check(r#"{"to":"a\nrahul@oksbi"}"#, r#"{"to":"a\n[IN_UPI]"}"#);
    check("Passport: X12345678", "Passport: [PASSPORT]");
    check("driving licence MORGA657054SM9IJ", "driving licence [DRIVER_LICENSE]");
    check("date of birth is 4.3.1971", "date of birth is [DATE_OF_BIRTH]");
    check("insurance policy number HX4419273", "insurance policy number [INSURANCE_NUMBER]");
}

#[test]
fn numbers_of_nobody_stay() {
    for text in [
        "the number is 021000021",
        "routing 021000022",
        "912-40-3456",
        "NHS number 9434765918",
        "order 9434765919 for the NHS",
        "27AAPFU0939F1ZA",
        "99AAPFU0939F1ZVX",
        "SBIN1001234",
        "ask @jane or jane@work about lodash@latest",
        "info@upi.1",
        "tests passed: 12abc34",
        "QQ123456C",
        "GB123456A",
        "AB123456E",
        "renew my passport before 2031",
        "passport office, ticket K1234567",
        "the driver version 1234567",
        "license key 1234567",
        "the policy of 1234567 members",
        "born in 1984, paid on 31/12/1984 and 12/31/2024",
        "born on 45/13/1984",
        "1M8GDM9A1KP042788",
        "11111111111111111",
    ] {
        check(text, text);
    }
}

#[test]
fn a_rule_in_shadow_tells_and_changes_nothing() {
    let shadow =
        |action| GuardrailRule { mode: RuleMode::Shadow, ..rule(FindingType::Email, action, RuleDirection::Both) };
    let text = "4111111111111111@b.io and a@b.io";
    let told = |rules: Vec<GuardrailRule>| {
        let profile = Profile::compile(&GuardrailProfile::new("shadow", rules)).unwrap();
        let verdict = profile.apply(Direction::Input, text);
        let findings: Vec<_> = verdict.findings.iter().map(|it| (it.start, it.action, it.would)).collect();
        (verdict.action, verdict.text.into_owned(), findings)
    };
    let card = rule(FindingType::CreditCard, Action::Redact, RuleDirection::Both);
    let (would, nothing) = (Some(Action::Block), Action::Allow);
    assert_eq!(
        told(vec![shadow(Action::Block)]),
        (nothing, text.into(), vec![(0, nothing, would), (26, nothing, would)])
    );
    // What is redacted is redacted as if the other rule were not there.
    assert_eq!(
        told(vec![card, shadow(Action::Block)]),
        (
            Action::Redact,
            "[CREDIT_CARD]@b.io and a@b.io".into(),
            vec![(0, Action::Redact, None), (0, nothing, would), (26, nothing, would)]
        )
    );
}

#[test]
fn a_threshold_leaves_out_what_is_less_sure() {
    let check = |threshold: u32, expect: &str| {
        let threshold = Threshold::of_hundredths(threshold).unwrap();
        let rule = GuardrailRule { threshold, ..rule(FindingType::Email, Action::Redact, RuleDirection::Both) };
        let profile = Profile::compile(&GuardrailProfile::new("threshold", vec![rule])).unwrap();
        let verdict = profile.apply(Direction::Input, "a@b.io");
        let score = verdict.findings.first().map_or(0.0, |finding| finding.score);
        assert!(score == 0.0 || score * 100.0 >= threshold.hundredths().into());
        assert_eq!(verdict.text, expect);
    };
    check(90, "[EMAIL]");
    check(100, "a@b.io");
}

#[test]
fn what_is_redacted_may_keep_its_form() {
    let check = |form, text: &str, expect: &str| {
        let rule = GuardrailRule { form, ..rule(FindingType::CreditCard, Action::Redact, RuleDirection::Both) };
        let profile = Profile::compile(&GuardrailProfile::new("forms", vec![rule])).unwrap();
        assert_eq!(profile.apply(Direction::Output, text).text, expect);
        let mut stream = TextStream::default();
        let mut passed = String::new();
        for piece in text.as_bytes().chunks(3) {
            passed += &stream.push(&profile, Direction::Output, std::str::from_utf8(piece).unwrap()).text;
        }
        passed += &stream.finish(&profile, Direction::Output).text;
        assert_eq!(passed, expect, "in pieces");
    };
    let mask = RedactForm::Mask { keep_last: 4 };
    check(mask, "card 4111 1111 1111 1111.", "card **** **** **** 1111.");
    check(RedactForm::Format, "card 4111 1111 1111 1111.", "card 0000 0000 0000 0000.");
    // A number of JSON's would be none with these.
    check(mask, r#"{"card": 4111111111111111}"#, r#"{"card": "************1111"}"#);
    check(RedactForm::Format, r#"{"card": 4111111111111111}"#, r#"{"card": "0000000000000000"}"#);
}
