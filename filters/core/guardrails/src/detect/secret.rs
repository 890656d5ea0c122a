//! Secrets: what lets whoever has it in. `detector` names which kind was found.
//!
//! | detector | goes by |
//! |---|---|
//! | one for each issuer in [`formats`] | the prefix and form that the issuer gives its keys |
//! | `private_key` | the lines around a key (RFC 7468), or how one in DER begins |
//! | `json_web_token` | two parts of JSON in base64 (RFC 7519) |
//! | `url_password` | what stands between user and host (RFC 3986 section 3.2.1) |
//! | `password`, `api_key` | the name that a value is given, and that the value looks like chance |
//!
//! Examples of documents and placeholders are no secrets: [`chance`] tells them.

pub(super) mod assignment;
mod chance;
mod formats;
pub(super) mod key;
pub(super) mod private_key;
pub(super) mod runs;
pub(super) mod url_password;

use super::{before, byte, ends_escape};
use weir_llm::steps;

/// The longest secret in bytes: the private key of 4096 bits, with room for its headers. Of a longer one the beginning is found.
pub(super) const LONGEST: usize = 4096;

/// Patterns of the shared automaton that lead to secrets: how keys begin, and the words that values are named by.
pub(super) fn trigger_pattern() -> String {
    let mut beginnings: Vec<String> = formats::FORMATS.iter().map(|format| beginning(format.prefix)).collect();
    beginnings.push("-----BEGIN".into());
    beginnings.extend(formats::INFIXES.iter().map(|infix| infix.literal.replace('.', r"\.")));
    beginnings.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    beginnings.dedup();
    format!("{}|(?i:{})", beginnings.join("|"), assignment::WORDS.join("|"))
}

/// What the automaton looks for of a prefix: its first word, so that no other trigger begins within it, as a pattern.
fn beginning(prefix: &str) -> String {
    let mut digits = 0_usize;
    let mut pattern = String::new();
    for character in prefix.chars() {
        digits = if character.is_ascii_digit() { digits.saturating_add(1) } else { 0 };
        match character {
            // In a row of three they are a trigger of their own.
            _ if digits > 2 => break,
            'a'..='z' | 'A'..='Z' | '0'..='9' | '/' => pattern.push(character),
            '_' if pattern.is_empty() => pattern.push(character),
            '_' | '-' => {
                pattern.push(character);
                break;
            }
            '.' => {
                pattern.push_str(r"\.");
                break;
            }
            _ => break,
        }
    }
    pattern
}

/// Whether a secret may begin at `at`: within no word. What is escaped for JSON or a URL before it is no part of it.
fn begins(text: &[u8], at: usize) -> bool {
    let is_letter = before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric());
    let follows_percent = || {
        let escape = at.checked_sub(3).and_then(|start| text.get(start..at)).unwrap_or_default();
        matches!(escape, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
    };
    !is_letter || ends_escape(text, at) || follows_percent()
}

/// Whether a byte belongs to a key as most issuers write them.
fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Where the run of bytes of a kind ends that begins at `at`, at most `most` of them.
fn run_end(text: &[u8], at: usize, most: usize, is_kind: impl Fn(u8) -> bool) -> usize {
    let run = text.get(at..).unwrap_or_default().iter().take(most).take_while(|byte| is_kind(**byte)).count();
    steps::count(run.saturating_add(1));
    at.saturating_add(run)
}

/// Whether a byte that belongs to no word stands at `at`, or nothing.
fn ends_word(text: &[u8], at: usize) -> bool {
    !byte(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric())
}
