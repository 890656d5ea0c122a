//! Leasing: what is granted never exceeds the limit.

use chrono::Utc;
use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;
use weir_core::gateway::{Counter, Gateway, QuotaDemand, QuotaGrant};

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
        QuotaDemand { counter: self.counter(), window_start_unix_s: this_minute(), minimum, wanted }
    }

    async fn acquire(&self, demand: QuotaDemand) -> QuotaGrant {
        let mut grants = self.app.store.acquire_quota(&self.gateway, self.tenant_id, vec![demand]).await.unwrap();
        assert_eq!(grants.len(), 1);
        grants.remove(0)
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
        let grants = key.app.store.acquire_quota(gateway, tenant_id, vec![demand]).await.unwrap();
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
