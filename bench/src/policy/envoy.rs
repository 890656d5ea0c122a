//! More Envoys of the same gateway, each a node of its own.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use weir_dev::admin::text;
use weir_dev::process::Process;
use weir_dev::settings::{BOOTSTRAP, LOOPBACK, repository};
use weir_dev::tools::Tools;
use weir_dev::{envoy, ports};

use crate::gateway::chain::{Built, Chain};
use crate::policy::probe::Connection;

/// How long an Envoy may take until it serves.
const START: Duration = Duration::from_secs(60);
/// Connections to each Envoy at least; more until each of its workers has one.
const CONNECTIONS: usize = 4;
const MOST_CONNECTIONS: usize = 64;

/// An Envoy that is asked.
pub(crate) struct Envoy {
    pub(crate) gateway: std::net::SocketAddr,
    admin_url: String,
    workers: u16,
    /// That of `weir-dev` is not ours.
    process: Option<Process>,
}

impl Envoy {
    /// The Envoy that came with the chain.
    pub(crate) fn of(chain: &Chain, workers: u16) -> Result<Self> {
        let admin_url = text(&chain.run, "envoy_admin_url")?.to_owned();
        Ok(Self { gateway: chain.address, admin_url, workers, process: None })
    }

    /// Another one, on the same control plane and with the same token.
    pub(crate) async fn start(built: &Built, folder: &Path, run: &Value, node: &str, workers: u16) -> Result<Self> {
        let folder = folder.join(node);
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        let token = folder.join(envoy::TOKEN_FILE);
        let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&token)?;
        std::io::Write::write_all(&mut file, envoy::token_file(text(run, "gateway_token")?).as_bytes())?;
        let [gateway, admin] = ports::choose([("", 0), ("", 0)])?;
        let (host, port) = text(run, "xds_address")?.rsplit_once(':').context("xds_address has no port")?;
        let template = std::fs::read_to_string(repository()?.join(BOOTSTRAP))?;
        let (loopback, gateway_port, admin_port) = (LOOPBACK.to_string(), gateway.to_string(), admin.to_string());
        let values = [
            ("WEIR_GATEWAY_ADDRESS", loopback.as_str()),
            ("WEIR_GATEWAY_PORT", &gateway_port),
            ("WEIR_ENVOY_ADMIN_PORT", &admin_port),
            ("WEIR_XDS_ADDRESS", host),
            ("WEIR_XDS_PORT", port),
            ("WEIR_TOKEN_SDS_FILE", token.to_str().context("the folder's name is not UTF-8")?),
            ("WEIR_NODE_ID", node),
            ("WEIR_NODE_CLUSTER", "bench"),
            ("WEIR_ENVOY_MAX_HEAP_BYTES", "2147483648"),
        ];
        let bootstrap = folder.join("envoy.yaml");
        std::fs::write(&bootstrap, envoy::fill(&template, &values)?)?;
        let mut command = envoy::command(&Tools::at(&built.tools).envoy()?);
        command.arg("--config-path").arg(&bootstrap).args(["--concurrency", &workers.to_string()]);
        command.args(["--disable-hot-restart", "--log-level", "warn"]);
        let mut process = Process::start("Envoy", command, &folder.join("envoy.log"), libc::SIGKILL)?;
        let admin_url = format!("http://{LOOPBACK}:{admin}");
        let http = weir_dev::admin::http_client()?;
        let ready = || async {
            let answer = http.get(format!("{admin_url}/ready")).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        process.until(START, ready).await?;
        Ok(Self { gateway: (LOOPBACK, gateway).into(), admin_url, workers, process: Some(process) })
    }

    /// Connections that together reach every worker: each has a VM of its own.
    pub(crate) async fn connect(&self) -> Result<Vec<Connection>> {
        let mut open = Vec::new();
        while open.len() < CONNECTIONS || self.workers_reached().await? < usize::from(self.workers) {
            ensure!(open.len() < MOST_CONNECTIONS, "a worker of Envoy takes no connections");
            open.push(Connection::open(self.gateway).await?);
        }
        Ok(open)
    }

    async fn workers_reached(&self) -> Result<usize> {
        let url = format!("{}/stats?filter=^listener\\..*\\.worker_.*\\.downstream_cx_active$", self.admin_url);
        let text = weir_dev::admin::http_client()?.get(url).send().await?.text().await?;
        let of_gateway = text.lines().filter(|line| !line.starts_with("listener.admin."));
        Ok(of_gateway.filter(|line| !line.ends_with(": 0")).count())
    }

    pub(crate) async fn stop(self) {
        if let Some(mut process) = self.process {
            process.stop(libc::SIGTERM, Duration::from_secs(10)).await;
        }
    }
}
