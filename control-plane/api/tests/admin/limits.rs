//! Limits: what may be written, whom they hold, and that no more than their amount is ever granted.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;
use weir_config::{LimitedModels, Unit, Window};
use weir_core::gateway::{DearestPrices, Gateway, LeaseTerms, LimitCounter, QuotaDemand, QuotaGrant, QuotaSettlement};
use weir_core::secret::sha256;

use crate::app::{App, Client, app, furnish, id, limit_body, pool_body};

/// Of a calendar's day, which does not change during a test.
fn noon() -> DateTime<Utc> {
    "2027-03-10T12:00:00Z".parse().unwrap()
}

fn midnight() -> i64 {
    noon().timestamp() - 12 * 3600
}

struct Limited {
    app: App,
    platform: Client,
    gateway: Gateway,
    tenant_id: Uuid,
    limit_id: Uuid,
}

async fn limited(change: Value) -> Limited {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let mut body = json!({"tenant_id": tenant["id"], "name": "l", "subject": {"kind": "tenant"}, "unit": "total_tokens",
        "window": {"kind": "calendar", "period": "day"}, "amount": 100, "action": "refuse"});
    for (field, value) in change.as_object().unwrap() {
        body[field] = value.clone();
    }
    let limit = platform.make("limits", body).await;
    Limited { gateway: app.gateway(None).await, tenant_id: id(&tenant), limit_id: id(&limit), platform, app }
}

impl Limited {
    fn counter(&self) -> String {
        LimitCounter { limit_id: self.limit_id, generation: 0, member: "" }.name()
    }

    async fn grant(&self, holder: &str, start: i64, minimum: u64, waiting: u64, now: DateTime<Utc>) -> QuotaGrant {
        let demand = QuotaDemand {
            counter: self.counter(),
            window_start_unix_s: start,
            minimum,
            wanted: waiting,
            waiting,
            id: String::new(),
        };
        let (store, terms) = (&self.app.store, LeaseTerms::default());
        store.acquire_quota(&self.gateway, self.tenant_id, holder, vec![demand], terms, now).await.unwrap().remove(0)
    }

    async fn lease(&self, holder: &str, waiting: u64) -> u64 {
        self.grant(holder, midnight(), 1, waiting, noon()).await.granted
    }

    async fn settle(&self, holder: &str, start: i64, spent: u64, returned: u64, now: DateTime<Utc>) -> u32 {
        let settlement = QuotaSettlement {
            tenant_id: self.tenant_id,
            counter: self.counter(),
            window_start_unix_s: start,
            holder: holder.into(),
            spent,
            returned,
        };
        self.app.store.settle_quota(&self.gateway, vec![settlement], LeaseTerms::default(), now).await.unwrap()
    }

    /// Spent, reserved, unreconciled, remaining.
    async fn state(&self, now: DateTime<Utc>) -> [u64; 4] {
        let actor = weir_core::actor::Actor::system();
        let state = self.app.store.limit_state(&actor, self.limit_id, None, now).await.unwrap();
        [state.spent, state.reserved, state.unreconciled, state.remaining]
    }
}

#[tokio::test]
async fn a_demand_is_granted_once_however_often_it_is_made() {
    let limited = limited(json!({})).await;
    let make = async |gateway: &Gateway, id: &str, minimum: u64, waiting: u64| {
        let (counter, window_start_unix_s) = (limited.counter(), midnight());
        let demand = QuotaDemand { counter, window_start_unix_s, minimum, wanted: waiting, waiting, id: id.into() };
        let (store, terms) = (&limited.app.store, LeaseTerms::default());
        let grants = store.acquire_quota(gateway, limited.tenant_id, "envoy", vec![demand], terms, noon()).await;
        let grant = grants.unwrap().remove(0);
        (grant.granted, grant.remaining)
    };
    let (own, other) = (limited.gateway.clone(), limited.app.gateway(None).await);
    assert_eq!(make(&own, "first", 10, 40).await, (40, 60));
    assert_eq!(make(&own, "first", 5, 50).await, (40, 60), "the answer was lost, and more want it now");
    assert_eq!(make(&own, "first", 0, 0).await, (40, 60), "nobody wants it any more");
    assert_eq!(make(&other, "first", 10, 40).await.0, 0, "somebody else knows the names");
    assert_eq!(make(&own, "first", 0, 0).await, (40, 60));
    // It is asked about before it is made, since it was held up: nothing is granted to it then.
    assert_eq!(make(&own, "second", 0, 0).await, (0, 60));
    assert_eq!(make(&own, "second", 10, 20).await, (0, 60));
    assert_eq!(make(&own, "third", 10, 20).await, (30, 30));
    assert_eq!([make(&own, "", 10, 10).await, make(&own, "", 10, 10).await], [(10, 20), (10, 10)], "without a name");
    limited.settle("envoy", midnight(), 40, 50, noon()).await;
    assert_eq!(make(&own, "third", 0, 0).await, (0, 60), "all of it is accounted for");
}

/// A worker that is not heard of for ten seconds holds none of them, so that what an answer to it said is worth nothing then.
#[tokio::test]
async fn a_lost_grant_of_requests_at_the_same_time_is_not_answered_when_others_may_have_it() {
    let limited = limited(json!({"unit": "concurrent_requests", "window": null, "amount": 5})).await;
    let make = async |holder: &str, id: &str, minimum: u64, later_s: i64| {
        let (counter, waiting) = (limited.counter(), 4 * minimum);
        let demand = QuotaDemand { counter, window_start_unix_s: 0, minimum, wanted: waiting, waiting, id: id.into() };
        let (store, terms, at) = (&limited.app.store, LeaseTerms::default(), noon() + TimeDelta::seconds(later_s));
        let grants = store.acquire_quota(&limited.gateway, limited.tenant_id, holder, vec![demand], terms, at).await;
        grants.unwrap().remove(0).granted
    };
    assert_eq!(make("a", "1", 1, 0).await, 4);
    assert_eq!(make("b", "1", 1, 600).await, 4, "the first is not heard of");
    assert_eq!([make("a", "1", 0, 601).await, make("a", "1", 0, 602).await], [0, 0]);
    assert_eq!(make("a", "2", 1, 603).await, 1, "what remains");
}

#[tokio::test]
async fn what_holds_already_or_is_not_there_is_refused_with_its_field() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let refused = async |change: Value, field: &str| {
        let mut body = limit_body(&f.tenant["id"], "other", &f.department);
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = platform.post("limits", body).await.problem(422, "invalid_fields");
        assert_eq!(answer.json["errors"][0]["field"], field, "{}", answer.text);
    };
    refused(json!({}), "subject").await;
    refused(json!({"amount": -1}), "amount").await;
    refused(json!({"amount": 0}), "amount").await;
    refused(json!({"window": {"kind": "calendar", "period": "day", "time_zone": "Mars/Olympus"}}), "window.time_zone")
        .await;
    refused(json!({"window": {"kind": "calendar", "period": "month", "start_day": 31}}), "window.start_day").await;
    refused(json!({"subject": {"kind": "department", "id": f.user["id"]}}), "subject.id").await;
    refused(json!({"subject": {"kind": "model", "id": f.pool["id"]}}), "subject.id").await;
    // Another amount on the same is the same limit; another window is another.
    refused(json!({"amount": 5}), "subject").await;
    let mut of_a_day = limit_body(&f.tenant["id"], "other", &f.department);
    of_a_day["window"] = json!({"kind": "calendar", "period": "day"});
    platform.post("limits", of_a_day).await.expect(201);
    let department = format!("departments/{}", id(&f.department));
    let answer = platform.delete(&department, &f.department["revision"]).await.problem(409, "in_use");
    assert!(answer.text.contains("limit budget"), "{}", answer.text);
}

#[tokio::test]
async fn a_caller_is_told_of_all_limits_that_hold() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a", "time_zone": "Asia/Tokyo"})).await;
    let other = platform.make("tenants", json!({"name": "b"})).await;
    let tenant_id = &tenant["id"];
    let provider =
        json!({"tenant_id": tenant_id, "name": "p", "schema": "openai", "base_url": "https://api.openai.com/v1"});
    let provider = platform.make("providers", provider).await;
    let pool = platform.make("pools", pool_body(tenant_id, "pool", &provider)).await;
    let model = platform.make("models", json!({"tenant_id": tenant_id, "name": "gpt", "pool_id": pool["id"]})).await;
    let above = platform
        .make("departments", json!({"tenant_id": tenant_id, "name": "above", "labels": {"cost": "far", "site": "x"}}))
        .await;
    let below = json!({"tenant_id": tenant_id, "name": "below", "parent_id": above["id"], "labels": {"cost": "near"}});
    let below = platform.make("departments", below).await;
    let account = json!({"tenant_id": tenant_id, "name": "bot", "department_id": below["id"]});
    let account = platform.make("service-accounts", account).await;
    let key = json!({"tenant_id": tenant_id, "name": "k", "service_account_id": account["id"], "labels": {"team": "blue"},
        "requests_per_minute": 9});
    let key = platform.make("api-keys", key).await;
    let mut number = 0;
    let mut limit = async |owner: Value, subject: Value, more: Value| {
        number += 1;
        let mut body = json!({"tenant_id": owner, "name": format!("l{number}"), "subject": subject, "unit": "requests",
            "window": {"kind": "calendar", "period": "day"}, "amount": 7, "action": "refuse"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        id(&platform.make("limits", body).await)
    };
    let none = json!({});
    let everybody = limit(Value::Null, json!({"kind": "platform"}), none.clone()).await;
    let each_tenant = limit(Value::Null, json!({"kind": "tenant", "each": true}), none.clone()).await;
    let own = limit(tenant_id.clone(), json!({"kind": "tenant"}), json!({"unit": "cost_microusd", "amount": 3})).await;
    let each_department = limit(tenant_id.clone(), json!({"kind": "department", "each": true}), none.clone()).await;
    let one_department = limit(tenant_id.clone(), json!({"kind": "department", "id": above["id"]}), none.clone()).await;
    let each_label =
        limit(tenant_id.clone(), json!({"kind": "label", "value": "cost", "each": true}), none.clone()).await;
    let one_label = limit(tenant_id.clone(), json!({"kind": "label", "value": "site=x"}), none.clone()).await;
    let one_key = limit(tenant_id.clone(), json!({"kind": "api_key", "id": key["id"]}), none.clone()).await;
    let one_account =
        limit(tenant_id.clone(), json!({"kind": "service_account", "id": account["id"]}), none.clone()).await;
    let one_model = limit(
        tenant_id.clone(),
        json!({"kind": "model", "id": model["id"]}),
        json!({"window": {"kind": "sliding", "seconds": 60}}),
    )
    .await;
    let each_model = limit(
        tenant_id.clone(),
        json!({"kind": "model", "each": true}),
        json!({"unit": "concurrent_requests", "window": null}),
    )
    .await;
    // These are somebody else's.
    limit(other["id"].clone(), json!({"kind": "tenant"}), none.clone()).await;
    limit(tenant_id.clone(), json!({"kind": "user", "each": true}), none.clone()).await;
    limit(tenant_id.clone(), json!({"kind": "label", "value": "team=red"}), none.clone()).await;

    let gateway = app.gateway(None).await;
    let digest = sha256(key["key"].as_str().unwrap());
    let finds = weir_config::FindingType::ALL;
    let resolved = app.store.resolve_credential(&gateway, &digest, None, &finds).await.unwrap();
    let limits = resolved.principal.unwrap().limits;
    let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let mut expected = vec![
        format!("key/{}/requests/60", id(&key)),
        format!("limit/{everybody}"),
        format!("limit/{each_tenant}/{}", text(&tenant)),
        format!("limit/{own}"),
        format!("limit/{each_department}/{}", text(&above)),
        format!("limit/{each_department}/{}", text(&below)),
        format!("limit/{one_department}"),
        format!("limit/{each_label}/near"),
        format!("limit/{one_label}"),
        format!("limit/{one_key}"),
        format!("limit/{one_account}"),
        format!("limit/{one_model}"),
        format!("limit/{each_model}"),
    ];
    let mut found: Vec<String> = limits.iter().map(|limit| limit.counter.clone()).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let of = |limit_id: Uuid| limits.iter().find(|limit| limit.counter == format!("limit/{limit_id}")).unwrap();
    assert_eq!((of(own).unit, of(own).amount), (Unit::Money, 3_000_000));
    let Window::Calendar { periods, .. } = &of(own).window else { panic!("{:?}", of(own).window) };
    assert_eq!(periods.len(), 3);
    assert!((periods[0].start_s..periods[0].end_s).contains(&Utc::now().timestamp()));
    assert_eq!(periods[0].start_s.rem_euclid(86_400), 15 * 3600, "midnight in Tokyo");
    assert_eq!((periods[0].end_s, periods[1].end_s), (periods[1].start_s, periods[2].start_s));
    assert_eq!(of(one_model).models, LimitedModels::One("gpt".into()));
    assert_eq!(of(one_model).window, Window::Sliding { seconds: 60, part_seconds: 5 });
    assert_eq!((&of(each_model).models, &of(each_model).window), (&LimitedModels::Each, &Window::Always));
    // The pool's only member costs 1 for input, twice that written to a cache for an hour, 2 read from a cache, and 3 for output.
    assert_eq!(
        resolved.catalog.unwrap().models.unwrap()[0].dearest,
        Some(DearestPrices { input: 2, output: 3, request: 0 })
    );
}

#[tokio::test]
async fn fifty_holders_at_once_get_no_more_than_the_amount() {
    let limited = limited(json!({})).await;
    let holders: Vec<String> = (0..50).map(|number| format!("envoy {number}")).collect();
    let granted: u64 = join_all(holders.iter().map(|holder| limited.lease(holder, 7))).await.into_iter().sum();
    assert!(granted <= 100, "{granted}");
    for round in 0.. {
        let more: u64 = join_all(holders.iter().map(|holder| limited.lease(holder, 7))).await.into_iter().sum();
        if more == 0 {
            break;
        }
        assert!(round < 50, "it does not end");
    }
    assert_eq!(limited.state(noon()).await, [0, 100, 0, 0], "all of it, and not one more");
    let grant = limited.grant("envoy 0", midnight(), 1, 1, noon()).await;
    assert_eq!((grant.granted, grant.limit, grant.remaining), (0, 100, 0));
    assert!(grant.ask_again_ms > 0, "others may give back");
}

#[tokio::test]
async fn what_was_spent_beyond_a_grant_is_debited_before_the_next() {
    let limited = limited(json!({})).await;
    assert_eq!(limited.lease("a", 40).await, 40);
    // Of 40 granted 55 were spent.
    assert_eq!(limited.settle("a", midnight(), 55, 0, noon()).await, 1);
    assert_eq!(limited.state(noon()).await, [55, 0, 0, 45]);
    // Said again, and something older: nothing changes.
    limited.settle("a", midnight(), 55, 0, noon()).await;
    limited.settle("a", midnight(), 10, 0, noon()).await;
    assert_eq!(limited.state(noon()).await, [55, 0, 0, 45]);
    // What is granted next pays for it first: of 45, 15 are gone already.
    assert_eq!(limited.lease("b", 100).await, 22, "an equal share of what remains");
    assert_eq!(limited.lease("a", 20).await, 11);
    let [spent, reserved, ..] = limited.state(noon()).await;
    assert_eq!((spent, reserved), (55, 22), "the eleven are paid with");
    // What was not taken comes back, and never what was spent or not held.
    limited.settle("b", midnight(), 5, 17, noon()).await;
    assert_eq!(limited.state(noon()).await, [60, 0, 0, 40]);
    limited.settle("b", midnight(), 5, 1000, noon()).await;
    assert_eq!(limited.state(noon()).await, [60, 0, 0, 40]);
}

#[tokio::test]
async fn what_a_dead_envoy_held_stays_spent_unless_the_limit_says_otherwise() {
    let later = noon() + TimeDelta::seconds(200);
    let kept = limited(json!({})).await;
    kept.lease("a", 100).await;
    kept.settle("a", midnight(), 30, 0, noon()).await;
    assert_eq!(kept.state(noon()).await, [30, 70, 0, 0]);
    assert_eq!(kept.state(later).await, [30, 0, 70, 0]);
    assert_eq!(kept.grant("b", midnight(), 1, 1, later).await.granted, 0);

    let released = limited(json!({"unreconciled_release_after_s": 60})).await;
    released.lease("a", 100).await;
    released.settle("a", midnight(), 30, 0, noon()).await;
    assert_eq!(released.grant("b", midnight(), 1, 100, noon()).await.granted, 0);
    assert_eq!(released.grant("b", midnight(), 1, 100, later).await.granted, 70);
    // The dead one was only slow: what it spent counts all the same.
    released.settle("a", midnight(), 45, 0, later).await;
    assert_eq!(released.state(later).await, [45, 70, 0, 0], "fifteen more than there are, and nobody gets any");
    assert_eq!(released.grant("c", midnight(), 1, 1, later).await.granted, 0);
}

#[tokio::test]
async fn requests_at_the_same_time_are_free_again_when_their_worker_dies() {
    let limited = limited(json!({"unit": "concurrent_requests", "window": null, "amount": 3})).await;
    let grant = async |holder: &str, waiting, now| limited.grant(holder, 0, 1, waiting, now).await.granted;
    assert_eq!(grant("a", 3, noon()).await, 3);
    assert_eq!(grant("b", 1, noon()).await, 0);
    limited.settle("a", 0, 0, 1, noon()).await;
    assert_eq!(grant("b", 1, noon()).await, 1);
    // As long as it is heard of, what it has is its own.
    let soon = noon() + TimeDelta::seconds(8);
    limited.settle("a", 0, 0, 1, soon).await;
    limited.settle("b", 0, 0, 0, soon).await;
    assert_eq!(grant("c", 1, soon + TimeDelta::seconds(8)).await, 0);
    assert_eq!(grant("c", 3, soon + TimeDelta::seconds(11)).await, 3);
}

#[tokio::test]
async fn no_sliding_window_has_more_than_the_amount() {
    let limited = limited(json!({"window": {"kind": "sliding", "seconds": 60}, "amount": 10})).await;
    let start = noon().timestamp();
    let grant = async |part: i64, waiting| {
        let now = DateTime::from_timestamp(start + part * 5, 0).unwrap();
        limited.grant("a", start + part * 5, 1, waiting, now).await.granted
    };
    let granted = [grant(0, 4).await, grant(3, 4).await, grant(6, 9).await];
    assert_eq!(granted, [4, 4, 2]);
    // The first part is out of every window that ends in the thirteenth, and not before.
    assert_eq!([grant(12, 9).await, grant(13, 9).await], [0, 4]);
    // What a slow clock asks for counts in windows that end later, too.
    assert_eq!(grant(12, 9).await, 0);
    assert_eq!([grant(15, 9).await, grant(16, 9).await], [0, 4]);
}

#[tokio::test]
async fn windows_that_are_not_now_and_counters_of_others_get_nothing() {
    let limited = limited(json!({})).await;
    let none = async |start: i64| {
        let grant = limited.grant("a", start, 1, 1, noon()).await;
        assert_eq!((grant.granted, grant.limit), (0, 0), "{start}");
    };
    none(midnight() + 1).await;
    none(midnight() - 86_400).await;
    none(midnight() + 86_400).await;
    none(0).await;
    let stranger = Limited { tenant_id: Uuid::now_v7(), ..limited };
    let grant = stranger.grant("a", midnight(), 1, 1, noon()).await;
    assert_eq!((grant.granted, grant.limit), (0, 0));
    assert_eq!(stranger.settle("a", midnight(), 1, 0, noon()).await, 0);
    stranger
        .platform
        .get(&format!("limits/{}/state?subject_id=x", stranger.limit_id))
        .await
        .problem(422, "invalid_fields");
}

#[tokio::test]
async fn the_dearest_price_is_that_of_any_tier_and_length() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "a").await;
    let rates = |input: u64, output: u64| {
        json!({"input_microusd_per_million": input, "cached_input_microusd_per_million": 1,
            "output_microusd_per_million": output})
    };
    let mut members = f.pool["members"].clone();
    let price = &mut members[0]["price"];
    price["long_context"] = json!({"above_input_tokens": 200_000, "rates": rates(5, 6)});
    price["tiers"] = json!([{"tier": "priority", "rates": rates(7, 70),
        "long_context": {"above_input_tokens": 200_000, "rates": rates(8, 9)}}]);
    price["request_microusd"] = json!(3);
    let path = format!("pools/{}", id(&f.pool));
    platform.patch(&path, &f.pool["revision"], json!({"members": members})).await.expect(200);
    let key = platform.make("api-keys", json!({"tenant_id": f.tenant["id"], "name": "k"})).await;
    let (gateway, digest) = (app.gateway(None).await, sha256(key["key"].as_str().unwrap()));
    let resolved = app.store.resolve_credential(&gateway, &digest, None, &weir_config::FindingType::ALL).await.unwrap();
    // Input may be written to a cache for an hour, at twice its price.
    let prices = DearestPrices { input: 16, output: 70, request: 3_000_000 };
    assert_eq!(resolved.catalog.unwrap().models.unwrap()[0].dearest, Some(prices));
}

/// A gateway says itself in whose name it asks.
#[tokio::test]
async fn a_tenants_gateway_leases_only_in_the_names_of_its_own() {
    let app = app().await;
    let platform = app.platform().await;
    let (ours, theirs) = (furnish(&platform, "ours").await, furnish(&platform, "theirs").await);
    let gateway = app.gateway(Some(id(&ours.tenant))).await;
    let tenant_id = id(&ours.tenant);
    let limit = async |subject: Value| {
        let body = json!({"name": Uuid::now_v7(), "subject": subject, "unit": "requests", "amount": 10, "action": "refuse",
            "window": {"kind": "total"}});
        id(&platform.make("limits", body).await)
    };
    let grant = async |limit_id: Uuid, member: &str| {
        let counter = LimitCounter { limit_id, generation: 0, member }.name();
        let demand =
            QuotaDemand { counter, window_start_unix_s: 0, minimum: 1, wanted: 1, waiting: 1, id: String::new() };
        let grants = app.store.acquire_quota(&gateway, tenant_id, "a", vec![demand], LeaseTerms::default(), noon());
        grants.await.unwrap()[0].granted
    };
    for (kind, mine, other) in [
        ("tenant", id(&ours.tenant), id(&theirs.tenant)),
        ("department", id(&ours.department), id(&theirs.department)),
        ("user", id(&ours.user), id(&theirs.user)),
    ] {
        let each = limit(json!({"kind": kind, "each": true})).await;
        let granted = [
            grant(each, &mine.to_string()).await,
            grant(each, &other.to_string()).await,
            grant(each, "made up").await,
            grant(each, "").await,
        ];
        assert_eq!(granted, [1, 0, 0, 0], "{kind}");
    }
    let each_model = limit(json!({"kind": "model", "each": true})).await;
    let name = ours.model["name"].as_str().unwrap();
    assert_eq!([grant(each_model, name).await, grant(each_model, "made up").await], [1, 0]);
    let each_label = limit(json!({"kind": "label", "value": "cost", "each": true})).await;
    let labelled = json!({"tenant_id": tenant_id, "name": "labelled", "labels": {"cost": "blue"}});
    platform.make("departments", labelled).await;
    assert_eq!([grant(each_label, "blue").await, grant(each_label, "red").await], [1, 0]);
    let everybody = limit(json!({"kind": "platform"})).await;
    assert_eq!([grant(everybody, "").await, grant(everybody, "made up").await], [1, 0]);

    // What it says that it spent, of a counter that others share, is no more than a window beyond its grant.
    let settlement = QuotaSettlement {
        tenant_id,
        counter: LimitCounter { limit_id: everybody, generation: 0, member: "" }.name(),
        window_start_unix_s: 0,
        holder: "a".into(),
        spent: i64::MAX as u64,
        returned: 0,
    };
    let settled = app.store.settle_quota(&gateway, vec![settlement], LeaseTerms::default(), noon()).await.unwrap();
    let actor = weir_core::actor::Actor::system();
    let state = app.store.limit_state(&actor, everybody, None, noon()).await.unwrap();
    assert_eq!((settled, state.spent), (1, 11));
}

/// Requests are no money, and a day is no month.
#[tokio::test]
async fn a_limit_of_another_unit_or_window_counts_anew_in_another_counter() {
    let limited = limited(json!({"window": {"kind": "calendar", "period": "month"}})).await;
    let month = "2027-03-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap().timestamp();
    let key = limited.platform.make("api-keys", json!({"tenant_id": limited.tenant_id, "name": "k"})).await;
    let digest = sha256(key["key"].as_str().unwrap());
    let counter = async || {
        let resolved =
            limited.app.store.resolve_credential(&limited.gateway, &digest, None, &weir_config::FindingType::ALL);
        resolved.await.unwrap().principal.unwrap().limits.remove(0).counter
    };
    let grant = async |counter: String, start| {
        let demand =
            QuotaDemand { counter, window_start_unix_s: start, minimum: 1, wanted: 60, waiting: 60, id: String::new() };
        let (store, terms) = (&limited.app.store, LeaseTerms::default());
        let grants = store.acquire_quota(&limited.gateway, limited.tenant_id, "a", vec![demand], terms, noon());
        grants.await.unwrap()[0].granted
    };
    let change = async |path: String, change: Value| {
        let known = limited.platform.get(&path).await.expect(200).json;
        limited.platform.patch(&path, &known["revision"], change).await.expect(200);
    };
    let limit = format!("limits/{}", limited.limit_id);
    let first = counter().await;
    assert_eq!(grant(first.clone(), month).await, 60);
    change(limit.clone(), json!({"amount": 90})).await;
    assert_eq!(counter().await, first, "another amount of the same");
    change(limit.clone(), json!({"unit": "requests"})).await;
    let second = counter().await;
    assert_ne!(second, first);
    assert_eq!([grant(first.clone(), month).await, grant(second.clone(), month).await], [0, 60]);
    let settled = limited.settle("a", month, 1_000_000, 0, noon()).await;
    assert_eq!((settled, limited.state(noon()).await), (0, [0, 60, 0, 30]), "it was of the other unit");
    change(limit.clone(), json!({"window": {"kind": "total", "period": null}})).await;
    let third = counter().await;
    assert_eq!((grant(second, month).await, grant(third.clone(), 0).await), (0, 60));
    change(limit, json!({"window": {"kind": "calendar", "period": "day"}})).await;
    let fourth = counter().await;
    change(format!("tenants/{}", limited.tenant_id), json!({"time_zone": "Asia/Tokyo"})).await;
    let fifth = counter().await;
    let names: std::collections::HashSet<String> = [first, third, fourth, fifth].into();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[tokio::test]
async fn windows_that_are_over_and_workers_that_are_gone_leave_nothing() {
    let count = async |limited: &Limited| {
        let query = "SELECT (SELECT count(*) FROM limit_windows WHERE ends_at <> 'infinity'), (SELECT count(*) FROM limit_leases)";
        let pool = sqlx::PgPool::connect(&limited.app.database_url).await.unwrap();
        sqlx::query_as::<_, (i64, i64)>(query).fetch_one(&pool).await.unwrap()
    };
    let day = limited(json!({})).await;
    day.lease("a", 1).await;
    let after = |time| DateTime::from_timestamp(midnight(), 0).unwrap() + TimeDelta::days(1) + time;
    day.app.store.purge_quota(after(TimeDelta::minutes(9))).await.unwrap();
    assert_eq!(count(&day).await, (1, 1), "by an Envoy's clock it may be at hand");
    day.app.store.purge_quota(after(TimeDelta::minutes(11))).await.unwrap();
    assert_eq!(count(&day).await, (0, 0));

    let workers = limited(json!({"unit": "concurrent_requests", "window": null, "amount": 3})).await;
    workers.grant("a", 0, 1, 1, noon()).await;
    workers.grant("b", 0, 1, 1, noon() + TimeDelta::hours(23)).await;
    workers.app.store.purge_quota(noon() + TimeDelta::hours(25)).await.unwrap();
    assert_eq!(count(&workers).await, (0, 1), "of the one that was heard of lately");
}

/// What was spent stays where it was spent, what is under way is settled there, and nothing of it counts where the department is now.
#[tokio::test]
async fn a_department_that_moves_leaves_behind_what_it_spent_and_is_held_by_what_is_above_it_now() {
    let limited = limited(json!({"unit": "requests"})).await;
    let (platform, store, tenant_id) = (&limited.platform, &limited.app.store, limited.tenant_id);
    let department = async |name: &str, parent: &Value| {
        platform.make("departments", json!({"tenant_id": tenant_id, "name": name, "parent_id": parent["id"]})).await
    };
    let budget = async |name: &str, of: &Value, amount: u64| {
        let body = json!({"tenant_id": tenant_id, "name": name, "subject": {"kind": "department", "id": of["id"]},
            "unit": "requests", "window": {"kind": "total"}, "amount": amount, "action": "refuse"});
        id(&platform.make("limits", body).await)
    };
    let (from, to) = (department("from", &Value::Null).await, department("to", &Value::Null).await);
    let (nearly_spent, small) = (budget("nearly spent", &from, 100).await, budget("small", &to, 10).await);
    let moved = department("moved", &from).await;
    let account = json!({"tenant_id": tenant_id, "name": "bot", "department_id": moved["id"]});
    let account = platform.make("service-accounts", account).await;
    let key = platform
        .make("api-keys", json!({"tenant_id": tenant_id, "name": "k", "service_account_id": account["id"]}))
        .await;
    let digest = sha256(key["key"].as_str().unwrap());
    let held = async || {
        let finds = weir_config::FindingType::ALL;
        let resolved = store.resolve_credential(&limited.gateway, &digest, None, &finds).await.unwrap();
        let counters = resolved.principal.unwrap().limits.iter().map(|limit| limit.counter.clone()).collect::<Vec<_>>();
        [nearly_spent, small].map(|one| counters.contains(&format!("limit/{one}")))
    };
    let grant = async |of: Uuid, holder: &str, waiting| {
        let counter = LimitCounter { limit_id: of, generation: 0, member: "" }.name();
        let demand =
            QuotaDemand { counter, window_start_unix_s: 0, minimum: 1, wanted: waiting, waiting, id: String::new() };
        let grants =
            store.acquire_quota(&limited.gateway, tenant_id, holder, vec![demand], LeaseTerms::default(), noon());
        grants.await.unwrap().remove(0).granted
    };
    let settle = async |of: Uuid, spent| {
        let counter = LimitCounter { limit_id: of, generation: 0, member: "" }.name();
        let one =
            QuotaSettlement { tenant_id, counter, window_start_unix_s: 0, holder: "a".into(), spent, returned: 0 };
        store.settle_quota(&limited.gateway, vec![one], LeaseTerms::default(), noon()).await.unwrap();
    };
    let state = async |of: Uuid| {
        let state = store.limit_state(&weir_core::actor::Actor::system(), of, None, noon()).await.unwrap();
        [state.spent, state.reserved, state.unreconciled, state.remaining]
    };
    assert_eq!(held().await, [true, false]);
    assert_eq!(grant(nearly_spent, "a", 95).await, 95);
    settle(nearly_spent, 90).await;
    platform
        .patch(&format!("departments/{}", id(&moved)), &moved["revision"], json!({"parent_id": to["id"]}))
        .await
        .expect(200);
    assert_eq!(held().await, [false, true]);
    // Five were under way as it moved.
    settle(nearly_spent, 95).await;
    assert_eq!(state(nearly_spent).await, [95, 0, 0, 5]);
    assert_eq!(state(small).await, [0, 0, 0, 10]);
    assert_eq!([grant(small, "a", 20).await, grant(small, "b", 20).await], [10, 0]);
    assert_eq!(grant(nearly_spent, "b", 20).await, 2, "half of what remains for those who stayed");
}
