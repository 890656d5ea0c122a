//! What all tables have in common: unsigned numbers, bytes within JSON, references to tenants.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;
use weir_core::ledger::PICOUSD_PER_MICROUSD;

use crate::StoreError;

/// A number that the schema keeps from being negative.
pub(crate) fn unsigned(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt("a negative number"))
}

/// A number as Postgres keeps it; what is too large for it becomes its largest.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A cost in pico-dollars, of the two numbers in which it is kept: micro-dollars, and the pico-dollars beyond.
pub(crate) fn picousd(microusd: i64, rest: i64) -> Result<u128, StoreError> {
    Ok(u128::from(unsigned(microusd)?) * u128::from(PICOUSD_PER_MICROUSD) + u128::from(unsigned(rest)?))
}

/// Refuses a tenant that does not exist.
pub(crate) async fn require_tenant(connection: &mut PgConnection, tenant_id: Option<Uuid>) -> Result<(), StoreError> {
    let Some(tenant_id) = tenant_id else { return Ok(()) };
    let found: Option<(i32,)> =
        sqlx::query_as("SELECT 1 FROM tenants WHERE id = $1").bind(tenant_id).fetch_optional(connection).await?;
    found.map(|_| ()).ok_or_else(|| StoreError::invalid("tenant_id", "there is no such tenant"))
}

/// Bytes as Postgres reads them from JSON.
pub(crate) fn bytea(bytes: &[u8]) -> Value {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()));
    }
    text.into()
}

/// Reads what Postgres wrote of bytes.
pub(crate) fn from_bytea(value: &Value) -> Option<Vec<u8>> {
    let digits = value.as_str()?.strip_prefix("\\x")?.as_bytes();
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    digits.chunks(2).map(|pair| u8::try_from(digit(pair.first()?)? * 16 + digit(pair.get(1)?)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_through_json() {
        for bytes in [&[][..], &[0, 1, 0xab, 0xff]] {
            assert_eq!(from_bytea(&bytea(bytes)).unwrap(), bytes);
        }
        assert_eq!(bytea(&[0xab, 1]), "\\xab01");
        assert_eq!(from_bytea(&"\\xa".into()), None);
    }
}
