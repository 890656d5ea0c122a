//! Trying a profile on a text: nobody's trials hold up anybody else.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use weir_core::actor::Role;

use crate::app::{app, furnish, id};

const LONGEST: usize = 256 * 1024;

#[tokio::test]
async fn a_text_of_addresses_is_tried_in_time_that_grows_with_its_length() {
    let app = app().await;
    let platform = app.platform().await;
    let address = "ä@b.co a@b.co ";
    let text = address.repeat(LONGEST / address.len());
    let started = Instant::now();
    let outcome = platform.post("guardrails/test", json!({"text": text, "direction": "input"})).await.expect(200).json;
    // Counted from the beginning for each of them, this takes minutes here.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let findings = outcome["findings"].as_array().unwrap();
    assert!(findings.len() > 10_000, "{}", findings.len());
    let characters: Vec<char> = text.chars().collect();
    for finding in [&findings[0], &findings[findings.len() / 2], findings.last().unwrap()] {
        let place = |name: &str| finding[name].as_u64().unwrap() as usize;
        let found: String = characters[place("start")..place("end")].iter().collect();
        assert!(found.ends_with("@b.co"), "{found}");
    }
}

#[tokio::test]
async fn a_text_beyond_256_kib_is_refused() {
    let app = app().await;
    let platform = app.platform().await;
    for (bytes, status) in [(LONGEST, 200), (LONGEST + 1, 413)] {
        let trial = json!({"text": "x".repeat(bytes), "direction": "output"});
        let answer = platform.post("guardrails/test", trial).await.expect(status);
        assert!(status == 200 || answer.json["code"] == "body_too_large", "{}", answer.text);
    }
}

#[tokio::test]
async fn one_tenants_trials_are_few_at_once_and_another_tenant_has_its_own() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, b) = (furnish(&platform, "a").await, furnish(&platform, "b").await);
    let viewer = app.user(Role::Viewer, Some(id(&a.tenant))).await;
    let other = app.user(Role::Viewer, Some(id(&b.tenant))).await;
    let trial = json!({"text": "a@b.co ".repeat(LONGEST / 7), "direction": "input"});
    let many = join_all((0..6).map(|_| viewer.post("guardrails/test", trial.clone())));
    let (answers, of_other) = tokio::join!(many, other.post("guardrails/test", trial.clone()));
    of_other.expect(200);
    assert!(answers.iter().any(|answer| answer.status == 200));
    let refused: Vec<_> = answers.into_iter().filter(|answer| answer.status != 200).collect();
    assert!(!refused.is_empty());
    for answer in refused {
        let answer = answer.problem(429, "too_many_requests");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    // What was refused may be tried later.
    viewer.post("guardrails/test", json!({"text": "x", "direction": "input"})).await.expect(200);
}

#[tokio::test]
async fn a_rule_may_wait_in_shadow_be_sure_and_keep_the_form_of_what_it_redacts() {
    let app = app().await;
    let platform = app.platform().await;
    let rules = json!([
        {"type": "EMAIL", "action": "block", "direction": "both", "mode": "shadow"},
        {"type": "CREDIT_CARD", "action": "redact", "direction": "both", "threshold": 0.9, "form": {"kind": "mask", "keep_last": 4}},
    ]);
    let profile = json!({"name": "tried", "rules": rules});
    let made = platform.post("guardrails/profiles", profile).await.expect(201).json;
    assert_eq!(made["rules"], rules);
    let trial =
        json!({"text": "4111 1111 1111 1111 of a@b.io", "profile": "tried", "direction": "input", "place": "user"});
    let outcome = platform.post("guardrails/test", trial).await.expect(200).json;
    assert_eq!((&outcome["action"], &outcome["text"]), (&json!("redact"), &json!("**** **** **** 1111 of a@b.io")));
    let told: Vec<_> =
        outcome["findings"].as_array().unwrap().iter().map(|it| (&it["action"], &it["enforced"])).collect();
    assert_eq!(told, [(&json!("redact"), &json!(true)), (&json!("block"), &json!(false))]);
}

#[tokio::test]
async fn what_a_rule_cannot_say_is_refused_with_its_field() {
    let app = app().await;
    let platform = app.platform().await;
    let rule = |field: &str, value| {
        let mut rule = json!({"type": "EMAIL", "action": "redact", "direction": "both"});
        rule[field] = value;
        json!({"name": "refused", "rules": [rule]})
    };
    for (field, value) in [
        ("threshold", json!(1.5)),
        ("mode", json!("silent")),
        ("form", json!({"kind": "mask", "keep_last": 9})),
        ("form", json!({"kind": "rot13"})),
    ] {
        let problem = platform.post("guardrails/profiles", rule(field, value)).await.problem(422, "invalid_fields");
        let path = problem.json["errors"][0]["field"].as_str().unwrap();
        assert!(path.contains(field), "{path}");
    }
}

#[tokio::test]
async fn what_administrators_look_for_is_found_and_reaches_the_filters() {
    let app = app().await;
    let platform = app.platform().await;
    let custom = |kind: &str, entries: serde_json::Value| {
        let custom = json!({"name": format!("our {kind}"), "kind": kind, "entries": entries, "case_sensitive": false});
        json!({"type": "CUSTOM", "action": "redact", "direction": "both", "custom": custom})
    };
    let many: Vec<_> = (0..20_000).map(|number| format!("competitor {number}")).collect();
    let rules = json!([
        custom("keywords", json!(many)),
        custom("hosts", json!(["evil.example"])),
        custom("patterns", json!([r"\bEMP-\d{4}\b"])),
    ]);
    let made = platform.post("guardrails/profiles", json!({"name": "own", "rules": rules})).await.expect(201).json;
    let mut told = rules;
    told.as_array_mut().unwrap().iter_mut().for_each(|rule| rule["custom"]["parts_of_words"] = json!(false));
    assert_eq!(made["rules"], told, "with what it says by default");
    let text = "Competitor 19999 at https://evil.example by EMP-1234";
    let trial = json!({"text": text, "profile": "own", "direction": "input"});
    let outcome = platform.post("guardrails/test", trial).await.expect(200).json;
    assert_eq!(outcome["text"], "[CUSTOM] at https://[CUSTOM] by [CUSTOM]");
    let told: Vec<_> = outcome["findings"].as_array().unwrap().iter().map(|it| it["detector"].clone()).collect();
    assert_eq!(told, ["our keywords", "our hosts", "our patterns"]);

    let f = furnish(&platform, "f").await;
    let guarded = json!({"guardrail_profile_id": id(&made)});
    platform.patch(&format!("tenants/{}", id(&f.tenant)), &f.tenant["revision"], guarded).await.expect(200);
    let gateway = app.gateway(None).await;
    let digest = weir_core::secret::sha256(f.api_key["key"].as_str().unwrap());
    let resolved = app.store.resolve_credential(&gateway, &digest, None, &weir_config::FindingType::ALL).await.unwrap();
    let held = resolved.principal.unwrap().guardrail_profile.unwrap().profile.rules;
    assert!(held.iter().any(|rule| rule.custom.as_ref().is_some_and(|it| it.entries.list().len() == 20_000)));

    for (entries, field, reason) in [
        (json!(["ok", "a(b"]), "rules.0.custom.entries.1", "unclosed group, at character 2"),
        (json!(["x*"]), "rules.0.custom.entries.0", "at character 2"),
        (json!(["[a-z]{1,200}"]), "rules.0.custom.entries.0", "may match at most 128 bytes"),
    ] {
        let profile = json!({"name": "refused", "rules": [custom("patterns", entries)]});
        let problem = platform.post("guardrails/profiles", profile).await.problem(422, "invalid_fields");
        let error = &problem.json["errors"][0];
        assert_eq!(error["field"], field);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn scores_of_what_is_learnt_are_told_whatever_the_profile_looks_for() {
    let app = app().await;
    let platform = app.platform().await;
    let score = async |text: &str| {
        let trial = json!({"text": text, "direction": "input"});
        platform.post("guardrails/test", trial).await.expect(200).json["scores"]["PERSON"].as_f64().unwrap()
    };
    assert!(score("My name is Marcus Hallberg.").await > 0.9);
    assert!(score("How do I sort a list in this language?").await < 0.5);
}
