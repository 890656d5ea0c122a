//! Envoy with Weir's whole chain, as `make run` starts it, and a tenant whose requests meet every plugin.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use weir_dev::admin::{Admin, http_client, text};
use weir_dev::process::Process;

/// How long the parts may take to start.
const START: Duration = Duration::from_secs(300);
/// How long a change may take to be in force.
const SETTLE: Duration = Duration::from_secs(120);

/// What is built and installed before a benchmark.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub(crate) weir_dev: PathBuf,
    pub(crate) weir: PathBuf,
    pub(crate) wasm: PathBuf,
    pub(crate) tools: PathBuf,
    /// An Envoy instead of that among the tools.
    pub(crate) envoy: Option<PathBuf>,
}

/// A running gateway.
pub(crate) struct Chain {
    process: Process,
    /// Where everything is: `run.json`.
    pub(crate) run: Value,
    pub(crate) address: SocketAddr,
}

impl Chain {
    /// Starts everything in `folder`, Envoy with so many workers.
    pub(crate) async fn start(built: &Built, folder: &Path, workers: u16) -> Result<Self> {
        let state = folder.join(format!("chain-{workers}"));
        std::fs::create_dir_all(&state)?;
        let mut command = Command::new(&built.weir_dev);
        command.arg("run").env("WEIR_STATE_DIR", &state).env("WEIR_ENVOY_CONCURRENCY", workers.to_string());
        command.env("WEIR_BINARY", &built.weir).env("WEIR_WASM", &built.wasm).env("WEIR_TOOLS_DIR", &built.tools);
        if let Some(envoy) = &built.envoy {
            command.env("WEIR_ENVOY_BINARY", envoy);
        }
        for part in ["GATEWAY", "ADMIN", "XDS", "ENVOY_ADMIN", "DEMO_PROVIDER", "POSTGRES"] {
            command.env(format!("WEIR_{part}_PORT"), "0");
        }
        for name in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DATABASE_URL"] {
            command.env_remove(name);
        }
        let mut process = Process::start("the chain", command, &folder.join("chain.log"), libc::SIGTERM)?;
        let file = state.join("run.json");
        process.until(START, || std::future::ready(file.exists())).await?;
        let run: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        let address = text(&run, "gateway_url")?.trim_start_matches("http://").parse()?;
        Ok(Self { process, run, address })
    }

    /// Envoy's process.
    pub(crate) fn pid(&self) -> Result<u32> {
        let pid = self.run["pids"]["envoy"].as_u64().context("run.json names no Envoy")?;
        Ok(u32::try_from(pid)?)
    }

    /// A tenant with a limit, guardrails in both directions and prices, served by `upstream`. Answers its key, once Envoy
    /// serves it.
    pub(crate) async fn tenant(&self, upstream: SocketAddr, model: &str) -> Result<String> {
        let mut admin = self.admin().await?;
        let tenant = admin.create("tenants", &json!({"name": "bench"})).await?;
        let tenant = text(&tenant, "id")?;
        let provider = json!({"tenant_id": tenant, "name": "upstream", "schema": "openai",
            "base_url": format!("http://{upstream}"), "credential": "sk-bench"});
        let provider = admin.create("providers", &provider).await?;
        let price = json!({"input_microusd_per_million": 2_500_000, "cached_input_microusd_per_million": 1_250_000,
            "output_microusd_per_million": 10_000_000});
        let members = json!([{"provider_id": text(&provider, "id")?, "model": "gpt-4o-2024-11-20", "price": price}]);
        let pool = admin.create("pools", &json!({"tenant_id": tenant, "name": "bench", "members": members})).await?;
        let named = json!({"tenant_id": tenant, "name": model, "pool_id": text(&pool, "id")?});
        admin.create("models", &named).await?;
        let rules: Vec<Value> = ["CREDIT_CARD", "EMAIL"]
            .map(|kind| json!({"type": kind, "action": "redact", "direction": "both"}))
            .to_vec();
        let profile = json!({"tenant_id": tenant, "name": "bench", "rules": rules});
        let profile = admin.create("guardrails/profiles", &profile).await?;
        let key = json!({"tenant_id": tenant, "name": "bench", "requests_per_minute": 1_000_000_000,
            "guardrail_profile_id": text(&profile, "id")?});
        let key = admin.create("api-keys", &key).await?;
        self.settle(&admin).await?;
        Ok(text(&key, "key")?.to_owned())
    }

    /// A session of the platform's admin.
    pub(crate) async fn admin(&self) -> Result<Admin> {
        let login = (text(&self.run, "admin_email")?, text(&self.run, "admin_password")?);
        let admin = Admin::login(&http_client()?, text(&self.run, "console_url")?, login.0, login.1).await?;
        admin.context("the admin's login is refused")
    }

    /// Waits until every connected Envoy has applied what was written.
    pub(crate) async fn settle(&self, admin: &Admin) -> Result<()> {
        let deadline = tokio::time::Instant::now() + SETTLE;
        loop {
            let nodes = admin.list("nodes", "").await?;
            let mut connected = nodes.iter().filter(|node| node["connected"] == true).peekable();
            if connected.peek().is_some()
                && connected.all(|node| node["applied_revision"].as_u64() >= Some(admin.revision))
            {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                bail!("no Envoy, or not each, applied revision {} in time: {nodes:?}", admin.revision);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn stop(mut self) {
        self.process.stop(libc::SIGTERM, Duration::from_secs(30)).await;
    }
}
