use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use secrecy::SecretString;
use weir_core::destination::AllowedHost;
use weir_core::encryption::Encryption;
use weir_store::Retention;

use crate::tls::TlsFiles;

/// How to reach and read the database.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// Postgres, as `postgres://user:password@host:port/database`. Version 15 or later.
    #[arg(long, env = "WEIR_DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// File with the master keys that encrypt provider credentials at rest: each 32 random bytes in base64, as
    /// `openssl rand -base64 32` prints them, one a line. The first one encrypts, each of them decrypts. Without them the credentials
    /// are lost.
    #[arg(long, env = "WEIR_MASTER_KEY_FILE", required_unless_present = "master_keys")]
    pub master_key_file: Option<PathBuf>,
    /// The master keys themselves, as they would stand in the file, in place of it.
    #[arg(long, env = "WEIR_MASTER_KEYS", hide_env_values = true, conflicts_with = "master_key_file")]
    pub master_keys: Option<SecretString>,
}

impl DatabaseSettings {
    pub(crate) fn encryption(&self) -> anyhow::Result<Encryption> {
        if let Some(keys) = &self.master_keys {
            return Encryption::from_base64(keys).context("the master keys (WEIR_MASTER_KEYS) are of no use");
        }
        let path = self.master_key_file.as_deref().context("there is no master key (WEIR_MASTER_KEY_FILE)")?;
        let shown = path.display();
        let keys = std::fs::read_to_string(path)
            .with_context(|| format!("the master keys {shown} (WEIR_MASTER_KEY_FILE) cannot be read"))?;
        Encryption::from_base64(&SecretString::from(keys))
            .with_context(|| format!("the master keys {shown} (WEIR_MASTER_KEY_FILE) are of no use"))
    }
}

impl ServeSettings {
    pub(crate) fn http_tls(&self) -> Option<TlsFiles> {
        let files = self.http_tls_cert_file.clone().zip(self.http_tls_key_file.clone());
        files.map(|(certificate, key)| TlsFiles { certificate, key, client_authorities: None })
    }

    pub(crate) fn grpc_tls(&self) -> Option<TlsFiles> {
        let files = self.grpc_tls_cert_file.clone().zip(self.grpc_tls_key_file.clone());
        let client_authorities = self.grpc_tls_client_ca_file.clone();
        files.map(|(certificate, key)| TlsFiles { certificate, key, client_authorities })
    }
}

/// How the control plane serves.
#[derive(Args, Clone, Debug)]
pub struct ServeSettings {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Leaves the schema as it is, for a role of the database that may not change it. If it lacks what this version needs, the start is
    /// refused: run `weir migrate` before.
    #[arg(long, env = "WEIR_NO_MIGRATE")]
    pub no_migrate: bool,
    /// Where the admin API, `/docs`, `/health`, `/ready` and `/metrics` are served.
    #[arg(long, env = "WEIR_HTTP_ADDR", default_value = "127.0.0.1:18081")]
    pub http_addr: SocketAddr,
    /// Certificate chain in PEM under which that port speaks TLS. Read again when it changes.
    #[arg(long, env = "WEIR_HTTP_TLS_CERT_FILE", requires = "http_tls_key_file")]
    pub http_tls_cert_file: Option<PathBuf>,
    /// Its private key in PEM.
    #[arg(long, env = "WEIR_HTTP_TLS_KEY_FILE", requires = "http_tls_cert_file")]
    pub http_tls_key_file: Option<PathBuf>,
    /// Where `/metrics` is served alone, without TLS, so that the admin API's port does not have it. By default it stands there.
    #[arg(long, env = "WEIR_METRICS_ADDR")]
    pub metrics_addr: Option<SocketAddr>,
    /// Folder of the console's files, as `npm run build` makes them in `ui/dist`. Without it the console is the one that was built
    /// in (feature `embed-console`), and if there is none, `/` leads to the interactive documentation.
    #[arg(long, env = "WEIR_CONSOLE_DIR")]
    pub console_dir: Option<PathBuf>,
    /// Where the control plane reaches a gateway, for the console's playground: `http://gateway.example:18080`. The console shows
    /// it to its users as the address for apps. By default nowhere.
    #[arg(long, env = "WEIR_GATEWAY_URL")]
    pub gateway_url: Option<String>,
    /// How many connections are held at a time on the port of the admin API; further ones wait until one ends. One on which
    /// no request was under way for 30 s is closed, and a request that takes more than a minute or two is cut.
    #[arg(long, env = "WEIR_HTTP_CONNECTIONS", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub http_connections: u32,
    /// How many reverse proxies of your own stand before the admin API: so many entries at the right of `X-Forwarded-For` are
    /// believed. With 0, attempts to sign in are counted by the address that connects.
    #[arg(long, env = "WEIR_HTTP_TRUSTED_PROXIES", default_value_t = 0)]
    pub http_trusted_proxies: u8,
    /// Where Envoys connect: xDS, `weir.dataplane.v1` and the wasm module, all on one port.
    #[arg(long, env = "WEIR_GRPC_ADDR", default_value = "127.0.0.1:18082")]
    pub grpc_addr: SocketAddr,
    /// Certificate chain in PEM under which that port speaks TLS. Read again when it changes.
    #[arg(long, env = "WEIR_GRPC_TLS_CERT_FILE", requires = "grpc_tls_key_file")]
    pub grpc_tls_cert_file: Option<PathBuf>,
    /// Its private key in PEM.
    #[arg(long, env = "WEIR_GRPC_TLS_KEY_FILE", requires = "grpc_tls_cert_file")]
    pub grpc_tls_key_file: Option<PathBuf>,
    /// Authorities in PEM of which Envoys must have a certificate there, besides their token.
    #[arg(long, env = "WEIR_GRPC_TLS_CLIENT_CA_FILE", requires = "grpc_tls_cert_file")]
    pub grpc_tls_client_ca_file: Option<PathBuf>,
    /// How many connections are held at a time on the port that Envoys connect to, as with `WEIR_HTTP_CONNECTIONS`. An Envoy
    /// needs one for its configuration and one for each worker; on a new start it has the old ones beside for a moment.
    #[arg(long, env = "WEIR_GRPC_CONNECTIONS", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub grpc_connections: u32,
    /// Days for which the audit log is kept.
    #[arg(long, env = "WEIR_AUDIT_DAYS", default_value_t = Retention::default().audit_days, value_parser = clap::value_parser!(u16).range(1..))]
    pub audit_days: u16,
    /// Days for which the ledger's single records are kept, and their sums by quarter-hour.
    #[arg(long, env = "WEIR_USAGE_DAYS", default_value_t = Retention::default().usage_days, value_parser = clap::value_parser!(u16).range(2..))]
    pub usage_days: u16,
    /// Days for which the sums of usage by day are kept.
    #[arg(long, env = "WEIR_USAGE_SUM_DAYS", default_value_t = Retention::default().usage_sum_days, value_parser = clap::value_parser!(u16).range(2..))]
    pub usage_sum_days: u16,
    /// Hosts that tenants' own admins may name as providers although they are inside your network, separated by commas:
    /// `vllm.models.svc.cluster.local`, `*.models.internal` (every name below), `10.0.0.7`. By default none: private addresses, names
    /// without a domain and names such as `x.internal`, `x.svc` or `x.lan` are for platform admins.
    #[arg(long, env = "WEIR_TENANT_PROVIDER_HOSTS", value_delimiter = ',')]
    pub tenant_provider_hosts: Vec<AllowedHost>,
    /// The filters, as built for `wasm32-wasip1`.
    #[arg(long, env = "WEIR_MODULE_FILE")]
    pub module_file: PathBuf,
    /// Path of the same module on the machines of the Envoys. By default Envoys fetch it from the control plane.
    #[arg(long, env = "WEIR_ENVOY_MODULE_FILE")]
    pub envoy_module_file: Option<String>,
    /// Path, on the machines of the Envoys, of the authorities that providers' certificates may come from.
    #[arg(long, env = "WEIR_ENVOY_CA_FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    pub envoy_ca_file: String,
    /// Port of the listener `weir.listener`, for Envoys that take it by LDS. The bootstrap's own listener does not use it.
    #[arg(long, env = "WEIR_ENVOY_LISTENER_PORT", default_value_t = 18080)]
    pub envoy_listener_port: u16,
    /// Bytes of request bodies that one worker of an Envoy holds at a time; beyond them requests are refused with
    /// `gateway_overloaded`. At least 50 MiB, the largest body. Keep workers x 2 x this below the heap that Envoy may have
    /// (`max_heap_size_bytes` of its overload manager).
    #[arg(long, env = "WEIR_ENVOY_BODIES_IN_FLIGHT_BYTES", default_value_t = 256 * 1024 * 1024,
          value_parser = clap::value_parser!(u64).range(weir_xds::BODY_LIMIT_BYTES..))]
    pub envoy_bodies_in_flight_bytes: u64,
}
