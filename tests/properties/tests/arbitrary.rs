//! Bytes near to those that are kept: each check on a seed with some bytes changed, on any toolchain and without a fuzzer.

use std::fmt;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use weir_properties::CHECKS;

/// Bytes for one check, shown as one would write them.
#[derive(Clone)]
struct Input {
    name: &'static str,
    check: weir_properties::Check,
    bytes: Vec<u8>,
}

impl fmt::Debug for Input {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: b\"{}\"", self.name, self.bytes.escape_ascii())
    }
}

fn seeds() -> Vec<Input> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut seeds = Vec::new();
    for (name, check) in CHECKS {
        let mut paths: Vec<_> =
            fs::read_dir(corpus.join(name)).expect("a corpus").map(|entry| entry.expect("readable").path()).collect();
        paths.sort();
        seeds.extend(paths.into_iter().map(|path| Input {
            name,
            check: *check,
            bytes: fs::read(path).expect("readable"),
        }));
    }
    seeds
}

#[derive(Clone, Debug)]
enum Change {
    Put(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Cut(prop::sample::Index, usize),
    End(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let token = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..4),
        prop::sample::select(vec![
            "null",
            "{}",
            "[]",
            "\"\"",
            "\\u0000",
            "\\ud83d",
            "1e999",
            "-1",
            "\n\n",
            "\r\n",
            "\u{feff}",
            "[DONE]",
            "data:",
            "\"type\":",
            "\"index\":9,",
            "a@b.io",
            "4111111111111111",
            "😀",
            ",",
            ":",
            "{\"a\":",
        ])
        .prop_map(|token| token.as_bytes().to_vec()),
    ];
    prop_oneof![
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (any::<prop::sample::Index>(), token).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<prop::sample::Index>(), 1_usize..30).prop_map(|(at, count)| Change::Cut(at, count)),
        any::<prop::sample::Index>().prop_map(Change::End),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for change in changes {
        let length = bytes.len();
        match change {
            Change::Put(at, byte) if length > 0 => bytes[at.index(length)] = byte,
            Change::Insert(at, new) => _ = bytes.splice(at.index(length + 1)..at.index(length + 1), new),
            Change::Cut(at, count) => _ = bytes.drain(at.index(length + 1)..(at.index(length + 1) + count).min(length)),
            Change::End(at) => bytes.truncate(at.index(length + 1)),
            Change::Put(..) => {}
        }
    }
    bytes
}

#[test]
fn changed_seeds_hold() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(6_000)
    });
    let strategy = (prop::sample::select(seeds()), prop::collection::vec(change(), 1..6))
        .prop_map(|(seed, changes)| Input { bytes: changed(seed.bytes.clone(), changes), ..seed });
    let outcome = runner.run(&strategy, |input| {
        (input.check)(&input.bytes);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
