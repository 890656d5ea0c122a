//! Sets that are large, and sets that are wrong.

use std::time::Instant;

use serde_json::{Value, json};
use weir_core::actor::Role;

use crate::app::{App, Client, app, app_on, furnish, id};

fn object(kind: &str, name: &str, tenant: Option<&str>, spec: Value) -> Value {
    json!({"kind": kind, "name": name, "tenant": tenant, "spec": spec})
}

async fn users(client: &Client) -> Vec<Value> {
    client.get("users").await.expect(200).json["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn five_hundred_objects_are_one_change() {
    let app = app().await;
    let platform = app.platform().await;
    let mut objects = vec![object("tenant", "acme", None, json!({}))];
    let t = Some("acme");
    for number in 0..99 {
        let provider = json!({"schema": "openai", "base_url": "https://api.openai.com", "credential": "sk-1"});
        objects.push(object("provider", &format!("p{number}"), t, provider));
        let members = json!({"members": [{"provider": format!("p{number}"), "model": "m"}]});
        objects.push(object("pool", &format!("l{number}"), t, members));
        objects.push(object("model", &format!("m{number}"), t, json!({"pool": format!("l{number}")})));
        objects.push(object("api_key", &format!("k{number}"), t, json!({"requests_per_minute": 5})));
    }
    for number in 0..103 {
        objects.push(object("api_key", &format!("x{number}"), t, json!({})));
    }
    assert_eq!(objects.len(), 500);
    objects.reverse();
    let set = json!({"objects": objects});
    let before = app.store.revision().await.unwrap();
    for (step, path, created) in [("plan", "apply?dry_run=true", 500), ("result", "apply", 500), ("again", "apply", 0)]
    {
        let started = Instant::now();
        let done = platform.post(path, set.clone()).await.expect(200).json;
        let counts = ["created", "changed", "unchanged", "deleted"].map(|list| done[list].as_array().unwrap().len());
        println!("apply of 500, {step}: {counts:?} in {:?}", started.elapsed());
        assert_eq!(counts, [created, 0, 500 - created, 0], "{step}");
    }
    assert_eq!(app.store.revision().await.unwrap(), before + 1);
}

#[tokio::test]
async fn a_wrong_set_is_refused_by_its_object_and_leaves_nothing() {
    let app = app().await;
    let platform = app.platform().await;
    furnish(&platform, "a").await;
    furnish(&platform, "b").await;
    let before = app.store.revision().await.unwrap();
    let check = async |objects: Vec<Value>, field: &str| {
        let refused = platform.post("apply", json!({"objects": objects})).await;
        refused.problem(422, "invalid_fields").field(field);
        assert_eq!(app.store.revision().await.unwrap(), before, "{field}");
    };
    let (a, b) = (Some("a"), Some("b"));
    let members = |provider: &str| json!({"members": [{"provider": provider, "model": "m"}]});
    // In a circle: what is said to be a provider is the pool itself, and what is said to be a pool is the model.
    let circle = vec![
        object("pool", "one", a, members("two")),
        object("model", "two", a, json!({"pool": "three"})),
        object("model", "three", a, json!({"pool": "two"})),
    ];
    check(circle, "objects[0].spec.members[0].provider").await;
    check(vec![object("model", "m", a, json!({"pool": "m"}))], "objects[0].spec.pool").await;
    // The same thing by its tenant's name and by its id.
    let tenant = platform.get("tenants/a").await.json["id"].as_str().unwrap().to_owned();
    let twins = vec![
        object("model", "m", a, json!({"pool": "pool"})),
        object("model", "m", Some(&tenant), json!({"pool": "pool"})),
    ];
    check(twins, "objects[1].name").await;
    let twins = vec![
        object("user", "x@weir.example", a, json!({"role": "viewer", "password": "a long password"})),
        object("user", "X@weir.example", b, json!({"role": "viewer", "password": "a long password"})),
    ];
    platform.post("apply", json!({"objects": twins})).await.problem(409, "taken").field("objects[1].name");
    // One tenant's things with another's.
    platform
        .make(
            "pools",
            json!({"tenant_id": platform.get("tenants/b").await.json["id"], "name": "only b",
        "members": [{"provider": "openai", "model": "m"}]}),
        )
        .await;
    let before = app.store.revision().await.unwrap();
    let mixed = vec![object("model", "m", a, json!({"pool": "only b"}))];
    platform
        .post("apply", json!({"objects": mixed}))
        .await
        .problem(422, "invalid_fields")
        .field("objects[0].spec.pool");
    let many = vec![object("tenant", "t", None, json!({})); 5_001];
    platform.post("apply", json!({"objects": many})).await.problem(422, "invalid_fields").field("objects");
    let large = json!({"objects": [object("tenant", "t", None, json!({"time_zone": "x".repeat(9 << 20)}))]});
    platform.post("apply", large).await.problem(413, "body_too_large");
    let long = vec![object("tenant", &"x".repeat(101), None, json!({}))];
    platform.post("apply", json!({"objects": long})).await.problem(422, "invalid_fields").field("objects[0].name");
    assert_eq!(app.store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn a_secret_that_is_given_again_changes_nothing() {
    let app = app().await;
    let platform = app.platform().await;
    let set = |password: &str, credential: &str| {
        json!({"objects": [
            object("user", "u@weir.example", None, json!({"role": "platform_admin", "password": password})),
            object("provider", "p", None, json!({"schema": "openai", "base_url": "https://api.openai.com", "credential": credential})),
        ]})
    };
    let unchanged = async |set: Value, expect: usize| {
        let done = platform.post("apply", set).await.expect(200).json;
        assert_eq!(done["unchanged"].as_array().unwrap().len(), expect, "{done}");
    };
    unchanged(set("a long password", "sk-1"), 0).await;
    unchanged(set("a long password", "sk-1"), 2).await;
    unchanged(set("another password", "sk-1"), 1).await;
    unchanged(set("another password", "sk-2"), 1).await;
    unchanged(set("another password", "sk-2"), 2).await;
    // What a control plane of the version before writes leaves the digest as it was: that of another secret.
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let columns: (Vec<u8>, Vec<u8>) = sqlx::query_as("SELECT credential_digest, credential_encrypted FROM providers")
        .fetch_one(&database)
        .await
        .unwrap();
    unchanged(set("another password", "sk-3"), 1).await;
    sqlx::query("UPDATE providers SET credential_digest = $1").bind(&columns.0).execute(&database).await.unwrap();
    unchanged(set("another password", "sk-2"), 1).await;
    // Without a digest it is compared itself.
    sqlx::query("UPDATE providers SET credential_digest = NULL").execute(&database).await.unwrap();
    unchanged(set("another password", "sk-2"), 2).await;
}

/// Two requests of which each takes the other's sender the rights, at two control planes.
async fn at_once(app: &App, one: (Client, Value), other: (Client, Value), demote: bool) -> usize {
    let act = async |(by, user): (Client, Value)| {
        let path = format!("users/{}", id(&user));
        if demote {
            by.patch(&path, &user["revision"], json!({"role": "viewer"})).await
        } else {
            by.delete(&path, &user["revision"]).await
        }
    };
    // Both wait for their turn, so that each was admitted while the other still had its rights.
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let mut turn = database.begin().await.unwrap();
    sqlx::query("UPDATE policy_revision SET revision = revision").execute(&mut *turn).await.unwrap();
    let both_wait = async {
        loop {
            let (waiting,): (i64,) = sqlx::query_as(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&database)
            .await
            .unwrap();
            if waiting == 2 {
                break turn.rollback().await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let (one, other, ()) = tokio::join!(act(one), act(other), both_wait);
    let statuses = [one.status.as_u16(), other.status.as_u16()];
    assert!(statuses.contains(&403), "{statuses:?}");
    statuses.iter().filter(|status| **status == 200).count()
}

#[tokio::test]
async fn of_two_who_take_each_others_rights_one_keeps_them() {
    let app = app().await;
    let replica = app_on(app.database_url.clone()).await;
    let (platform, colleague) = (app.platform().await, app.platform().await);
    let at_replica = |client: &Client| replica.nobody().with_token(client.token());
    let of =
        |users: &[Value], client: &Client| users.iter().find(|user| user["email"] == client.token()).unwrap().clone();
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let first = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    let second = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    let all = users(&platform).await;
    let (by_first, by_second) = ((first.clone(), of(&all, &second)), (at_replica(&second), of(&all, &first)));
    assert_eq!(at_once(&app, by_first, by_second, true).await, 1, "demoted");
    let by_platform = (platform.clone(), of(&all, &colleague));
    let by_colleague = (at_replica(&colleague), of(&all, &platform));
    assert_eq!(at_once(&app, by_platform, by_colleague, false).await, 1, "deleted");
    let left = users(&app.platform().await).await;
    assert_eq!(left.iter().filter(|user| user["role"] == "platform_admin").count(), 2, "one, and who looks");
}

#[tokio::test]
async fn the_last_platform_admin_stays_even_for_a_machine() {
    let app = app().await;
    let platform = app.platform().await;
    let body = json!({"name": "m", "role": "platform_admin", "expires_at": "2100-01-01T00:00:00Z"});
    let token = platform.make("service-tokens", body).await;
    let machine = app.nobody().with_token(token["token"].as_str().unwrap());
    let last = users(&machine).await[0].clone();
    let refused = machine.delete(&format!("users/{}", id(&last)), &last["revision"]).await.problem(403, "forbidden");
    assert!(refused.text.contains("last platform admin"), "{}", refused.text);
    app.platform().await;
    machine.delete(&format!("users/{}", id(&last)), &last["revision"]).await.expect(200);
}
