//! The bytes that are kept for the fuzz targets hold: seeds, and whatever once broke something.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use weir_properties::CHECKS;

/// The most that is kept for one target: seeds say what a parser reads, not all that it may meet.
const MOST_BYTES: u64 = 32 * 1024;

fn fuzz(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(folder)
}

fn names(folder: PathBuf) -> BTreeSet<String> {
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("readable").path();
    entries.map(name).filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

#[test]
fn every_check_has_its_target_and_its_corpus() {
    let checks: BTreeSet<String> = CHECKS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(fuzz("fuzz_targets")), checks);
    assert_eq!(names(fuzz("corpus")), checks);
    let manifest = fs::read_to_string(fuzz("Cargo.toml")).expect("fuzz/Cargo.toml");
    for name in &checks {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} is not in fuzz/Cargo.toml");
    }
}

#[test]
fn what_is_kept_holds() {
    for (name, check) in CHECKS {
        let mut bytes = 0;
        for entry in fs::read_dir(fuzz("corpus").join(name)).expect("a corpus") {
            let path = entry.expect("readable").path();
            let input = fs::read(&path).expect("readable");
            bytes += u64::try_from(input.len()).expect("small");
            println!("{}", path.display());
            check(&input);
        }
        assert!(bytes > 0, "{name} has no seed");
        assert!(bytes <= MOST_BYTES, "the corpus of {name} has {bytes} bytes");
    }
}
