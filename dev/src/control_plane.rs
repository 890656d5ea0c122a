//! The `weir` binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::Process;
use crate::settings::LOOPBACK;

const STOP: Duration = Duration::from_secs(15);

/// How to start a control plane, again and again.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    /// The binary.
    pub binary: PathBuf,
    /// Postgres.
    pub database_url: String,
    /// File with the key that provider credentials are encrypted with.
    pub master_key: PathBuf,
    /// The wasm module that it serves to Envoy.
    pub module: PathBuf,
    /// Port of REST.
    pub http_port: u16,
    /// Port of gRPC.
    pub grpc_port: u16,
    /// Where its console's playground sends to.
    pub gateway_url: String,
    /// Where it writes.
    pub log: PathBuf,
}

impl ControlPlane {
    /// Base URL of REST and the console.
    pub fn url(&self) -> String {
        format!("http://{LOOPBACK}:{}", self.http_port)
    }

    /// Brings the database's schema up to date.
    pub async fn migrate(&self) -> Result<()> {
        self.run(&["migrate"], "").await.map(drop)
    }

    /// Makes a platform admin.
    pub async fn create_admin(&self, email: &str, password: &str) -> Result<()> {
        self.run(&["admin", "create", "--email", email, "--password-stdin"], password).await.map(drop)
    }

    /// Puts the demo's tenants and their usage beside what is there, once; answers what was made.
    pub async fn seed_demo(&self) -> Result<String> {
        Ok(self.run(&["demo", "seed", "--force"], "").await?.trim().to_owned())
    }

    /// Makes a gateway; answers its data-plane token.
    pub async fn create_gateway(&self, name: &str) -> Result<String> {
        let printed = self.run(&["gateway", "create", "--name", name], "").await?;
        let token = printed.trim();
        if token.is_empty() || token.contains(char::is_whitespace) {
            bail!("`weir gateway create` printed no token");
        }
        Ok(token.to_owned())
    }

    /// Starts it without waiting.
    pub fn spawn(&self) -> Result<Process> {
        Process::start("the control plane", self.command(&["serve"]), &self.log, libc::SIGTERM)
    }

    /// Whether it serves and its database answers.
    pub async fn is_ready(&self, http: &reqwest::Client) -> bool {
        let answer = http.get(format!("{}/ready", self.url())).timeout(Duration::from_secs(1)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Graceful shutdown. Answers whether it ended when asked.
    pub async fn stop(process: &mut Process) -> bool {
        process.stop(libc::SIGTERM, STOP).await
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env("WEIR_DATABASE_URL", &self.database_url)
            .env("WEIR_HTTP_ADDR", format!("{LOOPBACK}:{}", self.http_port))
            .env("WEIR_GATEWAY_URL", &self.gateway_url)
            .env("WEIR_GRPC_ADDR", format!("{LOOPBACK}:{}", self.grpc_port))
            .env("WEIR_MASTER_KEY_FILE", &self.master_key)
            .env("WEIR_MODULE_FILE", &self.module);
        command
    }

    /// Runs one command to its end; answers its standard output.
    async fn run(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            tokio::io::AsyncWriteExt::write_all(&mut stdin, format!("{input}\n").as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`weir {}` failed ({})\n{said}", arguments.join(" "), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The control plane's binary: the one named, or that beside our own.
pub fn binary(named: Option<&Path>) -> Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("weir"),
    };
    if !path.is_file() {
        bail!("no control plane at {}: run `cargo build -p weir`, or set WEIR_BINARY", path.display());
    }
    Ok(path)
}
