//! Cursors: opaque to clients, the last item's place to us.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::problem::{Code, Problem};

/// A cursor of lists in the order of ids.
pub(crate) fn write(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

/// Reads what [`write`] wrote.
pub(crate) fn read(cursor: &str) -> Result<Uuid, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    Uuid::from_slice(&bytes).map_err(|_| invalid())
}

/// A cursor of lists in the order of times, then ids, then tenants.
pub(crate) fn write_timed(at: DateTime<Utc>, id: Uuid, tenant_id: Uuid) -> String {
    let mut bytes = at.timestamp_micros().to_be_bytes().to_vec();
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(tenant_id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`write_timed`] wrote.
pub(crate) fn read_timed(cursor: &str) -> Result<(DateTime<Utc>, Uuid, Uuid), Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let (time, ids) = bytes.split_first_chunk::<8>().ok_or_else(invalid)?;
    let (id, tenant_id) = ids.split_first_chunk::<16>().ok_or_else(invalid)?;
    let at = DateTime::from_timestamp_micros(i64::from_be_bytes(*time)).ok_or_else(invalid)?;
    Ok((at, Uuid::from_bytes(*id), Uuid::from_slice(tenant_id).map_err(|_| invalid())?))
}

/// A cursor of lists that are made anew for each part.
pub(crate) fn write_offset(offset: u32) -> String {
    URL_SAFE_NO_PAD.encode(offset.to_be_bytes())
}

/// Reads what [`write_offset`] wrote.
pub(crate) fn read_offset(cursor: &str) -> Result<u32, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| invalid())
}

fn invalid() -> Problem {
    Problem::field(Code::InvalidQuery, "cursor", "must be the next_cursor of an earlier answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let id = Uuid::now_v7();
        assert_eq!(read(&write(id)).unwrap(), id);
        let at = DateTime::from_timestamp_micros(1_234_567_890_123_456).unwrap();
        let tenant_id = Uuid::now_v7();
        assert_eq!(read_timed(&write_timed(at, id, tenant_id)).unwrap(), (at, id, tenant_id));
        for wrong in ["", "x", "!!", "AAAA", &write_timed(at, id, tenant_id)] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read_offset(&write_offset(77)).unwrap(), 77);
        for wrong in ["", "x", "AAAA", &write(id)] {
            assert!(read_offset(wrong).is_err(), "{wrong}");
            assert!(read_timed(wrong).is_err(), "{wrong}");
        }
    }
}
