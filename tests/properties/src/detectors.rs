//! The detectors, on a whole text and on one in pieces.

use std::cell::RefCell;

use weir_config::{Action, FindingType, GuardrailProfile, GuardrailRule, RuleDirection};
use weir_guardrails::stream::{MOST_HELD, TextStream};
use weir_guardrails::{Direction, Finding, Profile};

use crate::input::{choice, pieces};

thread_local! {
    /// Profiles by their actions: making one ready takes far longer than scanning a text.
    static READY: RefCell<Vec<((Action, Action), Profile)>> = const { RefCell::new(Vec::new()) };
}

/// The first byte chooses actions and pieces; the rest is the text.
///
/// In pieces a text gives what it gives whole, as far as it may pass, and never more than the bound is held back. What is
/// redacted is gone: the same scan finds nothing in the text that passes.
pub fn check(data: &[u8]) {
    let (bits, text) = choice(data);
    let text = String::from_utf8_lossy(text);
    let profile = profile(Action::ALL[usize::from(bits & 3)], Action::ALL[usize::from(bits >> 2 & 3)]);
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

/// What is found in a text from which all was redacted. What stands in one word with a placeholder is not counted: a name that
/// was too long to be one may be short enough once a part of it is replaced.
pub(crate) fn unredacted(text: &str) -> Vec<Finding> {
    let mut findings = redacting().apply(Direction::Output, text).findings;
    let in_a_word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_');
    findings.retain(|finding| {
        let (before, after) = (&text[..finding.start], &text[finding.end..]);
        !after.trim_start_matches(in_a_word).starts_with('[') && !before.trim_end_matches(in_a_word).ends_with(']')
    });
    findings
}

/// A profile that redacts whatever any detector finds.
fn redacting() -> Profile {
    profile(Action::Redact, Action::Redact)
}

/// A profile with these actions for payment cards and e-mail addresses, in both directions.
fn profile(card: Action, email: Action) -> Profile {
    READY.with_borrow_mut(|ready| {
        let known = ready.iter().find(|(actions, _)| *actions == (card, email)).map(|(_, profile)| profile.clone());
        known.unwrap_or_else(|| {
            let profile = Profile::compile(&rules(card, email)).expect("a profile with rules is good");
            ready.push(((card, email), profile.clone()));
            profile
        })
    })
}

/// The same, as an administrator writes it.
pub fn rules(card: Action, email: Action) -> GuardrailProfile {
    let rule = |finding, action| GuardrailRule { finding, action, direction: RuleDirection::Both };
    let rules = vec![rule(FindingType::CreditCard, card), rule(FindingType::Email, email)];
    GuardrailProfile { name: "test".into(), rules }
}

fn check_findings(text: &str, findings: &[Finding]) {
    let mut last = 0;
    for finding in findings {
        assert!(last <= finding.start && finding.start < finding.end, "findings overlap");
        assert!(text.get(finding.start..finding.end).is_some(), "a finding cuts a character");
        last = finding.end;
    }
}

/// What passed, what was found, whether it was blocked. Pieces are cut to whole characters, as an event has them.
fn in_pieces(profile: &Profile, pieces: &[&[u8]]) -> (String, Vec<Finding>, bool) {
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
