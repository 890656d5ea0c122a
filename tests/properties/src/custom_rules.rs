//! What an administrator looks for, whatever they write, in whatever text.

use weir_config::{
    Action, Check as _, CustomKind, CustomRule, Entries, FindingType, GuardrailProfile, GuardrailRule, RuleDirection,
};
use weir_guardrails::{Direction, Profile, check_custom};

use crate::detectors::{check_findings, in_pieces};
use crate::input::{choice, pieces};

/// The first byte chooses what the entries are, and the pieces; the first line are the entries, the rest is the text.
///
/// What is refused is refused, and what is kept finds in pieces what it finds in the whole.
pub fn check(data: &[u8]) {
    let (bits, rest) = choice(data);
    let rest = String::from_utf8_lossy(rest);
    let Some((line, text)) = rest.split_once('\n') else { return };
    let kind = match bits & 3 {
        0 => CustomKind::Keywords,
        1 => CustomKind::Hosts,
        _ => CustomKind::Patterns,
    };
    let entries = match kind {
        CustomKind::Patterns => vec![line.to_owned()],
        CustomKind::Keywords | CustomKind::Hosts => line.split(',').map(str::to_owned).collect(),
    };
    let custom = CustomRule {
        name: "of the fuzzer".into(),
        kind,
        entries: Entries::new(entries),
        case_sensitive: bits & 4 != 0,
        parts_of_words: kind == CustomKind::Keywords && bits & 8 != 0,
    };
    if custom.check().is_err() || check_custom(&custom).is_err() {
        return;
    }
    let plain = GuardrailRule::new(FindingType::Custom, Action::Redact, RuleDirection::Both);
    let profile = GuardrailProfile::new("custom", vec![GuardrailRule { custom: Some(custom), ..plain }]);
    let Ok(profile) = Profile::compile(&profile) else { return };
    let whole = profile.apply(Direction::Output, text);
    check_findings(text, &whole.findings);
    for pieces in [pieces(text.as_bytes(), bits), text.as_bytes().chunks(1).collect()] {
        let (passed, findings, _) = in_pieces(&profile, &pieces);
        assert_eq!((passed.as_str(), &findings), (whole.text.as_ref(), &whole.findings));
    }
}
