//! What callers are told about themselves, and nobody else.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;
use weir_core::gateway::{LeaseTerms, LimitCounter, QuotaDemand};
use weir_core::limit::LimitUnit;
use weir_store::StoreError;

use crate::app::id;
use crate::ledger::{ledger, now, record};

#[tokio::test]
async fn a_caller_is_told_the_limits_that_hold_for_it_and_count_nobody_elses_requests() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let limit = async |name: &str, of: &Value, subject: Value| {
        let limit = json!({"tenant_id": of, "name": name, "subject": subject, "unit": "requests", "window": {"kind": "total"},
            "amount": 10, "action": "refuse"});
        id(&platform.make("limits", limit).await)
    };
    let tenant = &l.a.tenant["id"];
    let of_tenant = limit("of the tenant", tenant, json!({"kind": "tenant"})).await;
    limit("of all", &Value::Null, json!({"kind": "platform"})).await;
    limit("of each tenant", &Value::Null, json!({"kind": "tenant", "each": true})).await;
    limit("of another", &l.b.tenant["id"], json!({"kind": "tenant"})).await;
    limit("of another user", tenant, json!({"kind": "user", "id": l.a.user["id"]})).await;
    let model = json!({"kind": "model", "id": l.a.model["id"]});
    limit("of a model", tenant, model).await;
    let (tenant_id, key_id) = (id(&l.a.tenant), id(&l.a.api_key));
    let told = async |at| {
        let limits = l.app.store.own_limits(tenant_id, key_id, at).await.unwrap();
        let mut told: Vec<_> = limits
            .into_iter()
            .map(|limit| (limit.name, limit.model, limit.state.amount, limit.state.reserved, limit.state.remaining))
            .collect();
        told.sort();
        told
    };
    let expected = |model: bool, reserved: u64| {
        let one = |name: &str, model: Option<&str>, amount, reserved| {
            (name.to_owned(), model.map(str::to_owned), amount, reserved, amount - reserved)
        };
        let mut all = vec![one("of each tenant", None, 10, 0), one("of the tenant", None, 10, reserved)];
        all.extend(model.then(|| one("of a model", Some("gpt"), 10, 0)));
        all.push(one("requests_per_minute", None, 5, 0));
        all.sort();
        all
    };
    assert_eq!(told(now()).await, expected(true, 0));

    let counter = LimitCounter { limit_id: of_tenant, generation: 0, member: "" }.name();
    let demand = QuotaDemand { counter, window_start_unix_s: 0, minimum: 1, wanted: 4, waiting: 4, id: String::new() };
    let leased = l.app.store.acquire_quota(&l.gateway, tenant_id, "envoy", vec![demand], LeaseTerms::default(), now());
    assert_eq!(leased.await.unwrap()[0].granted, 4);
    assert_eq!(told(now()).await, expected(true, 4));

    let path = format!("api-keys/{key_id}");
    let revision = platform.get(&path).await.expect(200).json["revision"].clone();
    platform.patch(&path, &revision, json!({"allowed_models": ["another"]})).await.expect(200);
    assert_eq!(told(now()).await, expected(false, 4), "a model that the key may not ask for");
    let elsewhere = l.app.store.own_limits(id(&l.b.tenant), key_id, now()).await;
    assert!(matches!(elsewhere, Err(StoreError::NotFound)));
    let units = l.app.store.own_limits(tenant_id, key_id, now()).await.unwrap();
    assert!(units.iter().all(|limit| limit.unit == LimitUnit::Requests));
}

#[tokio::test]
async fn a_caller_is_told_what_it_has_used_by_model_and_day() {
    let l = ledger().await;
    let (today, yesterday) = (now(), now() - TimeDelta::days(1));
    let mut records = vec![record(&l.a, today), record(&l.a, today), record(&l.a, yesterday), record(&l.b, today)];
    records[1].request_id = Uuid::now_v7();
    records[1].model = "other".into();
    l.app.store.record_usage(&l.gateway, records).await.unwrap();
    let days = yesterday.date_naive()..today.date_naive().succ_opt().unwrap();
    let used = l.app.store.own_usage(id(&l.a.tenant), id(&l.a.api_key), days.clone()).await.unwrap();
    let told: Vec<_> = used
        .items
        .iter()
        .map(|item| {
            (item.bucket_start.date_naive(), item.group[0].name.clone().unwrap_or_default(), item.sums.requests)
        })
        .collect();
    let expected = [(days.start, "gpt"), (today.date_naive(), "gpt"), (today.date_naive(), "other")];
    assert_eq!(told, expected.map(|(day, model)| (day, model.to_owned(), 1)));
    assert_eq!((used.totals.requests, used.totals.cost_picousd), (3, 3 * 122_000_001));
    let elsewhere = l.app.store.own_usage(id(&l.b.tenant), id(&l.a.api_key), days).await;
    assert!(matches!(elsewhere, Err(StoreError::NotFound)));
}
