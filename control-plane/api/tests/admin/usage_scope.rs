//! Whose usage is seen, and taken away: by two permissions, and also once the key is gone.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use weir_core::ledger::UsageRecord;

use crate::app::{App, Client, Furnished, app, furnish, id};

/// Records of these keys, one of each.
async fn used(app: &App, of: &Furnished, keys: &[&Value]) {
    let gateway = app.gateway(None).await;
    let record = |key: &&Value| -> UsageRecord {
        crate::references::record(&Furnished { api_key: (*key).clone(), ..of.clone() })
    };
    app.store.record_usage(&gateway, keys.iter().map(record).collect()).await.unwrap();
}

/// How many requests somebody sees as a list and in the sums, and takes away.
async fn seen(reader: &Client) -> (usize, u64, usize) {
    let list = reader.get("usage").await.expect(200).json["items"].as_array().unwrap().len();
    let [from, to] = [-1, 1].map(|days| (Utc::now() + TimeDelta::days(days)).format("%Y-%m-%dT00:00:00Z"));
    let sums = reader.get(&format!("usage/summary?from={from}&to={to}")).await.expect(200).json;
    let export = reader.get("usage/export").await.expect(200).text;
    (list, sums["totals"]["requests"].as_u64().unwrap(), export.lines().count() - 1)
}

#[tokio::test]
async fn what_is_taken_away_is_no_more_than_either_permission_reaches_to() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let key = json!({"tenant_id": f.tenant["id"], "name": "research", "department_id": f.department["id"]});
    let key = platform.make("api-keys", key).await;
    let reads = json!({"tenant_id": f.tenant["id"], "name": "reads", "permissions": ["usage.read"]});
    let reads = platform.make("roles", reads).await;
    let exports = json!({"tenant_id": f.tenant["id"], "name": "exports", "permissions": ["usage.export"]});
    let exports = platform.make("roles", exports).await;
    used(&app, &f, &[&f.api_key, &key]).await;
    let (everywhere, research) = (Value::Null, &f.department["id"]);
    for (read_in, export_in, expect) in
        [(&everywhere, research, (2, 2, 1)), (research, &everywhere, (1, 1, 1)), (&everywhere, &everywhere, (2, 2, 2))]
    {
        let grants = json!([
            {"custom_role_id": reads["id"], "department_id": read_in},
            {"custom_role_id": exports["id"], "department_id": export_in},
        ]);
        let reader = app.granted(id(&f.tenant), grants).await;
        assert_eq!(seen(&reader).await, expect, "{read_in} {export_in}");
    }
}

#[tokio::test]
async fn the_usage_of_a_deleted_key_stays_its_owners() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let reader = app.granted(id(&f.tenant), json!([{"role": "viewer", "department_id": f.department["id"]}])).await;
    let anna = app.granted(id(&f.tenant), json!([])).await;
    let me = anna.get("auth/me").await.expect(200).json;
    let one = format!("users/{}", me["id"].as_str().unwrap());
    let revision = platform.get(&one).await.expect(200).json["revision"].clone();
    platform.patch(&one, &revision, json!({"department_id": f.department["id"]})).await.expect(200);
    let own = |owner: &str, of: &Value| json!({"tenant_id": f.tenant["id"], "name": owner, owner: of});
    let mut keys = Vec::new();
    for body in [
        own("user_id", &me["id"]),
        own("service_account_id", &f.service_account["id"]),
        own("department_id", &f.department["id"]),
    ] {
        keys.push(platform.make("api-keys", body).await);
    }
    used(&app, &f, &[&keys[0], &keys[1], &keys[2], &f.api_key]).await;
    assert_eq!((seen(&reader).await, seen(&anna).await), ((3, 3, 3), (1, 1, 1)));
    for key in &keys {
        platform.delete(&format!("api-keys/{}", id(key)), &key["revision"]).await.expect(200);
    }
    assert_eq!((seen(&reader).await, seen(&anna).await), ((3, 3, 3), (1, 1, 1)));
    // Nobody refers to it any more, and another department sees nothing.
    let account = &f.service_account;
    platform.delete(&format!("service-accounts/{}", id(account)), &account["revision"]).await.expect(200);
    let other = platform.make("departments", json!({"tenant_id": f.tenant["id"], "name": "other"})).await;
    let other = app.granted(id(&f.tenant), json!([{"role": "viewer", "department_id": other["id"]}])).await;
    assert_eq!((seen(&reader).await, seen(&other).await), ((3, 3, 3), (0, 0, 0)));
}
