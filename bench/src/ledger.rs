//! How fast usage records get from gRPC into the ledger.
//!
//! The load is that of the filters: each VM has a connection of its own and one batch under way, and sends the next when the
//! ledger has acknowledged it. All of it runs on this machine: the load, the control plane and Postgres.

mod records;
mod vm;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::json;
use sqlx::Connection;
use weir_dev::admin::text;

use crate::gateway::chain::Chain;
use crate::parts::{self, Parts};
use crate::processors::{self, Spent};
use records::Caller;
use vm::{Delivered, Vm};

const WARM_UP: Duration = Duration::from_secs(2);
const TENANTS: usize = 4;
const KEYS: usize = 5;

/// Measures the ledger: records a second, and processor time a record.
#[derive(Args, Debug)]
pub(crate) struct Ledger {
    /// Seconds of load.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// VMs of Envoys (each of their workers has one) that report at once.
    #[arg(long, default_value_t = 16)]
    vms: usize,
    /// Records in a report; the filters' default.
    #[arg(long, default_value_t = 500)]
    batch: usize,
    #[command(flatten)]
    parts: Parts,
}

impl Ledger {
    /// Runs it and prints its table.
    pub(crate) async fn run(&self) -> Result<()> {
        let built = self.parts.built()?;
        let folder = crate::folder()?;
        let chain = Chain::start(&built, folder.path(), 1).await?;
        let database_url = text(&chain.run, "database_url")?;
        println!("## Ledger\n");
        parts::describe(&built, Some(database_url)).await?;
        let callers = callers(&chain).await?;
        let mut vms = Vec::new();
        for number in 0..self.vms {
            let (address, token) = (text(&chain.run, "xds_address")?, text(&chain.run, "gateway_token")?);
            vms.push(Vm::connect(address, token, &callers, number, self.batch).await?);
        }
        println!(
            "| {} VMs, {} records a report | records a second | report p50 ms | p99 ms | CPU µs a record: control plane | Postgres | load | others used, cores |",
            self.vms, self.batch
        );
        println!("|---|---:|---:|---:|---:|---:|---:|---:|");
        let mut connection = sqlx::PgConnection::connect(database_url).await?;
        // The chain's own first request.
        let earlier = stored(&mut connection).await?;
        let (warm, _) = self.phase(&chain, &mut vms, WARM_UP, false).await?;
        let time = Duration::from_secs(self.seconds);
        let (new, spent) = self.phase(&chain, &mut vms, time, false).await?;
        row("new records", &new, &spent);
        let (again, spent) = self.phase(&chain, &mut vms, time / 2, true).await?;
        row("the same once more", &again, &spent);
        let stored = stored(&mut connection).await? - earlier;
        let acknowledged = warm.records + new.records;
        println!(
            "\nAcknowledged {acknowledged} records, and {} of them again; the ledger holds {stored}.\n",
            again.records
        );
        ensure!(stored == acknowledged as i64, "the ledger does not hold each record exactly once");
        drop(vms);
        chain.stop().await;
        Ok(())
    }

    async fn phase(&self, chain: &Chain, vms: &mut Vec<Vm>, time: Duration, again: bool) -> Result<(Delivered, Spent)> {
        let programs = [pid(chain, "control_plane")?, pid(chain, "postgres")?];
        let before = processors::read(&programs)?;
        let mut running = tokio::task::JoinSet::new();
        for mut vm in std::mem::take(vms) {
            running.spawn(async move {
                let delivered = if again { vm.repeat(time).await } else { vm.report(time).await };
                delivered.map(|delivered| (vm, delivered))
            });
        }
        let mut all = Delivered::default();
        while let Some(done) = running.join_next().await {
            let (vm, delivered) = done??;
            all.add(delivered);
            vms.push(vm);
        }
        Ok((all, before.until(&processors::read(&programs)?)))
    }
}

async fn stored(connection: &mut sqlx::PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM usage_records").fetch_one(connection).await?)
}

fn pid(chain: &Chain, part: &str) -> Result<u32> {
    let pid = chain.run["pids"][part].as_u64();
    Ok(u32::try_from(pid.ok_or_else(|| anyhow::anyhow!("run.json names no {part}"))?)?)
}

async fn callers(chain: &Chain) -> Result<Vec<Caller>> {
    let mut admin = chain.admin().await?;
    let mut callers = Vec::new();
    for number in 0..TENANTS {
        let tenant = admin.create("tenants", &json!({"name": format!("bench-{number}")})).await?;
        let tenant = text(&tenant, "id")?;
        for number in 0..KEYS {
            let key = json!({"tenant_id": tenant, "name": format!("bench-{number}")});
            let key = admin.create("api-keys", &key).await?;
            callers.push(Caller { tenant: tenant.to_owned(), key: text(&key, "id")?.to_owned() });
        }
    }
    Ok(callers)
}

fn row(what: &str, delivered: &Delivered, spent: &Spent) {
    let records = delivered.records as f64;
    let rate = records / spent.wall.as_secs_f64();
    let micros = |time: &Duration| time.as_secs_f64() * 1e6 / records;
    let quantile = |at| crate::quantile(&delivered.times, at).as_secs_f64() * 1e3;
    let costs: Vec<String> = spent.programs.iter().map(|time| format!("{:.1}", micros(time))).collect();
    let others = spent.others.as_secs_f64() / spent.wall.as_secs_f64();
    let (p50, p99) = (quantile(0.5), quantile(0.99));
    println!("| {what} | {rate:.0} | {p50:.0} | {p99:.0} | {} | {others:.2} |", costs.join(" | "));
}
