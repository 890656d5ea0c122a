//! What is found of papers and dates, whole and in pieces.

use weir_config::{Action, FindingType, GuardrailProfile, GuardrailRule, RuleDirection};
use weir_guardrails::stream::TextStream;
use weir_guardrails::{Direction, Profile};

/// Redacts one type, in a whole text and in a stream that is split at every place.
#[track_caller]
fn check(finding: FindingType, text: &str, expect: &str) {
    let rule = GuardrailRule::new(finding, Action::Redact, RuleDirection::Both);
    let profile = Profile::compile(&GuardrailProfile::new("one", vec![rule])).unwrap();
    assert_eq!(profile.apply(Direction::Output, text).text, expect, "in {text:?}");
    for (at, _) in text.char_indices() {
        let mut stream = TextStream::default();
        let mut passed = stream.push(&profile, Direction::Output, &text[..at]).text;
        passed += &stream.push(&profile, Direction::Output, &text[at..]).text;
        passed += &stream.finish(&profile, Direction::Output).text;
        assert_eq!(passed, expect, "{text:?} split at {at}");
    }
    let mut stream = TextStream::default();
    let mut passed = String::new();
    for character in text.chars() {
        passed += &stream.push(&profile, Direction::Output, character.encode_utf8(&mut [0; 4])).text;
    }
    passed += &stream.finish(&profile, Direction::Output).text;
    assert_eq!(passed, expect, "{text:?} a character at a time");
}

#[test]
fn the_lines_of_passports_are_found_by_their_check_digits() {
    let check = |text: &str, expect: &str| check(FindingType::Passport, text, expect);
    // ICAO Doc 9303-4, appendix B.
    let first = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<";
    let second = "L898902C36UTO7408122F1204159ZE184226B<<<<<10";
    check(&format!("MRZ:\n{first}\n{second}\nthanks"), "MRZ:\n[PASSPORT]\nthanks");
    check(&format!(r#"{{"mrz": "{first}\n{second}"}}"#), r#"{"mrz": "[PASSPORT]"}"#);
    check(second, "[PASSPORT]");
    let wrong = second.replace("740812", "740813");
    check(&wrong, &wrong);
}

#[test]
fn insurance_numbers_are_found_in_pairs_too() {
    let check = |text, expect| check(FindingType::UkNino, text, expect);
    check("NI number AB 12 34 56 C.", "NI number [UK_NINO].");
    check("AB123456C", "[UK_NINO]");
    for other in ["GB 12 34 56 C", "AB 12 34 56 E", "AB 12 34 56 CX", "ab 12 34 56 c", "XX 12 34 56"] {
        check(other, other);
    }
}

#[test]
fn dates_of_birth_are_found_with_months_by_name() {
    let check = |text, expect| check(FindingType::DateOfBirth, text, expect);
    check("born on 12 March 1985 in Rome", "born on [DATE_OF_BIRTH] in Rome");
    check("DOB: March 12, 1985", "DOB: [DATE_OF_BIRTH]");
    check("date of birth 1st of September 1990.", "date of birth [DATE_OF_BIRTH].");
    check("born 3 Dec 2001", "born [DATE_OF_BIRTH]");
    check("born 12/03/1985", "born [DATE_OF_BIRTH]");
    for other in
        ["due on 12 March 1985", "born in March 1985", "born 32 March 1985", "born maybe 12 1985", "born and marched"]
    {
        check(other, other);
    }
}
