//! Which crate may know which, as docs/ARCHITECTURE.md says it.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// What each crate of the workspace may use of the workspace. A crate that is not here fails the test.
const ALLOWED: &[(&str, &[&str])] = &[
    // Filters: pure cores, which know the seam and the shared types but not each other.
    ("weir-host", &[]),
    ("weir-chain", &["weir-host"]),
    ("weir-journal", &["weir-host"]),
    ("weir-config", &[]),
    ("weir-llm", &["weir-config"]),
    ("weir-exchange", &["weir-config", "weir-host", "weir-llm"]),
    ("weir-auth", &["weir-config", "weir-exchange", "weir-host", "weir-llm", "weir-proto"]),
    ("weir-route", &["weir-config", "weir-exchange", "weir-host", "weir-llm"]),
    ("weir-quota", &["weir-config", "weir-exchange", "weir-host", "weir-journal", "weir-llm", "weir-proto"]),
    ("weir-guardrails", &["weir-config", "weir-exchange", "weir-host", "weir-llm"]),
    ("weir-metering", &["weir-config", "weir-exchange", "weir-host", "weir-journal", "weir-llm", "weir-proto"]),
    ("weir-provider", &["weir-config", "weir-exchange", "weir-host", "weir-llm"]),
    (
        "weir-gateway",
        &[
            "weir-auth",
            "weir-chain",
            "weir-config",
            "weir-exchange",
            "weir-guardrails",
            "weir-host",
            "weir-llm",
            "weir-metering",
            "weir-proto",
            "weir-provider",
            "weir-quota",
            "weir-route",
        ],
    ),
    ("weir-shell", &["weir-config", "weir-gateway", "weir-host"]),
    ("weir-memory", &[]),
    ("weir-module", &["weir-memory", "weir-shell"]),
    // The protocol between the two halves.
    ("weir-proto", &[]),
    // Control plane: core knows nobody, xDS knows no database, all meet in the runtime.
    ("weir-core", &["weir-config", "weir-llm"]),
    ("weir-store", &["weir-config", "weir-core", "weir-guardrails", "weir-llm"]),
    ("weir-api", &["weir-config", "weir-core", "weir-guardrails", "weir-store"]),
    ("weir-dataplane", &["weir-config", "weir-core", "weir-proto", "weir-store"]),
    ("weir-xds", &["weir-config", "weir-core", "weir-llm"]),
    (
        "weir-runtime",
        &["weir-api", "weir-config", "weir-core", "weir-dataplane", "weir-proto", "weir-store", "weir-xds"],
    ),
    ("weir-client", &["weir-core"]),
    ("weir-drain", &[]),
    ("weir-install", &[]),
    ("weir-support", &[]),
    ("weir", &["weir-api", "weir-client", "weir-drain", "weir-install", "weir-runtime", "weir-support"]),
    // What starts and tests them.
    ("weir-dev", &["weir-config", "weir-llm"]),
    (
        "weir-bench",
        &[
            "weir-auth",
            "weir-chain",
            "weir-config",
            "weir-dev",
            "weir-exchange",
            "weir-guardrails",
            "weir-host",
            "weir-metering",
            "weir-proto",
            "weir-provider",
            "weir-route",
        ],
    ),
    (
        "weir-properties",
        &[
            "weir-auth",
            "weir-config",
            "weir-core",
            "weir-exchange",
            "weir-guardrails",
            "weir-host",
            "weir-llm",
            "weir-proto",
            "weir-provider",
            "weir-quota",
            "weir-route",
            "weir-test-proxy",
        ],
    ),
    ("weir-test-proxy", &["weir-config", "weir-gateway", "weir-host"]),
    ("weir-gateway-tests", &["weir-config", "weir-dev", "weir-test-proxy"]),
    ("weir-structure", &[]),
    ("xtask", &[]),
];

/// Crates of which two versions in one binary mean two sets of types that do not fit, or twice the audit.
const ONE_VERSION: &[&str] = &["axum", "hyper", "prost", "rustls", "tonic"];

fn metadata() -> Metadata {
    MetadataCommand::new().exec().expect("cargo metadata")
}

#[test]
fn crates_know_only_what_they_may() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(name, may)| (*name, may.iter().copied().collect())).collect();
    let members: BTreeSet<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(may) = allowed.get(package.name.as_str()) else {
            wrong.push(format!("{} is in no rule", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if dependency.kind == DependencyKind::Normal && members.contains(name) && !may.contains(name) {
                wrong.push(format!("{} must not know {name}", package.name));
            }
        }
    }
    wrong.extend(allowed.keys().filter(|name| !members.contains(*name)).map(|name| format!("{name} is gone")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_shell_and_the_module_know_proxy_wasm() {
    let metadata = metadata();
    let users: BTreeSet<&str> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| package.dependencies.iter().any(|dependency| dependency.name == "proxy-wasm"))
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(users, BTreeSet::from(["weir-module", "weir-shell"]));
}

#[test]
fn one_version_each_of_what_must_fit_together() {
    let metadata = metadata();
    for name in ONE_VERSION {
        let versions: Vec<String> = metadata
            .packages
            .iter()
            .filter(|package| package.name.as_str() == *name)
            .map(|package| package.version.to_string())
            .collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}
