use prost::Message as _;
use weir_config::{MeteringConfig, UsageSink};
use weir_host::{Base, CallError, CallId, Level};
use weir_proto::dataplane::ReportUsageResponse;

use crate::{MeteringPlugin, Outbox};

/// Records that the ledger has.
const STORED: &str = "weir_usage_records_stored";
/// Records that the ledger will never take.
const REJECTED: &str = "weir_usage_records_rejected";
/// Records sent once more, because their delivery failed.
const RETRIED: &str = "weir_usage_records_retried";

impl MeteringPlugin {
    /// To be called on every tick: delivers what waits in the VM's outbox.
    pub fn on_tick(&self, host: &mut dyn Base, outbox: &Outbox) {
        if matches!(self.config.sink, UsageSink::ControlPlane(_)) {
            outbox.tick(host, &self.config);
        }
        deliver(&self.config, host, outbox);
    }

    /// To be called when a call made by [`MeteringPlugin::on_tick`] or by this was answered.
    pub fn on_call(&self, host: &mut dyn Base, outbox: &Outbox, call: CallId, answer: Result<&[u8], CallError>) {
        if !outbox.awaits(call) {
            return;
        }
        let answer = answer.map_err(|error| error.to_string()).and_then(|bytes| {
            ReportUsageResponse::decode(bytes).map_err(|error| format!("the answer cannot be decoded: {error}"))
        });
        let response = answer.inspect_err(|reason| {
            host.log(Level::Warn, &format!("weir.metering: usage was not delivered and goes out again: {reason}"));
        });
        let answered = outbox.answered(host, call, response.as_ref().ok());
        for (id, reason) in &answered.rejected {
            host.log(Level::Error, &format!("weir.metering: the ledger rejects the usage record {id}: {reason}"));
        }
        let counts = [(STORED, answered.stored), (REJECTED, answered.rejected.len()), (RETRIED, answered.retried)];
        for (metric, by) in counts.into_iter().filter(|(_, by)| *by > 0) {
            host.count(metric, u64::try_from(by).unwrap_or(u64::MAX));
        }
        deliver(&self.config, host, outbox);
    }
}

fn deliver(config: &MeteringConfig, host: &mut dyn Base, outbox: &Outbox) {
    if let UsageSink::ControlPlane(control_plane) = &config.sink {
        outbox.deliver(host, config, control_plane);
    }
}
