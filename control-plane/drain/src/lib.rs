//! `weir gateway drain`: ends the work of an Envoy so that nothing is lost, by Envoy's admin interface.
//!
//! Envoy itself quits at once when it is asked to. Here clients are told to go elsewhere, requests under way finish, their usage is
//! delivered and what is held of limits is given back; each for a bounded time. Envoy's silence is no end: what it hides may still be under
//! way.

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(100);
/// For one answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How long the admin interface may be silent: compiling filters keeps its thread for a while.
const SILENCE: Duration = Duration::from_secs(10);
/// How long usage may stay undelivered without any progress: longer than the longest wait between two attempts. After a change of the
/// module its counters begin anew, and their difference may never become 0.
const FLUSH: Duration = Duration::from_secs(7);
/// An Envoy without requests gives back what it holds of limits within one; a little more.
const LEASES: Duration = Duration::from_secs(2);

/// How to do it.
#[derive(Args, Debug, Clone)]
pub struct DrainSettings {
    /// Envoy's admin interface.
    #[arg(long, default_value = "http://127.0.0.1:19000")]
    pub admin_url: String,
    /// For how many seconds clients are told to go elsewhere before no more connections are taken: as long as a load balancer needs to
    /// notice.
    #[arg(long, default_value_t = 5)]
    pub farewell_seconds: u64,
    /// How many seconds requests under way may take at most. Streams may take minutes.
    #[arg(long, default_value_t = 300)]
    pub timeout_seconds: u64,
    /// Ends Envoy when it is done, or the time is over.
    #[arg(long)]
    pub quit: bool,
    /// Begins when it is asked to end itself (SIGTERM): as a container beside Envoy's, which is asked at the same time as that.
    #[arg(long)]
    pub on_sigterm: bool,
}

/// What was not finished.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Requests under way.
    pub requests: u64,
    /// Usage records of which it is not known that the ledger has them.
    pub records: u64,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// It does not answer, or not as an Envoy would.
    #[error("Envoy's admin interface at {0} does not answer; nothing is known of what was under way")]
    Silent(String),
    /// There is no client.
    #[error("no HTTP client")]
    Client(#[source] reqwest::Error),
    /// Signals cannot be waited for.
    #[error("signals cannot be waited for")]
    Signals(#[source] std::io::Error),
}

/// Drains it, and says what was not finished.
pub async fn drain(settings: &DrainSettings) -> Result<Unfinished, DrainError> {
    let envoy = Envoy::of(settings)?;
    if settings.on_sigterm {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).map_err(DrainError::Signals)?.recv().await;
    }
    let unfinished = envoy.drain(settings).await;
    if settings.quit {
        envoy.post("quitquitquit").await?;
    }
    unfinished
}

struct Envoy {
    http: reqwest::Client,
    url: String,
}

impl Envoy {
    fn of(settings: &DrainSettings) -> Result<Self, DrainError> {
        let http = reqwest::Client::builder().timeout(ANSWER).no_proxy().build().map_err(DrainError::Client)?;
        Ok(Self { http, url: settings.admin_url.trim_end_matches('/').to_owned() })
    }

    async fn drain(&self, settings: &DrainSettings) -> Result<Unfinished, DrainError> {
        self.post("drain_listeners?graceful&skip_exit").await?;
        let farewell = Instant::now() + Duration::from_secs(settings.farewell_seconds);
        // Whoever is about to connect is no connection yet: a pod that ends is still among its Service's for a moment.
        let is_awaited = |now: Figures| settings.on_sigterm || now.connections > 0;
        while Instant::now() < farewell && self.figures().await.is_none_or(is_awaited) {
            sleep(POLL).await;
        }
        self.post("drain_listeners").await?;
        let deadline = Instant::now() + Duration::from_secs(settings.timeout_seconds);
        let (mut heard, mut moved, mut last) = (Instant::now(), Instant::now(), None);
        loop {
            if let Some(Figures { unfinished, .. }) = self.figures().await {
                heard = Instant::now();
                if last != Some(unfinished) {
                    (last, moved) = (Some(unfinished), heard);
                }
                let delivered = unfinished.records == 0 || moved.elapsed() > FLUSH;
                if unfinished.requests == 0 && delivered && moved.elapsed() > LEASES {
                    return Ok(unfinished);
                }
                // Usage of the last request may still be to come.
                let over = if unfinished.requests > 0 { deadline } else { deadline + FLUSH };
                if Instant::now() > over {
                    return Ok(unfinished);
                }
            } else if heard.elapsed() > SILENCE {
                return Err(DrainError::Silent(self.url.clone()));
            }
            sleep(POLL).await;
        }
    }

    async fn post(&self, path: &str) -> Result<(), DrainError> {
        let begin = Instant::now();
        loop {
            let answer = self.http.post(format!("{}/{path}", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if begin.elapsed() > SILENCE {
                return Err(DrainError::Silent(self.url.clone()));
            }
            sleep(POLL).await;
        }
    }

    /// How it is now; `None` if Envoy does not say.
    async fn figures(&self) -> Option<Figures> {
        let url = format!("{}/stats?filter=downstream_(cx%7Crq)_active%7Cweir_usage_records", self.url);
        let answer = self.http.get(url).send().await.ok()?;
        figures(&answer.error_for_status().ok()?.text().await.ok()?)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Figures {
    /// Of clients.
    connections: u64,
    unfinished: Unfinished,
}

/// Reads Envoy's statistics; `None` if these are none of its: at least our own question is under way. What the chart's port for probes
/// has under way is no client's.
fn figures(stats: &str) -> Option<Figures> {
    stats.lines().find(|line| line.starts_with("http.admin.downstream_rq_active: "))?;
    let sum = |wanted: &dyn Fn(&str) -> bool| -> u64 {
        let lines = stats.lines().filter_map(|line| line.split_once(": "));
        let values = lines.filter(|(name, _)| wanted(name)).filter_map(|(_, value)| value.trim().parse::<u64>().ok());
        values.fold(0, u64::saturating_add)
    };
    let records = |which: &str| sum(&|name| name.ends_with(&format!("weir_usage_records_{which}")));
    let of_clients = |name: &str| !name.starts_with("http.admin.") && !name.starts_with("http.weir_health.");
    let http = |which: &str| sum(&|name| name.starts_with("http.") && of_clients(name) && name.ends_with(which));
    Some(Figures {
        connections: http(".downstream_cx_active"),
        unfinished: Unfinished {
            requests: http(".downstream_rq_active"),
            records: records("taken").saturating_sub(records("stored").saturating_add(records("rejected"))),
        },
    })
}

#[cfg(test)]
mod tests;
