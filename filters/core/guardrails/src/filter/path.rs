//! Which strings of an event go on where those of earlier events stopped, and which are whole in themselves.

use weir_llm::Schema;

/// Fields, anywhere in a delta, whose values are pieces of one text.
const PIECES: [&str; 10] = [
    "arguments",
    "content",
    "input",
    "partial_json",
    "reasoning",
    "reasoning_content",
    "refusal",
    "text",
    "thinking",
    "transcript",
];

/// The names of the fields that lead to the string at `at`. `data` is JSON.
pub(super) fn path(data: &str, at: usize) -> Vec<&str> {
    let mut names = Vec::new();
    walk(data, at, &mut names);
    names.retain(|name| !name.is_empty());
    names
}

/// Whether JSON is nested deeper than `most` levels.
pub(super) fn is_deeper(data: &str, most: usize) -> bool {
    // Nearly every event has too few brackets for that.
    let brackets = memchr::memchr2_iter(b'{', b'[', data.as_bytes()).take(most.saturating_add(1)).count();
    brackets > most && walk(data, data.len(), &mut Vec::new()) > most
}

/// Whether the string is a piece of a text that goes on over events. `of_deltas`: the event is one that brings pieces.
///
/// A field that nobody knows counts as pieces if it stands right in the delta: a new kind of text looks like that. Deeper down
/// it is taken as it is, since holding back part of a link or a type would spoil it.
pub(super) fn is_piece(schema: Schema, of_deltas: bool, path: &[&str]) -> bool {
    match (schema.name(), path) {
        ("openai", ["choices", "delta", "id" | "name" | "type"]) => false,
        ("openai", ["choices", "delta", _]) => true,
        ("openai", ["choices", .., last]) => PIECES.contains(last),
        ("anthropic", ["delta", _]) => of_deltas,
        ("anthropic", ["content_block", "text" | "thinking"]) => true,
        _ => false,
    }
}

/// Stands for a path. Where a block's text begins, the block's own field leads to it: it counts as its deltas' path.
pub(super) fn key(path: &[&str]) -> u64 {
    // FNV-1a: the paths of one stream are few, and nobody gains by making two the same.
    const PRIME: u64 = 0x100_0000_01b3;
    let bytes = path.iter().flat_map(|name| match *name {
        "content_block" => "delta".bytes().chain([0]),
        name => name.bytes().chain([0]),
    });
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// Follows JSON up to `until`, keeping the name at each open level; answers the greatest depth.
fn walk<'a>(data: &'a str, until: usize, names: &mut Vec<&'a str>) -> usize {
    let bytes = data.as_bytes();
    let mut deepest = 0;
    let mut at = 0;
    while at < until {
        match bytes.get(at) {
            Some(b'{' | b'[') => {
                names.push("");
                deepest = deepest.max(names.len());
            }
            Some(b'}' | b']') => {
                names.pop();
            }
            Some(b'"') => {
                let start = at.saturating_add(1);
                at = string_end(bytes, start);
                let behind = bytes.get(at.saturating_add(1)..).unwrap_or_default();
                if behind.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
                    && let Some(name) = names.last_mut()
                {
                    *name = data.get(start..at).unwrap_or_default();
                }
            }
            _ => {}
        }
        at = at.saturating_add(1);
    }
    deepest
}

/// Where the closing quote of a string stands.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at = at.saturating_add(found);
        if bytes.get(at) == Some(&b'"') {
            return at;
        }
        at = at.saturating_add(2);
    }
    bytes.len()
}
