use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;
use weir_core::node::{NodeEvent, NodeReport};

/// One Envoy: its gateway, and its `node.id`.
pub(crate) type NodeKey = (Uuid, String);

/// How far each connected Envoy has come. Cheap to clone.
#[derive(Clone)]
pub struct Progress {
    nodes: Arc<Mutex<HashMap<NodeKey, Node>>>,
    /// Weak, since whoever receives the reports holds a [`Progress`] too, and ends with the last sender.
    reports: mpsc::WeakUnboundedSender<NodeReport>,
}

struct Node {
    /// Acknowledged on its configuration stream; `None`: it has no such stream here.
    configured: watch::Sender<Option<u64>>,
    /// What each of its VMs has forgotten, by the number of its watch.
    vms: HashMap<u64, u64>,
    next_watch: u64,
    /// The least of them, as it was last reported.
    forgot: Option<u64>,
}

impl Progress {
    /// Reports what Envoys' VMs have forgotten as [`NodeEvent::Forgot`], and that none is left as [`NodeEvent::Unwatched`].
    pub fn new(reports: &mpsc::UnboundedSender<NodeReport>) -> Self {
        Self { nodes: Arc::default(), reports: reports.downgrade() }
    }

    /// Takes note of what an Envoy did on its configuration stream.
    pub fn observe(&self, report: &NodeReport) {
        let revision = match report.event {
            NodeEvent::Connected { .. } => Some(0),
            NodeEvent::Applied { revision } => Some(revision),
            NodeEvent::Disconnected => None,
            NodeEvent::Seen
            | NodeEvent::Sent { .. }
            | NodeEvent::Refused { .. }
            | NodeEvent::Forgot { .. }
            | NodeEvent::Unwatched => return,
        };
        let key = (report.gateway_id, report.node_id.clone());
        let mut nodes = self.lock();
        let node = nodes.entry(key.clone()).or_insert_with(Node::new);
        node.configured.send_replace(revision);
        if revision.is_none() && node.vms.is_empty() {
            nodes.remove(&key);
        }
    }

    /// Registers a VM's watch, which starts with nothing to forget.
    pub(crate) fn watch(&self, key: NodeKey) -> WatchedVm {
        let mut nodes = self.lock();
        let node = nodes.entry(key.clone()).or_insert_with(Node::new);
        node.next_watch += 1;
        let number = node.next_watch;
        node.vms.insert(number, 0);
        let configured = node.configured.subscribe();
        drop(nodes);
        WatchedVm { progress: self.clone(), key, number, configured }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeKey, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn new() -> Self {
        Self { configured: watch::Sender::new(None), vms: HashMap::new(), next_watch: 0, forgot: None }
    }

    /// The least that all VMs have forgotten, or that there are none any more, if it is news. A VM that has just come has forgotten
    /// nothing yet, and holds nothing either: it does not count before its first acknowledgement.
    fn news(&mut self) -> Option<NodeEvent> {
        let Some(least) = self.vms.values().copied().filter(|revision| *revision > 0).min() else {
            return self.forgot.take().map(|_| NodeEvent::Unwatched);
        };
        (self.forgot.replace(least) != Some(least)).then_some(NodeEvent::Forgot { revision: least })
    }
}

/// A VM's place in [`Progress`], given up when it is dropped.
pub(crate) struct WatchedVm {
    progress: Progress,
    key: NodeKey,
    number: u64,
    /// What this VM's Envoy has acknowledged on its configuration stream; `None`: it has no such stream here.
    pub(crate) configured: watch::Receiver<Option<u64>>,
}

impl WatchedVm {
    /// The VM has forgotten everything up to this revision.
    pub(crate) fn forgot(&self, revision: u64) {
        let mut nodes = self.progress.lock();
        let Some(node) = nodes.get_mut(&self.key) else { return };
        node.vms.insert(self.number, revision);
        let news = node.news();
        drop(nodes);
        self.report(news);
    }

    fn report(&self, news: Option<NodeEvent>) {
        let Some(event) = news else { return };
        let (gateway_id, node_id) = self.key.clone();
        // Without a sender or a receiver the runtime is shutting down.
        if let Some(reports) = self.progress.reports.upgrade() {
            let _ = reports.send(NodeReport { gateway_id, node_id, at: Utc::now(), event });
        }
    }
}

impl Drop for WatchedVm {
    fn drop(&mut self) {
        let mut nodes = self.progress.lock();
        let Some(node) = nodes.get_mut(&self.key) else { return };
        node.vms.remove(&self.number);
        let news = node.news();
        if node.vms.is_empty() && node.configured.borrow().is_none() {
            nodes.remove(&self.key);
        }
        drop(nodes);
        self.report(news);
    }
}
