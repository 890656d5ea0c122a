//! Envoy without Weir: the same listener, the same access log, one route.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use weir_dev::process::Process;

/// A running Envoy.
pub(crate) struct Bare {
    process: Process,
    pub(crate) address: SocketAddr,
}

impl Bare {
    /// Starts it in `folder` with so many workers, in front of `upstream`.
    pub(crate) async fn start(binary: &Path, folder: &Path, workers: u16, upstream: SocketAddr) -> Result<Self> {
        let [port] = weir_dev::ports::choose([("", 0)])?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let file = folder.join(format!("bare-{workers}.json"));
        std::fs::write(&file, serde_json::to_vec_pretty(&configuration(address, upstream))?)?;
        let mut command = weir_dev::envoy::command(binary);
        command.arg("--config-path").arg(&file).args(["--concurrency", &workers.to_string()]);
        command.args(["--disable-hot-restart", "--log-level", "warn"]);
        let process = Process::start("bare Envoy", command, &folder.join("bare.log"), libc::SIGKILL)?;
        for _ in 0..1200 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(Self { process, address });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("bare Envoy does not listen")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) async fn stop(mut self) {
        self.process.stop(libc::SIGTERM, Duration::from_secs(5)).await;
    }
}

fn configuration(listen: SocketAddr, upstream: SocketAddr) -> Value {
    let address = |address: SocketAddr| json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}});
    let typed = |name: &str, fields: Value| {
        let mut config = fields;
        config["@type"] = json!(format!("type.googleapis.com/{name}"));
        config
    };
    let access_log = json!({"name": "envoy.access_loggers.stdout", "typed_config": typed(
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        json!({"log_format": {"json_format": {
            "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%", "method": "%REQ(:METHOD)%", "path": "%REQ(:PATH)%",
            "status": "%RESPONSE_CODE%", "details": "%RESPONSE_CODE_DETAILS%", "flags": "%RESPONSE_FLAGS%",
            "duration_ms": "%DURATION%", "request_bytes": "%BYTES_RECEIVED%", "response_bytes": "%BYTES_SENT%",
            "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "upstream_cluster": "%UPSTREAM_CLUSTER%",
            "upstream_host": "%UPSTREAM_HOST%"}}}))});
    let router = json!({"name": "envoy.filters.http.router",
        "typed_config": typed("envoy.extensions.filters.http.router.v3.Router", json!({}))});
    let manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({"stat_prefix": "bare", "http_filters": [router], "access_log": [access_log],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "600s"}}]}]}}),
    );
    json!({
        "static_resources": {
            "listeners": [{"name": "bare", "address": address(listen), "filter_chains": [{"filters": [
                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
            "clusters": [{"name": "provider", "type": "STATIC", "connect_timeout": "2s",
                "load_assignment": {"cluster_name": "provider", "endpoints": [{"lb_endpoints": [
                    {"endpoint": {"address": address(upstream)}}]}]}}]
        }
    })
}
