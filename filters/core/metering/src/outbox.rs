use std::collections::HashSet;

use prost::Message as _;
use weir_config::{ControlPlane, MeteringConfig};
use weir_host::{Base, CallId, Level};
use weir_journal::{Bounds, Delivery, Journal, Kind};
use weir_proto::dataplane::{ReportUsageRequest, ReportUsageResponse, UsageRecord};

use crate::log_line::log_line;

/// Records that are to be delivered. Less those that the ledger has stored or rejected, this is what waits in a proxy's VMs:
/// when it is nothing, the proxy may end. What a VM took with it when it died stays in the difference, if that happens.
const TAKEN: &str = "weir_usage_records_taken";
/// Records that were taken over from VMs that died.
const ADOPTED: &str = "weir_usage_records_adopted";
/// Records that are in this VM's memory alone, and would die with it.
const UNPROTECTED: &str = "weir_usage_records_unprotected";
/// What a VM that died left and cannot be a record.
const UNREADABLE: &str = "weir_usage_records_unreadable";
/// Records that were written to the log, because there was no room for them.
const OVERFLOWED: &str = "weir_usage_records_overflowed";

static RECORDS: Kind = Kind {
    plugin: "weir.metering",
    entries: "usage records",
    key: "weir.usage",
    method: "ReportUsage",
    is_entry: |bytes| ReportUsageRequest::decode(bytes).is_ok(),
    taken: TAKEN,
    adopted: ADOPTED,
    unprotected: UNPROTECTED,
    unreadable: UNREADABLE,
    overflowed: OVERFLOWED,
};

/// Records of one VM that the ledger does not have yet, as far as this VM knows.
#[derive(Debug)]
pub struct Outbox(Journal);

/// What an answer means for the batch that was under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Records that the ledger has.
    pub stored: usize,
    /// Ids of records that it will never take, with its reasons. They are not sent again.
    pub rejected: Vec<(String, String)>,
    /// Records that go out again.
    pub retried: usize,
}

impl Outbox {
    /// An empty outbox. `owner`: drawn at random by each VM.
    pub fn new(owner: u64) -> Self {
        Self(Journal::new(&RECORDS, owner))
    }

    /// Whether new requests are to be refused, since their records might not find room.
    pub fn is_full(&self, config: &MeteringConfig) -> bool {
        self.0.is_full(bounds(config, 1))
    }

    /// Takes in a record. What was admitted is kept even if the outbox is full by now; only at twice its size, which takes
    /// more streams at once than a proxy should admit, a record goes to the log instead.
    pub fn push(&self, host: &mut dyn Base, config: &MeteringConfig, record: UsageRecord) {
        let request = ReportUsageRequest { records: vec![record] };
        if self.0.push(host, bounds(config, 2), &request) {
            return;
        }
        for record in &request.records {
            host.log(Level::Error, &format!("weir.metering: no room for a record: {}", log_line(record)));
        }
    }

    /// To be called on every tick of a plugin that delivers: tells the other VMs that this one lives, and takes in what those
    /// that died had kept.
    pub fn tick(&self, host: &mut dyn Base, config: &MeteringConfig) {
        self.0.tick(host, bounds(config, 1), config.flush_ms);
    }

    /// Sends the next batch if it is time to.
    pub fn deliver(&self, host: &mut dyn Base, config: &MeteringConfig, control_plane: &ControlPlane) {
        let to = Delivery {
            cluster: &control_plane.cluster,
            timeout_ms: control_plane.timeout_ms,
            batch: config.batch_records,
            flush_ms: config.flush_ms,
        };
        self.0.deliver(host, to);
    }

    /// Records that wait or are under way.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this call is the batch under way.
    pub fn awaits(&self, call: CallId) -> bool {
        self.0.awaits(call)
    }

    /// The batch under way was answered; `None`: it failed, and goes out again. An answer to any other call changes
    /// nothing: that batch went out again already.
    pub fn answered(&self, host: &mut dyn Base, call: CallId, response: Option<&ReportUsageResponse>) -> Answered {
        if !self.awaits(call) {
            return Answered::default();
        }
        let Some(rejected) = response.and_then(|response| self.rejected(response)) else {
            return Answered { retried: self.0.failed(host.now()), ..Answered::default() };
        };
        let stored = self.0.acknowledged(host).saturating_sub(rejected.len());
        Answered { stored, rejected, retried: 0 }
    }

    /// Which records of the batch under way the ledger will never take. `None`: of the others it has not stored all, and which
    /// ones is not said. Storing again does no harm, nor does being rejected again.
    fn rejected(&self, response: &ReportUsageResponse) -> Option<Vec<(String, String)>> {
        let stored = usize::try_from(response.stored).unwrap_or(usize::MAX);
        // Ids are read only where they matter.
        if response.rejected.is_empty() && stored >= self.0.under_way(|_| ()).len() {
            return Some(Vec::new());
        }
        let ids = self.0.under_way(id);
        let mut rejected = Vec::new();
        for id in &ids {
            let reason = response.rejected.iter().find(|rejected| rejected.request_id == *id);
            rejected.extend(reason.map(|rejected| (id.clone(), rejected.reason.clone())));
        }
        let refused: HashSet<&str> = rejected.iter().map(|(id, _)| id.as_str()).collect();
        let wanted: HashSet<&str> = ids.iter().map(String::as_str).filter(|id| !refused.contains(id)).collect();
        (stored >= wanted.len()).then_some(rejected)
    }
}

fn bounds(config: &MeteringConfig, times: usize) -> Bounds {
    Bounds { entries: config.outbox_records.saturating_mul(times), bytes: config.outbox_bytes.saturating_mul(times) }
}

/// A record's id; empty if the entry is none, which nothing here makes.
fn id(entry: &[u8]) -> String {
    let request = ReportUsageRequest::decode(entry).unwrap_or_default();
    request.records.into_iter().next().map(|record| record.request_id).unwrap_or_default()
}
