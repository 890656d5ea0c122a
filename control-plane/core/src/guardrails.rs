//! Which guardrails hold where several profiles apply.

use std::collections::BTreeSet;

use weir_config::{Action, FindingType, GuardrailProfile, GuardrailRule, RuleDirection};

use crate::gateway::PrincipalProfile;

/// What a module finds that names these types. The first ones found two, and did not say so.
pub fn found_by(names: &[String]) -> Vec<FindingType> {
    match names {
        [] => vec![FindingType::CreditCard, FindingType::Email],
        names => names.iter().filter_map(|name| FindingType::of_name(name)).collect(),
    }
}

/// What holds where all of these apply, the widest first: the strictest of them, under the id of the last; `None`: there are none. A
/// profile that applies twice is as one.
pub fn strictest_of_all(profiles: impl IntoIterator<Item = PrincipalProfile>) -> Option<PrincipalProfile> {
    let mut seen = BTreeSet::new();
    let distinct = profiles.into_iter().filter(|profile| seen.insert(profile.id));
    distinct.reduce(|wider, own| PrincipalProfile { id: own.id, profile: strictest(&wider.profile, &own.profile) })
}

/// What holds where both apply: for each type of finding and direction the stricter action.
pub fn strictest(of_tenant: &GuardrailProfile, of_key: &GuardrailProfile) -> GuardrailProfile {
    let action = |finding, direction| -> Option<Action> {
        let rules = of_tenant.rules.iter().chain(&of_key.rules);
        let applies = |rule: &&GuardrailRule| {
            rule.finding == finding && (rule.direction == direction || rule.direction == RuleDirection::Both)
        };
        rules.filter(applies).map(|rule| rule.action).max()
    };
    let mut rules = Vec::new();
    for finding in FindingType::ALL {
        let [input, output] = [RuleDirection::Input, RuleDirection::Output].map(|direction| action(finding, direction));
        let both = input.filter(|_| input == output);
        let rule = |direction| move |action| GuardrailRule { finding, action, direction };
        match both {
            Some(action) => rules.push(rule(RuleDirection::Both)(action)),
            None => {
                rules.extend(input.map(rule(RuleDirection::Input)));
                rules.extend(output.map(rule(RuleDirection::Output)));
            }
        }
    }
    let uninspectable = of_tenant.uninspectable.max(of_key.uninspectable);
    let judges = of_tenant.judges.iter().chain(&of_key.judges).cloned().collect();
    GuardrailProfile { name: format!("{} + {}", of_tenant.name, of_key.name), rules, uninspectable, judges }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Allow, Block, Flag, Redact};
    use FindingType::{CreditCard, Email};
    use RuleDirection::{Both, Input, Output};

    #[test]
    fn the_stricter_action_holds_for_each_type_and_direction() {
        let profile = |rules: &[(FindingType, Action, RuleDirection)]| GuardrailProfile {
            name: "p".into(),
            uninspectable: weir_config::Uninspectable::Allow,
            judges: Vec::new(),
            rules: rules
                .iter()
                .map(|(finding, action, direction)| GuardrailRule {
                    finding: *finding,
                    action: *action,
                    direction: *direction,
                })
                .collect(),
        };
        let check = |a: &[_], b: &[_], expect: &[_]| {
            assert_eq!(strictest(&profile(a), &profile(b)).rules, profile(expect).rules);
            assert_eq!(strictest(&profile(b), &profile(a)).rules, profile(expect).rules);
        };
        check(&[(Email, Block, Both)], &[(Email, Allow, Both)], &[(Email, Block, Both)]);
        check(&[(Email, Block, Both)], &[(CreditCard, Flag, Both)], &[(CreditCard, Flag, Both), (Email, Block, Both)]);
        check(&[(Email, Block, Input)], &[(Email, Redact, Both)], &[(Email, Block, Input), (Email, Redact, Output)]);
        check(&[(Email, Flag, Output)], &[(Email, Flag, Input)], &[(Email, Flag, Both)]);
        check(
            &[(Email, Flag, Output)],
            &[(CreditCard, Allow, Input)],
            &[(CreditCard, Allow, Input), (Email, Flag, Output)],
        );
    }
}
