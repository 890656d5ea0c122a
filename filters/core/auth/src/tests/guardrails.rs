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

#[test]
fn a_list_of_entries_comes_once_to_a_vm() {
    let entries = weir_config::Entries::new(vec!["acme".into()]);
    let answer = |listed: &[&str], digest: &[u8]| {
        let custom = dataplane::CustomRule {
            name: "competitors".into(),
            kind: "keywords".into(),
            entries_sha256: digest.into(),
            entries: listed.iter().map(|entry| (*entry).to_owned()).collect(),
            ..dataplane::CustomRule::default()
        };
        guarded("profile-1", &[["CUSTOM", "block", "both"]]).map(|mut answer| {
            let profiles = answer.principal.iter_mut().flat_map(|principal| &mut principal.guardrail_profile);
            profiles.flat_map(|profile| &mut profile.rules).for_each(|rule| rule.custom = Some(custom.clone()));
            answer
        })
    };
    let known = |vm: &Vm| {
        let call = vm.host.calls.last().expect("a callout");
        ResolveCredentialRequest::decode(call.message.as_slice()).expect("is decodable").known_entries_sha256
    };
    let mut vm = Vm::new(ASKED);
    // What was not named must be answered, and be what it says.
    assert!(vm.resolve("weir_1", answer(&[], entries.digest())).starts_with("503"));
    assert!(vm.resolve("weir_1", answer(&["acme"], &[7; 32])).starts_with("503"));
    assert!(vm.resolve("weir_1", guarded("profile-1", &[["CUSTOM", "block", "both"]])).starts_with("503"));
    assert_eq!(vm.resolve("weir_1", answer(&["acme"], entries.digest())), "passes");
    assert!(known(&vm).is_empty());

    let mut request = vm.chat("weir_2");
    assert_eq!(known(&vm), [entries.digest().to_vec()]);
    assert_eq!(vm.answer(&mut request, answer(&[], entries.digest())), Flow::Continue);
    let listed = request.shared.read(|exchange| {
        let profile = &exchange.request().principal.as_ref()?.guardrail_profile.as_ref()?.profile;
        Some(profile.rules.first()?.custom.as_ref()?.entries.list().to_vec())
    });
    assert_eq!(listed.flatten(), Some(vec!["acme".to_owned()]));
}
