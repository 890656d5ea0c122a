//! The stream of events: what is told, to whom, and how it ends.

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::Method;
use chrono::Utc;
use futures::StreamExt;
use serde_json::{Value, json};
use uuid::Uuid;
use weir_core::actor::Role;
use weir_core::node::{NodeEvent, NodeState};

use crate::app::{App, Client, app, furnish, id};
use crate::ledger::record;

/// What should come has come by then.
const DEADLINE: Duration = Duration::from_secs(30);

struct Events {
    body: BodyDataStream,
    read: String,
}

#[derive(Debug)]
struct Event {
    id: Option<String>,
    data: Value,
}

impl Events {
    async fn open(client: &Client, query: &str, headers: &[(&str, &str)]) -> Events {
        let response = client.events(query, headers).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body().into_data_stream(), read: String::new() }
    }

    /// The next event; `None`: the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_start().to_owned())
                };
                let (name, id, data) = (field("event:"), field("id:"), field("data:"));
                self.read = rest.to_owned();
                let Some(name) = name else { continue };
                let data: Value = serde_json::from_str(&data.unwrap()).unwrap();
                assert_eq!(data["type"], name);
                return Some(Event { id, data });
            }
            let chunk = tokio::time::timeout(DEADLINE, self.body.next()).await.expect("an event in time")?.unwrap();
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next of a type; those of others are passed over.
    async fn next_of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {kind}"));
            if event.data["type"] == kind {
                return event;
            }
        }
    }
}

fn names(event: &Event) -> Vec<&str> {
    event.data["objects"].as_array().unwrap().iter().map(|object| object["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_change_is_told_to_those_who_may_read_it() {
    let app = app().await;
    let platform = app.platform().await;
    let [a, b] =
        [platform.make("tenants", json!({"name": "a"})).await, platform.make("tenants", json!({"name": "b"})).await];
    let viewer = app.user(Role::Viewer, Some(id(&a))).await;
    let mut all = Events::open(&platform, "", &[]).await;
    let mut only_b = Events::open(&platform, &format!("?tenant_id={}", id(&b)), &[]).await;
    let mut own = Events::open(&viewer, "", &[]).await;
    let revision = app.store.revision().await.unwrap();
    let ready = all.next().await.unwrap();
    assert_eq!((ready.id, &ready.data), (Some(revision.to_string()), &json!({"type": "ready", "revision": revision})));

    let key = |tenant: &Value, name: &str| json!({"tenant_id": tenant["id"], "name": name});
    platform.make("api-keys", key(&b, "of b")).await;
    let made = platform.make("api-keys", key(&a, "of a")).await;
    let rules = json!([{"type": "EMAIL", "action": "flag"}]);
    platform.make("guardrails/profiles", json!({"name": "of all", "rules": rules})).await;
    platform.make("gateways", json!({"name": "of the platform"})).await;
    platform.make("tenants", json!({"name": "last"})).await;
    platform.make("api-keys", key(&a, "the end")).await;

    for expect in ["of b", "of a", "of all", "of the platform", "last", "the end"] {
        assert_eq!(names(&all.next_of("changed").await), [expect]);
    }
    let told = own.next_of("changed").await;
    assert_eq!(told.id, Some(made["revision"].to_string()));
    assert_eq!(told.data["revision"], made["revision"]);
    let object = json!({"action": "create", "kind": "api_key", "id": made["id"], "name": "of a", "tenant_id": a["id"]});
    assert_eq!(told.data["objects"], json!([object]));
    // Tenants' users may read the platform's profiles, but know nothing of gateways and of other tenants.
    for expect in ["of all", "the end"] {
        assert_eq!(names(&own.next_of("changed").await), [expect]);
    }
    for expect in ["of b", "of all"] {
        assert_eq!(names(&only_b.next_of("changed").await), [expect]);
    }
}

#[tokio::test]
async fn one_that_comes_back_is_told_what_it_missed() {
    let app = app().await;
    let platform = app.platform().await;
    let before = app.store.revision().await.unwrap();
    for name in ["a", "b"] {
        platform.make("tenants", json!({"name": name})).await;
    }
    let from = |revision: u64| revision.to_string();
    let mut events = Events::open(&platform, "", &[("last-event-id", &from(before))]).await;
    events.next_of("ready").await;
    platform.make("tenants", json!({"name": "c"})).await;
    for expect in ["a", "b", "c"] {
        assert_eq!(names(&events.next_of("changed").await), [expect]);
    }
    // What it read last is not in this database, or no longer.
    let later = app.store.revision().await.unwrap() + 1;
    let mut ahead = Events::open(&platform, "", &[("last-event-id", &from(later))]).await;
    ahead.next_of("reset").await;
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let mut connection = database.acquire().await.unwrap();
    sqlx::query("SET session_replication_role = replica").execute(&mut *connection).await.unwrap();
    let gone = sqlx::query("DELETE FROM audit WHERE revision = $1").bind(before as i64 + 1);
    gone.execute(&mut *connection).await.unwrap();
    let mut behind = Events::open(&platform, "", &[("last-event-id", &from(before))]).await;
    behind.next_of("reset").await;

    let answer = platform.send(Method::GET, "/api/v1/admin/events", &[("last-event-id", "x")], None).await;
    answer.problem(400, "invalid_header").field("Last-Event-ID");
}

#[tokio::test]
async fn nodes_are_told_to_the_platform_alone() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let admin = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    let gateway = app.gateway(None).await;
    let mut node = NodeState::new(gateway.id, "envoy-1".into(), Utc::now());
    let mut report = async |event: NodeEvent| {
        node.observe(event, Utc::now());
        app.store.write_nodes(Uuid::nil(), std::slice::from_ref(&node)).await.unwrap();
    };
    let mut all = Events::open(&platform, "", &[]).await;
    let mut own = Events::open(&admin, "", &[]).await;
    // The first look at the nodes tells nothing: the pulse comes after it.
    all.next_of("usage").await;
    report(NodeEvent::Connected { envoy_version: "1.40.0".into() }).await;
    let node = all.next_of("node").await.data["node"].clone();
    assert_eq!(
        (&node["id"], &node["connected"], &node["gateway"]),
        (&json!("envoy-1"), &json!(true), &json!(gateway.name))
    );
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    sqlx::query("DELETE FROM node_streams").execute(&database).await.unwrap();
    assert_eq!(all.next_of("node_gone").await.data["id"], "envoy-1");
    platform.make("api-keys", json!({"tenant_id": tenant["id"], "name": "k"})).await;
    loop {
        let event = own.next().await.unwrap();
        assert!(!event.data["type"].as_str().unwrap().starts_with("node"), "{event:?}");
        if event.data["type"] == "changed" {
            break;
        }
    }
}

#[tokio::test]
async fn usage_is_summed_within_the_readers_scope() {
    let app = app().await;
    let platform = app.platform().await;
    let gateway = app.gateway(None).await;
    let tenants = [furnish(&platform, "a").await, furnish(&platform, "b").await];
    let viewer = app.user(Role::Viewer, Some(id(&tenants[0].tenant))).await;
    let mut all = Events::open(&platform, "", &[]).await;
    let mut own = Events::open(&viewer, "", &[]).await;
    all.next_of("usage").await;
    let mut cost = 0;
    for tenant in &tenants {
        let record = record(tenant, Utc::now());
        cost = record.cost_picousd;
        app.store.record_usage(&gateway, vec![record]).await.unwrap();
    }
    let sums = async |events: &mut Events| {
        let (mut requests, mut sum) = (0, 0);
        for _ in 0..3 {
            let usage = events.next_of("usage").await.data;
            requests += usage["requests"].as_i64().unwrap();
            sum += usage["cost_microusd"].as_i64().unwrap();
            if requests > 0 {
                break;
            }
        }
        (requests, sum)
    };
    // Rounded up once, whatever the sum is of.
    let microusd = |picousd: u64| picousd.div_ceil(1_000_000) as i64;
    assert_eq!(sums(&mut all).await, (2, microusd(cost * 2)));
    assert_eq!(sums(&mut own).await, (1, microusd(cost)));
}

#[tokio::test]
async fn it_ends_with_the_session_with_its_rights_and_with_the_process() {
    let app = app().await;
    let end = async |events: &mut Events| {
        let reason = events.next_of("end").await.data["reason"].clone();
        assert!(events.next().await.is_none());
        reason
    };
    let signed_out = app.platform().await;
    let demoted = app.platform().await;
    let staying = app.platform().await;
    let me = demoted.get("auth/me").await.expect(200).json;
    let mut streams = Vec::new();
    for client in [&signed_out, &demoted, &staying] {
        streams.push(Events::open(client, "", &[]).await);
    }
    signed_out.post("auth/logout", Value::Null).await.expect(204);
    let tenant = staying.make("tenants", json!({"name": "a"})).await;
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    sqlx::query("UPDATE users SET role = 'viewer', tenant_id = $1 WHERE id = $2")
        .bind(id(&tenant))
        .bind(id(&me))
        .execute(&database)
        .await
        .unwrap();
    assert_eq!(end(&mut streams[0]).await, "session_ended");
    assert_eq!(end(&mut streams[1]).await, "rights_changed");
    app.stop.send_replace(true);
    assert_eq!(end(&mut streams[2]).await, "unavailable");
}

#[tokio::test]
async fn an_open_stream_does_not_keep_its_session_in_use() {
    let app = app().await;
    let platform = app.platform().await;
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let mut events = Events::open(&platform, "", &[]).await;
    sqlx::query("UPDATE sessions SET kind = 'browser', last_seen_at = now() - interval '7199 seconds'")
        .execute(&database)
        .await
        .unwrap();
    assert_eq!(events.next_of("end").await.data["reason"], "session_ended");
}

#[tokio::test]
async fn one_user_has_few_streams() {
    let app: App = app().await;
    let [platform, other] = [app.platform().await, app.platform().await];
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(Events::open(&platform, "", &[]).await);
    }
    let refused = platform.get("events").await.problem(503, "overloaded");
    assert_eq!(refused.headers["retry-after"], "5");
    Events::open(&other, "", &[]).await;
    open.pop();
    Events::open(&platform, "", &[]).await;
}
