//! The control plane's part.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::TcpListenerStream;
use uuid::Uuid;
use weir_core::gateway::Gateway;
use weir_core::node::NodeEvent;
use weir_xds::{Ads, ModuleSource, Publisher, Settings};

use crate::{Scale, policy, quantile};

pub(crate) async fn run(scale: &Scale) {
    let publisher = Publisher::new(Settings::new(ModuleSource::File { path: scale.module.clone() }));
    let (reports, mut reported) = mpsc::unbounded_channel();
    let (_stop, stopping) = watch::channel(false);
    let (_changed, gateways_changed) = watch::channel(0);
    let ads = Ads::new(publisher.clone(), Arc::new(authenticate), reports, gateways_changed, stopping);
    let listener = TcpListener::bind(("127.0.0.1", scale.port)).await.expect("a port");
    println!("http://{}", listener.local_addr().expect("an address"));
    let server = tonic::transport::Server::builder().add_service(AggregatedDiscoveryServiceServer::new(ads));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let mut snapshot = policy::initial(scale);
    let begin = Instant::now();
    publisher.publish(&snapshot);
    println!("first snapshot: {} ms", begin.elapsed().as_millis());

    let mut complete = false;
    let mut orders = orders();
    let mut saved: BTreeMap<u64, Instant> = BTreeMap::from([(1, Instant::now())]);
    let mut sent: BTreeMap<String, u64> = BTreeMap::new();
    let mut applied: BTreeMap<String, u64> = BTreeMap::new();
    let mut times = (Vec::new(), Vec::new(), Vec::new());
    let mut cpu = (Instant::now(), cpu_seconds());
    loop {
        tokio::select! {
            order = orders.recv() => match order.as_deref() {
                Some("begin") => {
                    println!("before the changes: {} MB resident, {} at most", status_mb("VmRSS"), status_mb("VmHWM"));
                    cpu = (Instant::now(), cpu_seconds());
                    times = (Vec::new(), Vec::new(), Vec::new());
                }
                Some("change") => {
                    let owner = policy::change(scale, &mut snapshot);
                    let own = policy::of(&snapshot, owner);
                    let begin = Instant::now();
                    saved.insert(snapshot.revision, begin);
                    publisher.publish_owners(&own, &BTreeSet::from([owner]), snapshot.revision);
                    times.2.push(begin.elapsed());
                }
                Some(_) | None => break,
            },
            Some(report) = reported.recv() => {
                let (told, times, revision) = match report.event {
                    NodeEvent::Sent { revision } => (&mut sent, &mut times.0, revision),
                    NodeEvent::Applied { revision } => (&mut applied, &mut times.1, revision),
                    _ => continue,
                };
                // One that jumps over revisions has got all between.
                let before = told.insert(report.node_id, revision).unwrap_or(revision - 1);
                times.extend(saved.range(before + 1..=revision).map(|(_, saved)| saved.elapsed()));
                let all_are_there = revision == 1 && sent.len() == scale.envoys && sent.values().all(|sent| *sent == 1);
                if all_are_there && !complete {
                    complete = true;
                    println!("every Envoy has the first revision after {} ms", saved[&1].elapsed().as_millis());
                }
            }
        }
    }
    let elapsed = cpu.0.elapsed();
    for (name, times) in [("sent", &mut times.0), ("acknowledged", &mut times.1), ("published", &mut times.2)] {
        let (p50, p99, most) = (quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1.0));
        println!("saved → {name}: {} of them, p50 {p50:.1?}, p99 {p99:.1?}, at most {most:.1?}", times.len());
    }
    println!("CPU: {:.2} of one core", (cpu_seconds() - cpu.1) / elapsed.as_secs_f64());
    println!("memory: {} MB resident, {} at most", status_mb("VmRSS"), status_mb("VmHWM"));
}

/// Lines of the standard input.
fn orders() -> mpsc::UnboundedReceiver<String> {
    let (sender, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    orders
}

/// A token is `all`, or the number of a tenant.
fn authenticate(
    token: String,
) -> futures::future::BoxFuture<'static, Result<Option<Gateway>, weir_xds::AuthenticationUnavailable>> {
    let tenant_id = token.parse().ok().map(policy::tenant);
    Box::pin(async move {
        Ok(Some(Gateway {
            id: Uuid::from_u128(7),
            name: "gateway".into(),
            tenant_id,
            trusted_hops: 0,
            trusts_forwarded_certificates: false,
            ways_in: Default::default(),
        }))
    })
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // utime and stime are the 12th and 13th after the name, which may have blanks, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Duration::from_millis(10).as_secs_f64() * ticks
}

fn status_mb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
