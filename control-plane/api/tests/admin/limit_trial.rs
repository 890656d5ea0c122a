//! What a limit would have done that is not written yet, by what requests took.

use chrono::TimeDelta;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use weir_core::ledger::UsageRecord;

use crate::app::{app, id};
use crate::ledger::{ledger, now, record};

#[tokio::test]
async fn a_limit_is_tried_on_what_requests_took() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let begin = now() - TimeDelta::days(2);
    let at = |seconds: i64| begin + TimeDelta::seconds(seconds);
    // Each took 30 tokens, 122.000001 micro-dollars and a second and a half.
    let mut records: Vec<UsageRecord> = (0..10).map(|second| record(&l.a, at(second))).collect();
    records[9].price_version = String::new();
    records.push(UsageRecord { attempts: 0, ..record(&l.a, at(3)) });
    records.push(record(&l.b, at(3)));
    assert_eq!(l.app.store.record_usage(&l.gateway, records).await.unwrap().stored, 12);
    let revision = l.app.store.revision().await.unwrap();

    let tenant_id = &l.a.tenant["id"];
    let tried = async |change: Value| {
        let mut limit = json!({"name": "new", "subject": {"kind": "tenant"}, "unit": "requests", "window": {"kind": "total"},
            "amount": 7, "action": "refuse"});
        for (field, value) in change.as_object().unwrap() {
            limit[field] = value.clone();
        }
        platform.post("limits/try", json!({"tenant_id": tenant_id, "limit": limit})).await.expect(200).json
    };
    let check = async |change: Value, without_room: u64| {
        let found = tried(change.clone()).await;
        let counts = ["requests", "without_room", "refused_then"].map(|field| found[field].as_u64().unwrap());
        assert_eq!(counts, [10, without_room, 1], "{change} {found}");
        assert_eq!(
            (found["truncated"].as_bool(), found["first_without_room_at"].is_null()),
            (Some(false), without_room == 0)
        );
    };
    check(json!({}), 3).await;
    check(json!({"amount": 10}), 0).await;
    check(json!({"unit": "total_tokens", "amount": 100}), 7).await;
    check(json!({"unit": "input_tokens", "amount": 100}), 0).await;
    check(json!({"unit": "output_tokens", "amount": 100}), 5).await;
    // Three cost three pico-dollars more than that.
    check(json!({"unit": "cost_microusd", "amount": 366}), 8).await;
    check(json!({"unit": "cost_microusd", "amount": 367}), 7).await;
    // Every other one is over when the next but one comes.
    check(json!({"unit": "concurrent_requests", "window": null, "amount": 1}), 5).await;
    check(json!({"unit": "concurrent_requests", "window": null, "amount": 2}), 0).await;
    check(json!({"window": {"kind": "sliding", "seconds": 3600}, "amount": 4}), 6).await;
    assert_eq!(tried(json!({"unit": "cost_microusd"})).await["unpriced"], 1);

    let each = tried(json!({"subject": {"kind": "api_key", "each": true}})).await;
    assert_eq!(each["subjects"], json!([{"subject_id": id(&l.a.api_key), "requests": 10, "without_room": 3}]));
    let platforms = json!({"name": "new", "subject": {"kind": "platform"}, "unit": "requests", "window": {"kind": "total"},
        "amount": 10, "action": "refuse"});
    let all = platform.post("limits/try", json!({"limit": platforms})).await.expect(200).json;
    assert_eq!((&all["requests"], &all["without_room"]), (&json!(11), &json!(1)));
    let today = platform.post("limits/try", json!({"limit": platforms, "days": 1})).await.expect(200).json;
    assert_eq!(today["requests"], 0);

    for (change, field) in [
        (json!({"amount": 0}), "amount"),
        (json!({"unit": "concurrent_requests"}), "window"),
        (json!({"subject": {"kind": "route", "each": true}}), "subject.kind"),
    ] {
        let mut limit = platforms.clone();
        limit["subject"] = json!({"kind": "tenant"});
        for (field, value) in change.as_object().unwrap() {
            limit[field] = value.clone();
        }
        let body = json!({"tenant_id": tenant_id, "limit": limit});
        platform.post("limits/try", body).await.problem(422, "invalid_fields").field(field);
    }
    platform
        .post("limits/try", json!({"limit": platforms, "days": 32}))
        .await
        .problem(422, "invalid_fields")
        .field("days");
    assert_eq!(l.app.store.revision().await.unwrap(), revision, "nothing was written");
}

#[tokio::test]
async fn few_limits_are_tried_at_once() {
    let app = app().await;
    let platform = app.platform().await;
    let mut holding = app.connection().await;
    sqlx::query("BEGIN").execute(&mut holding).await.unwrap();
    sqlx::query("LOCK TABLE usage_records IN ACCESS EXCLUSIVE MODE").execute(&mut holding).await.unwrap();
    let limit = json!({"name": "l", "subject": {"kind": "platform"}, "unit": "requests", "window": {"kind": "total"}, "amount": 1,
        "action": "refuse"});
    let body = json!({"limit": limit});
    let mut tried: FuturesUnordered<_> = (0..3).map(|_| platform.post("limits/try", body.clone())).collect();
    // The others wait until the records can be read.
    tried.next().await.unwrap().problem(429, "too_many_requests");
    sqlx::query("COMMIT").execute(&mut holding).await.unwrap();
    while let Some(answer) = tried.next().await {
        answer.expect(200);
    }
    platform.post("limits/try", body).await.expect(200);
}
