use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;
use weir_core::node::{NodeEvent, NodeReport};

/// One Envoy: its gateway, and its `node.id`.
pub(crate) type NodeKey = (Uuid, String);

/// Waiting records of one VM that are believed: sums of many such are numbers everywhere.
const MOST_WAITING: u64 = 1_000_000_000;

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
    /// Its VMs by the number of their watch.
    vms: HashMap<u64, Vm>,
    next_watch: u64,
    /// The least that they have forgotten, as it was last reported.
    forgot: Option<u64>,
    /// The usage records that wait in them, as it was last reported.
    waiting: Option<u64>,
}

/// What a VM said.
#[derive(Clone, Copy, Default)]
struct Vm {
    /// It has forgotten everything up to this revision; 0: it has only just come.
    forgot: u64,
    /// Usage records that wait in it; `None`: it does not tell.
    waiting: Option<u64>,
}

impl Progress {
    /// Reports what Envoys' VMs have forgotten as [`NodeEvent::Forgot`], what waits in them as [`NodeEvent::Waiting`], and that none is left
    /// as [`NodeEvent::Unwatched`].
    pub fn new(reports: &mpsc::UnboundedSender<NodeReport>) -> Self {
        Self { nodes: Arc::default(), reports: reports.downgrade() }
    }

    /// Takes note of what an Envoy did on its configuration stream.
    pub fn observe(&self, report: &NodeReport) {
        let revision = match report.event {
            NodeEvent::Connected { .. } => Some(0),
            NodeEvent::Applied { revision } => Some(revision),
            NodeEvent::Disconnected => None,
            NodeEvent::Seen { .. }
            | NodeEvent::Sent { .. }
            | NodeEvent::Refused { .. }
            | NodeEvent::Forgot { .. }
            | NodeEvent::Unwatched
            | NodeEvent::Waiting { .. } => return,
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
        node.vms.insert(number, Vm::default());
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
        Self { configured: watch::Sender::new(None), vms: HashMap::new(), next_watch: 0, forgot: None, waiting: None }
    }

    /// The least that all VMs have forgotten and what waits in them, or that there are none any more, where it is news. A VM that has just
    /// come has forgotten nothing yet, and holds nothing either: it does not count before its first acknowledgement.
    fn news(&mut self) -> Vec<NodeEvent> {
        let vms = || self.vms.values().filter(|vm| vm.forgot > 0);
        let Some(least) = vms().map(|vm| vm.forgot).min() else {
            self.waiting = None;
            return self.forgot.take().map(|_| NodeEvent::Unwatched).into_iter().collect();
        };
        let waiting = vms().map(|vm| vm.waiting).try_fold(0_u64, |sum, one| Some(sum.saturating_add(one?)));
        let mut news = Vec::new();
        if self.forgot.replace(least) != Some(least) {
            news.push(NodeEvent::Forgot { revision: least });
        }
        if std::mem::replace(&mut self.waiting, waiting) != waiting {
            news.push(NodeEvent::Waiting { records: waiting });
        }
        news
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
    /// The VM has forgotten everything up to this revision, and so many usage records wait in it; `None`: it does not tell.
    pub(crate) fn said(&self, forgot: u64, waiting: Option<u64>) {
        let mut nodes = self.progress.lock();
        let Some(node) = nodes.get_mut(&self.key) else { return };
        let waiting = waiting.map(|records| records.min(MOST_WAITING));
        node.vms.insert(self.number, Vm { forgot, waiting });
        let news = node.news();
        drop(nodes);
        self.report(news);
    }

    fn report(&self, news: Vec<NodeEvent>) {
        let (gateway_id, node_id) = &self.key;
        // Without a sender or a receiver the runtime is shutting down.
        let Some(reports) = self.progress.reports.upgrade() else { return };
        for event in news {
            let _ =
                reports.send(NodeReport { gateway_id: *gateway_id, node_id: node_id.clone(), at: Utc::now(), event });
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
