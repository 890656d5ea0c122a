//! The usage ledger: nothing twice, nothing of others, found again.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::{NoContext, Timestamp, Uuid};
use weir_core::actor::Role;
use weir_core::gateway::Gateway;
use weir_core::ledger::{RecordOutcome, UsageAttempt, UsageRecord, UsageSource};

use crate::app::{App, Furnished, app, furnish, id};

pub(crate) struct Ledger {
    pub(crate) app: App,
    pub(crate) gateway: Gateway,
    pub(crate) a: Furnished,
    pub(crate) b: Furnished,
}

pub(crate) async fn ledger() -> Ledger {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let b = furnish(&platform, "b").await;
    let gateway = app.gateway(None).await;
    Ledger { app, gateway, a, b }
}

pub(crate) fn record(of: &Furnished, started_at: DateTime<Utc>) -> UsageRecord {
    UsageRecord {
        request_id: Uuid::new_v7(Timestamp::from_unix(NoContext, started_at.timestamp().max(0) as u64, 0)),
        started_at,
        tenant_id: id(&of.tenant),
        key_id: id(&of.api_key),
        operation: "chat.completions".into(),
        model: "gpt".into(),
        provider_id: Some(id(&of.provider)),
        deployment_id: None,
        upstream_model: "gpt-4o".into(),
        input_tokens: 10,
        cached_input_tokens: 4,
        cache_write_tokens: 2,
        cache_write_1h_tokens: 3,
        output_tokens: 20,
        reasoning_tokens: 5,
        input_source: UsageSource::Provider,
        cached_input_source: UsageSource::Provider,
        cache_write_source: UsageSource::Provider,
        output_source: UsageSource::Estimated,
        reasoning_source: UsageSource::Estimated,
        cost_picousd: 122_000_001,
        price_version: "r7".into(),
        latency_us: 1_500_000,
        time_to_first_token_us: Some(300_000),
        status: 200,
        error_code: String::new(),
        outcome: "client_disconnect".into(),
        streamed: true,
        attempts: 2,
        guardrail_findings: vec!["CREDIT_CARD:redact=2".into(), "EMAIL:flag=1".into()],
        revision: 9,
        doubtful: vec![],
        pool_id: Some(id(&of.pool)),
        attempt_details: vec![],
        decided_by: String::new(),
        said: Default::default(),
        subject: Default::default(),
    }
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap()
}

async fn stored(url: &str) -> i64 {
    let pool = PgPool::connect(url).await.unwrap();
    sqlx::query_as::<_, (i64,)>("SELECT count(*) FROM usage_records").fetch_one(&pool).await.unwrap().0
}

#[tokio::test]
async fn a_record_that_comes_twice_is_stored_once() {
    let l = ledger().await;
    let store = &l.app.store;
    let records: Vec<_> = (0..5000).map(|_| record(&l.a, now())).collect();
    let outcome = store.record_usage(&l.gateway, records.clone()).await.unwrap();
    assert_eq!(outcome, RecordOutcome { stored: 5000, rejected: vec![] });
    // Again in part, twice in one batch, later on the same day by another clock, and at the same time.
    let mut again = records[10..30].to_vec();
    again.extend_from_slice(&records[10..20]);
    let (first, second) =
        tokio::join!(store.record_usage(&l.gateway, again.clone()), store.record_usage(&l.gateway, again));
    assert_eq!((first.unwrap().stored, second.unwrap().stored), (30, 30));
    assert_eq!(stored(&l.app.database_url).await, 5000);
}

#[tokio::test]
async fn reports_that_overlap_and_come_at_the_same_time_are_stored_once_and_answered_each_for_itself() {
    let l = ledger().await;
    let of_b = l.app.gateway(Some(id(&l.b.tenant))).await;
    let records: Vec<_> = (0..600).map(|_| record(&l.a, now())).collect();
    assert_eq!(l.app.store.record_usage(&l.gateway, records[..1].to_vec()).await.unwrap().stored, 1);
    // The second time, all of it is there already.
    for _ in 0..2 {
        let mut reports = tokio::task::JoinSet::new();
        for number in 0..30 {
            let mut some = records[number * 10..number * 10 + 300].to_vec();
            if number % 2 == 1 {
                some.reverse();
            }
            some.push(UsageRecord { key_id: Uuid::now_v7(), ..record(&l.a, now()) });
            let (store, gateway, of_b) = (l.app.store.clone(), l.gateway.clone(), of_b.clone());
            let of_another = some[0].clone();
            reports.spawn(async move {
                let foreign = store.record_usage(&of_b, vec![of_another]).await.unwrap();
                assert_eq!((foreign.stored, foreign.rejected.len()), (0, 1), "its tenant is not this gateway's");
                store.record_usage(&gateway, some).await.unwrap()
            });
        }
        for outcome in reports.join_all().await {
            assert_eq!((outcome.stored, outcome.rejected.len()), (300, 1));
        }
        assert_eq!(stored(&l.app.database_url).await, 590);
    }
}

#[tokio::test]
async fn what_can_never_be_stored_is_rejected_and_the_rest_is_stored() {
    let l = ledger().await;
    let good = record(&l.a, now());
    let bad = [
        UsageRecord { key_id: Uuid::now_v7(), ..record(&l.a, now()) },
        // A key of another tenant than the record says.
        UsageRecord { tenant_id: id(&l.b.tenant), ..record(&l.a, now()) },
    ];
    let mut all = bad.to_vec();
    all.insert(1, good.clone());
    let outcome = l.app.store.record_usage(&l.gateway, all).await.unwrap();
    assert_eq!(outcome.stored, 1);
    let rejected: Vec<Uuid> = outcome.rejected.iter().map(|rejected| rejected.request_id).collect();
    assert_eq!(rejected, bad.map(|record| record.request_id));

    // A gateway of one tenant reports nothing for another.
    let gateway = Gateway { tenant_id: Some(id(&l.b.tenant)), ..l.gateway.clone() };
    let outcome = l.app.store.record_usage(&gateway, vec![record(&l.a, now()), record(&l.b, now())]).await.unwrap();
    assert_eq!((outcome.stored, outcome.rejected.len()), (1, 1));
}

#[tokio::test]
async fn usage_of_a_deleted_key_is_still_stored() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    platform.delete(&format!("api-keys/{}", id(&l.a.api_key)), &l.a.api_key["revision"]).await.expect(200);
    assert_eq!(l.app.store.record_usage(&l.gateway, vec![record(&l.a, now())]).await.unwrap().stored, 1);
}

#[tokio::test]
async fn extreme_values_are_stored_too() {
    let l = ledger().await;
    let extreme = UsageRecord {
        model: "nul\0nul".into(),
        input_tokens: 1_000_000_000_000,
        status: u32::MAX,
        revision: u64::MAX,
        cost_picousd: 1_000_000_000_000_000_000,
        guardrail_findings: vec![],
        // No partition was made for this day.
        ..record(&l.a, now() - TimeDelta::days(6))
    };
    assert_eq!(l.app.store.record_usage(&l.gateway, vec![extreme]).await.unwrap().stored, 1);
    let platform = l.app.platform().await;
    let item = platform.get("usage").await.expect(200).json["items"][0].clone();
    assert_eq!((&item["guardrail_findings"], &item["input_tokens"]), (&json!([]), &json!(1_000_000_000_000_u64)));
    assert_eq!(item["revision"], json!(i64::MAX));
}

#[tokio::test]
async fn a_record_with_a_figure_or_time_that_cannot_be_true_is_stored_and_marked() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let good = || record(&l.a, now());
    let most = 1_000_000_000_000_u64;
    let text = "x\0".repeat(500_000);
    let absurd = [
        (UsageRecord { cost_picousd: u64::MAX, ..good() }, "cost_usd", json!("1000000")),
        (UsageRecord { input_tokens: most + 1, ..good() }, "input_tokens", json!(most)),
        (UsageRecord { cached_input_tokens: u64::MAX, ..good() }, "cached_input_tokens", json!(most)),
        (UsageRecord { cache_write_tokens: u64::MAX, ..good() }, "cache_write_tokens", json!(most)),
        (UsageRecord { cache_write_1h_tokens: u64::MAX, ..good() }, "cache_write_1h_tokens", json!(most)),
        (UsageRecord { output_tokens: u64::MAX, model: text.clone(), ..good() }, "output_tokens", json!(most)),
        (UsageRecord { reasoning_tokens: u64::MAX, ..good() }, "reasoning_tokens", json!(most)),
        (UsageRecord { latency_us: u64::MAX, ..good() }, "latency_us", json!(604_800_000_000_u64)),
    ];
    // All in one report, between others.
    let mut all: Vec<UsageRecord> = absurd.iter().map(|(record, ..)| record.clone()).collect();
    all.push(record(&l.a, now() - TimeDelta::days(7) + TimeDelta::minutes(1)));
    all.push(record(&l.a, now() + TimeDelta::minutes(59)));
    let outcome = l.app.store.record_usage(&l.gateway, all.clone()).await.unwrap();
    assert_eq!(outcome, RecordOutcome { stored: 10, rejected: vec![] });
    for (record, field, value) in &absurd {
        let found = platform.get(&format!("usage?request_id={}", record.request_id)).await.expect(200).json;
        let item = &found["items"][0];
        assert_eq!((&item["doubtful"], &item[field]), (&json!([field]), value));
        assert!(item["model"].as_str().unwrap().len() < 2000);
    }
    let found = platform.get(&format!("usage?request_id={}", all[9].request_id)).await.expect(200).json;
    assert_eq!(found["items"][0]["doubtful"], json!([]));
}

/// An Envoy's clock may be wrong, and a control plane may have been away for long.
#[tokio::test]
async fn a_record_whose_time_cannot_be_true_counts_once_when_it_comes() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let times = [
        now() - TimeDelta::days(7) - TimeDelta::minutes(1),
        now() + TimeDelta::minutes(61),
        DateTime::from_timestamp(-5, 0).unwrap(),
        DateTime::<Utc>::MAX_UTC,
        DateTime::<Utc>::MIN_UTC,
    ];
    let records: Vec<UsageRecord> =
        times.map(|at| UsageRecord { started_at: at, ..record(&l.a, now()) }).into_iter().collect();
    for _ in 0..2 {
        let outcome = l.app.store.record_usage(&l.gateway, records.clone()).await.unwrap();
        assert_eq!((outcome.stored, outcome.rejected.len()), (5, 0));
        assert_eq!(stored(&l.app.database_url).await, 5);
    }
    for record in &records {
        let found = platform.get(&format!("usage?request_id={}", record.request_id)).await.expect(200).json;
        assert_eq!(found["items"][0]["doubtful"], json!(["started_at"]));
        let started_at: DateTime<Utc> = found["items"][0]["started_at"].as_str().unwrap().parse().unwrap();
        assert!(now() - started_at < TimeDelta::minutes(5), "{started_at}");
    }
    // It was stored under its own day when that was not long ago, or yesterday, shortly before midnight.
    let database = PgPool::connect(&l.app.database_url).await.unwrap();
    for days in [1, 8] {
        let late = record(&l.a, now() - TimeDelta::days(8));
        l.app.store.record_usage(&l.gateway, vec![late.clone()]).await.unwrap();
        sqlx::query("UPDATE usage_records SET started_on = current_date - $2::int WHERE request_id = $1")
            .bind(late.request_id)
            .bind(days)
            .execute(&database)
            .await
            .unwrap();
        let before = stored(&l.app.database_url).await;
        assert_eq!(l.app.store.record_usage(&l.gateway, vec![late]).await.unwrap().stored, 1);
        assert_eq!(stored(&l.app.database_url).await, before, "{days}");
    }
}

#[tokio::test]
async fn another_tenants_gateway_cannot_take_the_place_of_a_record() {
    let l = ledger().await;
    let truth = record(&l.a, now());
    let forged = UsageRecord { request_id: truth.request_id, cost_picousd: 0, ..record(&l.b, truth.started_at) };
    let of_b = l.app.gateway(Some(id(&l.b.tenant))).await;
    assert_eq!(l.app.store.record_usage(&of_b, vec![forged.clone()]).await.unwrap().stored, 1);
    for _ in 0..2 {
        assert_eq!(l.app.store.record_usage(&l.gateway, vec![truth.clone()]).await.unwrap().stored, 1);
    }
    assert_eq!(walk(&l.app.platform().await, "", 1).await, [json!(truth.request_id), json!(truth.request_id)]);
    for (of, cost) in [(&l.a, truth.cost_microusd()), (&l.b, forged.cost_microusd())] {
        let viewer = l.app.user(Role::Viewer, Some(id(&of.tenant))).await;
        let found = viewer.get(&format!("usage?request_id={}", truth.request_id)).await.expect(200).json;
        let items = found["items"].as_array().unwrap();
        assert_eq!((items.len(), &items[0]["cost_microusd"]), (1, &json!(cost)));
    }
}

#[tokio::test]
async fn records_are_found_newest_first_by_each_filter() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let day = now() - TimeDelta::days(1);
    let mut records: Vec<UsageRecord> = (0..5).map(|hour| record(&l.a, day - TimeDelta::hours(hour * 10))).collect();
    records.push(UsageRecord { model: "claude".into(), ..record(&l.b, day - TimeDelta::days(5)) });
    // Two at the same time, to be told apart by their ids alone.
    records[2].started_at = records[1].started_at;
    l.app.store.record_usage(&l.gateway, records.clone()).await.unwrap();
    records.sort_by_key(|record| std::cmp::Reverse((record.started_at, record.request_id)));

    let a = id(&l.a.tenant);
    let time = |at: DateTime<Utc>| at.to_rfc3339().replace('+', "%2B");
    for (query, expect) in [
        (String::new(), records.clone()),
        (format!("&tenant_id={a}"), records[..5].to_vec()),
        (format!("&key_id={}", id(&l.b.api_key)), records[5..].to_vec()),
        ("&model=claude".into(), records[5..].to_vec()),
        (format!("&request_id={}", records[3].request_id), records[3..4].to_vec()),
        (format!("&from={}", time(records[4].started_at)), records[..5].to_vec()),
        (format!("&to={}", time(records[0].started_at)), records[1..].to_vec()),
        (
            format!("&from={}&to={}&tenant_id={a}", time(records[4].started_at), time(records[2].started_at)),
            records[3..5].to_vec(),
        ),
    ] {
        for limit in [1, 2, 100] {
            let expect: Vec<Value> = expect.iter().map(|record| json!(record.request_id)).collect();
            assert_eq!(walk(&platform, &query, limit).await, expect, "{query} {limit}");
        }
    }
    let viewer = l.app.user(Role::Viewer, Some(a)).await;
    assert_eq!(walk(&viewer, "", 100).await.len(), 5);
    assert!(walk(&viewer, &format!("&tenant_id={}", id(&l.b.tenant)), 100).await.is_empty());
}

async fn walk(client: &crate::app::Client, query: &str, limit: usize) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let part = client.get(&format!("usage?limit={limit}{query}{cursor}")).await.expect(200).json;
        found.extend(part["items"].as_array().unwrap().iter().map(|item| item["request_id"].clone()));
        match part["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_record_is_read_as_it_was_reported() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let record = record(&l.a, now());
    l.app.store.record_usage(&l.gateway, vec![record.clone()]).await.unwrap();
    let item = platform.get("usage").await.expect(200).json["items"][0].clone();
    let started_at: DateTime<Utc> = item["started_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(started_at, record.started_at);
    for (field, value) in [
        ("gateway_id", json!(l.gateway.id)),
        ("tenant_id", json!(record.tenant_id)),
        ("key_id", json!(record.key_id)),
        ("operation", json!("chat.completions")),
        ("model", json!("gpt")),
        ("provider_id", json!(record.provider_id)),
        ("deployment_id", Value::Null),
        ("upstream_model", json!("gpt-4o")),
        ("input_tokens", json!(10)),
        ("cached_input_tokens", json!(4)),
        ("cache_write_tokens", json!(2)),
        ("cache_write_1h_tokens", json!(3)),
        ("output_tokens", json!(20)),
        ("reasoning_tokens", json!(5)),
        ("input_source", json!("provider")),
        ("cached_input_source", json!("provider")),
        ("cache_write_source", json!("provider")),
        ("output_source", json!("estimated")),
        ("reasoning_source", json!("estimated")),
        ("cost_microusd", json!(123)),
        ("cost_usd", json!("0.000122000001")),
        ("price_version", json!("r7")),
        ("latency_us", json!(1_500_000)),
        ("time_to_first_token_us", json!(300_000)),
        ("status", json!(200)),
        ("error_code", json!("")),
        ("outcome", json!("client_disconnect")),
        ("streamed", json!(true)),
        ("attempts", json!(2)),
        ("guardrail_findings", json!(["CREDIT_CARD:redact=2", "EMAIL:flag=1"])),
        ("revision", json!(9)),
        ("doubtful", json!([])),
    ] {
        assert_eq!(item[field], value, "{field}");
    }
}

#[tokio::test]
async fn one_record_tells_all_that_is_known_of_a_request() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let member = &l.a.pool["members"][0];
    let deployment: Uuid = member["id"].as_str().unwrap().parse().unwrap();
    let version = format!("r{}", l.a.pool["revision"]);
    let attempt = |status, answered_after_us| UsageAttempt {
        deployment_id: Some(deployment),
        provider_id: Some(id(&l.a.provider)),
        upstream_model: "gpt-4o\0".into(),
        status,
        started_after_us: 1000,
        answered_after_us,
        cost_picousd: None,
        input_tokens: 7,
        output_tokens: 8,
        price_version: "r1".into(),
    };
    // At 1, 2, 1.25, 2, 3 and 3 micro-dollars for a million tokens.
    let record = UsageRecord {
        deployment_id: Some(deployment),
        price_version: version.clone(),
        input_tokens: 10_000_000,
        cached_input_tokens: 4_000_000,
        cost_picousd: 44_000_002,
        output_tokens: 10_000_000,
        cache_write_1h_tokens: 0,
        attempt_details: vec![attempt(0, None), attempt(200, Some(2000))],
        error_code: "content_blocked".into(),
        outcome: "refused".into(),
        decided_by: "guardrails".into(),
        ..record(&l.a, now())
    };
    let unpriced = UsageRecord {
        request_id: Uuid::now_v7(),
        price_version: String::new(),
        cost_picousd: 0,
        error_code: String::new(),
        ..record.clone()
    };
    let unknown = UsageRecord { request_id: Uuid::now_v7(), price_version: "r0".into(), ..record.clone() };
    let doubtful = UsageRecord { request_id: Uuid::now_v7(), cost_picousd: 46_000_000, ..record.clone() };
    let all = vec![record.clone(), unpriced.clone(), unknown.clone(), doubtful.clone()];
    l.app.store.record_usage(&l.gateway, all).await.unwrap();
    // The pool's price changes: what was used before is explained by the price that held then.
    let mut members = l.a.pool["members"].clone();
    members[0].as_object_mut().unwrap().remove("id");
    members[0]["price"]["input_microusd_per_million"] = json!(999);
    let pool = format!("pools/{}", id(&l.a.pool));
    platform.patch(&pool, &l.a.pool["revision"], json!({"members": members})).await.expect(200);

    let viewer = l.app.user(Role::Viewer, Some(id(&l.a.tenant))).await;
    for reader in [&platform, &viewer] {
        let path = format!("usage/{}", record.request_id);
        let detail = reader.get(&path).await.expect(200).json;
        assert_eq!(detail["request_id"], json!(record.request_id));
        assert_eq!(detail["pool_id"], l.a.pool["id"]);
        assert_eq!(detail["error"], json!({"code": "content_blocked", "decided_by": "guardrails"}));
        let names = &detail["names"];
        assert_eq!(
            (&names["tenant"], &names["key"], &names["pool"], &names["provider"], &names["model_id"]),
            (&json!("a"), &json!("app"), &json!("pool"), &json!("openai"), &l.a.model["id"])
        );
        // The gateway is the platform's.
        assert_eq!(names["gateway"].is_null(), reader.token() == viewer.token());
        let told = |status: u32, answered: Value| {
            json!({"deployment_id": deployment, "provider_id": l.a.provider["id"], "provider": "openai",
                "upstream_model": "gpt-4o\0", "status": status, "started_after_us": 1000,
                "answered_after_us": answered, "cost_usd": null, "input_tokens": 7, "output_tokens": 8,
                "price_version": "r1"})
        };
        assert_eq!(detail["attempt_details"], json!([told(0, Value::Null), told(200, json!(2000))]));
        let finding = |finding: &str, action: &str, count| json!({"type": finding, "action": action, "count": count});
        assert_eq!(detail["findings"], json!([finding("CREDIT_CARD", "redact", 2), finding("EMAIL", "flag", 1)]));
        let line = |class: &str, tokens: u64, price: u64, amount: &str| json!({"class": class, "tokens": tokens, "microusd_per_million": price, "amount_usd": amount});
        assert_eq!(
            detail["cost"],
            json!({"total_microusd": 45, "total_usd": "0.000044000002", "status": "explained", "lines": [
                line("input", 5_999_998, 1, "0.000005999998"),
                line("cached_input", 4_000_000, 2, "0.000008"),
                line("cache_write", 2, 2, "0.000000000004"),
                line("output", 9_999_995, 3, "0.000029999985"),
                line("reasoning", 5, 3, "0.000000000015"),
            ]})
        );
    }
    for (record, status) in [(&unpriced, "unpriced"), (&unknown, "unknown"), (&doubtful, "unknown")] {
        let detail = platform.get(&format!("usage/{}", record.request_id)).await.expect(200).json;
        assert_eq!((&detail["cost"]["status"], &detail["cost"]["lines"]), (&json!(status), &json!([])));
        assert_eq!(detail["error"].is_null(), record.error_code.is_empty());
    }
    let other = l.app.user(Role::TenantAdmin, Some(id(&l.b.tenant))).await;
    other.get(&format!("usage/{}", record.request_id)).await.problem(404, "not_found");
    // As another version may have written them.
    let request = record.request_id;
    for (statement, told) in [
        (
            r#"UPDATE usage_records SET attempt_details = '[{"status": 200, "upstream_model": "m"}, 7, {"status": "?"}, {}]'"#,
            json!([[200, "m"], [0, ""]]),
        ),
        (r#"UPDATE usage_records SET attempt_details = '{"status": 200}'"#, json!([])),
    ] {
        l.app.sql(statement).await;
        let detail = platform.get(&format!("usage/{request}")).await.expect(200).json;
        let attempts = detail["attempt_details"].as_array().unwrap().iter();
        let attempts: Value = attempts.map(|each| json!([each["status"], each["upstream_model"]])).collect();
        assert_eq!(attempts, told);
        let listed = platform.get("usage").await.expect(200).json;
        let listed = listed["items"].as_array().unwrap();
        assert_eq!((listed.len(), &listed[0]["key_name"]), (4, &json!("app")));
    }
    platform.get(&format!("usage/{}", Uuid::now_v7())).await.problem(404, "not_found");
    platform.get("usage/x").await.problem(404, "not_found");
}

#[tokio::test]
async fn each_coming_day_has_a_partition_and_a_late_one_takes_its_rows_over() {
    let l = ledger().await;
    let pool = PgPool::connect(&l.app.database_url).await.unwrap();
    let in_default = async || {
        sqlx::query_as::<_, (i64,)>("SELECT count(*) FROM ONLY usage_records_default").fetch_one(&pool).await.unwrap().0
    };
    let day = now() - TimeDelta::days(5);
    l.app.store.record_usage(&l.gateway, vec![record(&l.a, now()), record(&l.a, day)]).await.unwrap();
    assert_eq!(in_default().await, 1, "today has a partition");
    for _ in 0..2 {
        sqlx::query("SELECT ensure_usage_partition($1)").bind(day.date_naive()).execute(&pool).await.unwrap();
        assert_eq!((in_default().await, stored(&l.app.database_url).await), (0, 2));
    }
    let store = &l.app.store;
    let (first, second) = tokio::join!(store.maintain(chrono::Utc::now()), store.maintain(chrono::Utc::now()));
    first.and(second).unwrap();
}
