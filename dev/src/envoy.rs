//! Envoy, with the bootstrap that the control plane's users get.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::time::Instant;

use crate::process::Process;
use crate::settings::LOOPBACK;

/// How long clients are told to go elsewhere before no more connections are taken.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long requests under way may take to finish at the end.
const DRAIN: Duration = Duration::from_secs(5);
/// How long usage may take to be delivered after the last request: longer than the longest wait between two attempts.
const FLUSH: Duration = Duration::from_secs(7);
const STOP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// What an Envoy had not finished when it was ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Requests under way.
    pub requests: u64,
    /// Usage records that the ledger does not have.
    pub records: u64,
}

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
        command.args(["--disable-hot-restart", "--log-level", "info"]);
        // Every answer of an Envoy that ends closes its connection, not only more and more of them.
        command.args(["--drain-time-s", "5", "--drain-strategy", "immediate"]);
        Process::start("Envoy", command, &self.log, libc::SIGTERM)
    }

    /// Whether it says that it is ready: it serves, and its configuration arrived or was given up on for now.
    pub async fn is_ready(&self, http: &reqwest::Client) -> bool {
        let answer = http.get(format!("{}/ready", self.admin_url())).timeout(Duration::from_secs(1)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Ends it as an operator should: Envoy itself quits at once when it is asked to. Clients are sent away, requests under way
    /// finish, usage is delivered; each for a bounded time. Answers whether it ended when asked, and what was not finished.
    pub async fn stop(&self, process: &mut Process, http: &reqwest::Client) -> (bool, Unfinished) {
        let unfinished = self.drain(http).await;
        (process.stop(libc::SIGTERM, STOP).await, unfinished)
    }

    async fn drain(&self, http: &reqwest::Client) -> Unfinished {
        // Answers close their connections from now on; new ones are still taken, for whoever has not heard of it yet.
        if !self.command(http, "drain_listeners?graceful&skip_exit").await {
            return Unfinished::default();
        }
        let farewell = Instant::now() + FAREWELL;
        while self.figures(http).await.connections > 0 && Instant::now() < farewell {
            tokio::time::sleep(POLL).await;
        }
        self.command(http, "drain_listeners").await;
        let begin = Instant::now();
        let (drained, flushed) = (begin + DRAIN, begin + DRAIN + FLUSH);
        loop {
            let unfinished = self.figures(http).await.unfinished;
            let deadline = if unfinished.requests > 0 { drained } else { flushed };
            if unfinished == Unfinished::default() || Instant::now() > deadline {
                return unfinished;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn command(&self, http: &reqwest::Client, path: &str) -> bool {
        let request = http.post(format!("{}/{path}", self.admin_url())).timeout(Duration::from_secs(1));
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// How it is now; all 0 if Envoy does not say.
    async fn figures(&self, http: &reqwest::Client) -> Figures {
        let url = format!("{}/stats?filter=downstream_(cx%7Crq)_active%7Cweir_usage_records", self.admin_url());
        let Ok(answer) = http.get(url).timeout(Duration::from_secs(1)).send().await else { return Figures::default() };
        figures(&answer.text().await.unwrap_or_default())
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    /// Connections of clients.
    connections: u64,
    unfinished: Unfinished,
}

/// Reads Envoy's statistics.
fn figures(stats: &str) -> Figures {
    let sum = |wanted: &dyn Fn(&str) -> bool| -> u64 {
        let lines = stats.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(name, _)| wanted(name)).filter_map(|(_, value)| value.trim().parse::<u64>().ok()).sum()
    };
    let records = |which: &str| sum(&|name| name.ends_with(&format!("weir_usage_records_{which}")));
    // The admin interface counts our own question.
    let http = |which: &str| {
        sum(&|name| name.starts_with("http.") && !name.starts_with("http.admin.") && name.ends_with(which))
    };
    Figures {
        connections: http(".downstream_cx_active"),
        unfinished: Unfinished {
            requests: http(".downstream_rq_active"),
            records: records("taken").saturating_sub(records("stored") + records("rejected")),
        },
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
pub fn local_bootstrap(
    template: &Path,
    token: &Path,
    [gateway, admin, xds]: [u16; 3],
    max_heap_bytes: u64,
) -> Result<String> {
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
            ("WEIR_ENVOY_MAX_HEAP_BYTES", &max_heap_bytes.to_string()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finished_is_read_from_statistics() {
        let stats = "http.admin.downstream_rq_active: 1\nhttp.weir.downstream_rq_active: 2\n\
                     http.weir.downstream_cx_active: 4\nlistener.127.0.0.1_1.downstream_cx_active: 4\n\
                     wasmcustom.weir_usage_records_rejected: 1\nwasmcustom.weir_usage_records_stored: 5\n\
                     wasmcustom.weir_usage_records_taken: 9\n";
        let unfinished = Unfinished { requests: 2, records: 3 };
        assert_eq!(figures(stats), Figures { connections: 4, unfinished });
        assert_eq!(figures(""), Figures::default());
    }

    #[test]
    fn placeholders_are_filled_in() {
        let filled = fill("# ${IGNORED}\na: ${A}, ${B}${A}\nb: $1\n", &[("A", "1"), ("B", "two")]).unwrap();
        assert_eq!(filled, "a: 1, two1\nb: $1\n");
        for wrong in ["a: ${C}", "a: ${A"] {
            assert!(fill(wrong, &[("A", "1")]).is_err(), "{wrong}");
        }
    }
}
