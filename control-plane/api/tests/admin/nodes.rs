//! Which revision holds on which Envoy.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;
use weir_core::node::{NodeEvent, NodeState};

use crate::app::{App, app};

const REPLICA: Uuid = Uuid::from_u128(1);

/// What one control plane knows of one Envoy, written down with each report.
struct Replica<'a> {
    app: &'a App,
    id: Uuid,
    node: NodeState,
}

impl<'a> Replica<'a> {
    fn new(app: &'a App, id: Uuid, gateway_id: Uuid, node_id: &str) -> Self {
        Self { app, id, node: NodeState::new(gateway_id, node_id.to_owned(), DateTime::UNIX_EPOCH) }
    }

    async fn report(&mut self, at: DateTime<Utc>, event: NodeEvent) -> Value {
        self.node.observe(event, at);
        self.app.store.write_nodes(self.id, std::slice::from_ref(&self.node)).await.unwrap();
        self.app.platform().await.get("nodes").await.expect(200).json
    }
}

/// As Postgres keeps times.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap()
}

#[tokio::test]
async fn a_node_is_applied_once_both_the_configuration_and_the_memory_are() {
    let app = app().await;
    let gateway = app.gateway(None).await;
    let start = now();
    let mut replica = Replica::new(&app, REPLICA, gateway.id, "envoy-1");
    let mut report = async |seconds: i64, event| {
        replica.report(start + TimeDelta::seconds(seconds), event).await["items"][0].clone()
    };
    let check = |node: &Value, connected: bool, sent: u64, applied: u64| {
        assert_eq!(
            (&node["connected"], &node["sent_revision"], &node["applied_revision"]),
            (&json!(connected), &json!(sent), &json!(applied))
        );
    };
    let node = report(0, NodeEvent::Connected { envoy_version: "1.40.0".into() }).await;
    check(&node, true, 0, 0);
    assert_eq!(
        (&node["id"], &node["gateway"], &node["envoy_version"]),
        (&json!("envoy-1"), &json!(gateway.name), &json!("1.40.0"))
    );
    check(&report(1, NodeEvent::Sent { revision: 7 }).await, true, 7, 0);
    check(&report(2, NodeEvent::Applied { revision: 7 }).await, true, 7, 0);
    check(&report(3, NodeEvent::Forgot { revision: 6 }).await, true, 7, 6);
    check(&report(4, NodeEvent::Forgot { revision: 8 }).await, true, 7, 7);
    check(&report(3, NodeEvent::Applied { revision: 5 }).await, true, 7, 7);

    let refusal = NodeEvent::Refused { revision: 9, resource: "weir.chain".into(), reason: "bad".into() };
    let refused = report(5, refusal).await;
    assert_eq!((&refused["refused"]["revision"], &refused["refused"]["reason"]), (&json!(9), &json!("bad")));
    assert!(report(6, NodeEvent::Applied { revision: 8 }).await["refused"].is_object());
    assert_eq!(report(7, NodeEvent::Applied { revision: 9 }).await["refused"], Value::Null);

    // It came back before the end of its old stream was noticed.
    report(9, NodeEvent::Connected { envoy_version: "1.40.0".into() }).await;
    assert_eq!(report(8, NodeEvent::Disconnected).await["connected"], json!(true));
    let gone = report(10, NodeEvent::Disconnected).await;
    assert_eq!(gone["connected"], json!(false));
    let last_seen: DateTime<Utc> = gone["last_seen_at"].as_str().unwrap().parse().unwrap();
    assert_eq!((last_seen - start).num_seconds(), 10);
}

/// Its stream is at one, its VMs are at two, and a third was killed that knew of both.
#[tokio::test]
async fn several_replicas_tell_of_one_envoy() {
    let app = app().await;
    let gateway = app.gateway(None).await;
    let start = now() - TimeDelta::minutes(1);
    let after = |seconds| start + TimeDelta::seconds(seconds);
    let new = |id| Replica::new(&app, Uuid::from_u128(id), gateway.id, "envoy-1");
    let (mut killed, mut stream, mut memory) = (new(1), new(2), new(3));
    let connected = || NodeEvent::Connected { envoy_version: "1.40.0".into() };
    killed.report(after(0), connected()).await;
    killed.report(after(0), NodeEvent::Applied { revision: 3 }).await;
    killed.report(after(0), NodeEvent::Forgot { revision: 2 }).await;
    app.sql("UPDATE node_streams SET heard_at = now() - interval '2 minutes'").await;

    stream.report(after(1), connected()).await;
    let nodes = stream.report(after(2), NodeEvent::Applied { revision: 9 }).await;
    let applied =
        |nodes: &Value| (nodes["items"].as_array().unwrap().len(), nodes["items"][0]["applied_revision"].clone());
    assert_eq!(applied(&nodes), (1, json!(0)), "what its VMs hold is not known");
    stream.report(after(3), NodeEvent::Forgot { revision: 8 }).await;
    let nodes = memory.report(after(4), NodeEvent::Forgot { revision: 7 }).await;
    assert_eq!(applied(&nodes), (1, json!(7)), "the least of all VMs");
    assert_eq!(nodes["items"][0]["connected"], json!(true));
    let said = |nodes: &Value, field: &str| -> Vec<Value> {
        nodes["items"][0]["replicas"].as_array().unwrap().iter().map(|replica| replica[field].clone()).collect()
    };
    assert_eq!(said(&nodes, "id"), [json!(Uuid::from_u128(2)), json!(Uuid::from_u128(3))], "not that which was killed");
    assert_eq!(said(&nodes, "connected"), [json!(true), json!(false)]);
    assert_eq!(said(&nodes, "acknowledged_revision"), [json!(9), json!(0)]);
    assert_eq!(said(&nodes, "forgotten_revision"), [json!(8), json!(7)]);
    let applied_at: DateTime<Utc> = nodes["items"][0]["applied_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(applied_at, after(4));
    // A VM that moved to another replica counts there alone.
    let nodes = memory.report(after(5), NodeEvent::Unwatched).await;
    assert_eq!(applied(&nodes), (1, json!(8)));
    // Another Envoy with the same id.
    let nodes = memory.report(after(5), connected()).await;
    assert_eq!(said(&nodes, "connected"), [json!(true), json!(true)]);
    let nodes = memory.report(after(6), NodeEvent::Disconnected).await;
    assert_eq!(said(&nodes, "connected"), [json!(true)]);

    app.sql("UPDATE node_streams SET heard_at = heard_at - interval '15 minutes' WHERE heard_at < now() - interval '1 minute'").await;
    app.store.maintain(chrono::Utc::now()).await.unwrap();
    assert_eq!(app.count("SELECT count(*) FROM node_streams").await, 2, "what another knows better is forgotten");
    let nodes = stream.report(after(6), NodeEvent::Seen { streams: 1 }).await;
    assert_eq!(applied(&nodes), (1, json!(8)));
    app.sql("UPDATE node_streams SET heard_at = now() - interval '8 days'").await;
    app.store.maintain(chrono::Utc::now()).await.unwrap();
    assert_eq!(app.count("SELECT count(*) FROM node_streams").await, 0);
}

#[tokio::test]
async fn a_revision_is_everywhere_once_the_last_connected_envoy_has_it() {
    let app = app().await;
    let gateway = app.gateway(None).await;
    let start = now();
    let after = |seconds| start + TimeDelta::seconds(seconds);
    let new = |name| Replica::new(&app, REPLICA, gateway.id, name);
    let (mut one, mut other) = (new("envoy-1"), new("envoy-2"));
    let nodes = app.platform().await.get("nodes").await.expect(200).json;
    assert_eq!(nodes["everywhere"], Value::Null);
    for (envoy, revision, at) in [(&mut one, 5, 1), (&mut other, 4, 2)] {
        envoy.report(after(0), NodeEvent::Connected { envoy_version: "1.40.0".into() }).await;
        envoy.report(after(at), NodeEvent::Applied { revision }).await;
        envoy.report(after(at), NodeEvent::Forgot { revision }).await;
    }
    let check = |nodes: Value, revision: u64, at| {
        let since: DateTime<Utc> = nodes["everywhere"]["since"].as_str().unwrap().parse().unwrap();
        assert_eq!((&nodes["everywhere"]["revision"], since), (&json!(revision), after(at)));
    };
    check(one.report(after(3), NodeEvent::Seen { streams: 1 }).await, 4, 2);
    other.report(after(4), NodeEvent::Applied { revision: 5 }).await;
    check(other.report(after(5), NodeEvent::Forgot { revision: 5 }).await, 5, 5);
    // What is heard again does not move it, and whoever is gone does not count.
    check(one.report(after(6), NodeEvent::Applied { revision: 5 }).await, 5, 5);
    check(other.report(after(7), NodeEvent::Disconnected).await, 5, 1);
}

#[tokio::test]
async fn what_waits_in_an_envoy_is_known_only_if_all_of_it_is() {
    let app = app().await;
    let gateway = app.gateway(None).await;
    let new = |id| Replica::new(&app, Uuid::from_u128(id), gateway.id, "envoy-1");
    let (mut one, mut other) = (new(1), new(2));
    let waiting = |nodes: &Value| {
        let node = &nodes["items"][0];
        let replicas = node["replicas"].as_array().unwrap().iter().map(|replica| replica["waiting_records"].clone());
        (node["waiting_records"].clone(), Value::Array(replicas.collect()))
    };
    one.report(now(), NodeEvent::Connected { envoy_version: "1.40.0".into() }).await;
    let nodes = one.report(now(), NodeEvent::Forgot { revision: 1 }).await;
    assert_eq!(waiting(&nodes), (Value::Null, json!([null])), "nobody told");
    let nodes = one.report(now(), NodeEvent::Waiting { records: Some(0) }).await;
    assert_eq!(waiting(&nodes), (json!(0), json!([0])));
    let nodes = other.report(now(), NodeEvent::Forgot { revision: 1 }).await;
    assert_eq!(waiting(&nodes), (Value::Null, json!([0, null])), "a VM at another control plane does not tell");
    one.report(now(), NodeEvent::Waiting { records: Some(7) }).await;
    let nodes = other.report(now(), NodeEvent::Waiting { records: Some(5) }).await;
    assert_eq!(waiting(&nodes), (json!(12), json!([7, 5])));
    let nodes = other.report(now(), NodeEvent::Unwatched).await;
    assert_eq!(waiting(&nodes), (json!(7), json!([7])));
    let nodes = one.report(now(), NodeEvent::Unwatched).await;
    assert_eq!(waiting(&nodes), (Value::Null, json!([null])), "nobody is left who could tell");
}

#[tokio::test]
async fn two_envoys_of_one_id_at_one_control_plane_are_told() {
    let app = app().await;
    let gateway = app.gateway(None).await;
    let mut replica = Replica::new(&app, REPLICA, gateway.id, "envoy-1");
    let streams = |nodes: Value| nodes["items"][0]["replicas"][0]["streams"].clone();
    assert_eq!(streams(replica.report(now(), NodeEvent::Connected { envoy_version: "1.40.0".into() }).await), 1);
    assert_eq!(streams(replica.report(now(), NodeEvent::Seen { streams: 2 }).await), 2);
    assert_eq!(streams(replica.report(now(), NodeEvent::Seen { streams: 1 }).await), 1, "one of them has left");
}

#[tokio::test]
async fn a_report_of_a_deleted_gateway_is_dropped() {
    let app = app().await;
    let mut replica = Replica::new(&app, REPLICA, Uuid::now_v7(), "envoy-1");
    assert_eq!(replica.report(now(), NodeEvent::Disconnected).await["items"], json!([]));
}

#[tokio::test]
async fn what_an_envoy_says_is_shortened() {
    let app = app().await;
    let gateway = app.gateway(None).await;
    // Of all kinds of characters, so that Postgres cannot make it shorter: the id must fit into an index.
    let characters = (0..300_000_u32).filter_map(|number| char::from_u32(number * 7919 % 0x1_0000));
    let text: String = characters.collect();
    let mut replica = Replica::new(&app, REPLICA, gateway.id, &text);
    for event in [
        NodeEvent::Connected { envoy_version: text.clone() },
        NodeEvent::Refused { revision: 1, resource: text.clone(), reason: text.clone() },
        NodeEvent::Forgot { revision: 3 },
    ] {
        replica.report(now(), event).await;
    }
    let nodes = app.platform().await.get("nodes").await.expect(200);
    assert_eq!(nodes.json["items"].as_array().unwrap().len(), 1);
    assert!(nodes.text.len() < 20_000, "{}", nodes.text.len());
}
