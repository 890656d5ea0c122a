//! What administrators do about a limit for a time: raises, resets, adjustments; and how much of all limits is used.

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;
use weir_core::actor::Role;
use weir_core::gateway::{Gateway, LeaseTerms, LimitCounter, QuotaDemand, QuotaSettlement};
use weir_core::secret::sha256;

use crate::app::{Answer, App, Client, admin, app, furnish, id};

struct Limited {
    app: App,
    platform: Client,
    gateway: Gateway,
    tenant: Value,
    path: String,
    limit_id: Uuid,
    now: DateTime<Utc>,
}

/// A limit of 100 tokens a day, but for what is changed.
async fn limited(change: Value) -> Limited {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let mut body = json!({"tenant_id": tenant["id"], "name": "l", "subject": {"kind": "tenant"}, "unit": "total_tokens",
        "window": {"kind": "calendar", "period": "year"}, "amount": 100, "action": "refuse"});
    for (field, value) in change.as_object().unwrap() {
        body[field] = value.clone();
    }
    let limit_id = id(&platform.make("limits", body).await);
    let (gateway, path) = (app.gateway(None).await, format!("limits/{limit_id}"));
    Limited { gateway, tenant, path, limit_id, now: Utc::now(), platform, app }
}

impl Limited {
    async fn window_start(&self) -> i64 {
        let state = self.state("").await;
        state["began_at"].as_str().map_or(0, |at| at.parse::<DateTime<Utc>>().unwrap().timestamp())
    }

    async fn lease_of(&self, member: &str, holder: &str, waiting: u64) -> u64 {
        self.lease_once("", member, holder, waiting).await
    }

    /// `demand`: as the holder names it, so that it can ask again.
    async fn lease_once(&self, demand: &str, member: &str, holder: &str, waiting: u64) -> u64 {
        let start = if member.is_empty() { self.window_start().await } else { 0 };
        let counter = LimitCounter { limit_id: self.limit_id, generation: 0, member }.name();
        let demand = QuotaDemand {
            counter,
            window_start_unix_s: start,
            minimum: 1,
            wanted: waiting,
            waiting,
            id: demand.into(),
        };
        let (store, terms) = (&self.app.store, LeaseTerms::default());
        let grants = store.acquire_quota(&self.gateway, id(&self.tenant), holder, vec![demand], terms, self.now).await;
        grants.unwrap()[0].granted
    }

    async fn settle(&self, member: &str, holder: &str, spent: u64, returned: u64) {
        let start = if member.is_empty() { self.window_start().await } else { 0 };
        let settlement = QuotaSettlement {
            tenant_id: id(&self.tenant),
            counter: LimitCounter { limit_id: self.limit_id, generation: 0, member }.name(),
            window_start_unix_s: start,
            holder: holder.into(),
            spent,
            returned,
        };
        let (store, terms) = (&self.app.store, LeaseTerms::default());
        store.settle_quota(&self.gateway, vec![settlement], terms, self.now).await.unwrap();
    }

    /// Spent, reserved, unreconciled, remaining.
    async fn counted(&self) -> [u64; 4] {
        let actor = weir_core::actor::Actor::system();
        let state = self.app.store.limit_state(&actor, self.limit_id, None, self.now).await.unwrap();
        [state.spent, state.reserved, state.unreconciled, state.remaining]
    }

    async fn state(&self, query: &str) -> Value {
        self.platform.get(&format!("{}/state{query}", self.path)).await.expect(200).json
    }

    async fn put(&self, what: &str, body: Value) {
        put(&self.platform, &format!("{}/{what}", self.path), body).await.expect(204);
    }

    async fn post(&self, what: &str, body: Value) {
        self.platform.post(&format!("{}/{what}", self.path), body).await.expect(204);
    }

    async fn last_audit(&self) -> Value {
        self.platform.get("audit?limit=1").await.expect(200).json["items"][0].clone()
    }
}

async fn put(client: &Client, path: &str, body: Value) -> Answer {
    client.send(Method::PUT, &admin(path), &[], Some(body.to_string())).await
}

fn numbers(state: &Value) -> [u64; 5] {
    ["amount", "spent", "reserved", "unreconciled", "remaining"].map(|field| state[field].as_u64().unwrap())
}

fn soon() -> String {
    (Utc::now() + TimeDelta::hours(1)).to_rfc3339()
}

#[tokio::test]
async fn a_raise_holds_until_its_end_and_the_limit_stays_as_it_was_written() {
    let limited = limited(json!({})).await;
    assert_eq!(limited.lease_of("", "a", 100).await, 100);
    limited.settle("", "a", 100, 0).await;
    assert_eq!(limited.lease_of("", "a", 10).await, 0);
    let before = limited.platform.get(&limited.path).await.expect(200).json;

    limited.put("raise", json!({"amount": 150, "until": soon(), "reason": "a fair"})).await;
    assert_eq!(numbers(&limited.state("").await), [150, 100, 0, 0, 50]);
    assert_eq!(limited.lease_of("", "b", 30).await, 25, "an equal share");
    assert_eq!(limited.platform.get(&limited.path).await.expect(200).json, before);
    let audit = limited.last_audit().await;
    assert_eq!((&audit["action"], &audit["resource_id"]), (&json!("limit.raise"), &json!(limited.limit_id)));
    assert!(audit["changes"].to_string().contains("a fair"), "{audit}");
    // Callers are told of the amount that holds for them.
    let key = limited.platform.make("api-keys", json!({"tenant_id": limited.tenant["id"], "name": "k"})).await;
    let amount = async || {
        let digest = sha256(key["key"].as_str().unwrap());
        let resolved = limited.app.store.resolve_credential(&limited.gateway, &digest, None, &[]).await.unwrap();
        resolved.principal.unwrap().limits[0].amount
    };
    assert_eq!(amount().await, 150);
    // Another one takes its place, and once it is over nothing more is granted.
    limited.put("raise", json!({"amount": 120, "until": soon()})).await;
    assert_eq!(limited.lease_of("", "c", 30).await, 0, "125 of 120 are gone");
    limited.platform.delete(&format!("{}/raise", limited.path), &Value::Null).await.expect(204);
    assert_eq!(limited.last_audit().await["action"], "limit.end_raise");
    assert_eq!((numbers(&limited.state("").await), amount().await), ([100, 100, 25, 0, 0], 100));

    limited.put("raise", json!({"amount": 500, "until": soon()})).await;
    let later = Limited { now: Utc::now() + TimeDelta::hours(2), ..limited };
    assert_eq!(later.lease_of("", "d", 1).await, 0, "its time is over");
}

#[tokio::test]
async fn a_reset_and_an_adjustment_change_what_counts_as_spent_and_nothing_that_is_under_way() {
    let limited = limited(json!({})).await;
    assert_eq!(limited.lease_of("", "a", 80).await, 80);
    limited.settle("", "a", 60, 0).await;
    assert_eq!(numbers(&limited.state("").await), [100, 60, 20, 0, 20]);

    limited.post("adjust", json!({"units": 15, "reason": "used past the gateway"})).await;
    assert_eq!(numbers(&limited.state("").await), [100, 75, 20, 0, 5]);
    assert_eq!(limited.lease_of("", "b", 50).await, 2, "half of what remains");
    limited.settle("", "b", 0, 2).await;
    limited.post("adjust", json!({"units": -75})).await;
    assert_eq!(numbers(&limited.state("").await), [100, 0, 20, 0, 80]);
    let path = format!("{}/adjust", limited.path);
    limited.platform.post(&path, json!({"units": -1})).await.problem(422, "invalid_fields").field("units");
    limited.post("adjust", json!({"units": 40})).await;

    limited.post("reset", json!({"reason": "agreed"})).await;
    let audit = limited.last_audit().await;
    assert_eq!(audit["action"], "limit.reset");
    assert!(audit["changes"].to_string().contains("agreed") && audit["changes"].to_string().contains("40"), "{audit}");
    assert_eq!(numbers(&limited.state("").await), [100, 0, 20, 0, 80]);
    // What is under way counts when it is over.
    limited.settle("", "a", 80, 0).await;
    assert_eq!(numbers(&limited.state("").await), [100, 20, 0, 0, 80]);
    assert_eq!(limited.lease_of("", "c", 80).await, 26, "an equal share");
    // Of an Envoy that is heard of no longer it counts no more either, unless it comes back and says so.
    let later = Limited { now: limited.now + TimeDelta::minutes(5), ..limited };
    let state = async || {
        let (store, actor) = (&later.app.store, weir_core::actor::Actor::system());
        let state = store.limit_state(&actor, later.limit_id, None, later.now).await.unwrap();
        [state.spent, state.reserved, state.unreconciled, state.remaining]
    };
    assert_eq!(state().await, [20, 0, 26, 54]);
    let (store, actor) = (&later.app.store, weir_core::actor::Actor::system());
    store.reset_limit(&actor, later.limit_id, None, "", later.now).await.unwrap();
    assert_eq!(state().await, [0, 0, 0, 100]);
    later.settle("", "c", 25, 0).await;
    assert_eq!(state().await, [25, 0, 0, 75]);
}

#[tokio::test]
async fn what_nobody_accounts_for_is_released_and_nothing_that_is_held() {
    let limited = limited(json!({})).await;
    assert_eq!(limited.lease_of("", "dead", 40).await, 40);
    limited.settle("", "dead", 10, 0).await;
    let revision = limited.app.store.revision().await.unwrap();
    limited.post("release", json!({})).await;
    assert_eq!(limited.app.store.revision().await.unwrap(), revision, "it is heard of");
    assert_eq!(numbers(&limited.state("").await), [100, 10, 30, 0, 60]);

    let later = Limited { now: limited.now + TimeDelta::minutes(5), ..limited };
    assert_eq!(later.lease_of("", "alive", 5).await, 5);
    let (store, actor) = (&later.app.store, weir_core::actor::Actor::system());
    let state = async || {
        let state = store.limit_state(&actor, later.limit_id, None, later.now).await.unwrap();
        [state.spent, state.reserved, state.unreconciled, state.remaining]
    };
    assert_eq!(state().await, [10, 5, 30, 55]);
    store.release_limit(&actor, later.limit_id, None, "it burnt down", later.now).await.unwrap();
    assert_eq!(state().await, [10, 5, 0, 85]);
    let audit = later.last_audit().await;
    assert_eq!(audit["action"], "limit.release");
    assert!(audit["changes"].to_string().contains("it burnt down"), "{audit}");
    assert!(audit["changes"].to_string().contains("30"), "{audit}");
    // It was only slow: what it spent counts.
    later.settle("", "dead", 35, 0).await;
    assert_eq!(state().await, [35, 5, 0, 60]);
}

/// A worker of the Envoy never got the answer, and asks again once another one of the same Envoy has asked.
#[tokio::test]
async fn what_was_released_is_granted_to_no_earlier_demand() {
    for released_by in ["release", "reset", "itself"] {
        let release_after_s = (released_by == "itself").then_some(60);
        let limited =
            limited(json!({"window": {"kind": "total"}, "unreconciled_release_after_s": release_after_s})).await;
        assert_eq!(limited.lease_once("lost", "", "envoy", 10).await, 10);
        let later = Limited { now: limited.now + TimeDelta::minutes(5), ..limited };
        let (store, actor) = (&later.app.store, weir_core::actor::Actor::system());
        match released_by {
            "release" => store.release_limit(&actor, later.limit_id, None, "", later.now).await.unwrap(),
            "reset" => store.reset_limit(&actor, later.limit_id, None, "", later.now).await.unwrap(),
            _ => {}
        }
        assert_eq!(later.lease_once("next", "", "envoy", 5).await, 5, "{released_by}");
        assert_eq!(later.lease_once("lost", "", "envoy", 10).await, 0, "{released_by}");
        assert_eq!(later.lease_once("next", "", "envoy", 5).await, 5, "{released_by}: its own is still remembered");
        assert_eq!(later.counted().await, [0, 5, 0, 95], "{released_by}");
    }
}

/// It cannot say what it spent, and nothing can come back for it.
#[tokio::test]
async fn what_an_envoy_without_a_name_was_granted_is_not_released() {
    let limited = limited(json!({"window": {"kind": "total"}, "unreconciled_release_after_s": 60})).await;
    assert_eq!(limited.lease_of("", "", 40).await, 40);
    assert_eq!(limited.lease_of("", "dead", 20).await, 20);
    let later = Limited { now: limited.now + TimeDelta::minutes(5), ..limited };
    assert_eq!(later.counted().await, [0, 0, 60, 40]);
    let (store, actor) = (&later.app.store, weir_core::actor::Actor::system());
    store.release_limit(&actor, later.limit_id, None, "", later.now).await.unwrap();
    assert_eq!(later.counted().await, [0, 0, 40, 60]);
    assert_eq!(later.lease_of("", "alive", 100).await, 60, "nor by itself");
}

#[tokio::test]
async fn an_adjustment_that_is_sent_twice_counts_once() {
    let limited = limited(json!({})).await;
    let path = format!("{}/adjust", limited.path);
    for _ in 0..2 {
        let body = Some(json!({"units": 7}).to_string());
        limited.platform.send(Method::POST, &admin(&path), &[("idempotency-key", "once")], body).await.expect(204);
    }
    assert_eq!(limited.state("").await["spent"], 7);
}

#[tokio::test]
async fn of_a_sliding_window_all_parts_begin_anew() {
    let limited = limited(json!({"window": {"kind": "sliding", "seconds": 120}})).await;
    let actor = weir_core::actor::Actor::system();
    let counter = LimitCounter { limit_id: limited.limit_id, generation: 0, member: "" }.name();
    let mut now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let lease = async |now: DateTime<Utc>| {
        let start = now.timestamp() - now.timestamp().rem_euclid(10);
        let demand = QuotaDemand {
            counter: counter.clone(),
            window_start_unix_s: start,
            minimum: 1,
            wanted: 40,
            waiting: 40,
            id: String::new(),
        };
        let (store, terms) = (&limited.app.store, LeaseTerms::default());
        let granted = store.acquire_quota(&limited.gateway, id(&limited.tenant), "a", vec![demand], terms, now).await;
        granted.unwrap()[0].granted
    };
    for expect in [40, 40, 20, 0] {
        now += TimeDelta::seconds(10);
        assert_eq!(lease(now).await, expect);
    }
    // Nothing was said of it, and the Envoy is gone.
    now += TimeDelta::seconds(60);
    limited.app.store.reset_limit(&actor, limited.limit_id, None, "", now).await.unwrap();
    assert_eq!(lease(now).await, 40);
}

#[tokio::test]
async fn of_each_department_one_is_raised_and_each_has_its_state() {
    let limited = limited(json!({"subject": {"kind": "department", "each": true}, "window": {"kind": "total"}})).await;
    let tenant_id = &limited.tenant["id"];
    let mut departments = Vec::new();
    for name in ["sales", "research", "law"] {
        departments.push(limited.platform.make("departments", json!({"tenant_id": tenant_id, "name": name})).await);
    }
    let [sales, research, _] = &departments[..] else { unreachable!() };
    let one = |department: &Value| department["id"].as_str().unwrap().to_owned();
    limited.lease_of(&one(sales), "a", 60).await;
    limited.settle(&one(sales), "a", 60, 0).await;
    limited.lease_of(&one(research), "a", 10).await;
    limited.put("raise", json!({"amount": 200, "until": soon(), "subject_id": one(sales)})).await;
    let list = limited.platform.get("limit-states").await.expect(200).json;
    let found: Vec<(&str, u64, u64)> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            assert_eq!((&item["limit_id"], &item["subject_kind"]), (&json!(limited.limit_id), &json!("department")));
            let [amount, .., remaining] = numbers(&item["state"]);
            (item["subject_name"].as_str().unwrap(), amount, remaining)
        })
        .collect();
    assert_eq!(found, [("sales", 200, 140), ("research", 100, 90)], "in the order in which they were made: ids");
    assert_eq!(limited.lease_of(&one(sales), "b", 140).await, 70, "an equal share of the larger amount");
    // One page after the other.
    let mut seen = Vec::new();
    let mut path = "limit-states?limit=1".to_owned();
    while let Some(cursor) = {
        let page = limited.platform.get(&path).await.expect(200).json;
        seen.push(page["items"][0]["subject_name"].as_str().unwrap().to_owned());
        page["next_cursor"].as_str().map(str::to_owned)
    } {
        path = format!("limit-states?limit=1&cursor={cursor}");
    }
    assert_eq!(seen, ["sales", "research"]);
    // What narrows the list narrows it.
    for (query, count) in [("unit=requests", 0), ("subject_kind=department", 2), ("subject_kind=user", 0)] {
        let page = limited.platform.get(&format!("limit-states?{query}")).await.expect(200).json;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
    }
    let page = limited.platform.get(&format!("limit-states?subject_id={}", one(research))).await.expect(200).json;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    // Without a subject all begin anew.
    limited.post("reset", json!({})).await;
    assert_eq!(limited.state(&format!("?subject_id={}", one(sales))).await["spent"], 0);
    let path = format!("{}/adjust", limited.path);
    limited.platform.post(&path, json!({"units": 1})).await.problem(422, "invalid_fields").field("subject_id");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_field() {
    let limited = limited(json!({})).await;
    let raise = async |body: Value, field: &str| {
        let path = format!("{}/raise", limited.path);
        put(&limited.platform, &path, body).await.problem(422, "invalid_fields").field(field);
    };
    raise(json!({"amount": 100, "until": soon()}), "amount").await;
    raise(json!({"amount": 0, "until": soon()}), "amount").await;
    raise(json!({"amount": -5, "until": soon()}), "amount").await;
    raise(json!({"amount": 1_000_000_000_000_001_u64, "until": soon()}), "amount").await;
    raise(json!({"amount": 200, "until": "2020-01-01T00:00:00Z"}), "until").await;
    raise(json!({"amount": 200, "until": "2100-01-01T00:00:00Z"}), "until").await;
    raise(json!({"amount": 200, "until": soon(), "subject_id": "x"}), "subject_id").await;
    raise(json!({"amount": 200, "until": soon(), "reason": "x".repeat(501)}), "reason").await;
    let post = async |what: &str, body: Value, field: &str| {
        let path = format!("{}/{what}", limited.path);
        limited.platform.post(&path, body).await.problem(422, "invalid_fields").field(field);
    };
    post("adjust", json!({"units": 0}), "units").await;
    post("adjust", json!({"units": 1_000_000_000_000_001_i64}), "units").await;
    post("adjust", json!({"units": i64::MIN}), "units").await;
    post("reset", json!({"subject_id": "x"}), "subject_id").await;
    post("release", json!({"subject_id": "x"}), "subject_id").await;
    // Of what is under way nothing is spent.
    let workers = json!({"tenant_id": limited.tenant["id"], "name": "w", "subject": {"kind": "tenant"},
        "unit": "concurrent_requests", "amount": 3, "action": "refuse"});
    let workers = id(&limited.platform.make("limits", workers).await);
    limited
        .platform
        .post(&format!("limits/{workers}/reset"), json!({}))
        .await
        .problem(422, "invalid_fields")
        .field("unit");
    let revision = limited.app.store.revision().await.unwrap();
    limited.platform.delete(&format!("{}/raise", limited.path), &Value::Null).await.expect(204);
    assert_eq!(limited.app.store.revision().await.unwrap(), revision, "there was none");
}

#[tokio::test]
async fn who_sees_a_part_of_the_limits_sees_the_use_of_that_part() {
    let limited = limited(json!({})).await;
    let other = limited.platform.make("tenants", json!({"name": "b"})).await;
    let count =
        async |client: &Client| client.get("limit-states").await.expect(200).json["items"].as_array().unwrap().len();
    let own = limited.app.user(Role::TenantAdmin, Some(id(&limited.tenant))).await;
    let foreign = limited.app.user(Role::TenantAdmin, Some(id(&other))).await;
    assert_eq!((count(&own).await, count(&foreign).await), (1, 0));
}

#[tokio::test]
async fn a_model_says_how_much_its_answers_may_have() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let path = format!("models/{}", id(&f.model));
    let patch = async |revision: &Value, body: Value| platform.patch(&path, revision, body).await;
    let revision = &f.model["revision"];
    patch(revision, json!({"default_max_tokens": 0})).await.problem(422, "invalid_fields").field("default_max_tokens");
    patch(revision, json!({"max_tokens_cap": -1})).await.problem(422, "invalid_fields").field("max_tokens_cap");
    let too_much = json!({"default_max_tokens": 61, "max_tokens_cap": 60});
    patch(revision, too_much).await.problem(422, "invalid_fields").field("default_max_tokens");
    let changed = patch(revision, json!({"default_max_tokens": 40, "max_tokens_cap": 60})).await.expect(200).json;
    let bounds = async || {
        let digest = sha256(f.api_key["key"].as_str().unwrap());
        let resolved = app.store.resolve_credential(&app.gateway(None).await, &digest, None, &[]).await.unwrap();
        let models = resolved.catalog.unwrap().models.unwrap();
        (models[0].default_max_tokens, models[0].max_tokens_cap)
    };
    assert_eq!(bounds().await, (Some(40), Some(60)));
    patch(&changed["revision"], json!({"default_max_tokens": null, "max_tokens_cap": null})).await.expect(200);
    assert_eq!(bounds().await, (None, None));
}

/// A label's value is what its owner wrote, and may be anybody's id.
#[tokio::test]
async fn what_is_counted_by_a_label_shows_nobodys_name() {
    let limited =
        limited(json!({"subject": {"kind": "label", "value": "team", "each": true}, "unit": "requests"})).await;
    let other = furnish(&limited.platform, "b").await;
    let foreign = id(&other.api_key);
    limited.post("adjust", json!({"subject_id": foreign, "units": 1})).await;
    let states = limited.platform.get("limit-states").await.expect(200).json;
    let state = &states["items"][0];
    assert_eq!(state["subject_name"], json!(foreign), "{states}");
    let long = json!({"subject_id": "x".repeat(801), "units": 1});
    let refused = limited.platform.post(&format!("{}/adjust", limited.path), long).await;
    refused.problem(422, "invalid_fields").field("subject_id");
}
