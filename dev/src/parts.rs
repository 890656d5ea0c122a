//! The parts that run, in the order in which they end.

use std::time::Duration;

use crate::control_plane::ControlPlane;
use crate::envoy::{Envoy, Unfinished};
use crate::postgres::Postgres;
use crate::state::Pids;
use crate::supervised::Supervised;

/// Everything that was started; `None` where it is not ours, or not yet.
#[derive(Default)]
pub struct Parts {
    /// The gateway.
    pub envoy: Option<(Envoy, Supervised)>,
    /// The `weir` binary.
    pub control_plane: Option<Supervised>,
    /// The demo provider.
    pub provider: Option<Supervised>,
    /// The database.
    pub postgres: Option<Supervised>,
}

impl Parts {
    /// Whether anything was started.
    pub fn any(&self) -> bool {
        self.envoy.is_some() || self.control_plane.is_some() || self.provider.is_some() || self.postgres.is_some()
    }

    /// Process ids as of now.
    pub fn pids(&self) -> Pids {
        let pid = |part: &Option<Supervised>| part.as_ref().and_then(Supervised::pid);
        Pids {
            postgres: pid(&self.postgres),
            control_plane: pid(&self.control_plane),
            envoy: self.envoy.as_ref().and_then(|(_, part)| part.pid()),
            provider: pid(&self.provider),
        }
    }

    /// Waits until a part has died or was started again; answers what to say about it.
    pub async fn changed(&mut self) -> String {
        let envoy = self.envoy.iter_mut().map(|(_, part)| part);
        let others = [&mut self.control_plane, &mut self.provider, &mut self.postgres].into_iter().flatten();
        let all = envoy.chain(others).map(|part| Box::pin(part.changed()));
        futures::future::select_all(all).await.0
    }

    /// Ends all of them: first what takes requests, last what keeps data. Answers what to say about how it went, if anything.
    pub async fn stop(&mut self, http: &reqwest::Client) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Some((envoy, mut part)) = self.envoy.take()
            && let Some(process) = part.process()
        {
            let (ended, unfinished) = envoy.stop(process, http).await;
            wrong.extend((!ended).then(|| killed(part.name)));
            wrong.extend(left_behind(unfinished));
        }
        if let Some(mut part) = self.control_plane.take()
            && let Some(process) = part.process()
            && !ControlPlane::stop(process).await
        {
            wrong.push(killed(part.name));
        }
        if let Some(mut part) = self.provider.take()
            && let Some(process) = part.process()
            && !process.stop(libc::SIGTERM, Duration::from_secs(2)).await
        {
            wrong.push(killed(part.name));
        }
        if let Some(mut part) = self.postgres.take()
            && let Some(process) = part.process()
            && !Postgres::stop(process).await
        {
            wrong.push(killed(part.name));
        }
        wrong
    }
}

/// What to say of what an Envoy had not finished.
fn left_behind(unfinished: Option<Unfinished>) -> Vec<String> {
    let Some(Unfinished { requests, records }) = unfinished else {
        return vec!["Envoy did not say what was under way; requests may be cut off, and usage records lost".into()];
    };
    let what = [(requests, "requests were cut off"), (records, "usage records are lost")];
    what.into_iter().filter(|(count, _)| *count > 0).map(|(count, text)| format!("{count} {text}")).collect()
}

fn killed(name: &str) -> String {
    format!("{name} did not end when asked and was killed")
}
