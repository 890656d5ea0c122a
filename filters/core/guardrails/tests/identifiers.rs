//! What is found of devices, wallets, places, papers and dates, whole and in pieces.

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
fn addresses_of_wallets_are_found_by_their_checks() {
    let check = |text, expect| check(FindingType::CryptoWallet, text, expect);
    // The first block's reward; BIP 13; BIP 173; BIP 350; EIP-55.
    check("pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa now", "pay [CRYPTO_WALLET] now");
    check("3P14159f73E4gFr7JterCCQh9QjiTjiZrG.", "[CRYPTO_WALLET].");
    check("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "[CRYPTO_WALLET]");
    check("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "[CRYPTO_WALLET]");
    check("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0,", "[CRYPTO_WALLET],");
    check("to 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "to [CRYPTO_WALLET]");
    check("wallet 0xde709f2102306220921060314715629080e2fb77", "wallet [CRYPTO_WALLET]");
    for wrong in [
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
        "tx 0xde709f2102306220921060314715629080e2fb77",
        "commit de709f2102306220921060314715629080e2fb77",
        "1st, 3rd, 1a, 0x1f and bc1",
    ] {
        check(wrong, wrong);
    }
}

#[test]
fn addresses_of_interfaces_are_found() {
    let check = |text, expect| check(FindingType::MacAddress, text, expect);
    check("00:1A:2b:3c:4d:5e is up", "[MAC_ADDRESS] is up");
    check("mac:a0:1A:2b:3c:4d:5e", "mac:[MAC_ADDRESS]");
    check("(00-1A-2B-3C-4D-5E)", "([MAC_ADDRESS])");
    check("mac 00:11:22:33:44:55.", "mac [MAC_ADDRESS].");
    for other in [
        "10:20:30:40:50:60",
        "ff:ff:ff:ff:ff:ff",
        "00:1A:2b:3c:4d:5e:6f",
        "00:1A:2b:3c:4d:5e.7",
        "1b:16:27:ac:a5:76:28:2d",
        "00:1A:2b-3c:4d:5e",
        "00:1A:2b:3c:4d:5g",
        "2001:db8::1a:2b",
        "a-b-c, well-known, 12:30",
    ] {
        check(other, other);
    }
}

#[test]
fn places_are_found_behind_words_that_say_so() {
    let check = |text, expect| check(FindingType::GpsCoordinates, text, expect);
    check("location: 40.71280, -74.00600.", "location: [GPS_COORDINATES].");
    check(r#"{"lat": 48.858370, "lng": -2.294481}"#, r#"{"lat": "[GPS_COORDINATES]", "lng": "[GPS_COORDINATES]"}"#);
    check("gps -33.8688 151.2093", "gps [GPS_COORDINATES]");
    check("GPS: 40.71280° N, 74.00600° W", "GPS: [GPS_COORDINATES]° W");
    check("lat,lon 40.71280,-74.00600,17", "lat,lon [GPS_COORDINATES],[GPS_COORDINATES],17");
    for other in [
        "0.12345, 0.67890, 0.13579",
        "location 40.7128",
        "location 195.12345, 20.12345",
        "gps 40.71, -74.00",
        "lat 1.2345.6.7",
        "latency 40.71280",
    ] {
        check(other, other);
    }
}

#[test]
fn the_lines_of_cards_are_found_by_their_check_digits() {
    let check = |text: &str, expect: &str| check(FindingType::Passport, text, expect);
    // ICAO Doc 9303-5, appendix B.
    let lines = ["I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"];
    check(&format!("card\n{}\nthanks", lines.join("\n")), "card\n[PASSPORT]\nthanks");
    check(&lines.join("\r\n"), "[PASSPORT]");
    check(&format!(r#"{{"mrz": "{}"}}"#, lines.join(r"\n")), r#"{"mrz": "[PASSPORT]"}"#);
    check(&format!("{}\n{}\n{}X", lines[0], lines[1], lines[2]), &format!("[PASSPORT]\n{}X", lines[2]));
    let wrong = [lines[0], &lines[1].replace("<6", "<7"), lines[2]].join("\n");
    check(&wrong, &wrong);
    // The second one alone says nothing that is checked.
    check(lines[1], lines[1]);
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
