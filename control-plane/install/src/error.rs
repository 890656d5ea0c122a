use std::path::PathBuf;

/// Why nothing is printed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The bootstrap cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no YAML.
    #[error("the bootstrap is no YAML: {0}")]
    NotYaml(String),
    /// Something in it is written so that no lines can be added.
    #[error(
        "`{0}` is written in braces or brackets, or in JSON: write it with one key or item a line, so that lines can be added"
    )]
    Inline(String),
    /// It has an ADS.
    #[error(
        "this Envoy is configured by an ADS of its own ({0}), and an Envoy takes but one. Run an Envoy of Weir's beside it (`weir \
         install envoy` without --bootstrap), and let a route of this one lead there"
    )]
    OwnAds(String),
    /// It gets its clusters elsewhere.
    #[error(
        "this Envoy gets its clusters from a source of its own (dynamic_resources.cds_config), and an Envoy takes but one. Run an Envoy \
         of Weir's beside it (`weir install envoy` without --bootstrap), and let a route of this one lead there"
    )]
    OwnCds,
    /// It has Weir, or something that is called so.
    #[error("this bootstrap has a {kind} called `{name}`: rename it, or take out what an earlier installation added")]
    Taken {
        /// Listener or cluster.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// There is no such listener.
    #[error("this bootstrap has no listener called `{0}` with filter_chains below static_resources")]
    NoListener(String),
    /// Its chains are not chosen by SNI.
    #[error(
        "listener `{0}` does not look for SNI, and that it does would change other hosts' connections: give it the listener filter \
         envoy.filters.listener.tls_inspector yourself, or choose another --form"
    )]
    NoInspector(String),
    /// A host of `--sni` is another chain's.
    #[error("listener `{listener}` has a filter chain for {host} already: take that out of it, or choose another host")]
    TakenHost {
        /// The listener.
        listener: String,
        /// The host.
        host: String,
    },
    /// An address without a port, or such.
    #[error("{option} {value}: that is no address and port, as in 10.0.0.7:18080")]
    Address {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
    },
    /// A name that Kubernetes or DNS would not take.
    #[error("{option} {value}: that is no name, or for --gateway no namespace/name")]
    Name {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
    },
    /// The result does not have all that was there. Nothing that is known leads here.
    #[error("the bootstrap is written in a way that this command does not understand: `{0}` would not stay as it is")]
    Changed(String),
    /// It cannot be started.
    #[error("{} cannot be started", path.display())]
    NoEnvoy {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is nowhere to put what it is to read.
    #[error("no temporary file can be written for Envoy to read")]
    NoFile(#[source] std::io::Error),
    /// It is too old.
    #[error("this Envoy is {found}; Weir needs {least} or later")]
    TooOld {
        /// Its version.
        found: String,
        /// What is needed.
        least: &'static str,
    },
    /// It refuses the result.
    #[error("this Envoy does not accept the result: {0}")]
    Refused(String),
}
