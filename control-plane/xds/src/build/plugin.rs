use envoy_types::pb::envoy::config::core::v3::{
    AsyncDataSource, DataSource, HttpUri, RemoteDataSource, TypedExtensionConfig, async_data_source, data_source,
    http_uri,
};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::{FailurePolicy, PluginConfig, VmConfig, plugin_config};
use envoy_types::pb::google::protobuf::{BoolValue, StringValue};
use envoy_types::util::pack_any;
use serde::Serialize;
use weir_config::{
    AuthConfig, AuthSource, ChainConfig, ControlPlane, FailMode, GuardrailsConfig, MeteringConfig, ProviderConfig,
    QuotaConfig, RouteConfig, UsageSink, names, plugin,
};

use super::scalar::milliseconds;
use super::{BODY_LIMIT_BYTES, ModuleSource, Settings};
use crate::Resource;

/// All plugins share one VM in each worker: the same id, and byte for byte the same VM configuration.
const VM_ID: &str = "weir";
/// Deadline of a call of the filters to the control plane, in milliseconds.
const CALL_TIMEOUT_MS: u64 = 1000;

/// Every plugin with its settings. None of them changes with a policy: what holds for a tenant is resolved on demand, and
/// what holds for a provider travels with its endpoint.
pub(super) fn plugins(settings: &Settings) -> Vec<(String, Resource)> {
    let control_plane =
        || ControlPlane { cluster: names::CONTROL_PLANE_CLUSTER.to_owned(), timeout_ms: CALL_TIMEOUT_MS };
    let auth = AuthConfig {
        source: AuthSource::ControlPlane(control_plane()),
        principal_lifetime_s: 60,
        principal_stale_s: 600,
        unknown_key_lifetime_s: 10,
        principal_capacity: 10_000,
    };
    let quota = QuotaConfig { control_plane: control_plane(), fail_mode: FailMode::Closed, lease_percent: 10 };
    let metering = MeteringConfig {
        sink: UsageSink::ControlPlane(control_plane()),
        flush_ms: 200,
        batch_records: 500,
        outbox_records: 20_000,
        outbox_bytes: 16 * 1024 * 1024,
    };
    let route =
        RouteConfig { body_limit_bytes: BODY_LIMIT_BYTES, bodies_in_flight_bytes: settings.bodies_in_flight_bytes };
    let chain = ChainConfig {
        metering: Some(metering),
        auth: Some(auth),
        route: Some(route),
        quota: Some(quota),
        guardrails: Some(GuardrailsConfig {}),
    };
    vec![resource(plugin::CHAIN, &chain, settings), resource(plugin::PROVIDER, &ProviderConfig {}, settings)]
}

fn resource(name: &str, config: &impl Serialize, settings: &Settings) -> (String, Resource) {
    let json = serde_json::to_string(config).expect("these types have string keys and no failing serializers");
    let config = PluginConfig {
        name: name.to_owned(),
        root_id: name.to_owned(),
        configuration: Some(pack_any(StringValue { value: json })),
        // A VM that died is replaced for the next request; the streams it had are refused.
        failure_policy: FailurePolicy::FailReload.into(),
        // Without it a pause on headers holds back the body too, and the plugins read bodies before they decide.
        allow_on_headers_stop_iteration: Some(BoolValue { value: true }),
        vm: Some(plugin_config::Vm::VmConfig(vm(&settings.module))),
        ..Default::default()
    };
    let wasm =
        TypedExtensionConfig { name: name.to_owned(), typed_config: Some(pack_any(Wasm { config: Some(config) })) };
    (name.to_owned(), Resource::new(pack_any(wasm)))
}

fn vm(module: &ModuleSource) -> VmConfig {
    let source = match module {
        ModuleSource::File { path } => async_data_source::Specifier::Local(DataSource {
            specifier: Some(data_source::Specifier::Filename(path.clone())),
            ..Default::default()
        }),
        ModuleSource::ControlPlane { sha256 } => async_data_source::Specifier::Remote(RemoteDataSource {
            http_uri: Some(HttpUri {
                uri: format!("http://{}/dataplane/v1/modules/{sha256}.wasm", names::CONTROL_PLANE_CLUSTER),
                timeout: Some(milliseconds(10_000)),
                http_upstream_type: Some(http_uri::HttpUpstreamType::Cluster(names::CONTROL_PLANE_CLUSTER.to_owned())),
            }),
            sha256: sha256.clone(),
            ..Default::default()
        }),
    };
    VmConfig {
        vm_id: VM_ID.to_owned(),
        runtime: "envoy.wasm.runtime.v8".to_owned(),
        code: Some(AsyncDataSource { specifier: Some(source) }),
        // While the code is being fetched Envoy would let requests pass as if the plugin were not there. Refusing the
        // configuration instead leaves the native 503 in place; it is sent again until the code has arrived.
        nack_on_code_cache_miss: matches!(module, ModuleSource::ControlPlane { .. }),
        ..Default::default()
    }
}
