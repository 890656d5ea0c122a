//! Envoy, with the bootstrap that the control plane's users get.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::process::Process;
use crate::settings::LOOPBACK;

/// How long requests under way may take to finish at the end.
const DRAIN: Duration = Duration::from_secs(5);
const STOP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// How to start an Envoy, again and again.
#[derive(Debug, Clone)]
pub struct Envoy {
    /// The binary.
    pub binary: PathBuf,
    /// The filled-in bootstrap.
    pub bootstrap: PathBuf,
    /// Where it writes.
    pub log: PathBuf,
    /// Port of its admin interface.
    pub admin_port: u16,
    /// Worker threads.
    pub concurrency: u16,
}

impl Envoy {
    /// Base URL of its admin interface.
    pub fn admin_url(&self) -> String {
        format!("http://{LOOPBACK}:{}", self.admin_port)
    }

    /// Starts it without waiting.
    pub fn spawn(&self) -> Result<Process> {
        let mut command = Command::new(&self.binary);
        command.arg("--config-path").arg(&self.bootstrap);
        command.args(["--concurrency", &self.concurrency.to_string()]);
        // Hot restart would need an id per Envoy and leave shared memory behind when one is killed.
        command.args(["--disable-hot-restart", "--log-level", "info", "--drain-time-s", "5"]);
        Process::start("Envoy", command, &self.log, libc::SIGTERM)
    }

    /// Whether it says that it is ready: it serves, and its configuration arrived or was given up on for now.
    pub async fn is_ready(&self, http: &reqwest::Client) -> bool {
        let answer = http.get(format!("{}/ready", self.admin_url())).timeout(Duration::from_secs(1)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Lets requests under way finish, then ends it. Answers whether it ended when asked.
    pub async fn stop(&self, process: &mut Process, http: &reqwest::Client) -> bool {
        let drain = format!("{}/drain_listeners?graceful&skip_exit", self.admin_url());
        if http.post(drain).timeout(Duration::from_secs(1)).send().await.is_ok() {
            let deadline = tokio::time::Instant::now() + DRAIN;
            while self.requests_under_way(http).await > 0 && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(POLL).await;
            }
        }
        process.stop(libc::SIGTERM, STOP).await
    }

    /// Requests at the gateway's listener now; 0 if Envoy does not say.
    async fn requests_under_way(&self, http: &reqwest::Client) -> u64 {
        let url = format!("{}/stats?filter=http.*downstream_rq_active$", self.admin_url());
        let Ok(answer) = http.get(url).timeout(Duration::from_secs(1)).send().await else { return 0 };
        let text = answer.text().await.unwrap_or_default();
        // The admin interface counts our own question.
        let of_gateway = text.lines().filter(|line| !line.starts_with("http.admin."));
        of_gateway.filter_map(|line| line.rsplit(": ").next()?.parse::<u64>().ok()).sum()
    }
}

/// Fills in the placeholders `${NAME}` of a bootstrap. An unknown one is an error: Envoy would take it for a name.
pub fn fill(bootstrap: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut filled = String::with_capacity(bootstrap.len());
    // A comment may explain a placeholder; nothing in it is replaced.
    for line in bootstrap.split_inclusive('\n').filter(|line| !line.trim_start().starts_with('#')) {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}').with_context(|| format!("a placeholder without end: {line}"))?;
            let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else {
                bail!("unknown placeholder ${{{name}}} in Envoy's bootstrap");
            };
            filled.push_str(before);
            filled.push_str(value);
            rest = tail;
        }
        filled.push_str(rest);
    }
    Ok(filled)
}

/// The file from which Envoy reads the gateway's token (a file-based SDS source; JSON is YAML).
pub fn token_file(token: &str) -> String {
    json!({"resources": [{
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "weir_gateway_token",
        "generic_secret": {"secret": {"inline_string": token}},
    }]})
    .to_string()
}

/// File name of the token: Envoy goes by the ending.
pub const TOKEN_FILE: &str = "gateway-token.json";

/// Fills in the repository's bootstrap for a gateway on this machine.
pub fn local_bootstrap(template: &Path, token: &Path, gateway: u16, admin: u16, xds: u16) -> Result<String> {
    let text = std::fs::read_to_string(template).with_context(|| template.display().to_string())?;
    let (address, token) = (LOOPBACK.to_string(), token.to_str().context("the state folder's name is not UTF-8")?);
    let [gateway, admin, xds] = [gateway, admin, xds].map(|port| port.to_string());
    fill(
        &text,
        &[
            ("WEIR_GATEWAY_ADDRESS", &address),
            ("WEIR_GATEWAY_PORT", &gateway),
            ("WEIR_ENVOY_ADMIN_PORT", &admin),
            ("WEIR_XDS_ADDRESS", &address),
            ("WEIR_XDS_PORT", &xds),
            ("WEIR_TOKEN_SDS_FILE", token),
            ("WEIR_NODE_ID", "local-1"),
            ("WEIR_NODE_CLUSTER", "local"),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in() {
        let filled = fill("# ${IGNORED}\na: ${A}, ${B}${A}\nb: $1\n", &[("A", "1"), ("B", "two")]).unwrap();
        assert_eq!(filled, "a: 1, two1\nb: $1\n");
        for wrong in ["a: ${C}", "a: ${A"] {
            assert!(fill(wrong, &[("A", "1")]).is_err(), "{wrong}");
        }
    }
}
