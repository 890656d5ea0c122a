use serde::{Deserialize, Serialize};

use crate::{Check, ConfigError, ControlPlane};

/// Configuration of the plugin that makes usage records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeteringConfig {
    /// Where records go.
    pub sink: UsageSink,
    /// How often records are delivered, in milliseconds. Default 200.
    #[serde(default = "flush_ms")]
    pub flush_ms: u64,
    /// Records in one delivery. Default 500.
    #[serde(default = "batch_records")]
    pub batch_records: usize,
    /// Records that one VM keeps while they cannot be delivered; beyond it new requests are refused. Default 20000.
    #[serde(default = "outbox_records")]
    pub outbox_records: usize,
    /// Bytes of records that one VM keeps while they cannot be delivered; beyond it new requests are refused. They lie in the
    /// VM and once more in Envoy's shared data, where they outlive the VM. Default 16 MiB.
    #[serde(default = "outbox_bytes")]
    pub outbox_bytes: usize,
}

fn flush_ms() -> u64 {
    200
}
fn batch_records() -> usize {
    500
}
fn outbox_records() -> usize {
    20_000
}
fn outbox_bytes() -> usize {
    16 * 1024 * 1024
}

/// Where usage records go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSink {
    /// To the ledger.
    ControlPlane(ControlPlane),
    /// To Envoy's log, one JSON object a line, for an Envoy without a control plane.
    Log,
}

impl Check for MeteringConfig {
    fn check(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("batch_records", self.batch_records),
            ("outbox_records", self.outbox_records),
            ("outbox_bytes", self.outbox_bytes),
        ] {
            if value == 0 {
                return Err(ConfigError::new(field, "must be at least 1"));
            }
        }
        if !(10..=10_000).contains(&self.flush_ms) {
            return Err(ConfigError::new("flush_ms", "must be from 10 to 10000"));
        }
        Ok(())
    }
}
