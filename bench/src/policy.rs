//! How long it takes until what an administrator saves holds on every Envoy.
//!
//! Three Envoys of one gateway are asked over and over, on connections that reach each of their workers, while policies are
//! changed one after the other. A change is enforced once every connection has got an answer by the new policy, after which
//! none by the old one came.

mod change;
mod envoy;
mod probe;
mod provider;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::Args;
use weir_dev::admin::text;

use crate::gateway::chain::Chain;
use crate::parts::{self, Parts};
use change::{Change, Kind, Tenant};
use envoy::Envoy;
use probe::{Connection, Seen};

/// A change that takes longer is an error.
const LIMIT: Duration = Duration::from_secs(10);
/// A limit of requests a minute starts anew with each minute; a change of it takes place within one.
const QUIET_END_OF_MINUTE_S: u64 = 4;

/// Measures the time from an administrator's save to its enforcement.
#[derive(Args, Debug)]
pub(crate) struct Policy {
    /// Changes, of seven kinds in turn.
    #[arg(long, default_value_t = 105)]
    changes: usize,
    /// Envoys of the gateway.
    #[arg(long, default_value_t = 3)]
    envoys: usize,
    /// Workers of each.
    #[arg(long, default_value_t = 2)]
    workers: u16,
    #[command(flatten)]
    parts: Parts,
}

/// One change that is enforced everywhere.
struct Measured {
    kind: Kind,
    /// From the beginning of the save.
    since_asked: Duration,
    /// From the answer to the save; the change may be enforced before its author has the answer.
    since_answered: Duration,
}

impl Policy {
    /// Runs it and prints its table.
    pub(crate) async fn run(&self) -> Result<()> {
        let built = self.parts.built()?;
        let folder = crate::folder()?;
        let chain = Chain::start(&built, folder.path(), self.workers).await?;
        println!("## Policy changes\n");
        parts::describe(&built, Some(text(&chain.run, "database_url")?)).await?;
        let mut envoys = vec![Envoy::of(&chain, self.workers)?];
        for number in 1..self.envoys {
            let node = format!("bench-{}", number + 1);
            envoys.push(Envoy::start(&built, folder.path(), &chain.run, &node, self.workers).await?);
        }
        let mut tenant = Tenant::create(chain.admin().await?, provider::start().await?).await?;
        chain.settle(tenant.admin()).await?;
        let mut connections = Vec::new();
        for envoy in &envoys {
            connections.extend(envoy.connect().await?);
        }
        let reached = connections.len();
        let (mut measured, mut strange) = (Vec::new(), 0);
        let mut turns = Kind::ALL.into_iter().cycle();
        while measured.len() < self.changes
            && let Some(kind) = tenant.must_undo().or_else(|| turns.next())
        {
            let (one, unexpected) = enforce(&chain, &mut tenant, kind, &mut connections).await?;
            measured.push(one);
            strange += unexpected;
        }
        println!(
            "{} changes, {} Envoys of {} workers, {reached} connections.\n",
            self.changes, self.envoys, self.workers
        );
        table(&measured);
        println!("Answers that were by neither policy: {strange}.\n");
        drop(connections);
        for envoy in envoys {
            envoy.stop().await;
        }
        chain.stop().await;
        Ok(())
    }
}

async fn enforce(
    chain: &Chain,
    tenant: &mut Tenant,
    kind: Kind,
    connections: &mut [Connection],
) -> Result<(Measured, usize)> {
    let mut change = tenant.prepare(kind).await?;
    chain.settle(tenant.admin()).await?;
    if kind == Kind::Quota {
        wait_for_room_in_the_minute().await?;
        // The one that its limit allows.
        connections[0].ask(&change.question).await?;
    }
    for connection in connections.iter_mut() {
        let shown = connection.ask(&change.question).await?;
        ensure!(change.before.is(&shown), "before {kind:?}: {shown:?} is not {:?}", change.before);
    }
    // A key that is still to be made can be asked with only once it is known.
    let (saved, seen) = if kind == Kind::NewKey {
        let saved = tenant.save(&change).await?;
        change.question = saved.question.clone().context("no key was made")?;
        let seen = watch(connections, &change).await?;
        (saved, seen)
    } else {
        let (saved, seen) = tokio::join!(tenant.save(&change), watch(connections, &change));
        (saved?, seen?)
    };
    let enforced = seen.iter().map(|seen| seen.enforced).max().context("nobody was asked")?;
    let strange: Vec<_> = seen.into_iter().flat_map(|seen| seen.strange).collect();
    for shown in strange.iter().take(3) {
        eprintln!("{kind:?}: {shown:?}");
    }
    let measured = Measured {
        kind,
        since_asked: enforced.saturating_duration_since(saved.asked),
        since_answered: enforced.saturating_duration_since(saved.answered),
    };
    Ok((measured, strange.len()))
}

/// Asks on all connections at once until each shows the change.
async fn watch(connections: &mut [Connection], change: &Change) -> Result<Vec<Seen>> {
    let asking = connections.iter_mut().map(|one| one.until(&change.question, &change.before, &change.after, LIMIT));
    futures::future::try_join_all(asking).await
}

async fn wait_for_room_in_the_minute() -> Result<()> {
    let second = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() % 60;
    if second + QUIET_END_OF_MINUTE_S > 60 {
        tokio::time::sleep(Duration::from_secs(61 - second)).await;
    }
    Ok(())
}

fn table(measured: &[Measured]) {
    println!(
        "| from the save to enforced everywhere, ms | changes | p50 | p99 | longest | p50 from the answer | p99 |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for kind in Kind::ALL {
        row(kind.name(), &measured.iter().filter(|one| one.kind == kind).collect::<Vec<_>>());
    }
    row("**all**", &measured.iter().collect::<Vec<_>>());
    println!();
}

fn row(name: &str, measured: &[&Measured]) {
    let asked: Vec<Duration> = measured.iter().map(|one| one.since_asked).collect();
    let answered: Vec<Duration> = measured.iter().map(|one| one.since_answered).collect();
    let of = |times: &[Duration], at| crate::quantile(times, at).as_secs_f64() * 1e3;
    println!(
        "| {name} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} |",
        measured.len(),
        of(&asked, 0.5),
        of(&asked, 0.99),
        of(&asked, 1.0),
        of(&answered, 0.5),
        of(&answered, 0.99),
    );
}
