//! What becomes of a finding, by the rules for its type.

use weir_config::{Action, GuardrailRule, RedactForm, Threshold};
use weir_exchange::FindingDigest;

/// What one rule makes of a finding, or the strictest of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Consequence {
    /// What happens; nothing in shadow.
    pub(crate) action: Action,
    /// What would have happened, of a rule that only tells.
    pub(crate) would: Option<Action>,
    /// What stands in its place, if anything does.
    pub(crate) form: RedactForm,
}

impl Consequence {
    /// Whether something is replaced or refused.
    pub(crate) fn acts(self) -> bool {
        self.action >= Action::Redact
    }

    /// Whether it only tells.
    pub(crate) fn is_shadow(self) -> bool {
        self.would.is_some()
    }
}

/// The rules for one type in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Consequences(Vec<(Threshold, Consequence)>);

impl Consequences {
    /// Of these rules; `None` if none of them does anything.
    pub(crate) fn of<'a>(rules: impl Iterator<Item = &'a GuardrailRule>) -> Option<Self> {
        let consequence = |rule: &GuardrailRule| {
            let (action, would) =
                if rule.mode.is_enforce() { (rule.action, None) } else { (Action::Allow, Some(rule.action)) };
            (rule.threshold, Consequence { action, would, form: rule.form })
        };
        let consequences: Vec<_> = rules.filter(|rule| rule.action != Action::Allow).map(consequence).collect();
        (!consequences.is_empty()).then_some(Self(consequences))
    }

    /// What becomes of a finding with this score, in hundredths: the strictest of what is done, and of what would have been.
    pub(crate) fn of_score(&self, score: u8) -> impl Iterator<Item = Consequence> + use<> {
        let strictest = |is_shadow: bool| {
            let reached = self.0.iter().filter(|(threshold, _)| threshold.hundredths() <= score);
            reached.map(|(_, consequence)| *consequence).filter(|it| it.is_shadow() == is_shadow).max()
        };
        [strictest(false), strictest(true)].into_iter().flatten()
    }

    /// The strictest of what may happen.
    pub(crate) fn strictest(&self) -> Option<Action> {
        self.0.iter().map(|(_, consequence)| consequence.action).max()
    }
}

/// Bytes of a digest that stand in the place of what was found: among a thousand million findings few are alike by chance.
const HASH_BYTES: usize = 6;

/// What stands in the place of what was found.
pub(crate) fn replacement(
    found: &str,
    placeholder: &'static str,
    form: RedactForm,
    digest: Option<&FindingDigest>,
) -> String {
    if let (RedactForm::Hash, Some(digest)) = (form, digest) {
        let name = placeholder.trim_end_matches(']');
        let hash = digest.bytes.iter().take(HASH_BYTES);
        return hash.fold(format!("{name}_"), |text, byte| format!("{text}{byte:02x}")) + "]";
    }
    let is_sign = |character: &char| character.is_alphanumeric();
    let signs = found.chars().filter(is_sign).count();
    // Letters of an escape are none of the finding's.
    if matches!(form, RedactForm::Type | RedactForm::Hash | RedactForm::Pseudonym) || signs == 0 || found.contains('\\')
    {
        return placeholder.into();
    }
    let kept = usize::from(form.keep_last()).min(signs / 3);
    let mut left = signs.saturating_sub(kept);
    let covered = |character: char| {
        if !character.is_alphanumeric() || left == 0 {
            return character;
        }
        left = left.saturating_sub(1);
        match form {
            RedactForm::Mask { .. } | RedactForm::Type | RedactForm::Hash | RedactForm::Pseudonym => '*',
            RedactForm::Format if character.is_numeric() => '0',
            RedactForm::Format if character.is_uppercase() => 'X',
            RedactForm::Format => 'x',
        }
    };
    found.chars().map(covered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_config::{FindingType, RuleDirection, RuleMode};

    #[test]
    fn forms_keep_what_they_say() {
        let check =
            |found: &str, form, expect: &str| assert_eq!(replacement(found, "[T]", form, None), expect, "{found}");
        check("4111 1111-1111 1234", RedactForm::Mask { keep_last: 4 }, "**** ****-**** 1234");
        check("a@b.io", RedactForm::Mask { keep_last: 4 }, "*@*.*o");
        check("٤١١١ äb", RedactForm::Mask { keep_last: 0 }, "**** **");
        check("DE89 3704 ab", RedactForm::Format, "XX00 0000 xx");
        check("4111", RedactForm::Type, "[T]");
        // Its escapes would be broken.
        check(r"\u0034111", RedactForm::Format, "[T]");
        check("", RedactForm::Format, "[T]");
        check("4111", RedactForm::Hash, "[T]");
        let digest = FindingDigest { key_id: 1, bytes: [0xa7; 32] };
        assert_eq!(replacement("4111", "[T]", RedactForm::Hash, Some(&digest)), "[T_a7a7a7a7a7a7]");
        assert_eq!(replacement("4111", "[T]", RedactForm::Type, Some(&digest)), "[T]");
    }

    #[test]
    fn the_strictest_rule_that_is_reached_decides_and_shadows_are_told_beside_it() {
        let rule = |action, threshold, mode| GuardrailRule {
            threshold: Threshold::of_hundredths(threshold).unwrap(),
            mode,
            ..GuardrailRule::new(FindingType::Email, action, RuleDirection::Both)
        };
        let rules = [
            rule(Action::Flag, 0, RuleMode::Enforce),
            rule(Action::Redact, 50, RuleMode::Enforce),
            rule(Action::Block, 90, RuleMode::Shadow),
        ];
        let consequences = Consequences::of(rules.iter()).unwrap();
        let tells = |score| consequences.of_score(score).map(|it| (it.action, it.would)).collect::<Vec<_>>();
        assert_eq!(tells(49), [(Action::Flag, None)]);
        assert_eq!(tells(50), [(Action::Redact, None)]);
        assert_eq!(tells(90), [(Action::Redact, None), (Action::Allow, Some(Action::Block))]);
    }
}
