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
/// How long its admin interface may be silent before it is not waited for: compiling filters keeps its thread for a while.
const SILENCE: Duration = Duration::from_secs(3);
/// For one answer of its admin interface.
const ANSWER: Duration = Duration::from_secs(1);

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

/// The command for an Envoy of this binary, without arguments.
///
/// Its allocator (tcmalloc) keeps free memory for each processor where it may register restartable sequences. From 2.35 on glibc
/// registers them for itself unless it is told not to; then the allocator keeps more, for each thread, and is slower.
pub fn command(binary: &Path) -> Command {
    const TUNABLES: &str = "GLIBC_TUNABLES";
    let mut command = Command::new(binary);
    if let Some(tunables) = tunables(&std::env::var(TUNABLES).unwrap_or_default()) {
        command.env(TUNABLES, tunables);
    }
    command
}

/// What glibc is to be told besides `told`, which its user told it; `None` if that says it already.
fn tunables(told: &str) -> Option<String> {
    const NO_RSEQ: &str = "glibc.pthread.rseq=0";
    match told {
        "" => Some(NO_RSEQ.to_owned()),
        told if told.contains("glibc.pthread.rseq=") => None,
        told => Some(format!("{told}:{NO_RSEQ}")),
    }
}

impl Envoy {
    /// Base URL of its admin interface.
    pub fn admin_url(&self) -> String {
        format!("http://{LOOPBACK}:{}", self.admin_port)
    }

    /// Starts it without waiting.
    pub fn spawn(&self) -> Result<Process> {
        let mut command = command(&self.binary);
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
    /// finish, usage is delivered; each for a bounded time. Answers whether it ended when asked, and what was not finished;
    /// `None` if its admin interface did not say, or it died meanwhile.
    pub async fn stop(&self, process: &mut Process, http: &reqwest::Client) -> (bool, Option<Unfinished>) {
        let unfinished = tokio::select! {
            unfinished = self.drain(http) => unfinished,
            _ = process.ended() => None,
        };
        (process.stop(libc::SIGTERM, STOP).await, unfinished)
    }

    /// What is left when all has come to its end or the time is up; `None` if Envoy does not say.
    async fn drain(&self, http: &reqwest::Client) -> Option<Unfinished> {
        // Answers close their connections from now on; new ones are still taken, for whoever has not heard of it yet.
        self.command(http, "drain_listeners?graceful&skip_exit").await?;
        let farewell = Instant::now() + FAREWELL;
        while self.figures(http).await.is_none_or(|now| now.connections > 0) && Instant::now() < farewell {
            tokio::time::sleep(POLL).await;
        }
        self.command(http, "drain_listeners").await?;
        let begin = Instant::now();
        let (drained, flushed) = (begin + DRAIN, begin + DRAIN + FLUSH);
        loop {
            let unfinished = self.figures(http).await.map(|now| now.unfinished);
            let deadline = if unfinished.is_some_and(|it| it.requests > 0) { drained } else { flushed };
            // Silence is no end: what it hides may still be under way.
            if unfinished == Some(Unfinished::default()) || Instant::now() > deadline {
                return unfinished;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Has it do something; `None` if it does not take the command for a while.
    async fn command(&self, http: &reqwest::Client, path: &str) -> Option<()> {
        let silence = Instant::now() + SILENCE;
        loop {
            let request = http.post(format!("{}/{path}", self.admin_url())).timeout(ANSWER);
            if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Some(());
            }
            if Instant::now() > silence {
                return None;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How it is now; `None` if Envoy does not say.
    async fn figures(&self, http: &reqwest::Client) -> Option<Figures> {
        let url = format!("{}/stats?filter=downstream_(cx%7Crq)_active%7Cweir_usage_records", self.admin_url());
        let answer = http.get(url).timeout(ANSWER).send().await.ok()?;
        figures(&answer.error_for_status().ok()?.text().await.ok()?)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Figures {
    /// Connections of clients.
    connections: u64,
    unfinished: Unfinished,
}

/// Reads Envoy's statistics; `None` if these are none of its: at least our own question is under way.
fn figures(stats: &str) -> Option<Figures> {
    stats.lines().find(|line| line.starts_with("http.admin.downstream_rq_active: "))?;
    let sum = |wanted: &dyn Fn(&str) -> bool| -> u64 {
        let lines = stats.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(name, _)| wanted(name)).filter_map(|(_, value)| value.trim().parse::<u64>().ok()).sum()
    };
    let records = |which: &str| sum(&|name| name.ends_with(&format!("weir_usage_records_{which}")));
    // The admin interface counts our own question.
    let http = |which: &str| {
        sum(&|name| name.starts_with("http.") && !name.starts_with("http.admin.") && name.ends_with(which))
    };
    Some(Figures {
        connections: http(".downstream_cx_active"),
        unfinished: Unfinished {
            requests: http(".downstream_rq_active"),
            records: records("taken").saturating_sub(records("stored") + records("rejected")),
        },
    })
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::{get, post};
    use http::StatusCode;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn glibc_is_told_to_leave_restartable_sequences_alone_unless_its_user_decides() {
        for (told, expect) in [
            ("", Some("glibc.pthread.rseq=0")),
            ("glibc.malloc.check=1", Some("glibc.malloc.check=1:glibc.pthread.rseq=0")),
            ("glibc.pthread.rseq=1", None),
        ] {
            assert_eq!(tunables(told).as_deref(), expect, "{told}");
        }
    }

    #[test]
    fn what_is_not_finished_is_read_from_statistics() {
        let stats = "http.admin.downstream_rq_active: 1\nhttp.weir.downstream_rq_active: 2\n\
                     http.weir.downstream_cx_active: 4\nlistener.127.0.0.1_1.downstream_cx_active: 4\n\
                     wasmcustom.weir_usage_records_rejected: 1\nwasmcustom.weir_usage_records_stored: 5\n\
                     wasmcustom.weir_usage_records_taken: 9\n";
        let unfinished = Unfinished { requests: 2, records: 3 };
        assert_eq!(figures(stats), Some(Figures { connections: 4, unfinished }));
        assert_eq!(figures(""), None);
    }

    /// An admin interface that gives these answers to what is asked of its figures, in order; the last repeats.
    async fn admin_that_says(answers: &'static [(u16, &'static str)]) -> Envoy {
        let asked = Arc::new(AtomicUsize::new(0));
        let stats = move || {
            let (status, text) = answers[asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)];
            async move { (StatusCode::from_u16(status).unwrap(), text) }
        };
        let router = Router::new().route("/stats", get(stats)).route("/drain_listeners", post(|| async {}));
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let admin_port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        envoy_at(admin_port)
    }

    fn envoy_at(admin_port: u16) -> Envoy {
        let nowhere = PathBuf::new;
        Envoy { binary: nowhere(), bootstrap: nowhere(), log: nowhere(), admin_port, concurrency: 1 }
    }

    #[tokio::test]
    async fn silence_is_not_taken_for_an_end() {
        const BUSY: &str = "http.admin.downstream_rq_active: 1\nhttp.weir.downstream_rq_active: 1\n";
        const IDLE: &str = "http.admin.downstream_rq_active: 1\nhttp.weir.downstream_rq_active: 0\n";
        let http = crate::admin::http_client().unwrap();
        // Each answer to the first question ends the farewell; the others are asked for until one of them says the end.
        static ANSWERS: [(u16, &str); 5] = [(200, IDLE), (503, ""), (200, ""), (200, BUSY), (200, IDLE)];
        let begin = Instant::now();
        let envoy = admin_that_says(&ANSWERS).await;
        assert_eq!(envoy.drain(&http).await, Some(Unfinished::default()));
        assert!(begin.elapsed() >= 3 * POLL, "it did not wait for the last answer");

        // A port that was free a moment ago.
        let closed = TcpListener::bind((LOOPBACK, 0)).await.unwrap().local_addr().unwrap().port();
        assert_eq!(envoy_at(closed).drain(&http).await, None);
    }

    #[tokio::test]
    async fn an_envoy_that_dies_while_it_drains_is_not_waited_for() {
        static BUSY: [(u16, &str); 1] =
            [(200, "http.admin.downstream_rq_active: 1\nhttp.weir.downstream_rq_active: 1\n")];
        let folder = tempfile::tempdir().unwrap();
        let mut process =
            Process::start("true", Command::new("true"), &folder.path().join("true.log"), libc::SIGKILL).unwrap();
        let http = crate::admin::http_client().unwrap();
        assert_eq!(admin_that_says(&BUSY).await.stop(&mut process, &http).await, (true, None));
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
