//! Which revision holds on which Envoy.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use weir_core::node::{NodeEvent, NodeReport};

use crate::app::app;

#[tokio::test]
async fn a_node_is_applied_once_both_the_configuration_and_the_memory_are() {
    let app = app().await;
    let platform = app.platform().await;
    let gateway = app.gateway(None).await;
    // Postgres keeps microseconds.
    let start = DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap();
    let report = async |seconds: i64, event: NodeEvent| {
        let at = start + TimeDelta::seconds(seconds);
        let report = NodeReport { gateway_id: gateway.id, node_id: "envoy-1".into(), at, event };
        app.store.report_node(report).await.unwrap();
        platform.get("nodes").await.expect(200).json["items"][0].clone()
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
    // Late reports of several control planes take nothing back.
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

#[tokio::test]
async fn a_report_of_a_deleted_gateway_is_dropped() {
    let app = app().await;
    let report = NodeReport {
        gateway_id: uuid::Uuid::now_v7(),
        node_id: "envoy-1".into(),
        at: Utc::now(),
        event: NodeEvent::Disconnected,
    };
    app.store.report_node(report).await.unwrap();
    let platform = app.platform().await;
    assert_eq!(platform.get("nodes").await.expect(200).json["items"], json!([]));
}

#[tokio::test]
async fn what_an_envoy_says_is_shortened() {
    let app = app().await;
    let gateway = app.gateway(None).await;
    // Of all kinds of characters, so that Postgres cannot make it shorter: the id must fit into an index.
    let characters = (0..300_000_u32).filter_map(|number| char::from_u32(number * 7919 % 0x1_0000));
    let text: String = characters.collect();
    let long = || text.clone();
    for event in [
        NodeEvent::Connected { envoy_version: long() },
        NodeEvent::Refused { revision: 1, resource: long(), reason: long() },
        NodeEvent::Forgot { revision: 3 },
    ] {
        let report = NodeReport { gateway_id: gateway.id, node_id: long(), at: Utc::now(), event };
        app.store.report_node(report).await.unwrap();
    }
    let nodes = app.platform().await.get("nodes").await.expect(200);
    assert_eq!(nodes.json["items"].as_array().unwrap().len(), 1);
    assert!(nodes.text.len() < 20_000, "{}", nodes.text.len());
}
