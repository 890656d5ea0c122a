//! Rules about source files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files that may be longer than [`LONGEST`]. This list only shrinks.
const MAY_BE_LONG: &[&str] = &[];
const LONGEST: usize = 600;

/// What a filter crate denies itself, so that no input can end a VM.
const NO_PANIC: &[&str] = &[
    "clippy::unwrap_used",
    "clippy::expect_used",
    "clippy::panic",
    "clippy::indexing_slicing",
    "clippy::string_slice",
    "clippy::unreachable",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository's root")
}

/// Files that git knows or would add.
fn files(endings: &[&str]) -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git");
    assert!(listed.status.success(), "git cannot list the files: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).expect("UTF-8 names");
    names
        .lines()
        .filter(|name| endings.iter().any(|ending| name.ends_with(ending)) && root().join(name).exists())
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_source_file_grows_unnoticed() {
    let long: Vec<String> = files(&[".rs", ".py", ".ts", ".tsx"])
        .into_iter()
        .filter(|name| !name.contains("/gen/") && !MAY_BE_LONG.contains(&name.as_str()))
        .filter_map(|name| {
            let lines = std::fs::read_to_string(root().join(&name)).expect("readable").lines().count();
            (lines > LONGEST).then(|| format!("{lines} {name}"))
        })
        .collect();
    assert!(long.is_empty(), "over {LONGEST} lines:\n{}", long.join("\n"));
}

#[test]
fn every_filter_crate_denies_itself_to_panic() {
    let crates: Vec<String> = files(&["src/lib.rs"]).into_iter().filter(|name| name.starts_with("filters/")).collect();
    assert!(crates.len() > 10, "{crates:?}");
    for name in crates {
        let text = std::fs::read_to_string(root().join(&name)).expect("readable");
        for lint in NO_PANIC {
            assert!(text.contains(lint), "{name} does not deny {lint}");
        }
    }
}

/// Adding a schema touches its folder and its line in the registry: nobody else may know one.
#[test]
fn no_filter_names_a_wire_schema() {
    let mut named = Vec::new();
    for name in files(&[".rs"]).into_iter().filter(|name| name.starts_with("filters/")) {
        let is_of_schemas = name.starts_with("filters/core/llm/src/schema/") || name.ends_with("llm/src/schema.rs");
        let is_test = name.contains("/tests/") || name.ends_with("tests.rs");
        if is_of_schemas || is_test {
            continue;
        }
        let text = std::fs::read_to_string(root().join(&name)).expect("readable");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            let words = SCHEMAS.iter().filter(|schema| line.contains(**schema));
            named.extend(words.map(|schema| format!("{name}:{}: {schema}", number + 1)));
        }
    }
    assert!(named.is_empty(), "{}", named.join("\n"));
}

/// How code would name one: as a type, a variant or a string.
const SCHEMAS: &[&str] = &["OpenAi", "Anthropic", "\"openai", "\"anthropic", "Gemini", "\"gemini"];

#[test]
fn every_path_that_the_documents_name_is_there() {
    let mut missing = Vec::new();
    for document in files(&[".md"]) {
        let text = std::fs::read_to_string(root().join(&document)).expect("readable");
        for word in text.split('`').skip(1).step_by(2) {
            let is_path = word.contains('/')
                && !word.starts_with(['/', '.', '<', '$', '-', '"', '{'])
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
                && FOLDERS.iter().any(|folder| word.starts_with(folder));
            if is_path && !root().join(word).exists() {
                missing.push(format!("{document}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Folders in the root; a word in backticks that begins with one is taken for a path.
const FOLDERS: &[&str] = &[
    "bench/",
    "control-plane/",
    "dev/",
    "docs/",
    "envoy/",
    "filters/",
    "fuzz/",
    "helm/",
    "k8s/",
    "migrations/",
    "proto/",
    "tests/",
    "ui/",
    "xtask/",
];

#[test]
fn the_console_offers_every_kind_of_server_that_there_is() {
    let named = |file: &str, before: &str| -> BTreeSet<String> {
        let text = std::fs::read_to_string(root().join(file)).expect("readable");
        let names = text.split(before).skip(1).filter_map(|rest| rest.split('"').next());
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let presets = named("control-plane/core/src/presets.rs", "        name: \"");
    assert!(presets.len() > 10, "{presets:?}");
    assert_eq!(named("ui/src/features/providers/kinds.ts", "preset: \""), presets);
}
