//! Prices by their time.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use weir_config::FindingType;
use weir_core::gateway::DearestPrices;

use weir_core::secret::sha256;

use crate::app::{App, Client, app, furnish, id};

fn price(input: u64) -> Value {
    json!({"input_microusd_per_million": input, "cached_input_microusd_per_million": 1, "cache_write_microusd_per_million": null,
        "cache_write_1h_microusd_per_million": 1, "output_microusd_per_million": 3, "reasoning_microusd_per_million": null})
}

/// Changes the first member of a pool, and answers the pool.
async fn change(client: &Client, pool: &Value, next: &[(DateTime<Utc>, u64)], input: Option<u64>) -> Value {
    let mut members = pool["members"].clone();
    members[0]["price"] = input.map_or(Value::Null, price);
    members[0]["next_prices"] =
        next.iter().map(|(from, input)| json!({"valid_from": from, "price": price(*input)})).collect();
    let path = format!("pools/{}", id(pool));
    client.patch(&path, &pool["revision"], json!({"members": members})).await.expect(200).json
}

/// Each version's state and price for input, the latest first.
async fn history(client: &Client, pool: &Value) -> Vec<(String, u64)> {
    let items = client.get(&format!("pools/{}/prices/history", id(pool))).await.expect(200).json["items"].clone();
    let read = |item: &Value| {
        (item["state"].as_str().unwrap().to_owned(), item["price"]["input_microusd_per_million"].as_u64().unwrap())
    };
    items.as_array().unwrap().iter().map(read).collect()
}

/// The versions that Envoy has of the first member's: the one that holds first, and from when each next one does.
async fn sent(app: &App) -> (Option<String>, Vec<(DateTime<Utc>, String)>) {
    let member = app.store.snapshot().await.unwrap().pools[0].members[0].clone();
    let next = member.next_prices.into_iter().map(|(from, price)| (from, price.version));
    (member.price.map(|price| price.version), next.collect())
}

fn states(history: &[(String, u64)]) -> Vec<(&str, u64)> {
    history.iter().map(|(state, input)| (state.as_str(), *input)).collect()
}

#[tokio::test]
async fn a_price_to_come_is_sent_ahead_and_every_price_stays_known() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "a").await;
    let (soon, later) = (Utc::now() + TimeDelta::hours(1), Utc::now() + TimeDelta::days(30));

    let pool = change(&platform, &f.pool, &[(soon, 20), (later, 10)], Some(5)).await;
    assert_eq!(pool["members"][0]["next_prices"][0]["price"], price(20));
    let (now, next) = sent(&app).await;
    let revision = &pool["revision"];
    assert_eq!(now, Some(format!("r{revision}")));
    assert_eq!(
        next.iter().map(|(_, version)| version.clone()).collect::<Vec<_>>(),
        [format!("r{revision}.1"), format!("r{revision}.2")]
    );
    let expect = [("future", 10), ("future", 20), ("current", 5), ("past", 1)];
    assert_eq!(states(&history(&platform, &pool).await), expect);

    // The same again is no other price, and what is taken back has never held.
    let same = change(&platform, &pool, &[(soon, 20)], Some(5)).await;
    assert_eq!(sent(&app).await.1[0].1, format!("r{revision}.1"));
    let expect = [("withdrawn", 10), ("future", 20), ("current", 5), ("past", 1)];
    assert_eq!(states(&history(&platform, &same).await), expect);

    // One whose time has passed already holds from when it was written.
    let begun = Utc::now();
    let late = change(&platform, &same, &[(Utc::now() - TimeDelta::days(1), 7)], Some(5)).await;
    assert!(sent(&app).await.1[0].0 >= begun);
    let expect = [("withdrawn", 10), ("withdrawn", 20), ("current", 7), ("past", 5), ("past", 1)];
    assert_eq!(states(&history(&platform, &late).await), expect);

    // Of a member that is gone nothing is lost.
    let members = json!([{"provider_id": f.provider["id"], "model": "another"}]);
    let path = format!("pools/{}", id(&pool));
    platform.patch(&path, &late["revision"], json!({"members": members})).await.expect(200);
    let expect = [("withdrawn", 10), ("withdrawn", 20), ("past", 7), ("past", 5), ("past", 1)];
    assert_eq!(states(&history(&platform, &pool).await), expect);
}

#[tokio::test]
async fn a_price_ends_where_the_next_one_begins() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "a").await;
    let soon = Utc::now() + TimeDelta::hours(1);
    let pool = change(&platform, &f.pool, &[(soon, 20)], Some(5)).await;
    let items = platform.get(&format!("pools/{}/prices/history", id(&pool))).await.expect(200).json["items"].clone();
    let time = |item: &Value| item.as_str().map(|time| time.parse::<DateTime<Utc>>().unwrap().timestamp_micros());
    let soon = Some(soon.timestamp_micros());
    assert_eq!((time(&items[0]["valid_from"]), time(&items[0]["valid_until"])), (soon, None));
    assert_eq!(time(&items[1]["valid_until"]), soon);
    assert_eq!(items[2]["valid_until"], items[1]["valid_from"]);
    assert_eq!(items[0]["provider_name"], f.provider["name"]);
}

#[tokio::test]
async fn the_dearest_price_to_come_is_reserved() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "a").await;
    let mut pool = change(&platform, &f.pool, &[(Utc::now() + TimeDelta::hours(1), 20)], Some(5)).await;
    pool["members"][0]["next_prices"][0]["price"]["request_microusd"] = json!(4);
    let members = pool["members"].clone();
    platform.patch(&format!("pools/{}", id(&pool)), &pool["revision"], json!({"members": members})).await.expect(200);
    let key = platform.make("api-keys", json!({"tenant_id": f.tenant["id"], "name": "k"})).await;
    let (gateway, digest) = (app.gateway(None).await, sha256(key["key"].as_str().unwrap()));
    let resolved = app.store.resolve_credential(&gateway, &digest, None, &FindingType::ALL).await.unwrap();
    // Written to a cache for five minutes, a quarter dearer.
    let dearest = DearestPrices { input: 25, output: 3, request: 4_000_000 };
    assert_eq!(resolved.catalog.unwrap().models.unwrap()[0].dearest, Some(dearest));
}

#[tokio::test]
async fn prices_to_come_are_in_order_few_and_as_good_as_others() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "a").await;
    let at = |hours: i64| Utc::now() + TimeDelta::hours(hours);
    let path = format!("pools/{}", id(&f.pool));
    for (next, field) in [
        (json!([{"valid_from": at(2), "price": price(1)}, {"valid_from": at(1), "price": price(1)}]), "[1].valid_from"),
        (json!([{"valid_from": "1999-01-01T00:00:00Z", "price": price(1)}]), "[0].valid_from"),
        (json!([{"valid_from": at(1), "price": price(u64::MAX)}]), "[0].price.input_microusd_per_million"),
        ((1..6).map(|hour| json!({"valid_from": at(hour), "price": price(1)})).collect(), ""),
    ] {
        let mut members = f.pool["members"].clone();
        members[0]["next_prices"] = next;
        let refused = platform.patch(&path, &f.pool["revision"], json!({"members": members})).await;
        refused.problem(422, "invalid_fields").field(&format!("members[0].next_prices{field}"));
    }
}

#[tokio::test]
async fn what_the_catalogue_says_is_a_price_that_a_member_takes() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "a").await;
    let found = platform.get("catalogue/models?q=opus-5-5").await.expect(200).json;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    let model = &found["items"][0];
    assert_eq!(
        (&model["provider"], &model["price"]["input_microusd_per_million"]),
        (&json!("anthropic"), &json!(4_000_000))
    );
    let mut members = f.pool["members"].clone();
    members[0]["price"] = model["price"].clone();
    let path = format!("pools/{}", id(&f.pool));
    let changed = platform.patch(&path, &f.pool["revision"], json!({"members": members})).await.expect(200).json;
    assert_eq!(changed["members"][0]["price"], model["price"]);
    assert!(platform.get("catalogue/models").await.expect(200).json["items"].as_array().unwrap().len() > 30);
    assert_eq!(platform.get("catalogue/models?q=nobody").await.expect(200).json["items"], json!([]));
}
