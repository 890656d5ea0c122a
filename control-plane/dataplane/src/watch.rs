use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Status, Streaming};
use uuid::Uuid;
use weir_core::change::{Change, ChangeKind};
use weir_core::gateway::Gateway;
use weir_proto::dataplane::{EndedStreams, WatchRequest, WatchResponse};
use weir_store::{Ended, Store, StoreError};

use crate::chain;
use crate::hub::ChangeHub;
use crate::progress::{Progress, WatchedVm};

/// How long a VM's catalogs may stay out of date while its Envoy takes its configuration.
const CONFIGURATION_WAIT: Duration = Duration::from_secs(2);
/// The same for an Envoy that has no configuration stream here: it may have one with another replica.
const UNKNOWN_WAIT: Duration = Duration::from_millis(200);
/// How much later the last VM is told of what concerns all callers, for each VM that is to be told.
const FOR_EACH_WATCH: Duration = Duration::from_millis(1);
/// How much later at most: what was revoked is to be refused within a second.
const LONGEST_SPREAD: Duration = Duration::from_millis(500);
/// Keys at a time of whose streams it is kept when they were ended.
const MOST_ENDED: usize = 1000;
/// Bytes of a name that a VM may have, and its Envoy.
const LONGEST_NAME: usize = 1024;

/// Tells one VM what to forget, until it goes away.
pub(crate) async fn serve(
    gateway: Gateway,
    store: Store,
    hub: ChangeHub,
    progress: Progress,
    mut requests: Streaming<WatchRequest>,
    responses: &mpsc::Sender<Result<WatchResponse, Status>>,
) -> Result<(), Status> {
    let Some(first) = requests.message().await? else { return Ok(()) };
    if first.node.is_empty() || first.vm.is_empty() {
        return Err(Status::invalid_argument("the first message must carry vm and node"));
    }
    if first.node.len() > LONGEST_NAME || first.vm.len() > LONGEST_NAME {
        return Err(Status::invalid_argument(format!("vm and node must have at most {LONGEST_NAME} bytes")));
    }
    let turn = turn_of(&first.vm);
    let node = first.node.clone();
    let mut vm = progress.watch((gateway.id, first.node));
    let (mut changes, revision) = hub.subscribe();
    let tenant_id = gateway.tenant_id;
    let of = gateway.clone();
    let (mut ended, mut noting) = (Vec::new(), None);
    let mut outbox = Outbox::new(gateway, revision);
    let missed = || Box::pin(store.ended_keys(tenant_id));
    // What was told while nobody listened ended no streams.
    let mut missing = Some(missed());
    let mut deadline = None;
    let mut next = None;
    let mut held: Option<Held> = None;
    // How each watch begins.
    if responses.send(Ok(outbox.start_over(revision))).await.is_err() {
        return Ok(());
    }
    loop {
        if let Some(response) = next.take() {
            held = Some(Held::add(held, response, Instant::now(), spread(hub.watches()).mul_f64(turn)));
        }
        if let Some(Held { response, .. }) = held.take_if(|held| held.until <= Instant::now())
            && responses.send(Ok(response)).await.is_err()
        {
            return Ok(());
        }
        if !outbox.is_waiting() {
            deadline = None;
        }
        // One at a time, and never in the way of a revocation.
        if noting.is_none() && !ended.is_empty() {
            let (store, of, node, batch) = (&store, &of, &node, std::mem::take(&mut ended));
            noting = Some(Box::pin(async move { store.note_ended_streams(of, node, &batch).await }));
        }
        tokio::select! {
            request = requests.message() => match request? {
                Some(request) => {
                    ended.extend(note_ended(&node, &request.ended_streams));
                    ended.truncate(MOST_ENDED);
                    vm.said(request.applied_revision, request.waiting_records);
                }
                None => return Ok(()),
            },
            batch = changes.recv() => match batch {
                Ok(batch) => {
                    let configured = *vm.configured.borrow();
                    let wait = if configured.is_some() { CONFIGURATION_WAIT } else { UNKNOWN_WAIT };
                    next = outbox.add(&batch, configured.unwrap_or(0));
                    if batch.iter().any(|change| matches!(change.kind, ChangeKind::Unknown)) {
                        missing = Some(missed());
                    }
                    deadline = deadline.or_else(|| Some(Instant::now() + wait));
                }
                Err(RecvError::Lagged(_)) => {
                    next = Some(outbox.start_over(hub.revision()));
                    missing = Some(missed());
                }
                Err(RecvError::Closed) => return Err(Status::unavailable("the control plane is shutting down")),
            },
            () = configured_changed(&mut vm), if outbox.is_waiting() => {
                let configured = vm.configured.borrow_and_update().unwrap_or(0);
                next = outbox.release(configured);
            }
            noted = answered(&mut noting) => {
                noting = None;
                if let Err(error) = noted {
                    tracing::warn!(node, error = chain(&error), "when streams were ended could not be kept");
                }
            }
            keys = answered(&mut missing) => {
                missing = None;
                next = outbox.end_again(&told(&node, keys));
            }
            () = sleep_until(deadline), if outbox.is_waiting() => next = outbox.release(u64::MAX),
            () = sleep_until(held.as_ref().map(|held| held.until)), if held.is_some() => {}
            () = responses.closed() => return Ok(()),
        }
    }
}

/// An answer that is waited for; never, if none is.
async fn answered<F: Future>(waiting: &mut Option<Pin<Box<F>>>) -> F::Output {
    match waiting {
        Some(waiting) => waiting.await,
        None => std::future::pending().await,
    }
}

/// The keys of streams that are to be ended; none, and one more in the count of failures, if they could not be read.
fn told(node: &str, keys: Result<Vec<Uuid>, StoreError>) -> Vec<Uuid> {
    keys.unwrap_or_else(|error| {
        metrics::counter!("weir_dataplane_ends_missed_total").increment(1);
        tracing::warn!(node, error = chain(&error), "whose streams were to be ended meanwhile cannot be read");
        Vec::new()
    })
}

/// Notes when the last byte of streams went that were to be ended.
fn note_ended(node: &str, ended: &[EndedStreams]) -> Vec<Ended> {
    let mut read = Vec::new();
    for EndedStreams { key_id, streams, last_byte_unix_ms } in ended.iter().filter(|ended| ended.streams > 0) {
        metrics::counter!("weir_streams_ended_by_policy_total").increment(u64::from(*streams));
        let last_byte_at = DateTime::from_timestamp_millis(*last_byte_unix_ms);
        tracing::info!(node, key_id, streams, last_byte = ?last_byte_at, "streams under way were ended");
        if let (Ok(key_id), Some(last_byte_at)) = (key_id.parse(), last_byte_at) {
            read.push(Ended { key_id, streams: *streams, last_byte_at });
        }
    }
    read
}

/// Over how long so many VMs are told of what concerns all callers: each asks for its callers anew then.
fn spread(watches: usize) -> Duration {
    FOR_EACH_WATCH.saturating_mul(u32::try_from(watches).unwrap_or(u32::MAX)).min(LONGEST_SPREAD)
}

/// A VM's place in that time, from 0 to 1.
fn turn_of(vm: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    vm.hash(&mut hasher);
    f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

/// A response, and when it is due.
struct Held {
    response: WatchResponse,
    until: Instant,
}

impl Held {
    /// Only what makes a VM forget everything waits, and what comes meanwhile is a part of that.
    fn add(waiting: Option<Self>, response: WatchResponse, now: Instant, wait: Duration) -> Self {
        match waiting {
            Some(Self { response: mut waiting, until }) => {
                waiting.revision = waiting.revision.max(response.revision);
                if response.end_streams_of_keys.is_empty() {
                    return Self { response: waiting, until };
                }
                // Streams are not ended by forgetting whose they are, and within a second.
                waiting.end_streams_of_keys.extend(response.end_streams_of_keys);
                Self { response: waiting, until: now }
            }
            None if response.forget_everything => Self { response, until: now + wait },
            None => Self { response, until: now },
        }
    }
}

async fn configured_changed(vm: &mut WatchedVm) {
    if vm.configured.changed().await.is_err() {
        std::future::pending().await
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Changes that one VM has not been told, or not been told the revision of.
///
/// What holds for callers (a key, a tenant, a guardrail profile) never waits. A catalog's change waits until Envoy has the
/// routes that it leads to. A response's revision says that everything up to it has been told, so what overtakes a catalog
/// travels under the revision before it, and is told once more in its turn.
struct Outbox {
    gateway: Gateway,
    pending: VecDeque<Change>,
    /// Everything up to this revision has been told.
    told: u64,
    /// The streams that changes up to this one end were told of, maybe before the changes' turn.
    ended: u64,
}

impl Outbox {
    fn new(gateway: Gateway, revision: u64) -> Self {
        Self { gateway, pending: VecDeque::new(), told: revision, ended: revision }
    }

    fn start_over(&mut self, revision: u64) -> WatchResponse {
        self.pending.clear();
        self.told = revision;
        WatchResponse { revision, forget_everything: true, ..Default::default() }
    }

    /// Has streams ended of which the VM may not have been told.
    fn end_again(&self, keys: &[Uuid]) -> Option<WatchResponse> {
        let end_streams_of_keys: Vec<String> = keys.iter().map(Uuid::to_string).collect();
        let is_needed = !end_streams_of_keys.is_empty();
        is_needed.then(|| WatchResponse { revision: self.told, end_streams_of_keys, ..WatchResponse::default() })
    }

    fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes new changes, and gives what can be told now that Envoy has its configuration up to `configured`.
    fn add(&mut self, changes: &Arc<Vec<Change>>, configured: u64) -> Option<WatchResponse> {
        let known = self.pending.back().map_or(self.told, |last| last.revision);
        if let Some(last) = changes.last()
            && matches!(last.kind, ChangeKind::Unknown)
            && last.revision < known
        {
            // The database is an older one: a backup was restored.
            return Some(self.start_over(last.revision));
        }
        let new: Vec<Change> = changes.iter().filter(|change| change.revision > known).cloned().collect();
        self.pending.extend(new.iter().cloned());
        let mut response = self.release(configured);
        for change in &new {
            if change.revision > self.told && concerns_callers(&change.kind) {
                let overtaking =
                    response.get_or_insert_with(|| WatchResponse { revision: self.told, ..WatchResponse::default() });
                tell(&self.gateway, change, overtaking);
                self.ended = change.revision;
            }
        }
        response
    }

    /// What can be told now that Envoy has its configuration up to `configured`.
    fn release(&mut self, configured: u64) -> Option<WatchResponse> {
        let waits = |change: &Change| matches!(change.kind, ChangeKind::Catalog { .. }) && change.revision > configured;
        let mut response = None;
        while let Some(mut change) = self.pending.pop_front_if(|change| !waits(change)) {
            // Streams that have begun since are others.
            if change.revision <= self.ended {
                change.ends_streams_of.clear();
            }
            let telling: &mut WatchResponse = response.get_or_insert_default();
            tell(&self.gateway, &change, telling);
            telling.revision = change.revision;
            self.told = change.revision;
        }
        response
    }
}

fn concerns_callers(kind: &ChangeKind) -> bool {
    match kind {
        ChangeKind::Key { .. } | ChangeKind::Tenant { .. } | ChangeKind::Everyone | ChangeKind::Unknown => true,
        ChangeKind::Catalog { .. }
        | ChangeKind::Gateway { .. }
        | ChangeKind::Configuration
        | ChangeKind::Administration => false,
    }
}

fn tell(gateway: &Gateway, change: &Change, response: &mut WatchResponse) {
    if let ChangeKind::Key { tenant_id, .. } | ChangeKind::Tenant { tenant_id } = change.kind
        && gateway.serves(tenant_id)
    {
        response.end_streams_of_keys.extend(change.ends_streams_of.iter().map(|key| key.to_string()));
    }
    match &change.kind {
        ChangeKind::Key { sha256, tenant_id } if gateway.serves(*tenant_id) => {
            if !response.forget_keys_sha256.contains(sha256) {
                response.forget_keys_sha256.push(sha256.clone());
            }
        }
        ChangeKind::Tenant { tenant_id } | ChangeKind::Catalog { tenant_id: Some(tenant_id) }
            if gateway.serves(*tenant_id) =>
        {
            let tenant = tenant_id.to_string();
            if !response.forget_tenants.contains(&tenant) {
                response.forget_tenants.push(tenant);
            }
        }
        ChangeKind::Everyone | ChangeKind::Catalog { tenant_id: None } | ChangeKind::Unknown => {
            response.forget_everything = true;
        }
        // How many hops are trusted travels with each principal.
        ChangeKind::Gateway { gateway_id } if *gateway_id == gateway.id => response.forget_everything = true,
        ChangeKind::Key { .. }
        | ChangeKind::Tenant { .. }
        | ChangeKind::Catalog { .. }
        | ChangeKind::Gateway { .. }
        | ChangeKind::Configuration
        | ChangeKind::Administration => {}
    }
}

#[cfg(test)]
mod tests;
