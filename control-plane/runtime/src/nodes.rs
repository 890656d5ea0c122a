use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use weir_core::node::{NodeEvent, NodeReport};
use weir_dataplane::{Progress, chain};
use weir_store::{Store, StoreError};

/// Reports taken at a time.
const BATCH: usize = 1024;
/// Wait after the database failed.
const RETRY: Duration = Duration::from_secs(1);

/// Writes down what Envoys did, until nobody reports any more.
pub(crate) async fn record(store: Store, progress: Progress, mut reports: UnboundedReceiver<NodeReport>) {
    let mut pending: Vec<NodeReport> = Vec::new();
    loop {
        let mut new = Vec::new();
        if pending.is_empty() {
            if reports.recv_many(&mut new, BATCH).await == 0 {
                return;
            }
        } else {
            let _ = tokio::time::timeout(RETRY, reports.recv_many(&mut new, BATCH)).await;
        }
        for report in new {
            progress.observe(&report);
            coalesce(&mut pending, report);
        }
        if let Err(error) = write(&store, &mut pending).await {
            let error = chain(&error);
            tracing::warn!(error, waiting = pending.len(), "what Envoys did could not be written down yet");
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
    };
    pending.retain(|earlier| {
        (earlier.gateway_id, &earlier.node_id) != (report.gateway_id, &report.node_id)
            || kind(&earlier.event) != kind(&report.event)
    });
    pending.push(report);
}

async fn write(store: &Store, pending: &mut Vec<NodeReport>) -> Result<(), StoreError> {
    while let Some(report) = pending.first() {
        match store.report_node(report.clone()).await {
            // Its gateway was deleted meanwhile, or the like: it will never be stored.
            Err(error) if !error.is_away() => {
                let error = chain(&error);
                tracing::warn!(error, node = report.node_id, "what an Envoy did was not written down");
            }
            written => written?,
        }
        pending.remove(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
