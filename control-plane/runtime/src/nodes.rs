use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, interval_at, sleep};
use uuid::Uuid;
use weir_core::node::{NodeReport, NodeState};
use weir_dataplane::{Progress, chain};
use weir_store::Store;

/// Reports taken at a time.
const BATCH: usize = 1024;
/// Time between two writes: all that is reported meanwhile is one statement.
const PACE: Duration = Duration::from_millis(200);
/// How often it is written down of each Envoy that is still here, whether it says anything or not.
const HEARD: Duration = Duration::from_secs(15);
/// Wait after the database failed.
const RETRY: Duration = Duration::from_secs(1);

/// Writes down what Envoys did, until nobody reports any more.
///
/// Reports are taken in also while others are being written, however long the database takes: what waits is at most one state of each
/// Envoy, and `progress` is never behind.
pub(crate) async fn record(store: Store, progress: Progress, reports: UnboundedReceiver<NodeReport>) {
    let replica_id = Uuid::now_v7();
    let mut inbox = Inbox { progress, reports, nodes: HashMap::new(), changed: HashSet::new(), open: true };
    let mut heard = interval_at(Instant::now() + HEARD, HEARD);
    while inbox.open || !inbox.changed.is_empty() {
        if inbox.changed.is_empty() {
            tokio::select! {
                () = inbox.receive() => {}
                _ = heard.tick() => inbox.hear(),
            }
            continue;
        }
        let states = inbox.take();
        match inbox.meanwhile(store.write_nodes(replica_id, &states)).await {
            Ok(()) => {}
            Err(error) if error.is_away() => {
                let (error, waiting) = (chain(&error), states.len());
                tracing::warn!(error, waiting, "what Envoys did could not be written down yet");
                inbox.give_back(&states);
                inbox.meanwhile(sleep(RETRY)).await;
                continue;
            }
            Err(error) => {
                let (error, envoys) = (chain(&error), states.len());
                tracing::error!(error, envoys, "what Envoys did was not written down");
            }
        }
        if inbox.open {
            inbox.meanwhile(sleep(PACE)).await;
        }
    }
}

type NodeKey = (Uuid, String);

/// What Envoys did.
struct Inbox {
    progress: Progress,
    reports: UnboundedReceiver<NodeReport>,
    /// Of each that has something open here, or whose end is not written down.
    nodes: HashMap<NodeKey, NodeState>,
    /// Those that are not written down as they are.
    changed: HashSet<NodeKey>,
    /// Somebody may still report.
    open: bool,
}

impl Inbox {
    async fn receive(&mut self) {
        let mut new = Vec::new();
        self.open = self.reports.recv_many(&mut new, BATCH).await > 0;
        for report in new {
            self.progress.observe(&report);
            self.observe(report);
        }
    }

    fn observe(&mut self, report: NodeReport) {
        let NodeReport { gateway_id, node_id, at, event } = report;
        let key = (gateway_id, node_id.clone());
        let state = self.nodes.entry(key.clone()).or_insert_with(|| NodeState::new(gateway_id, node_id, at));
        state.observe(event, at);
        self.changed.insert(key);
    }

    /// Everybody who is still here is to be written down again.
    fn hear(&mut self) {
        self.changed.extend(self.nodes.keys().cloned());
    }

    /// What is to be written. Of an Envoy that is gone nothing else is kept.
    fn take(&mut self) -> Vec<NodeState> {
        let states = self.changed.drain().filter_map(|key| self.nodes.get(&key).cloned()).collect();
        self.nodes.retain(|_, state| state.is_open());
        states
    }

    /// These were not written; what was reported since holds.
    fn give_back(&mut self, states: &[NodeState]) {
        for state in states {
            let key = (state.gateway_id, state.node_id.clone());
            self.nodes.entry(key.clone()).or_insert_with(|| state.clone());
            self.changed.insert(key);
        }
    }

    /// Goes on receiving until this is done.
    async fn meanwhile<T>(&mut self, task: impl Future<Output = T>) -> T {
        let mut task = pin!(task);
        loop {
            tokio::select! {
                done = &mut task => return done,
                () = self.receive(), if self.open => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
