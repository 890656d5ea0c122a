//! Instructions that Envoy executes for a request and for a piece of a stream.
//!
//! Processor time depends on what else a machine does and on its caches; this does not, so that two builds can be compared where
//! their times cannot. Envoy runs under `valgrind --tool=callgrind`, which counts the instructions of all its threads, those that
//! V8 compiled too, but none of the kernel's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use weir_dev::tools::Tools;

use crate::gateway::bare::Bare;
use crate::gateway::chain::{Built, Chain};
use crate::gateway::load::{Connection, Question};
use crate::gateway::upstream::CHUNKS;
use crate::gateway::ways::{Way, ways};
use crate::gateway::{self, process, upstream};
use crate::parts::Parts;

/// How often it is looked whether V8 still compiles, and the share of that time below which it does not.
const LOOK: Duration = Duration::from_secs(5);
const IDLE: f64 = 0.2;
/// Looks until it must have compiled all.
const LOOKS: usize = 60;

/// Counts the instructions of a request and of a piece of a stream. Needs valgrind.
#[derive(Args, Debug)]
pub(crate) struct Instructions {
    /// Requests that are counted, one after the other.
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// Streams that are counted, one after the other.
    #[arg(long, default_value_t = 3)]
    streams: usize,
    #[command(flatten)]
    parts: Parts,
}

impl Instructions {
    /// Runs it and prints its table.
    pub(crate) async fn run(&self) -> Result<()> {
        let built = self.parts.built()?;
        let folder = crate::folder()?;
        let envoy = counted_envoy(folder.path(), &Tools::at(&built.tools).envoy()?)?;
        let upstream = upstream::start().await?;
        let bare = Bare::start(&envoy, folder.path(), 1, upstream).await?;
        let bare_counts = self.count(folder.path(), bare.pid(), bare.address, "").await?;
        bare.stop().await;
        let built = Built { envoy: Some(envoy), ..built };
        let chain = Chain::start(&built, folder.path(), 1).await?;
        let key = chain.tenant(upstream, gateway::MODEL).await?;
        let chain_counts = self.count(folder.path(), chain.pid()?, chain.address, &key).await?;
        let ways = self.count_ways(folder.path(), &chain, &key).await?;
        chain.stop().await;
        println!("## Instructions, one worker\n\n| thousands | bare Envoy | Weir's chain | more by | ratio |");
        println!("|---|---:|---:|---:|---:|");
        let rows = ["a request", "a piece of a stream, its share of the request included"];
        for ((what, bare), chain) in rows.iter().zip(bare_counts).zip(chain_counts) {
            let [bare, chain] = [bare, chain].map(|count| count / 1000.0);
            println!("| {what} | {bare:.1} | {chain:.1} | {:.1} | {:.2} |", chain - bare, chain / bare);
        }
        println!("\n| thousands a request | | more than by a key |\n|---|---:|---:|");
        let by_key = ways.first().map_or(0.0, |(_, count)| *count);
        for (name, count) in ways {
            println!("| {name} | {:.1} | {:.1} |", count / 1000.0, (count - by_key) / 1000.0);
        }
        println!();
        Ok(())
    }

    /// For a request in each way of showing who one is.
    async fn count_ways(&self, folder: &Path, chain: &Chain, key: &str) -> Result<Vec<(&'static str, f64)>> {
        chain.know_ways().await?;
        let question = |way: &Way| Question {
            gateway: chain.address,
            key: way.bearer.clone(),
            besides: way.besides.clone(),
            body: gateway::body(1000, false),
        };
        let ways = ways(key);
        for way in &ways {
            served(&question(way)).await?;
        }
        chain.restrict_alike().await?;
        let pid = chain.pid()?;
        let mut counts = Vec::new();
        for way in &ways {
            let mut connection = served(&question(way)).await?;
            for _ in 0..self.requests {
                connection.ask().await?;
            }
            until_idle(pid).await?;
            let counter = Counter { folder, pid };
            counter.begin()?;
            for _ in 0..self.requests {
                connection.ask().await?;
            }
            counts.push((way.name, counter.end()? / self.requests as f64));
        }
        Ok(counts)
    }

    /// For a request, and for a piece of a stream.
    async fn count(&self, folder: &Path, pid: u32, gateway: std::net::SocketAddr, key: &str) -> Result<[f64; 2]> {
        let question =
            |stream| Question { gateway, key: key.to_owned(), besides: Vec::new(), body: gateway::body(1000, stream) };
        served(&question(false)).await?;
        until_idle(pid).await?;
        let mut connection = served(&question(false)).await?;
        for _ in 0..self.requests {
            connection.ask().await?;
        }
        let counter = Counter { folder, pid };
        counter.begin()?;
        for _ in 0..self.requests {
            connection.ask().await?;
        }
        let whole = counter.end()? / self.requests as f64;
        let mut connection = served(&question(true)).await?;
        counter.begin()?;
        for _ in 0..self.streams {
            connection.ask().await?;
        }
        Ok([whole, counter.end()? / (self.streams * CHUNKS) as f64])
    }
}

/// A program that is Envoy under callgrind, not counting yet.
fn counted_envoy(folder: &Path, envoy: &Path) -> Result<PathBuf> {
    ensure!(Command::new("valgrind").arg("--version").output().is_ok(), "valgrind is not installed");
    let path = folder.join("counted-envoy");
    let output = folder.join("callgrind.%p");
    let options = "--tool=callgrind --instr-atstart=no --smc-check=all-non-file";
    let script = format!(
        "#!/bin/sh\nexec valgrind {options} --callgrind-out-file='{}' '{}' \"$@\"\n",
        output.display(),
        envoy.display()
    );
    fs::write(&path, script)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// A connection that got an answer: under valgrind the first requests may wait longer for the control plane than they do.
async fn served(question: &Question) -> Result<Connection> {
    let mut last = None;
    for _ in 0..LOOKS {
        let mut connection = Connection::open(question).await?;
        match connection.ask().await {
            Ok(_) => return Ok(connection),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(LOOK / 10).await;
    }
    Err(last.context("nothing was asked")?)
}

/// Waits until V8 has compiled the filters for speed, which it does while they already run.
async fn until_idle(pid: u32) -> Result<()> {
    for _ in 0..LOOKS {
        let before = process::cpu(pid)?;
        tokio::time::sleep(LOOK).await;
        if process::cpu(pid)?.saturating_sub(before).as_secs_f64() < IDLE * LOOK.as_secs_f64() {
            return Ok(());
        }
    }
    bail!("Envoy is never idle")
}

/// Counts what one process executes.
struct Counter<'a> {
    folder: &'a Path,
    pid: u32,
}

impl Counter<'_> {
    fn begin(&self) -> Result<()> {
        self.control(&["--zero"])?;
        self.control(&["--instr=on"])
    }

    /// Instructions since the beginning.
    fn end(&self) -> Result<f64> {
        self.control(&["--instr=off"])?;
        let known = self.parts()?.len();
        self.control(&["--dump"])?;
        let parts = self.parts()?;
        ensure!(parts.len() > known, "callgrind wrote nothing");
        let last = parts.last().context("callgrind wrote nothing")?;
        let text = String::from_utf8_lossy(&fs::read(last)?).into_owned();
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).context("callgrind wrote no total")?;
        Ok(total.trim().parse()?)
    }

    fn control(&self, command: &[&str]) -> Result<()> {
        let status = Command::new("callgrind_control").args(command).arg(self.pid.to_string()).output()?.status;
        ensure!(status.success(), "callgrind_control {command:?} failed");
        Ok(())
    }

    /// What callgrind has written so far, in its order.
    fn parts(&self) -> Result<Vec<PathBuf>> {
        let prefix = format!("callgrind.{}.", self.pid);
        let mut parts = Vec::new();
        for entry in fs::read_dir(self.folder)? {
            let path = entry?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.strip_prefix(&prefix)?.parse::<u32>().ok());
            parts.extend(number.map(|number| (number, path)));
        }
        parts.sort();
        Ok(parts.into_iter().map(|(_, path)| path).collect())
    }
}
