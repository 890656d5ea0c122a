//! The words before a match, which say what a number is.

use super::{CONTEXT, before};

/// What may stand before a number of nobody: of an order, a version, a parcel.
pub(super) const OTHER_NUMBERS: [&str; 31] = [
    "batch",
    "build",
    "case",
    "commit",
    "cusip",
    "id",
    "inr",
    "invoice",
    "isbn",
    "isin",
    "issn",
    "lot",
    "model",
    "order",
    "parcel",
    "part",
    "po",
    "product",
    "purchase",
    "ref",
    "reference",
    "release",
    "rs",
    "serial",
    "sku",
    "ticket",
    "timestamp",
    "tracking",
    "transaction",
    "txn",
    "version",
];

/// How many words before a number may say that it is another one: further away they speak of something else.
const REACH: usize = 4;

/// Which of two lists the nearest word before `at` is in that is in either: `Some(true)` for the first. The second one counts within
/// [`REACH`] words. A word of more than one is taken for its singular. Words are ASCII.
pub(super) fn nearest(text: &[u8], at: usize, first: &[&str], second: &[&str]) -> Option<bool> {
    let is_in = |list: &[&str], word: &[u8]| {
        let singular = word.strip_suffix(b"s").or_else(|| word.strip_suffix(b"S")).unwrap_or(word);
        list.iter().any(|one| [word, singular].into_iter().any(|word| one.as_bytes().eq_ignore_ascii_case(word)))
    };
    words_before(text, at).enumerate().find_map(|(index, word)| {
        if is_in(first, word) {
            return Some(true);
        }
        (index < REACH && is_in(second, word)).then_some(false)
    })
}

/// The words within [`CONTEXT`] bytes before `at`, the last one first. One that is cut by the bound is none.
pub(super) fn words_before(text: &[u8], at: usize) -> impl Iterator<Item = &[u8]> {
    let start = at.saturating_sub(CONTEXT);
    let window = text.get(start..at).unwrap_or_default();
    let is_whole = window.len() < CONTEXT;
    let cut = if is_whole { 0 } else { window.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count() };
    window
        .get(cut..)
        .unwrap_or_default()
        .rsplit(|byte| !byte.is_ascii_alphanumeric())
        .filter(|word| word.iter().any(u8::is_ascii_alphabetic))
}

/// Whether a token may begin at `at`: what stands before it is no part of a word or of a longer number.
pub(super) fn begins_token(text: &[u8], at: usize) -> bool {
    match before(text, at) {
        None => true,
        Some(_) if super::ends_escape(text, at) => true,
        Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => false,
        // A decimal number, a longer one in groups, an address, a path.
        Some(b'.' | b',' | b'-' | b':' | b'@' | b'/') => {
            !at.checked_sub(1).and_then(|at| before(text, at)).is_some_and(|byte| byte.is_ascii_digit())
        }
        Some(_) => !super::glyph::digit_ends(text, at),
    }
}

/// Whether a token may end before `at`.
pub(super) fn ends_token(text: &[u8], at: usize) -> bool {
    let is_digit = |at: usize| super::byte(text, at).is_some_and(|byte| byte.is_ascii_digit());
    match super::byte(text, at) {
        None => true,
        Some(b'.' | b',' | b'-' | b':' | b'/') => !is_digit(at.saturating_add(1)),
        Some(b'@') => false,
        Some(byte) => !(byte.is_ascii_alphanumeric() || byte == b'_' || super::glyph::digit(text, at).is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_decides() {
        let check = |text: &str, expect| {
            assert_eq!(nearest(text.as_bytes(), text.len(), &["phone", "call"], &["order"]), expect, "{text}");
        };
        check("order 5, phone: ", Some(true));
        check("phone order ", Some(false));
        check("Orders ", Some(false));
        check("reorder ", None);
        check("", None);
        check("order of our last call number ", Some(true));
        check("an order that I made on my new ", None);
        check(&format!("phone{}", " ".repeat(CONTEXT)), None);
        // What is cut by the bound may be the end of a longer word.
        check(&format!("call{}", " ".repeat(CONTEXT - 4)), None);
        check(&format!(" call{}", " ".repeat(CONTEXT - 5)), Some(true));
    }
}
