//! Which Envoys have a stream open, and whether two of them go by one name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// How long an Envoy that came back may have its old stream open as well: pings find out by then that it is dead.
const DEAD_AFTER: Duration = Duration::from_secs(60);

/// A gateway, and `node.id`.
pub(crate) type Node = (Uuid, String);

/// Open streams of each node.
#[derive(Default)]
pub(crate) struct OpenStreams(Mutex<HashMap<Node, Streams>>);

#[derive(Default)]
struct Streams {
    count: usize,
    /// Since when there is more than one.
    several_since: Option<Instant>,
}

impl OpenStreams {
    pub(crate) fn open(&self, node: &Node, now: Instant) {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = nodes.entry(node.clone()).or_default();
        streams.count += 1;
        if streams.count > 1 {
            streams.several_since.get_or_insert(now);
        }
    }

    /// Says whether it was the node's last.
    pub(crate) fn close(&self, node: &Node) -> bool {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(streams) = nodes.get_mut(node) else { return true };
        streams.count = streams.count.saturating_sub(1);
        if streams.count < 2 {
            streams.several_since = None;
        }
        let last = streams.count == 0;
        if last {
            nodes.remove(node);
        }
        last
    }

    /// How many Envoys have this name: more than one if more than one stream is open, for longer than a dead one can be.
    pub(crate) fn envoys(&self, node: &Node, now: Instant) -> usize {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Streams { count, several_since: Some(since) }) = nodes.get(node) else { return 1 };
        if now.duration_since(*since) >= DEAD_AFTER { *count } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_envoys_of_one_name_are_told_from_one_that_came_back() {
        let streams = OpenStreams::default();
        let node = (Uuid::nil(), "envoy".to_owned());
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        streams.open(&node, begin);
        assert_eq!(streams.envoys(&node, after(1000)), 1);
        // It comes back before its old stream is noticed to be dead.
        streams.open(&node, after(1000));
        assert_eq!(streams.envoys(&node, after(1030)), 1);
        assert!(!streams.close(&node));
        assert_eq!(streams.envoys(&node, after(2000)), 1);
        streams.open(&node, after(2000));
        streams.open(&node, after(2050));
        assert_eq!(streams.envoys(&node, after(2060)), 3);
        assert_eq!(streams.envoys(&(Uuid::nil(), "other".to_owned()), after(2060)), 1);
        assert!(!streams.close(&node));
        assert!(!streams.close(&node));
        assert_eq!(streams.envoys(&node, after(9000)), 1);
        assert!(streams.close(&node), "the last one");
    }
}
