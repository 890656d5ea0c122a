//! What the whole chain costs over Envoy alone.
//!
//! Both run side by side in front of the same provider and are measured in turns, so that what else happens on the machine
//! meets both. Processor time is Envoy's own, as the kernel counts it, and includes everything that Envoy does: its side of
//! both connections, the access log, and the filters.

pub(crate) mod bare;
pub(crate) mod chain;
pub(crate) mod load;
pub(crate) mod process;
pub(crate) mod upstream;
pub(crate) mod ways;

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use serde_json::json;

use bare::Bare;
use chain::Chain;
use load::{Connection, Question};
use upstream::CHUNKS;
pub(crate) use upstream::WHOLE as WHOLE_ANSWER;

use crate::parts::Parts;

pub(crate) const MODEL: &str = "gpt-4o";
const WARM_UP: Duration = Duration::from_secs(2);
/// Between two requests at the low rate: 20 a second to each gateway.
const PACE: Duration = Duration::from_millis(50);

/// Measures the gateway: requests, latency, streams, memory.
#[derive(Args, Debug)]
pub(crate) struct Gateway {
    /// Seconds of load in each round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds, each of bare Envoy and of the chain.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections of the load.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Streams at once.
    #[arg(long, default_value_t = 100)]
    streams: usize,
    /// Requests at the low rate.
    #[arg(long, default_value_t = 200)]
    paced: usize,
    /// Only this part, for a profiler: `load`, `latency`, `streams` or `memory`.
    #[arg(long)]
    only: Option<String>,
    #[command(flatten)]
    parts: Parts,
}

/// One of the two that are compared.
struct Side {
    name: &'static str,
    pid: u32,
    question: Question,
    stream: Question,
}

impl Gateway {
    /// Runs it and prints its tables.
    pub(crate) async fn run(&self) -> Result<()> {
        let built = self.parts.built()?;
        let envoy = weir_dev::tools::Tools::at(&built.tools).envoy()?;
        let folder = crate::folder()?;
        let upstream = upstream::start().await?;
        println!("## Gateway\n");
        let wanted = |part: &str| self.only.as_deref().is_none_or(|only| only == part);
        for workers in [1, 4] {
            if workers == 4 && !wanted("memory") {
                continue;
            }
            let bare = Bare::start(&envoy, folder.path(), workers, upstream).await?;
            let chain = Chain::start(&built, folder.path(), workers).await?;
            let key = chain.tenant(upstream, MODEL).await?;
            let sides = [
                side("bare Envoy", bare.pid(), bare.address, &key),
                side("Weir's chain", chain.pid()?, chain.address, &key),
            ];
            if workers == 1 {
                self.measure(&sides, &wanted).await?;
            }
            if wanted("memory") {
                self.memory(workers, &sides).await?;
            }
            chain.stop().await;
            bare.stop().await;
        }
        Ok(())
    }

    async fn measure(&self, sides: &[Side; 2], wanted: &dyn Fn(&str) -> bool) -> Result<()> {
        for side in sides {
            load::closed_loop(&side.question, self.connections, WARM_UP).await?;
        }
        if wanted("load") {
            self.load(sides).await?;
        }
        if wanted("latency") {
            self.latency(sides).await?;
        }
        if wanted("streams") {
            self.streams(sides).await?;
        }
        Ok(())
    }

    /// Requests a second and processor time a request, one worker.
    async fn load(&self, sides: &[Side; 2]) -> Result<()> {
        let mut rates = [Vec::new(), Vec::new()];
        let mut costs = [Vec::new(), Vec::new()];
        for _ in 0..self.rounds {
            for ((side, rates), costs) in sides.iter().zip(&mut rates).zip(&mut costs) {
                let before = process::cpu(side.pid)?;
                let (answers, time) =
                    load::closed_loop(&side.question, self.connections, Duration::from_secs(self.seconds)).await?;
                let used = process::cpu(side.pid)?.saturating_sub(before);
                rates.push(answers as f64 / time.as_secs_f64());
                costs.push(microseconds(used) / answers as f64);
            }
        }
        table(
            sides,
            "Whole answers, one worker",
            &[("requests a second", rates.map(median)), ("CPU µs a request", costs.map(median))],
        );
        Ok(())
    }

    /// Time to the whole answer and to a stream's first byte, at a low rate, in turns.
    async fn latency(&self, sides: &[Side; 2]) -> Result<()> {
        let mut whole = [Vec::new(), Vec::new()];
        let mut first = [Vec::new(), Vec::new()];
        let mut connections = Vec::new();
        for side in sides {
            connections.push((Connection::open(&side.question).await?, &side.stream));
        }
        let mut pace = tokio::time::interval(PACE / 2);
        for _ in 0..self.paced {
            for ((connection, _), times) in connections.iter_mut().zip(&mut whole) {
                pace.tick().await;
                times.push(milliseconds(connection.ask().await?.took));
            }
        }
        for _ in 0..self.paced {
            for ((_, stream), times) in connections.iter().zip(&mut first) {
                pace.tick().await;
                // Only its beginning is waited for.
                times.push(milliseconds(Connection::open(stream).await?.first_byte().await?));
            }
        }
        let quantiles = |times: &[Vec<f64>; 2], at: f64| [quantile(&times[0], at), quantile(&times[1], at)];
        table(
            sides,
            "20 requests a second, one worker",
            &[
                ("whole answer, p50 ms", quantiles(&whole, 0.5)),
                ("whole answer, p99 ms", quantiles(&whole, 0.99)),
                ("a stream's first byte, p50 ms", quantiles(&first, 0.5)),
                ("a stream's first byte, p99 ms", quantiles(&first, 0.99)),
            ],
        );
        Ok(())
    }

    /// Processor time for each piece of a stream.
    async fn streams(&self, sides: &[Side; 2]) -> Result<()> {
        let mut costs = [Vec::new(), Vec::new()];
        let mut arrived = [Vec::new(), Vec::new()];
        for _ in 0..self.rounds {
            for ((side, costs), arrived) in sides.iter().zip(&mut costs).zip(&mut arrived) {
                let before = process::cpu(side.pid)?;
                let pieces = load::streams(&side.stream, self.streams).await?;
                let used = process::cpu(side.pid)?.saturating_sub(before);
                costs.push(microseconds(used) / (self.streams * CHUNKS) as f64);
                arrived.push(pieces as f64 / (self.streams * CHUNKS) as f64);
            }
        }
        let title = format!("{} streams of {CHUNKS} pieces at once, one worker", self.streams);
        table(
            sides,
            &title,
            &[
                ("CPU µs a piece, its share of the request included", costs.map(median)),
                ("writes that reached the client, for each piece", arrived.map(median)),
            ],
        );
        Ok(())
    }

    /// Resident memory when idle, after load, and after bodies of 1 MB.
    async fn memory(&self, workers: u16, sides: &[Side; 2]) -> Result<()> {
        let resident = || -> Result<[f64; 2]> {
            Ok([megabytes(process::resident(sides[0].pid)?), megabytes(process::resident(sides[1].pid)?)])
        };
        let idle = resident()?;
        for side in sides {
            load::closed_loop(&side.question, self.connections, Duration::from_secs(self.seconds)).await?;
        }
        let loaded = resident()?;
        for side in sides {
            let large = Question { body: body(1_000_000, false), ..side.question.clone() };
            load::closed_loop(&large, 8, Duration::from_secs(self.seconds)).await?;
        }
        let large = resident()?;
        let title = format!("Resident memory, {workers} worker(s)");
        table(
            sides,
            &title,
            &[
                ("before load, MB", idle),
                ("after 1 KB requests, MB", loaded),
                ("after 1 MB requests, 8 at once, MB", large),
            ],
        );
        Ok(())
    }
}

fn side(name: &'static str, pid: u32, gateway: std::net::SocketAddr, key: &str) -> Side {
    let question = Question { gateway, key: key.to_owned(), besides: Vec::new(), body: body(1000, false) };
    Side { name, pid, stream: Question { body: body(1000, true), ..question.clone() }, question }
}

/// A chat request of about so many bytes.
pub(crate) fn body(size: usize, stream: bool) -> Bytes {
    const TEXT: &str = "Please explain to a colleague who has never operated one what a service mesh does for a fleet of \
        programs, which part of it sits beside each program, and what it costs in latency and in memory. ";
    let text: String = TEXT.chars().cycle().take(size.saturating_sub(180)).collect();
    let body = json!({"model": MODEL, "messages": [
        {"role": "system", "content": "You are a patient engineer. Answer in two sentences."},
        {"role": "user", "content": text}], "temperature": 0.2, "stream": stream});
    Bytes::from(body.to_string())
}

fn table(sides: &[Side; 2], title: &str, rows: &[(&str, [f64; 2])]) {
    println!("| {title} | {} | {} | more by | ratio |", sides[0].name, sides[1].name);
    println!("|---|---:|---:|---:|---:|");
    for (what, [bare, chain]) in rows {
        println!("| {what} | {bare:.2} | {chain:.2} | {:.2} | {:.2} |", chain - bare, chain / bare);
    }
    println!();
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn median(values: Vec<f64>) -> f64 {
    quantile(&values, 0.5)
}

/// The value below which this part of all lie (the nearest rank).
fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (at * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
