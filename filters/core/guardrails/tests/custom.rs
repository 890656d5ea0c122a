//! What administrators look for, and texts that are written otherwise than they are read.

use proptest::prelude::*;
use weir_config::{
    Action, CustomKind, CustomRule, Entries, FindingType, GuardrailProfile, GuardrailRule, RuleDirection,
};
use weir_guardrails::stream::{MOST_HELD, TextStream};
use weir_guardrails::{Direction, Finding, Profile, all_rules, check_custom};

fn custom(name: &str, kind: CustomKind, entries: &[&str]) -> CustomRule {
    let entries = Entries::new(entries.iter().map(|entry| (*entry).to_owned()).collect());
    CustomRule { name: name.into(), kind, entries, case_sensitive: false, parts_of_words: false }
}

fn rule(custom: CustomRule) -> GuardrailRule {
    let plain = GuardrailRule::new(FindingType::Custom, Action::Redact, RuleDirection::Both);
    GuardrailRule { custom: Some(custom), ..plain }
}

fn profile(rules: Vec<GuardrailRule>) -> Profile {
    Profile::compile(&GuardrailProfile::new("custom", rules)).unwrap()
}

fn mixed() -> Profile {
    let mut rules = all_rules();
    rules.extend([
        rule(custom("competitors", CustomKind::Keywords, &["Acme", "acme corp", "競合"])),
        rule(custom("hosts", CustomKind::Hosts, &["evil.example"])),
        rule(custom("numbers", CustomKind::Patterns, &[r"\bEMP-\d{4,6}\b", "x{3}y?"])),
    ]);
    profile(rules)
}

#[test]
fn each_kind_finds_what_it_says_and_tells_by_which_rule() {
    let profile = profile(vec![
        rule(custom("competitors", CustomKind::Keywords, &["Acme", "acme corp"])),
        rule(custom("hosts", CustomKind::Hosts, &["evil.example"])),
        rule(custom("numbers", CustomKind::Patterns, &[r"\bEMP-\d{4,6}\b"])),
    ]);
    let check = |text: &str, expect: &str, rules: &[&str]| {
        let verdict = profile.apply(Direction::Input, text);
        assert_eq!(verdict.text, expect, "in {text:?}");
        let told: Vec<_> = verdict.findings.iter().map(|finding| profile.detector_of(finding)).collect();
        assert_eq!(told, rules, "in {text:?}");
    };
    check("Acme Corp and ACME", "[CUSTOM] and [CUSTOM]", &["competitors"; 2]);
    check("see https://a.evil.example/x", "see https://a.[CUSTOM]/x", &["hosts"]);
    check("emp-12345", "[CUSTOM]", &["numbers"]);
    check("ＡＣＭＥ, А\u{200b}сме, 𝐀𝐜𝐦𝐞", "[CUSTOM], [CUSTOM], [CUSTOM]", &["competitors"; 3]);
    check("pacme EMP-1 evil.example.org", "pacme EMP-1 evil.example.org", &[]);
}

#[test]
fn what_is_written_otherwise_is_found_by_detectors_too() {
    let profile = profile(all_rules());
    let check =
        |text: &str, expect: &str| assert_eq!(profile.apply(Direction::Input, text).text, expect, "in {text:?}");
    check("ｊｏｅ＠ｅｘａｍｐｌｅ．ｃｏｍ!", "[EMAIL]!");
    check("jo\u{200b}e@exam\u{2060}ple.com", "[EMAIL]");
    check("ＡＢＣＰＥ１２３４Ｆ", "[IN_PAN]");
    check("ＳＳＮ 123456788", "ＳＳＮ [US_SSN]");
    check("DE\u{200d}89370400440532013000", "[IBAN]");
}

/// What stands beside a number, or within it, hides it no more than it did before characters were read as others.
#[test]
fn no_character_hides_what_it_stands_beside() {
    let profile = profile(all_rules());
    let check =
        |text: &str, expect: &str| assert_eq!(profile.apply(Direction::Input, text).text, expect, "in {text:?}");
    check("4111111111111111²", "[CREDIT_CARD]²");
    check("①4111 1111 1111 1111", "①[CREDIT_CARD]");
    check("⒈4111111111111111", "⒈[CREDIT_CARD]");
    check("4111111111111111™", "[CREDIT_CARD]™");
    check("4111111111111111º", "[CREDIT_CARD]º");
    check("4111111111111111㎏", "[CREDIT_CARD]㎏");
    check("SSN ①123-45-6789", "SSN ①[US_SSN]");
    check("DE89370400440532013000²", "[IBAN]²");
    check("4111111111111111\u{200b}5", "[CREDIT_CARD]\u{200b}5");
    check("4111111111111111Ａ", "[CREDIT_CARD]Ａ");
    check("4111\u{3164}1111\u{ffa0}1111\u{115f}1111", "[CREDIT_CARD]");
}

#[test]
fn what_cannot_be_looked_for_is_refused_with_its_field_and_place() {
    let refused = check_custom(&custom("p", CustomKind::Patterns, &["ok", "a(b"])).unwrap_err();
    assert_eq!((refused.field.as_str(), refused.reason.as_str()), ("entries.1", "unclosed group, at character 2"));
    let rules = vec![rule(custom("p", CustomKind::Patterns, &["(a+)+$"]))];
    let refused = Profile::compile(&GuardrailProfile::new("p", rules)).unwrap_err();
    assert_eq!(refused.field, "rules.0.custom.entries.0");
}

#[test]
fn twenty_thousand_words_are_ready_at_once_and_cost_little() {
    let words: Vec<_> =
        (0..20_000_u32).map(|number| format!("word{:x} of{number}", number.wrapping_mul(2_654_435_761))).collect();
    let entries = Entries::new(words.clone());
    let list = CustomRule { entries, ..custom("many", CustomKind::Keywords, &[]) };
    let started = std::time::Instant::now();
    let profile = profile(vec![rule(list)]);
    println!("20,000 words are ready after {:?}", started.elapsed());
    assert!(started.elapsed() < std::time::Duration::from_secs(1), "{:?}", started.elapsed());
    let text = format!("a text with {} in it", words[12_345]);
    assert_eq!(profile.apply(Direction::Input, &text).text, "a text with [CUSTOM] in it");
}

/// What passes of a stream, what was found, and what it would be of the whole.
fn check_pieces(profile: &Profile, pieces: &[&str]) {
    let whole: String = pieces.concat();
    let verdict = profile.apply(Direction::Output, &whole);
    let mut stream = TextStream::default();
    let (mut text, mut findings) = (String::new(), Vec::<Finding>::new());
    let mut take = |released: weir_guardrails::stream::Released| {
        text += &released.text;
        findings.extend(released.findings);
    };
    for piece in pieces {
        take(stream.push(profile, Direction::Output, piece));
        assert!(stream.held() <= MOST_HELD);
    }
    take(stream.finish(profile, Direction::Output));
    assert_eq!((text.as_str(), &findings), (&*verdict.text, &verdict.findings), "{pieces:?}");
    for finding in &findings {
        assert!(whole.get(finding.start..finding.end).is_some(), "a finding cuts a character: {finding:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However a text is divided, the same is found as in the whole.
    #[test]
    fn every_division_finds_the_same(
        words in prop::collection::vec(prop::sample::select(vec![
            "Acme", "acme", " corp", "АсМе", "競合", "他社", "evil.example", "a.", "EMP-", "12345", "xxx", "xxxy", "\u{200b}",
            "\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}", "ｊｏｅ", "joe", "@", "＠", "example.com", "ﬁ", " ", "  ", "\n", ", ",
            "4111 1111 1111 1111", "４１１１", "٤١١١", "é", "E\u{301}", "SSN ", "mac ", "00:1A:2b", ":3c:4d:5e", "born 12 March ", "1985",
            "location 40.71280, ", "-74.00600", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "AB 12 34 ", "56 C", "\\u0034111",
        ]), 1..14),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        thread_local!(static MIXED: Profile = mixed());
        let whole = words.concat();
        let mut places: Vec<_> = whole.char_indices().map(|(at, _)| at).collect();
        places.push(whole.len());
        let mut cuts: Vec<_> = cuts.iter().map(|cut| *cut.get(&places)).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
        MIXED.with(|profile| check_pieces(profile, &pieces));
    }
}
