use chrono::DateTime;
use tokio::sync::mpsc;
use weir_core::node::{NodeEvent, Reached};

use super::*;

fn report(node: &str, event: NodeEvent) -> NodeReport {
    NodeReport { gateway_id: Uuid::nil(), node_id: node.into(), at: DateTime::UNIX_EPOCH, event }
}

fn inbox() -> Inbox {
    let (sender, reports) = mpsc::unbounded_channel();
    let progress = Progress::new(&sender);
    Inbox { progress, reports, nodes: HashMap::new(), changed: HashSet::new(), open: true }
}

fn connected() -> NodeEvent {
    NodeEvent::Connected { envoy_version: "1.40.0".into() }
}

#[test]
fn what_is_reported_of_an_envoy_becomes_one_state() {
    let mut inbox = inbox();
    for one in [
        report("a", connected()),
        report("a", NodeEvent::Sent { revision: 1 }),
        report("b", NodeEvent::Forgot { revision: 1 }),
        report("a", NodeEvent::Applied { revision: 1 }),
        report("a", NodeEvent::Sent { revision: 2 }),
    ] {
        inbox.observe(one);
    }
    let mut states = inbox.take();
    states.sort_by(|one, other| one.node_id.cmp(&other.node_id));
    let [a, b] = states.as_slice() else { panic!("{states:?}") };
    let at = DateTime::UNIX_EPOCH;
    assert_eq!((a.connected, a.sent_revision, a.acknowledged), (true, 2, Some(Reached { revision: 1, at })));
    assert_eq!((b.connected, b.watched, b.forgotten), (false, true, Some(Reached { revision: 1, at })));
    assert!(inbox.take().is_empty());
    inbox.hear();
    assert_eq!(inbox.take().len(), 2);
}

#[test]
fn an_envoy_that_is_gone_is_written_down_and_forgotten() {
    let mut inbox = inbox();
    inbox.observe(report("a", connected()));
    inbox.observe(report("a", NodeEvent::Forgot { revision: 1 }));
    inbox.observe(report("a", NodeEvent::Disconnected));
    assert_eq!(inbox.take().len(), 1);
    assert_eq!(inbox.nodes.len(), 1, "its VMs are still there");
    inbox.observe(report("a", NodeEvent::Unwatched));
    let states = inbox.take();
    assert!(inbox.nodes.is_empty());
    // The database was away: it came back meanwhile, and that holds.
    inbox.observe(report("a", connected()));
    inbox.give_back(&states);
    assert!(inbox.take()[0].connected);
}
