use chrono::DateTime;
use uuid::Uuid;

use super::*;

fn report(node: &str, event: NodeEvent) -> NodeReport {
    NodeReport { gateway_id: Uuid::nil(), node_id: node.into(), at: DateTime::UNIX_EPOCH, event }
}

#[test]
fn only_the_last_of_each_kind_is_written() {
    let mut pending = Vec::new();
    let connected = NodeEvent::Connected { envoy_version: "1.40.0".into() };
    for event in [
        report("a", connected.clone()),
        report("a", NodeEvent::Sent { revision: 1 }),
        report("b", NodeEvent::Sent { revision: 1 }),
        report("a", NodeEvent::Applied { revision: 1 }),
        report("a", NodeEvent::Sent { revision: 2 }),
        report("a", NodeEvent::Disconnected),
        report("a", connected.clone()),
    ] {
        coalesce(&mut pending, event);
    }
    let expect = [
        report("b", NodeEvent::Sent { revision: 1 }),
        report("a", NodeEvent::Applied { revision: 1 }),
        report("a", NodeEvent::Sent { revision: 2 }),
        report("a", connected),
    ];
    assert_eq!(pending, expect);
}
