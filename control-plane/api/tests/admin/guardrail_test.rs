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
