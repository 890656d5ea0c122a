//! The detectors, on a whole text and on one in pieces.

use std::cell::RefCell;

use weir_config::{
    Action, CustomKind, CustomRule, Entries, FindingType, GuardrailProfile, GuardrailRule, RuleDirection,
};
use weir_guardrails::stream::{MOST_HELD, TextStream};
use weir_guardrails::{Direction, Finding, Profile};

use crate::input::{choice, pieces};

/// What is done with payment cards, e-mail addresses and everything else.
type Actions = (Action, Action, Action);

thread_local! {
    /// Profiles by their actions: making one ready takes far longer than scanning a text.
    static READY: RefCell<Vec<(Actions, Profile)>> = const { RefCell::new(Vec::new()) };
}

/// The first byte chooses actions and pieces; the rest is the text.
///
/// In pieces a text gives what it gives whole, as far as it may pass, and never more than the bound is held back. What is
/// redacted is gone: the same scan finds nothing in the text that passes.
pub fn check(data: &[u8]) {
    let (bits, text) = choice(data);
    let text = String::from_utf8_lossy(text);
    let action = |shift: u8| Action::ALL[usize::from(bits >> shift & 3)];
    let profile = profile(action(0), action(2), action(4));
    let whole = profile.apply(Direction::Output, &text);
    check_findings(&text, &whole.findings);
    for pieces in [pieces(text.as_bytes(), bits), text.as_bytes().chunks(1).collect()] {
        let (passed, findings, blocked) = in_pieces(&profile, &pieces);
        let block = whole.findings.iter().position(|finding| finding.action == Action::Block);
        assert_eq!(blocked, block.is_some());
        match block {
            None => assert_eq!((passed.as_str(), &findings), (whole.text.as_ref(), &whole.findings)),
            Some(index) => {
                assert_eq!(findings, whole.findings[..=index]);
                assert!(whole.text.starts_with(&passed), "something behind the finding that blocks has passed");
            }
        }
    }
    let redacted = redacting().apply(Direction::Input, &text).text.into_owned();
    let left = unredacted(&redacted);
    assert!(left.is_empty(), "{redacted:?} still holds {left:?}");
}

/// What is found in a text from which all was redacted. What touches a placeholder is not counted, nor what is found only
/// because a placeholder is shorter than what it stands for. Where a word runs into a placeholder, it had run into a local part
/// of more than 64 bytes, of which the last 64 are taken: as a domain's label it was too long, and what is left of it may not be.
pub(crate) fn unredacted(text: &str) -> Vec<Finding> {
    let mut findings = redacting().apply(Direction::Output, text).findings;
    findings.retain(|finding| !text[finding.end..].starts_with('[') && !text[..finding.start].ends_with(']'));
    if findings.is_empty() {
        return findings;
    }
    let as_long = text.replace("[EMAIL]", &"x".repeat(LONGEST_LABEL + 1));
    let still: Vec<String> = redacting()
        .apply(Direction::Output, &as_long)
        .findings
        .iter()
        .map(|it| as_long[it.start..it.end].into())
        .collect();
    findings.retain(|finding| still.iter().any(|found| found.ends_with(&text[finding.start..finding.end])));
    findings
}

/// Of a domain name, in bytes (RFC 1035 section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// A profile that redacts what is found whatever stands before it. Of other types words before them decide, and a placeholder brings
/// those nearer.
fn redacting() -> Profile {
    profile(Action::Redact, Action::Redact, Action::Allow)
}

/// A profile with these actions for payment cards, e-mail addresses and everything else, in both directions.
fn profile(card: Action, email: Action, others: Action) -> Profile {
    let actions = (card, email, others);
    READY.with_borrow_mut(|ready| {
        let known = ready.iter().find(|(of, _)| *of == actions).map(|(_, profile)| profile.clone());
        known.unwrap_or_else(|| {
            let mut profile = rules(card, email);
            let rule = |finding| GuardrailRule::new(finding, others, RuleDirection::Both);
            let is_other = |finding: &FindingType| !matches!(finding, FindingType::CreditCard | FindingType::Email);
            profile.rules.extend(FindingType::ALL.into_iter().filter(is_other).map(rule));
            profile
                .rules
                .extend(custom().map(|custom| GuardrailRule { custom: Some(custom), ..rule(FindingType::Custom) }));
            let profile = Profile::compile(&profile).expect("a profile with rules is good");
            ready.push((actions, profile.clone()));
            profile
        })
    })
}

/// What an administrator looks for, of each kind.
fn custom() -> [CustomRule; 3] {
    let rule = |kind: CustomKind, entries: &[&str]| CustomRule {
        name: kind.name().into(),
        kind,
        entries: Entries::new(entries.iter().map(|entry| (*entry).to_owned()).collect()),
        case_sensitive: false,
        parts_of_words: false,
    };
    [
        rule(CustomKind::Keywords, &["x", "a b", "ß", "acme corp"]),
        rule(CustomKind::Hosts, &["b.io"]),
        rule(CustomKind::Patterns, &[r"\b[0-9]{2}-[a-z]{1,3}", "aa?"]),
    ]
}

/// The same, as an administrator writes it.
pub fn rules(card: Action, email: Action) -> GuardrailProfile {
    let rule = |finding, action| GuardrailRule::new(finding, action, RuleDirection::Both);
    let rules = vec![rule(FindingType::CreditCard, card), rule(FindingType::Email, email)];
    GuardrailProfile::new("test", rules)
}

pub(crate) fn check_findings(text: &str, findings: &[Finding]) {
    let mut last = 0;
    for finding in findings {
        assert!(last <= finding.start && finding.start < finding.end, "findings overlap");
        assert!(text.get(finding.start..finding.end).is_some(), "a finding cuts a character");
        last = finding.end;
    }
}

/// What passed, what was found, whether it was blocked. Pieces are cut to whole characters, as an event has them.
pub(crate) fn in_pieces(profile: &Profile, pieces: &[&[u8]]) -> (String, Vec<Finding>, bool) {
    let mut stream = TextStream::default();
    let (mut passed, mut findings, mut blocked) = (String::new(), Vec::new(), false);
    let mut rest: Vec<u8> = Vec::new();
    for piece in pieces {
        rest.extend_from_slice(piece);
        let whole = match std::str::from_utf8(&rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8_lossy(&rest[..whole]).into_owned();
        rest.drain(..whole);
        let released = stream.push(profile, Direction::Output, &text);
        assert!(stream.held() <= MOST_HELD, "{} bytes are held", stream.held());
        passed += &released.text;
        findings.extend(released.findings);
        blocked |= released.blocked;
    }
    let released = stream.finish(profile, Direction::Output);
    passed += &released.text;
    findings.extend(released.findings);
    (passed, findings, blocked | released.blocked)
}

#[cfg(test)]
mod tests {
    use super::unredacted;

    #[test]
    fn an_address_counts_although_it_stands_in_one_word_with_a_placeholder() {
        let check = |text: &str, expect: &[&str]| {
            let found: Vec<_> = unredacted(text).iter().map(|finding| &text[finding.start..finding.end]).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("jane@x.org.[EMAIL]", &["jane@x.org"]);
        check("[EMAIL].jane@x.org", &["jane@x.org"]);
        check("[EMAIL] and jane@x.org", &["jane@x.org"]);
        // Their last labels had more bytes than a label may.
        check("jane@x.org-b[EMAIL]", &[]);
        check("se15@x.osBBBBBBBBBBBBBBB-7BBBB[EMAIL]", &[]);
    }
}
