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

/// What holds where both apply: for each type of finding and direction the stricter action. Rules that say more than that hold beside each
/// other: of what is found the strictest one decides.
pub fn strictest(of_tenant: &GuardrailProfile, of_key: &GuardrailProfile) -> GuardrailProfile {
    let action = |finding, direction| -> Option<Action> {
        let rules = of_tenant.rules.iter().chain(&of_key.rules);
        let applies = |rule: &&GuardrailRule| rule.finding == finding && rule.is_plain() && rule.holds_in(direction);
        rules.filter(applies).map(|rule| rule.action).max()
    };
    let mut rules = Vec::new();
    for finding in FindingType::ALL {
        let [input, output] = [RuleDirection::Input, RuleDirection::Output].map(|direction| action(finding, direction));
        let both = input.filter(|_| input == output);
        let rule = |direction| move |action| GuardrailRule::new(finding, action, direction);
        match both {
            Some(action) => rules.push(rule(RuleDirection::Both)(action)),
            None => {
                rules.extend(input.map(rule(RuleDirection::Input)));
                rules.extend(output.map(rule(RuleDirection::Output)));
            }
        }
    }
    for rule in of_tenant.rules.iter().chain(&of_key.rules).filter(|rule| !rule.is_plain()) {
        if !rules.contains(rule) {
            rules.push(rule.clone());
        }
    }
    let uninspectable = of_tenant.uninspectable.max(of_key.uninspectable);
    let judges = of_tenant.judges.iter().chain(&of_key.judges).cloned().collect();
    let name = format!("{} + {}", of_tenant.name, of_key.name);
    GuardrailProfile { uninspectable, judges, ..GuardrailProfile::new(name, rules) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Allow, Block, Flag, Redact};
    use FindingType::{CreditCard, Email};
    use RuleDirection::{Both, Input, Output};

    #[test]
    fn the_stricter_action_holds_for_each_type_and_direction() {
        let rule = |(finding, action, direction): &_| GuardrailRule::new(*finding, *action, *direction);
        let profile = |rules: &[_]| GuardrailProfile::new("p", rules.iter().map(rule).collect());
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

    #[test]
    fn rules_that_say_more_hold_beside_each_other() {
        let of_tenant = GuardrailRule { mode: weir_config::RuleMode::Shadow, ..GuardrailRule::new(Email, Block, Both) };
        let of_key = GuardrailRule::new(Email, Redact, Both);
        let profile = |rule: &GuardrailRule| GuardrailProfile::new("p", vec![rule.clone()]);
        assert_eq!(strictest(&profile(&of_tenant), &profile(&of_key)).rules, [of_key.clone(), of_tenant.clone()]);
        assert_eq!(strictest(&profile(&of_tenant), &profile(&of_tenant)).rules, [of_tenant]);
    }
}
