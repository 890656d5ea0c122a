use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use weir_core::node::{NodeEvent, NodeReport};
use weir_dataplane::{Progress, chain};
use weir_store::Store;

/// Reports taken at a time.
const BATCH: usize = 1024;
/// Wait after the database failed.
const RETRY: Duration = Duration::from_secs(1);

/// Writes down what Envoys did, until nobody reports any more.
///
/// Reports are taken in also while one is being written, however long the database takes: what waits is then at most the last
/// of each kind for each Envoy, and `progress` is never behind.
pub(crate) async fn record(store: Store, progress: Progress, reports: UnboundedReceiver<NodeReport>) {
    let mut inbox = Inbox { progress, reports, pending: Vec::new(), open: true };
    while inbox.open || !inbox.pending.is_empty() {
        let Some(report) = inbox.pending.first().cloned() else {
            inbox.receive().await;
            continue;
        };
        match inbox.meanwhile(store.report_node(report.clone())).await {
            Err(error) if error.is_away() => {
                let (error, waiting) = (chain(&error), inbox.pending.len());
                tracing::warn!(error, waiting, "what Envoys did could not be written down yet");
                inbox.meanwhile(tokio::time::sleep(RETRY)).await;
                continue;
            }
            // Its gateway was deleted meanwhile, or the like: it will never be stored.
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(error, node = report.node_id, "what an Envoy did was not written down");
            }
            Ok(()) => {}
        }
        inbox.pending.retain(|waiting| *waiting != report);
    }
}

/// What Envoys did and is not written down.
struct Inbox {
    progress: Progress,
    reports: UnboundedReceiver<NodeReport>,
    pending: Vec<NodeReport>,
    /// Somebody may still report.
    open: bool,
}

impl Inbox {
    async fn receive(&mut self) {
        let mut new = Vec::new();
        self.open = self.reports.recv_many(&mut new, BATCH).await > 0;
        for report in new {
            self.progress.observe(&report);
            coalesce(&mut self.pending, report);
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

/// Adds a report; an earlier one of the same kind and node says nothing any more.
fn coalesce(pending: &mut Vec<NodeReport>, report: NodeReport) {
    let kind = |event: &NodeEvent| match event {
        NodeEvent::Connected { .. } | NodeEvent::Disconnected => 0,
        NodeEvent::Sent { .. } => 1,
        NodeEvent::Applied { .. } => 2,
        NodeEvent::Refused { .. } => 3,
        NodeEvent::Forgot { .. } => 4,
        NodeEvent::Seen => 5,
    };
    pending.retain(|earlier| {
        (earlier.gateway_id, &earlier.node_id) != (report.gateway_id, &report.node_id)
            || kind(&earlier.event) != kind(&report.event)
    });
    pending.push(report);
}

#[cfg(test)]
mod tests;
