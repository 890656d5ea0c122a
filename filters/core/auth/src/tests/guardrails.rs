//! The guardrail profile that holds for a principal.

use super::*;
use weir_config::{Action, FindingType, GuardrailRule, RuleDirection};

pub(super) fn guarded(id: &str, rules: &[[&str; 3]]) -> Result<ResolveCredentialResponse, u32> {
    let rule = |[finding, action, direction]: &[&str; 3]| dataplane::GuardrailRule {
        r#type: (*finding).into(),
        action: (*action).into(),
        direction: (*direction).into(),
        ..dataplane::GuardrailRule::default()
    };
    let rules: Vec<_> = rules.iter().map(rule).collect();
    let mut answer = active("acme", 6, "gpt")?;
    answer.principal.iter_mut().for_each(|principal| {
        principal.guardrail_profile_id = "profile-1".into();
        let profile = dataplane::GuardrailProfile {
            id: id.into(),
            name: "strict".into(),
            rules: rules.clone(),
            uninspectable: "refuse".into(),
        };
        principal.guardrail_profile = Some(profile);
    });
    Ok(answer)
}

#[test]
fn the_guardrail_profile_comes_with_the_principal() {
    let mut vm = Vm::new(ASKED);
    let mut request = vm.chat("weir_1");
    let answer = guarded("profile-1", &[["CREDIT_CARD", "block", "input"], ["EMAIL", "flag", "both"]]);
    assert_eq!(vm.answer(&mut request, answer), Flow::Continue);
    let profile =
        request.shared.read(|exchange| exchange.request().principal.as_ref()?.guardrail_profile.clone()).flatten();
    let profile = profile.expect("a profile");
    let rule = |finding, action, direction| GuardrailRule::new(finding, action, direction);
    assert_eq!((profile.id.as_str(), profile.profile.name.as_str()), ("profile-1", "strict"));
    assert_eq!(profile.profile.uninspectable, weir_config::Uninspectable::Refuse);
    assert_eq!(
        profile.profile.rules,
        [
            rule(FindingType::CreditCard, Action::Block, RuleDirection::Input),
            rule(FindingType::Email, Action::Flag, RuleDirection::Both)
        ]
    );
}

#[test]
fn a_rule_says_more_where_it_differs() {
    let rule_of = |change: &dyn Fn(&mut dataplane::GuardrailRule)| {
        let mut vm = Vm::new(ASKED);
        let mut request = vm.chat("weir_1");
        let answer = guarded("profile-1", &[["EMAIL", "block", "both"]]).map(|mut answer| {
            let profiles = answer.principal.iter_mut().flat_map(|principal| &mut principal.guardrail_profile);
            profiles.flat_map(|profile| &mut profile.rules).for_each(change);
            answer
        });
        vm.answer(&mut request, answer);
        let read = request.shared.read(|exchange| {
            let profile = exchange.request().principal.as_ref()?.guardrail_profile.clone()?;
            profile.profile.rules.first().cloned()
        });
        read.flatten()
    };
    let plain = GuardrailRule::new(FindingType::Email, Action::Block, RuleDirection::Both);
    assert_eq!(rule_of(&|_| {}), Some(plain.clone()));
    let said = rule_of(&|rule| {
        (rule.threshold_hundredths, rule.mode, rule.form, rule.keep_last) = (70, "shadow".into(), "mask".into(), 4);
    });
    let threshold = weir_config::Threshold::of_hundredths(70).unwrap();
    let (mode, form) = (weir_config::RuleMode::Shadow, weir_config::RedactForm::Mask { keep_last: 4 });
    assert_eq!(said, Some(GuardrailRule { threshold, mode, form, ..plain }));
    // What is of a later version is not kept by halves.
    let unknown: [&dyn Fn(&mut dataplane::GuardrailRule); 3] =
        [&|rule| rule.mode = "silent".into(), &|rule| rule.form = "rot13".into(), &|rule| {
            rule.threshold_hundredths = 101
        }];
    for change in unknown {
        assert_eq!(rule_of(change), None);
    }
}
