//! Cursors: opaque to clients, the last item's place to us.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::page::{After, AfterValue, SortKey};

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

/// A cursor of lists of resources, whatever their order.
pub(crate) fn write_after(after: &After) -> String {
    let mut bytes = after.id.as_bytes().to_vec();
    match &after.value {
        AfterValue::Id => {}
        AfterValue::Name(name) => {
            bytes.push(b'n');
            bytes.extend_from_slice(name.as_bytes());
        }
        AfterValue::UpdatedAt(at) => {
            bytes.push(b'u');
            bytes.extend_from_slice(&at.timestamp_micros().to_be_bytes());
        }
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`write_after`] wrote for a list in the same order.
pub(crate) fn read_after(cursor: &str, by: SortKey) -> Result<After, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let (id, value) = bytes.split_first_chunk::<16>().ok_or_else(invalid)?;
    let value = match (by, value) {
        (SortKey::CreatedAt, []) => AfterValue::Id,
        (SortKey::Name, [b'n', name @ ..]) => {
            let name = std::str::from_utf8(name).ok().filter(|name| !name.contains('\0'));
            AfterValue::Name(name.ok_or_else(invalid)?.to_owned())
        }
        (SortKey::UpdatedAt, [b'u', micros @ ..]) => {
            let micros = i64::from_be_bytes(micros.try_into().map_err(|_| invalid())?);
            AfterValue::UpdatedAt(DateTime::from_timestamp_micros(micros).ok_or_else(invalid)?)
        }
        _ => return Err(invalid()),
    };
    Ok(After { id: Uuid::from_bytes(*id), value })
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

/// A cursor of lists in the order of ids, then of names.
pub(crate) fn write_named(id: Uuid, name: &str) -> String {
    URL_SAFE_NO_PAD.encode([id.as_bytes(), name.as_bytes()].concat())
}

/// Reads what [`write_named`] wrote.
pub(crate) fn read_named(cursor: &str) -> Result<(Uuid, String), Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let (id, name) = bytes.split_first_chunk::<16>().ok_or_else(invalid)?;
    let name = std::str::from_utf8(name).ok().filter(|name| !name.contains('\0')).ok_or_else(invalid)?;
    Ok((Uuid::from_bytes(*id), name.to_owned()))
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
        let orders = [
            (SortKey::CreatedAt, AfterValue::Id),
            (SortKey::Name, AfterValue::Name("ä".into())),
            (SortKey::UpdatedAt, AfterValue::UpdatedAt(at)),
        ];
        for (by, value) in &orders {
            let after = After { id, value: value.clone() };
            for (other, _) in &orders {
                let read = read_after(&write_after(&after), *other);
                assert_eq!(read.ok().as_ref(), (other == by).then_some(&after), "{by:?} {other:?}");
            }
        }
        let tenant_id = Uuid::now_v7();
        assert_eq!(read_timed(&write_timed(at, id, tenant_id)).unwrap(), (at, id, tenant_id));
        for wrong in ["", "x", "!!", "AAAA", &write_timed(at, id, tenant_id)] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read_offset(&write_offset(77)).unwrap(), 77);
        for name in ["", "ä"] {
            assert_eq!(read_named(&write_named(id, name)).unwrap(), (id, name.to_owned()));
        }
        for wrong in ["", "AAAA", &write_named(id, "\0")] {
            assert!(read_named(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "x", "AAAA", &write(id)] {
            assert!(read_offset(wrong).is_err(), "{wrong}");
            assert!(read_timed(wrong).is_err(), "{wrong}");
        }
    }
}
