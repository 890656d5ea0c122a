use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tonic::service::Routes;
use weir_api::{ApiState, Console, Gateway, RenderMetrics};
use weir_core::destination::AllowedHosts;
use weir_dataplane::{ChangeHub, Gateways, Module, Progress, chain};
use weir_proto::dataplane::data_plane_server::DataPlaneServer;
use weir_store::{Retention, Store};
use weir_xds::{Ads, ModuleSource, Publisher, Settings};

use crate::changes::{self, Followers};
use crate::connections::{self, Limits, stopped};
use crate::database::Schema;
use crate::policies::Policies;
use crate::tls::{Tls, TlsFiles};
use crate::{
    ServeSettings, audit, authentication, database, limit_events, module_file, nodes, open_files, setup, telemetry,
};

/// How long requests that are under way may take to finish at the end.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// Largest message from an Envoy, in bytes: a batch of usage records.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// How often the ledger's partitions are made, a week ahead, and what has expired is deleted.
const MAINTENANCE: Duration = Duration::from_secs(60 * 60);
/// Wait after that failed.
const MAINTENANCE_RETRY: Duration = Duration::from_secs(60);
/// How long a connection may be without a request under way, on both ports.
const SILENCE: Duration = Duration::from_secs(30);
/// Connections at a time on the port of the metrics, if they have one of their own.
const METRICS_CONNECTIONS: u32 = 32;
/// How long a request of an administrator may take, its body and its answer included. A query has 30 s.
const LONGEST_REQUEST: Duration = Duration::from_secs(60);

/// Runs the control plane until it is told to end (SIGTERM or SIGINT).
pub async fn serve(settings: ServeSettings) -> anyhow::Result<()> {
    let module = Module::new(module_file::read(&settings.module_file)?);
    let follow = |port, files: Option<TlsFiles>, variable| {
        let tls = files.map(|files| Tls::follow(port, files)).transpose();
        tls.with_context(|| {
            format!("the TLS of the {port} port ({variable}_CERT_FILE, {variable}_KEY_FILE) is of no use")
        })
    };
    let http_tls = follow("http", settings.http_tls(), "WEIR_HTTP_TLS")?;
    let grpc_tls = follow("grpc", settings.grpc_tls(), "WEIR_GRPC_TLS")?;
    let console = match &settings.console_dir {
        Some(folder) => Console::read(folder)?,
        None => Console::embedded()?,
    };
    let gateway = settings.gateway_url.as_deref().map(Gateway::at).transpose();
    let gateway = gateway.context("WEIR_GATEWAY_URL cannot be used")?;
    let metrics = telemetry::metrics()?;
    open_files::allow(u64::from(settings.http_connections) + u64::from(settings.grpc_connections))?;
    let (stop, stopping) = watch::channel(false);
    let ended = tokio::spawn(async move {
        let name = end_signal().await;
        tracing::info!(signal = name, "ending");
        stop.send_replace(true);
    });
    // Bound before the database is waited for, so that a taken port is known at once.
    let http = bind(settings.http_addr, "WEIR_HTTP_ADDR").await?;
    let grpc = bind(settings.grpc_addr, "WEIR_GRPC_ADDR").await?;
    let metrics_port = match settings.metrics_addr {
        Some(address) => Some(bind(address, "WEIR_METRICS_ADDR").await?),
        None => None,
    };
    let schema = if settings.no_migrate { Schema::Check } else { Schema::Migrate };
    let store = tokio::select! {
        store = database::connect_and_see_to(&settings.database, schema) => store?,
        () = stopped(stopping.clone()) => return Ok(()),
    };
    let store =
        store.with_allowed_hosts(AllowedHosts::new(settings.tenant_provider_hosts.clone())).with_retention(Retention {
            audit_days: settings.audit_days,
            usage_days: settings.usage_days,
            usage_sum_days: settings.usage_sum_days,
        });

    setup::offer(&store, if http_tls.is_some() { "https" } else { "http" }, settings.http_addr).await?;

    let snapshot = store.snapshot().await.context("the policy cannot be read")?;
    let revision = snapshot.revision;
    let mut policies = Policies::new(Publisher::new(xds_settings(&settings, &module)));
    policies.publish(snapshot);
    let publisher = policies.publisher();
    let hub = ChangeHub::new(revision);
    let gateways = Gateways::new(store.clone());
    let (reports, received) = mpsc::unbounded_channel();
    let progress = Progress::new(&reports);

    let mut background = JoinSet::new();
    let followers = Followers { policies, hub: hub.clone(), gateways: gateways.clone() };
    background.spawn(changes::follow(store.clone(), followers, revision));
    background.spawn(maintain(store.clone()));
    background.spawn(audit::seal(store.clone()));
    background.spawn(limit_events::note(store.clone()));
    background.spawn(weir_api::watch_issuer_keys(store.clone(), Some(settings.envoy_ca_file.clone().into())));
    let upkeep = metrics.clone();
    background.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    let recorder = tokio::spawn(nodes::record(store.clone(), progress.clone(), received));

    let by_token = authentication::by_token(gateways.clone());
    let ads = Ads::new(publisher, by_token, reports, gateways.changes(), stopping.clone());
    let dataplane = weir_dataplane::Service::new(store.clone(), gateways.clone(), hub, progress, stopping.clone());
    let envoys = Routes::new(AggregatedDiscoveryServiceServer::new(ads).max_decoding_message_size(MOST_BYTES))
        .add_service(DataPlaneServer::new(dataplane).max_decoding_message_size(MOST_BYTES))
        .prepare()
        .into_axum_router()
        .merge(weir_dataplane::router(module, gateways.clone()));
    let envoys = weir_dataplane::guarded(envoys, gateways);
    let render: RenderMetrics = Arc::new(move || metrics.render());
    let admin = weir_api::router(ApiState {
        store: store.clone(),
        metrics: metrics_port.is_none().then(|| render.clone()),
        trusted_proxies: settings.http_trusted_proxies,
        console,
        stopping: stopping.clone(),
        upstream_ca_file: Some(settings.envoy_ca_file.clone().into()),
        gateway,
    });

    tracing::info!(http = %settings.http_addr, grpc = %settings.grpc_addr, revision, "the control plane serves");
    let limits = |connections, longest| Limits { connections, silence: SILENCE, longest };
    let http_limits = limits(settings.http_connections, Some(LONGEST_REQUEST));
    // Envoys hold their streams open for ever.
    let grpc_limits = limits(settings.grpc_connections, None);
    let serving = async {
        tokio::join!(
            connections::serve("http", http, http_tls, admin, http_limits, stopping.clone()),
            connections::serve("grpc", grpc, grpc_tls, envoys, grpc_limits, stopping.clone()),
            async {
                if let Some(port) = metrics_port {
                    let metrics = weir_api::metrics_router(render);
                    let metrics_limits = limits(METRICS_CONNECTIONS, Some(LONGEST_REQUEST));
                    connections::serve("metrics", port, None, metrics, metrics_limits, stopping.clone()).await;
                }
            },
        )
    };
    let too_late = async {
        stopped(stopping.clone()).await;
        tokio::time::sleep(SHUTDOWN).await;
    };
    tokio::select! {
        _ = serving => {}
        () = too_late => tracing::warn!("some requests did not finish in time"),
    }
    background.shutdown().await;
    // What Envoys did last, above all that they disconnected; the database may be away.
    let _ = tokio::time::timeout(Duration::from_secs(2), recorder).await;
    let _ = tokio::time::timeout(Duration::from_secs(2), store.close()).await;
    ended.abort();
    tracing::info!("ended");
    Ok(())
}

fn xds_settings(settings: &ServeSettings, module: &Module) -> Settings {
    let module = match &settings.envoy_module_file {
        Some(path) => ModuleSource::File { path: path.clone() },
        None => ModuleSource::ControlPlane { sha256: module.sha256().to_owned() },
    };
    Settings {
        module,
        upstream_ca_file: settings.envoy_ca_file.clone(),
        listener_port: settings.envoy_listener_port,
        tenant_provider_hosts: AllowedHosts::new(settings.tenant_provider_hosts.clone()),
        bodies_in_flight_bytes: settings.envoy_bodies_in_flight_bytes,
    }
}

async fn bind(address: std::net::SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address} ({variable}) cannot be listened on"))
}

async fn maintain(store: Store) {
    loop {
        let wait = match store.maintain(Utc::now()).await {
            Ok(()) => MAINTENANCE,
            Err(error) => {
                let error = chain(&error);
                tracing::error!(error, "maintenance of the database failed");
                MAINTENANCE_RETRY
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Waits for the first signal that asks the process to end.
async fn end_signal() -> &'static str {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be listened for");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
