use envoy_types::pb::google::protobuf::{Duration, UInt32Value};

pub(super) fn milliseconds(milliseconds: u64) -> Duration {
    Duration {
        seconds: i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX),
        nanos: i32::try_from(milliseconds % 1000).unwrap_or(0) * 1_000_000,
    }
}

pub(super) fn number(value: u32) -> UInt32Value {
    UInt32Value { value }
}
