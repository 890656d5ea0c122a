//! What `weir-dev run` can be told, by environment or option.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::port_blocking::reachable;

/// Everything listens here and nowhere else.
pub const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Ports and paths, so that two can run side by side. A port of 0 means any free one. What speaks HTTP listens where browsers
/// and `fetch` can reach it.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Folder of everything that is kept between runs: database, passwords, logs, `run.json`.
    #[arg(long, env = "WEIR_STATE_DIR", default_value = ".weir")]
    pub state_dir: PathBuf,
    /// Folder of the Python environment that holds Envoy and Postgres, made by `cargo xtask setup`.
    #[arg(long, env = "WEIR_TOOLS_DIR", default_value = ".weir/tools")]
    pub tools_dir: PathBuf,
    /// Where apps send their requests.
    #[arg(long, env = "WEIR_GATEWAY_PORT", default_value_t = 18080, value_parser = reachable)]
    pub gateway_port: u16,
    /// The control plane's REST API and console.
    #[arg(long, env = "WEIR_ADMIN_PORT", default_value_t = 18081, value_parser = reachable)]
    pub admin_port: u16,
    /// The control plane's gRPC for Envoy.
    #[arg(long, env = "WEIR_XDS_PORT", default_value_t = 18082)]
    pub xds_port: u16,
    /// Envoy's own admin interface.
    #[arg(long, env = "WEIR_ENVOY_ADMIN_PORT", default_value_t = 18083, value_parser = reachable)]
    pub envoy_admin_port: u16,
    /// The demo provider.
    #[arg(long, env = "WEIR_DEMO_PROVIDER_PORT", default_value_t = 18084, value_parser = reachable)]
    pub demo_provider_port: u16,
    /// Postgres, unless DATABASE_URL names one that runs already.
    #[arg(long, env = "WEIR_POSTGRES_PORT", default_value_t = 18085)]
    pub postgres_port: u16,
    /// Worker threads of Envoy.
    #[arg(long, env = "WEIR_ENVOY_CONCURRENCY", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub envoy_concurrency: u16,
    /// How much Envoy may allocate, in bytes; near it, it refuses requests.
    #[arg(long, env = "WEIR_ENVOY_MAX_HEAP_BYTES", default_value_t = 2 << 30)]
    pub envoy_max_heap_bytes: u64,
    /// The control plane's binary; beside this one if it is not given.
    #[arg(long, env = "WEIR_BINARY")]
    pub binary: Option<PathBuf>,
    /// The filters, as `cargo xtask wasm` builds them.
    #[arg(long, env = "WEIR_WASM", default_value = "target/weir.wasm")]
    pub wasm: PathBuf,
    /// An Envoy to use instead of the one in the tools folder.
    #[arg(long, env = "WEIR_ENVOY_BINARY")]
    pub envoy_binary: Option<PathBuf>,
    /// A Postgres to use instead of an own one.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// With `1`, four more tenants with thirty days of usage, to look at the console with.
    #[arg(long, env = "DEMO", default_value = "0")]
    pub demo: String,
    /// With this set, OpenAI itself serves the GPT models instead of the demo provider.
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true)]
    pub openai_api_key: Option<String>,
    /// With this set, Anthropic itself serves the Claude models instead of the demo provider.
    #[arg(long, env = "ANTHROPIC_API_KEY", hide_env_values = true)]
    pub anthropic_api_key: Option<String>,
}

/// Variables of the environment that hold real providers' credentials.
pub const PROVIDER_KEYS: [&str; 2] = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"];

impl Settings {
    /// The same with empty texts as if they were not there: an empty variable of the environment means unset.
    pub fn normalised(mut self) -> Settings {
        for text in [&mut self.database_url, &mut self.openai_api_key, &mut self.anthropic_api_key] {
            *text = text.take().filter(|text| !text.is_empty());
        }
        self
    }
}

/// Finds the repository: the nearest folder at or above the current one that holds Envoy's bootstrap.
pub fn repository() -> Result<PathBuf> {
    let here = std::env::current_dir().context("no current folder")?;
    let found = here.ancestors().find(|folder| folder.join(BOOTSTRAP).is_file());
    found.map(Path::to_owned).with_context(|| format!("no {BOOTSTRAP} here or above: run this inside the repository"))
}

/// Envoy's bootstrap, relative to the repository.
pub const BOOTSTRAP: &str = "envoy/bootstrap.yaml";

#[cfg(test)]
mod tests {
    use clap::{Arg, CommandFactory, Parser};

    use super::*;
    use crate::port_blocking::is_blocked;
    use crate::ports::FREE;

    #[derive(Parser)]
    struct Run {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn browsers_reach_every_default_port_and_every_free_one() {
        let defaults: Vec<u16> = Run::command().get_arguments().filter_map(default_port).collect();
        assert_eq!(defaults, [18080, 18081, 18082, 18083, 18084, 18085]);
        assert_eq!(defaults.into_iter().chain(FREE).find(|port| is_blocked(*port)), None);
    }

    /// What an option that names a port defaults to, whatever the environment of the test says.
    fn default_port(option: &Arg) -> Option<u16> {
        option.get_id().as_str().ends_with("_port").then(|| option.get_default_values()[0].to_str()?.parse().ok())?
    }

    #[test]
    fn what_speaks_http_cannot_be_put_where_browsers_do_not_go() {
        for option in ["--gateway-port", "--admin-port", "--envoy-admin-port", "--demo-provider-port"] {
            let refused = Run::try_parse_from(["run", option, "10080"]).err().expect(option).to_string();
            assert!(refused.contains(option) && refused.contains("refuse to connect to port 10080"), "{refused}");
            assert!(Run::try_parse_from(["run", option, "0"]).is_ok());
        }
        // Browsers have no business at these.
        assert!(Run::try_parse_from(["run", "--xds-port", "10080", "--postgres-port", "10080"]).is_ok());
    }
}
