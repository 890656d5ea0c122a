//! Sums in other currencies than dollars.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use weir_core::actor::Role;
use weir_core::ledger::UsageRecord;

use crate::app::{Client, id};
use crate::ledger::{Ledger, ledger, record};

fn midday(days_ago: i64) -> DateTime<Utc> {
    let day = (Utc::now() - TimeDelta::days(days_ago)).date_naive();
    day.and_hms_opt(12, 0, 0).unwrap().and_utc()
}

/// Stores a record of this many micro-dollars for each of the days before today.
async fn spend(l: &Ledger, microusd: &[(i64, u64)]) {
    let of = |&(days_ago, cost): &(i64, u64)| UsageRecord {
        cost_picousd: cost * 1_000_000,
        ..record(&l.a, midday(days_ago))
    };
    let records = microusd.iter().map(of).collect();
    l.app.store.record_usage(&l.gateway, records).await.unwrap();
}

async fn rate(client: &Client, name: &str, currency: &str, rate: &str, days_ago: i64) -> Value {
    let body = json!({"name": name, "currency": currency, "rate": rate, "valid_from": midday(days_ago).date_naive()});
    client.make("currency-rates", body).await
}

/// The totals in dollars and in the currency, and those of each bucket.
async fn summary(client: &Client, query: &str) -> (Vec<Value>, Vec<Value>) {
    let from = midday(6).date_naive();
    let answer = client.get(&format!("usage/summary?from={from}T00:00:00Z&{query}")).await.expect(200).json;
    let both = |sums: &Value| vec![sums["cost_usd"].clone(), sums["cost_in_currency"].clone()];
    (both(&answer["totals"]), answer["items"].as_array().unwrap().iter().flat_map(both).collect())
}

#[tokio::test]
async fn each_day_is_converted_by_its_own_rate() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    rate(&platform, "EUR first", "EUR", "0.5", 5).await;
    let second = rate(&platform, "EUR second", "EUR", "0.8", 3).await;
    rate(&platform, "INR", "INR", "84.125", 2).await;
    spend(&l, &[(5, 2_000_000), (4, 1_000_000), (3, 10), (2, 1_000_000)]).await;
    let dollars = json!("4.00001");
    // 2 × 0.5 + 1 × 0.5 + 0.00001 × 0.8 + 1 × 0.8.
    let (totals, items) = summary(&platform, "currency=EUR&bucket=day").await;
    assert_eq!(totals, [dollars.clone(), json!("2.300008")]);
    let expect = ["2", "1", "1", "0.5", "0.00001", "0.000008", "1", "0.8"];
    assert_eq!(items, expect.map(|amount| json!(amount)));
    let (totals, _) = summary(&platform, "currency=EUR").await;
    assert_eq!(totals, [dollars.clone(), json!("2.300008")]);
    // By hour the same, though days of another time zone are none of the rates'.
    let (totals, _) = summary(&platform, "currency=EUR&bucket=hour&time_zone=Asia/Kolkata").await;
    assert_eq!(totals, [dollars.clone(), json!("2.300008")]);

    // A day before the first rate is unknown, and so is a sum with it. Days of which nothing was spent need none.
    let (totals, items) = summary(&platform, "currency=INR&bucket=day").await;
    assert_eq!(totals, [dollars.clone(), Value::Null]);
    assert_eq!(items[6..], [json!("1"), json!("84.125")]);
    assert_eq!(items[1], Value::Null);
    for query in ["currency=CHF", "currency=USD", ""] {
        assert_eq!(summary(&platform, query).await.0, [dollars.clone(), Value::Null], "{query}");
    }

    // What is stored stays in dollars: another rate shows another sum.
    let path = format!("currency-rates/{}", id(&second));
    platform.patch(&path, &second["revision"], json!({"rate": "1"})).await.expect(200);
    assert_eq!(summary(&platform, "currency=EUR").await.0, [dollars.clone(), json!("2.50001")]);

    // Whoever sees sums sees them in any currency; the rates are the platform's.
    let viewer = l.app.user(Role::Viewer, Some(id(&l.a.tenant))).await;
    assert_eq!(summary(&viewer, "currency=EUR").await.0, [dollars, json!("2.50001")]);
    viewer.get("currency-rates").await.problem(404, "not_found");
}

#[tokio::test]
async fn what_is_wrong_with_a_rate_is_named() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let good = json!({"name": "a", "currency": "EUR", "rate": "0.9", "valid_from": "2026-01-01"});
    for (field, value) in [
        ("currency", json!("USD")),
        ("currency", json!("euro")),
        ("rate", json!("0")),
        ("valid_from", json!("1900-01-01")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        platform.post("currency-rates", body).await.problem(422, "invalid_fields").field(field);
    }
    platform.get("usage/summary?currency=euro").await.problem(400, "invalid_query").field("currency");
}
