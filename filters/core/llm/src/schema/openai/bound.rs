//! Values that other schemas let be longer, or more, than this one does.

use sha2::{Digest, Sha256};

/// The most characters of `user`.
const MOST_USER_CHARACTERS: usize = 64;
/// The most characters of a tool call's id.
const MOST_ID_CHARACTERS: usize = 40;

/// The user, or a digest that stands for it wherever it is too long.
pub(in crate::schema) fn user(user: &str) -> String {
    if user.chars().count() <= MOST_USER_CHARACTERS { user.to_owned() } else { digest(&[user], MOST_USER_CHARACTERS) }
}

/// A call's id, or one that stands for it wherever it is too long: calls that differ still do.
pub(in crate::schema) fn call_id(id: &str) -> String {
    if id.len() <= MOST_ID_CHARACTERS { id.to_owned() } else { made_id(&[id]) }
}

/// What a tool's result says that only has the mark that it failed, for which the schemas have no place.
pub(in crate::schema) const FAILED: &str = "The tool failed.";

/// How much to reason: the vendor's own words, and for another vendor's largest the largest that every model of this schema knows.
pub(in crate::schema) fn effort(word: &str) -> &str {
    if word == "max" { "high" } else { word }
}

/// An id for a call that has none, the same for the same words.
pub(super) fn made_id(of: &[&str]) -> String {
    format!("call_{}", digest(of, 32))
}

/// The first digits of SHA-256, at most 64.
fn digest(of: &[&str], digits: usize) -> String {
    let mut hasher = Sha256::new();
    for one in of {
        hasher.update(one.len().to_le_bytes());
        hasher.update(one.as_bytes());
    }
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hex.chars().take(digits).collect()
}
