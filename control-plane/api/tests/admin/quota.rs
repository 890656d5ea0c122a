//! Leasing: what is granted never exceeds the limit.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;
use weir_core::gateway::{Counter, Gateway, LeaseTerms, QuotaDemand, QuotaGrant, QuotaSettlement};

use crate::app::{App, app, id};

struct Key {
    app: App,
    gateway: Gateway,
    tenant_id: Uuid,
    key_id: Uuid,
}

async fn key(requests_per_minute: Option<u64>) -> Key {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let body = json!({"tenant_id": tenant["id"], "name": "app", "requests_per_minute": requests_per_minute});
    let made = platform.make("api-keys", body).await;
    let gateway = app.gateway(None).await;
    Key { gateway, tenant_id: id(&tenant), key_id: id(&made), app }
}

impl Key {
    fn counter(&self) -> String {
        Counter::KeyRequestsPerMinute { key_id: self.key_id }.name()
    }

    fn demand(&self, minimum: u64, wanted: u64) -> QuotaDemand {
        QuotaDemand {
            counter: self.counter(),
            window_start_unix_s: this_minute(),
            minimum,
            wanted,
            waiting: 1,
            id: String::new(),
        }
    }

    /// As a gateway asks that cannot give anything back.
    async fn acquire(&self, demand: QuotaDemand) -> QuotaGrant {
        self.acquire_for("", demand, Utc::now()).await
    }

    async fn acquire_for(&self, holder: &str, demand: QuotaDemand, now: DateTime<Utc>) -> QuotaGrant {
        let (store, terms) = (&self.app.store, LeaseTerms::default());
        let grants = store.acquire_quota(&self.gateway, self.tenant_id, holder, vec![demand], terms, now).await;
        let [grant] = <[QuotaGrant; 1]>::try_from(grants.unwrap()).expect("one grant");
        grant
    }

    /// What an Envoy is granted for so many requests that wait.
    async fn lease(&self, holder: &str, waiting: u64, now: DateTime<Utc>) -> u64 {
        self.acquire_for(holder, QuotaDemand { waiting, ..self.demand(1, 1) }, now).await.granted
    }

    async fn settle(&self, gateway: &Gateway, holder: &str, spent: u64, returned: u64, now: DateTime<Utc>) -> u32 {
        let settlement = QuotaSettlement {
            tenant_id: self.tenant_id,
            counter: self.counter(),
            window_start_unix_s: this_minute(),
            holder: holder.into(),
            spent,
            returned,
        };
        self.app.store.settle_quota(gateway, vec![settlement], LeaseTerms::default(), now).await.unwrap()
    }
}

/// The next minute, so that the minute does not change during a test.
fn this_minute() -> i64 {
    (Utc::now().timestamp() / 60 + 1) * 60
}

#[tokio::test]
async fn fifty_callers_at_once_get_no_more_than_the_limit() {
    let key = key(Some(100)).await;
    let demand = key.demand(1, 7);
    let grants = join_all((0..50).map(|_| key.acquire(demand.clone()))).await;
    let granted: u64 = grants.iter().map(|grant| grant.granted).sum();
    assert_eq!(granted, 100, "all of it, and not one more");
    assert!(grants.iter().all(|grant| grant.limit == 100 && grant.granted <= 7));
    let more = key.acquire(demand).await;
    assert_eq!((more.granted, more.remaining), (0, 0));
}

#[tokio::test]
async fn a_grant_is_between_what_is_of_use_and_what_is_wanted() {
    let key = key(Some(10)).await;
    let check = async |minimum, wanted, granted, remaining| {
        let grant = key.acquire(key.demand(minimum, wanted)).await;
        assert_eq!((grant.granted, grant.remaining, grant.limit), (granted, remaining, 10));
    };
    check(11, 20, 0, 10).await;
    check(1, 4, 4, 6).await;
    check(7, 8, 0, 6).await;
    check(2, 8, 6, 0).await;
    check(1, 1, 0, 0).await;
}

#[tokio::test]
async fn only_the_keys_own_window_of_now_is_granted() {
    let key = key(Some(10)).await;
    let demand = key.demand(1, 1);
    let refused = async |gateway: &Gateway, tenant_id, demand: QuotaDemand| {
        let grants = key
            .app
            .store
            .acquire_quota(gateway, tenant_id, "", vec![demand], LeaseTerms::default(), Utc::now())
            .await
            .unwrap();
        assert_eq!((grants[0].granted, grants[0].limit), (0, 0));
    };
    let elsewhere = Gateway { tenant_id: Some(Uuid::now_v7()), ..key.gateway.clone() };
    refused(&elsewhere, key.tenant_id, demand.clone()).await;
    refused(&key.gateway, Uuid::now_v7(), demand.clone()).await;
    for window_start_unix_s in [0, this_minute() + 1, this_minute() + 600, i64::MAX, i64::MIN] {
        refused(&key.gateway, key.tenant_id, QuotaDemand { window_start_unix_s, ..demand.clone() }).await;
    }
    for counter in ["", "key/x/requests/60", &key.counter().to_uppercase()] {
        refused(&key.gateway, key.tenant_id, QuotaDemand { counter: counter.into(), ..demand.clone() }).await;
    }
    // Neighbouring windows are counted apart.
    let other = QuotaDemand { window_start_unix_s: this_minute() - 60, ..demand.clone() };
    assert_eq!(key.acquire(demand).await.remaining, 9);
    assert_eq!(key.acquire(other).await.remaining, 9);
}

#[tokio::test]
async fn a_key_without_a_limit_or_revoked_gets_nothing() {
    let unlimited = key(None).await;
    let grant = unlimited.acquire(unlimited.demand(1, 1)).await;
    assert_eq!((grant.granted, grant.limit), (0, 0));

    let key = key(Some(10)).await;
    assert_eq!(key.acquire(key.demand(1, 1)).await.granted, 1);
    let platform = key.app.platform().await;
    platform.post(&format!("api-keys/{}/revoke", key.key_id), json!(null)).await.expect(200);
    assert_eq!(key.acquire(key.demand(1, 1)).await.granted, 0);
}

#[tokio::test]
async fn a_lowered_limit_holds_for_the_window_under_way() {
    let key = key(Some(10)).await;
    assert_eq!(key.acquire(key.demand(1, 6)).await.remaining, 4);
    let platform = key.app.platform().await;
    let one = format!("api-keys/{}", key.key_id);
    let revision = platform.get(&one).await.json["revision"].clone();
    platform.patch(&one, &revision, json!({"requests_per_minute": 5})).await.expect(200);
    let grant = key.acquire(key.demand(1, 1)).await;
    assert_eq!((grant.granted, grant.remaining, grant.limit), (0, 0, 5));
}

#[tokio::test]
async fn an_envoy_is_granted_half_of_an_equal_share_of_what_remains() {
    let key = key(Some(100)).await;
    let now = Utc::now();
    assert_eq!(key.lease("a", 1, now).await, 50, "nobody else is there");
    assert_eq!(key.lease("b", 1, now).await, 12, "a quarter of 50");
    assert_eq!(key.lease("c", 1, now).await, 6, "a sixth of 38");
    assert_eq!(key.lease("c", 99, now).await, 10, "more requests wait: a third of 32");
    assert_eq!(key.lease("d", 1, now + TimeDelta::seconds(16)).await, 11, "the others have not asked for long");
    let mut granted = 50 + 12 + 6 + 10 + 11;
    loop {
        let lease = key.lease("a", 1, now).await;
        granted += lease;
        if lease == 0 {
            break;
        }
    }
    assert_eq!(granted, 100, "to the last one, and no more");
}

#[tokio::test]
async fn what_is_given_back_is_granted_to_others() {
    let key = key(Some(10)).await;
    let now = Utc::now();
    assert_eq!(key.lease("a", 10, now).await, 10);
    let refused = key.acquire_for("b", key.demand(1, 1), now).await;
    assert_eq!((refused.granted, refused.limit, refused.ask_again_ms), (0, 10, 250), "a may give back");
    // The last comes twice and late, and says more than can be true.
    for (spent, returned) in [(3, 0), (4, 5), (3, 2), (4, 5), (9, 5)] {
        assert_eq!(key.settle(&key.gateway, "a", spent, returned, now).await, 1);
    }
    let foreign = Gateway { id: Uuid::now_v7(), ..key.gateway.clone() };
    for (gateway, holder) in [(&foreign, "a"), (&key.gateway, "nobody")] {
        assert_eq!(key.settle(gateway, holder, 0, 10, now).await, 0);
    }
    assert_eq!(key.acquire_for("b", key.demand(1, 9), now).await.remaining, 4, "one of the five");
    assert_eq!(key.lease("b", 9, now).await, 2);
    assert_eq!(key.lease("b", 9, now).await + key.lease("b", 9, now).await, 2);
    assert_eq!(key.acquire_for("b", key.demand(1, 1), now).await.ask_again_ms, 0, "a has spent the rest");
}

#[tokio::test]
async fn nobody_waits_for_an_envoy_that_says_nothing() {
    let key = key(Some(10)).await;
    let now = Utc::now();
    let later = now + LeaseTerms::default().lifetime;
    assert_eq!(key.lease("dead", 10, now).await, 10);
    let ask_again = async |at| key.acquire_for("b", key.demand(1, 1), at).await.ask_again_ms;
    assert_eq!([ask_again(now).await, ask_again(later).await], [250, 0]);
    // It was only out of reach.
    assert_eq!(key.settle(&key.gateway, "dead", 2, 8, later).await, 1);
    assert_eq!(key.lease("b", 10, later).await, 4);
}

#[tokio::test]
async fn windows_that_are_over_are_deleted_however_many_there_are() {
    let key = key(Some(10)).await;
    let now = Utc::now();
    assert_eq!(key.lease("a", 1, now).await, 5);
    let pool = sqlx::PgPool::connect(&key.app.database_url).await.unwrap();
    for table in [
        "quota_windows (tenant_id, counter, window_start, quota, used, last_grant)
                   SELECT $1, 'of ' || n, $2, 1, 1, 1",
        "quota_leases (tenant_id, counter, window_start, holder, gateway_id, asked_at, expires_at)
                   SELECT $1, 'of ' || n, $2, 'a', $1, $2, $2",
    ] {
        let insert = format!("INSERT INTO {table} FROM generate_series(1, 60000) AS n");
        let insert = sqlx::query(sqlx::AssertSqlSafe(insert)).bind(key.tenant_id);
        insert.bind(now - TimeDelta::minutes(11)).execute(&pool).await.unwrap();
    }
    let (store, other) = (&key.app.store, &key.app.store);
    let (one, two) = tokio::join!(store.purge_quota(now), other.purge_quota(now));
    assert_eq!(one.unwrap() + two.unwrap(), 120_000, "by both together");
    let left: (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM quota_windows), (SELECT count(*) FROM quota_leases)")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(left, (1, 1), "what is not over");
}
