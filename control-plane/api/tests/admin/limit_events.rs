//! What somebody may want to be told of limits: once in a window, however many control planes look.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;
use weir_core::actor::Role;
use weir_core::gateway::{Gateway, LeaseTerms, LimitCounter, QuotaDemand, QuotaSettlement};

use crate::app::{App, Client, app, id};

struct Watched {
    app: App,
    platform: Client,
    gateway: Gateway,
    tenant: Value,
    limit_id: Uuid,
    now: DateTime<Utc>,
}

/// A limit of 100 tokens for ever, with thresholds at 50 and 80 percent.
async fn watched(change: Value) -> Watched {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let mut body = json!({"tenant_id": tenant["id"], "name": "l", "subject": {"kind": "tenant"}, "unit": "total_tokens",
        "window": {"kind": "total"}, "amount": 100, "action": "refuse", "thresholds": [50, 80]});
    for (field, value) in change.as_object().unwrap() {
        body[field] = value.clone();
    }
    let limit_id = id(&platform.make("limits", body).await);
    Watched { gateway: app.gateway(None).await, tenant, limit_id, now: Utc::now(), platform, app }
}

impl Watched {
    async fn lease(&self, minimum: u64, waiting: u64) -> u64 {
        let counter = LimitCounter { limit_id: self.limit_id, generation: 0, member: "" }.name();
        let demand =
            QuotaDemand { counter, window_start_unix_s: 0, minimum, wanted: waiting, waiting, id: String::new() };
        let (store, terms) = (&self.app.store, LeaseTerms::default());
        let grants = store.acquire_quota(&self.gateway, id(&self.tenant), "envoy", vec![demand], terms, self.now).await;
        grants.unwrap()[0].granted
    }

    async fn spend(&self, in_all: u64) {
        let settlement = QuotaSettlement {
            tenant_id: id(&self.tenant),
            counter: LimitCounter { limit_id: self.limit_id, generation: 0, member: "" }.name(),
            window_start_unix_s: 0,
            holder: "envoy".into(),
            spent: in_all,
            returned: 0,
        };
        let (store, terms) = (&self.app.store, LeaseTerms::default());
        assert_eq!(store.settle_quota(&self.gateway, vec![settlement], terms, self.now).await.unwrap(), 1);
    }

    /// What two control planes that look at once have written by then, the oldest first.
    async fn told(&self) -> Vec<String> {
        let (one, other) = tokio::join!(
            self.app.store.note_limit_events(None, self.now),
            self.app.store.note_limit_events(None, self.now)
        );
        one.and(other).unwrap();
        let list = self.platform.get("limit-events").await.expect(200).json;
        let mut told: Vec<String> = list["items"].as_array().unwrap().iter().map(shown).collect();
        told.sort();
        told
    }
}

fn shown(event: &Value) -> String {
    let percent = event["percent"].as_u64().map_or(String::new(), |percent| format!(" {percent} %"));
    format!("{}{percent}: {} of {}", event["kind"].as_str().unwrap(), event["used"], event["amount"])
}

#[tokio::test]
async fn each_threshold_is_told_once_and_again_after_a_reset() {
    let watched = watched(json!({})).await;
    assert_eq!(watched.lease(1, 100).await, 100);
    watched.spend(49).await;
    assert!(watched.told().await.is_empty(), "what is only reserved is not spent");
    watched.spend(60).await;
    assert_eq!(watched.told().await, ["threshold 50 %: 60 of 100"]);
    watched.spend(79).await;
    assert_eq!(watched.told().await, ["threshold 50 %: 60 of 100"], "it was told");
    watched.spend(100).await;
    let all = ["limit_reached: 100 of 100", "threshold 50 %: 60 of 100", "threshold 80 %: 100 of 100"];
    assert_eq!(watched.told().await, all);
    assert_eq!(watched.lease(1, 1).await, 0);
    assert_eq!(watched.told().await, all, "that it is reached is known");

    watched.platform.post(&format!("limits/{}/reset", watched.limit_id), json!({})).await.expect(204);
    assert_eq!(watched.lease(1, 50).await, 50);
    watched.spend(150).await;
    assert_eq!(watched.told().await.iter().filter(|event| event.starts_with("threshold 50")).count(), 2);
    // What narrows the list narrows it.
    for (query, count) in [
        ("kind=threshold", 3),
        ("kind=spike", 0),
        ("since=2100-01-01T00:00:00Z", 0),
        (&format!("limit_id={}&limit=2", watched.limit_id), 2),
    ] {
        let list = watched.platform.get(&format!("limit-events?{query}")).await.expect(200).json;
        assert_eq!(list["items"].as_array().unwrap().len(), count, "{query}");
    }
    let first = watched.platform.get("limit-events?limit=3").await.expect(200).json;
    let rest = format!("limit-events?cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(watched.platform.get(&rest).await.expect(200).json["items"].as_array().unwrap().len(), 1);
    let stranger = watched.platform.make("tenants", json!({"name": "b"})).await;
    let stranger = watched.app.user(Role::TenantAdmin, Some(id(&stranger))).await;
    assert_eq!(stranger.get("limit-events").await.expect(200).json["items"], json!([]));
}

#[tokio::test]
async fn a_request_that_is_refused_tells_that_the_limit_is_reached_though_some_of_it_is_left() {
    let refusing = watched(json!({"thresholds": []})).await;
    assert_eq!(refusing.lease(30, 90).await, 90);
    refusing.spend(90).await;
    assert!(refusing.told().await.is_empty());
    assert_eq!(refusing.lease(30, 30).await, 0);
    assert_eq!(refusing.told().await, ["limit_reached: 100 of 100"]);
    // What only warns refuses nobody, and tells when it is spent.
    let warning = watched(json!({"thresholds": [], "action": "warn"})).await;
    assert_eq!(warning.lease(30, 90).await, 90);
    warning.spend(130).await;
    assert_eq!(warning.told().await, ["limit_reached: 130 of 100"]);
}

#[tokio::test]
async fn who_suddenly_uses_several_times_as_much_is_told_once_a_quarter_hour() {
    let mut watched = watched(json!({})).await;
    watched.now = "2027-03-10T12:17:30Z".parse().unwrap();
    let noon: DateTime<Utc> = "2027-03-10T12:00:00Z".parse().unwrap();
    let pool = sqlx::PgPool::connect(&watched.app.database_url).await.unwrap();
    let (calm, wild, young) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let sum = async |key: Uuid, at: DateTime<Utc>, requests: i64, microusd: i64| {
        sqlx::query(
            "INSERT INTO usage_rollups (slice, period_start, series, tenant_id, key_id, provider_id, pool_id, model, outcome, writer,
                 requests, errors, with_findings, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
                 reasoning_tokens, cost_microusd, last_at, latency, time_to_first_token)
             VALUES (5, $1, gen_random_uuid(), $2, $3, $3, $3, 'm', 'complete', 0, $4, 0, 0, 0, 0, 0, 0, 0, $5, $1, '', '')",
        )
        .bind(at)
        .bind(id(&watched.tenant))
        .bind(key)
        .bind(requests)
        .bind(microusd)
        .execute(&pool)
        .await
        .unwrap();
    };
    for quarters in 1..=5 {
        let at = noon - TimeDelta::minutes(15 * quarters);
        sum(calm, at, 1000, 1000).await;
        sum(wild, at, 30, 600_000).await;
    }
    sum(calm, noon, 1100, 1000).await;
    // Five times the requests, and less than four times the cost.
    sum(wild, noon, 150, 2_000_000).await;
    sum(young, noon, 900, 0).await;
    sum(young, noon - TimeDelta::minutes(15), 1, 0).await;
    assert_eq!(watched.told().await, ["spike: 150 of 30"]);
    let list = watched.platform.get("limit-events").await.expect(200).json;
    let event = &list["items"][0];
    let found = (&event["subject_kind"], &event["subject_id"], &event["unit"], &event["window_start"]);
    assert_eq!(found, (&json!("api_key"), &json!(wild), &json!("requests"), &json!("2027-03-10T12:00:00Z")));
    // The quarter-hour after it is still like it, and another one.
    sum(wild, noon + TimeDelta::minutes(15), 400, 0).await;
    assert_eq!(watched.told().await.len(), 1, "it is not over");
    watched.now += TimeDelta::minutes(15);
    assert_eq!(watched.told().await, ["spike: 150 of 30", "spike: 400 of 50"]);
}

#[tokio::test]
async fn only_what_was_used_since_is_looked_at_again() {
    let watched = watched(json!({})).await;
    assert_eq!(watched.lease(1, 100).await, 100);
    watched.spend(60).await;
    let noted = async |since: DateTime<Utc>, now: DateTime<Utc>| {
        watched.app.store.note_limit_events(Some(since), now).await.unwrap();
        watched.platform.get("limit-events").await.expect(200).json["items"].as_array().unwrap().len()
    };
    let later = watched.now + TimeDelta::hours(1);
    assert_eq!(noted(later, later).await, 0);
    assert_eq!(noted(watched.now, watched.now).await, 1);
}

#[tokio::test]
async fn what_cannot_be_noted_of_one_limit_is_noted_of_the_others() {
    let watched = watched(json!({})).await;
    let broken = "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.percent = 50 THEN RAISE 'broken'; END IF; RETURN NEW; END $$";
    watched.app.sql(broken).await;
    watched.app.sql("CREATE TRIGGER broken BEFORE INSERT ON limit_events FOR EACH ROW EXECUTE FUNCTION broken()").await;
    assert_eq!(watched.lease(1, 100).await, 100);
    watched.spend(85).await;
    assert_eq!(watched.told().await, ["threshold 80 %: 85 of 100"]);
}
