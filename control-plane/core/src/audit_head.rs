//! What the audit log's chain had come to at a moment, signed by a key that the database does not hold.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The chain's end at a moment. Kept outside of the database it tells later whether anything up to there was changed, and whether what
/// came last was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditHead {
    /// The place of the last entry, from 1; 0: there was none.
    pub sequence: u64,
    /// Its hash: SHA-256 in 64 hexadecimal digits.
    pub hash: String,
    /// When it was signed.
    pub at: DateTime<Utc>,
    /// Whether all entries up to this one were dropped, as their time was over.
    pub dropped: bool,
    /// Ed25519, in hexadecimal digits. Follows from a master key.
    pub public_key: String,
    /// Of all of the above, in hexadecimal digits.
    pub signature: String,
}

impl AuditHead {
    /// What is signed.
    pub(crate) fn signed_text(sequence: u64, hash: &str, at: DateTime<Utc>, dropped: bool) -> String {
        let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
        format!("weir audit head 1\n{sequence}\n{hash}\n{at}\n{dropped}\n")
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What such digits say; `None`: they are none.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::try_from(digit(pair.first()?)? * 16 + digit(pair.get(1)?)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use crate::encryption::Encryption;

    #[test]
    fn a_head_is_known_by_its_key_and_by_nothing_else() {
        let (ring, other) = (Encryption::new(&[7; 32]).unwrap(), Encryption::new(&[8; 32]).unwrap());
        let head = ring.sign_audit_head(3, &[1; 32], DateTime::UNIX_EPOCH, false).unwrap();
        assert!(ring.has_signed(&head) && !other.has_signed(&head));
        let changed = [
            super::AuditHead { sequence: 4, ..head.clone() },
            super::AuditHead { hash: super::hex(&[2; 32]), ..head.clone() },
            super::AuditHead { dropped: true, ..head.clone() },
            super::AuditHead { signature: "00".into(), ..head.clone() },
            super::AuditHead { signature: "é".into(), ..head.clone() },
        ];
        assert!(!changed.iter().any(|head| ring.has_signed(head)));
    }
}
