use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use weir_config::FindingType;
use weir_host::Micros;

/// Bytes of a key, as many as of a digest.
const KEY_LENGTH: usize = 32;
/// Bytes of a block of SHA-256: a shorter key is filled up with zeros (RFC 2104, 2).
const BLOCK: usize = 64;

/// A tenant's key for what guardrails find in a time. By it two findings of the tenant are known to be of the same text, without the text,
/// and only in that time.
#[derive(Clone, PartialEq, Eq)]
pub struct FindingKey {
    id: u32,
    start: Micros,
    end: Micros,
    key: [u8; BLOCK],
}

/// By what findings of the same text are known: HMAC-SHA-256 over the kind and the text as [`FindingKey::digest`] writes it. Displayed as
/// `id:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindingDigest {
    /// The key's.
    pub key_id: u32,
    /// The digest.
    pub bytes: [u8; KEY_LENGTH],
}

impl FindingKey {
    /// A key that holds from `start` on, and no longer at `end`. `None`: it is not 32 bytes long.
    pub fn new(id: u32, key: &[u8], start: Micros, end: Micros) -> Option<Self> {
        let key = <[u8; KEY_LENGTH]>::try_from(key).ok()?;
        let mut block = [0; BLOCK];
        block.iter_mut().zip(key).for_each(|(place, byte)| *place = byte);
        Some(Self { id, start, end, key: block })
    }

    /// Whether it holds at this time.
    pub fn holds(&self, now: Micros) -> bool {
        (self.start..self.end).contains(&now)
    }

    /// The digest of a text that was found. Ways to write the same thing have the same: numbers and names count by their letters and digits,
    /// addresses without spaces, neither by upper or lower case; a secret counts as it is.
    pub fn digest(&self, finding: FindingType, text: &str) -> FindingDigest {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(finding.name().as_bytes());
        mac.update(b"\0");
        mac.update(normalised(finding, text).as_bytes());
        FindingDigest { key_id: self.id, bytes: mac.finalize().into_bytes().into() }
    }
}

impl fmt::Debug for FindingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FindingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Display for FindingDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.key_id)?;
        self.bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn normalised(finding: FindingType, text: &str) -> String {
    if finding == FindingType::Secret {
        return text.trim().to_owned();
    }
    let is_address = matches!(finding, FindingType::Email | FindingType::InUpi | FindingType::IpAddress);
    let counts = |character: &char| if is_address { !character.is_whitespace() } else { character.is_alphanumeric() };
    text.chars().filter(counts).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32, byte: u8) -> FindingKey {
        FindingKey::new(id, &[byte; 32], 10, 20).unwrap()
    }

    #[test]
    fn it_is_the_hmac_of_the_kind_and_the_text() {
        // python3 -c "import hmac; print(hmac.new(bytes([7])*32, b'CREDIT_CARD\x004111111111111111', 'sha256').hexdigest())"
        let expect = "20261130:85febeb095326037acaffc1daad2a5dc094c37fb31185bf3272a5e60eb336c1a";
        assert_eq!(key(20_261_130, 7).digest(FindingType::CreditCard, "4111 1111-1111 1111").to_string(), expect);
    }

    #[test]
    fn the_same_thing_has_the_same_digest_however_it_is_written_and_nothing_else_has() {
        let same = |finding, one: &str, other: &str| {
            let key = key(1, 7);
            key.digest(finding, one) == key.digest(finding, other)
        };
        assert!(same(FindingType::CreditCard, "4111 1111 1111 1111", "4111-1111-1111-1111"));
        assert!(same(FindingType::Email, "Ann@Example.com", "ann@example.com"));
        assert!(same(FindingType::Person, "Ann  Lee", "ann lee"));
        assert!(!same(FindingType::Email, "a.nn@example.com", "ann@example.com"));
        assert!(!same(FindingType::Secret, "sk-AbC", "sk-abc"));
        let (one, other) = (key(1, 7), key(1, 8));
        assert_ne!(one.digest(FindingType::Phone, "123"), other.digest(FindingType::Phone, "123"), "another tenant's");
        assert_ne!(one.digest(FindingType::Phone, "123"), one.digest(FindingType::UsSsn, "123"), "another kind");
    }

    #[test]
    fn a_key_holds_in_its_time_and_is_not_shown() {
        assert_eq!([9, 10, 19, 20].map(|now| key(1, 7).holds(now)), [false, true, true, false]);
        assert_eq!(FindingKey::new(1, &[7; 31], 0, 1), None);
        assert_eq!(format!("{:?}", key(1, 7)), "FindingKey { id: 1, .. }");
    }
}
