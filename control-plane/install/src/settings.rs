use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How Weir gets into an Envoy that has listeners already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Behind the routes of the Envoy's own listeners, with their TLS and access log: a route that names the cluster `weir_gateway`
    /// leads there.
    InternalListener,
    /// On an address and port of its own.
    OwnPort,
    /// In a listener of the Envoy's, as a filter chain of its own for hosts that clients ask for by SNI (`--sni`).
    Sni,
}

/// What to print.
#[derive(Args, Debug, Clone)]
pub struct EnvoySettings {
    /// The bootstrap, in YAML, of an Envoy that is to run Weir besides what it does. Without it: one that runs Weir alone.
    #[arg(long)]
    pub bootstrap: Option<PathBuf>,
    /// Prints how the file changes, as `patch` takes it, and not the file.
    #[arg(long, requires = "bootstrap")]
    pub diff: bool,
    /// How Weir gets into it.
    #[arg(long, value_enum, default_value_t = Form::InternalListener, requires = "bootstrap")]
    pub form: Form,
    /// With `--form sni`: the host that clients ask for. Can be repeated.
    #[arg(long, required_if_eq("form", "sni"))]
    pub sni: Vec<String>,
    /// With `--form sni`: the listener, by its name. It must look for SNI already (`envoy.filters.listener.tls_inspector`).
    #[arg(long, required_if_eq("form", "sni"))]
    pub listener: Option<String>,
    /// With `--form sni`: the hosts' certificate with its chain, in PEM, on Envoy's machine.
    #[arg(long, required_if_eq("form", "sni"))]
    pub certificate: Option<String>,
    /// With `--form sni`: its private key.
    #[arg(long, required_if_eq("form", "sni"))]
    pub private_key: Option<String>,
    /// The control plane, as Envoy reaches its port for Envoys: `host:port`.
    #[arg(long, default_value = "127.0.0.1:18082")]
    pub control_plane: String,
    /// TLS to the control plane: where the authority that its certificate is of is on Envoy's machine, in PEM. The certificate must be for
    /// the host of `--control-plane`. Without it nothing on that way is encrypted, the gateway's token and providers' credentials included.
    #[arg(long)]
    pub control_plane_ca: Option<String>,
    /// Where the gateway's token is on Envoy's machine: what `weir gateway create --sds` printed, in a file that only Envoy can read.
    #[arg(long, default_value = "/etc/weir/gateway-token.yaml")]
    pub token_file: String,
    /// Where apps connect, in an Envoy of Weir's alone and with `--form own-port`: `address:port`.
    #[arg(long, default_value = "0.0.0.0:18080")]
    pub listen: String,
    /// Port of the admin interface, on loopback, of an Envoy of Weir's alone.
    #[arg(long, default_value_t = 19000)]
    pub admin_port: u16,
    /// This Envoy's own name, where the bootstrap has none. `--service-node` on Envoy's command line goes before it.
    #[arg(long, default_value = "weir-1")]
    pub node_id: String,
    /// The name of its fleet, where the bootstrap has none.
    #[arg(long, default_value = "weir")]
    pub node_cluster: String,
    /// How many bytes an Envoy of Weir's alone may allocate.
    #[arg(long, default_value_t = 2 << 30)]
    pub max_heap_bytes: u64,
    /// The Envoy that is to read it: its version is looked at, and it is asked whether it accepts the result. The token's file must be
    /// there.
    #[arg(long)]
    pub envoy: Option<PathBuf>,
}
