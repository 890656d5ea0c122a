use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::core::v3::{
    AsyncDataSource, DataSource, HttpUri, RemoteDataSource, TypedExtensionConfig, async_data_source, data_source,
    http_uri,
};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::{FailurePolicy, PluginConfig, VmConfig, plugin_config};
use envoy_types::pb::google::protobuf::{Any, BoolValue, StringValue};
use envoy_types::util::pack_any;
use serde::Serialize;
use uuid::Uuid;
use weir_config::{
    AuthConfig, AuthSource, ControlPlane, CredentialPlacement, Deployment, FailMode, GuardrailsConfig, MeteringConfig,
    ProviderConfig, ProviderSchema, QuotaConfig, RouteConfig, UsageSink, names, plugin,
};
use weir_core::snapshot::{BaseUrl, Member, Pool, Provider, Snapshot};

use super::scalar::milliseconds;
use super::{ModuleSource, Settings, members};
use crate::{Resource, resource::version_of};

/// All plugins share one VM in each worker: the same id, and byte for byte the same VM configuration.
const VM_ID: &str = "weir";
/// Deadline of a call of the filters to the control plane, in milliseconds.
const CALL_TIMEOUT_MS: u64 = 1000;

/// A plugin's configuration, for any revision.
pub(super) struct Plugin {
    name: &'static str,
    json: Box<dyn Fn(u64) -> String>,
}

impl Plugin {
    fn new<T: Serialize + 'static>(name: &'static str, config: impl Fn(u64) -> T + 'static) -> Self {
        let json = move |revision| {
            serde_json::to_string(&config(revision)).expect("these types have string keys and no failing serializers")
        };
        Self { name, json: Box::new(json) }
    }

    /// The version says nothing of the revision, so that a change elsewhere leaves the plugin alone.
    pub(super) fn resource(&self, revision: u64, settings: &Settings) -> (String, Resource) {
        let version = version_of(&self.body(0, settings));
        (self.name.to_owned(), Resource { version, body: self.body(revision, settings) })
    }

    fn body(&self, revision: u64, settings: &Settings) -> Any {
        let config = PluginConfig {
            name: self.name.to_owned(),
            root_id: self.name.to_owned(),
            configuration: Some(pack_any(StringValue { value: (self.json)(revision) })),
            // A VM that died is replaced for the next request; the streams it had are refused.
            failure_policy: FailurePolicy::FailReload.into(),
            // Without it a pause on headers holds back the body too, and the plugins read bodies before they decide.
            allow_on_headers_stop_iteration: Some(BoolValue { value: true }),
            vm: Some(plugin_config::Vm::VmConfig(vm(&settings.module))),
            ..Default::default()
        };
        pack_any(TypedExtensionConfig {
            name: self.name.to_owned(),
            typed_config: Some(pack_any(Wasm { config: Some(config) })),
        })
    }
}

/// Every plugin, with what holds in this scope.
pub(super) fn plugins(snapshot: &Snapshot, pools: &[&Pool], providers: &BTreeMap<Uuid, &Provider>) -> Vec<Plugin> {
    let control_plane =
        || ControlPlane { cluster: names::CONTROL_PLANE_CLUSTER.to_owned(), timeout_ms: CALL_TIMEOUT_MS };
    let profiles: BTreeMap<_, _> =
        snapshot.guardrail_profiles.iter().map(|(id, profile)| (id.to_string(), profile.clone())).collect();
    let deployments: BTreeMap<_, _> = pools
        .iter()
        .flat_map(|pool| members(pool, providers))
        .map(|(member, provider)| (member.deployment_id.to_string(), deployment(member, provider)))
        .collect();
    vec![
        Plugin::new(plugin::AUTH, move |revision| AuthConfig {
            revision,
            source: AuthSource::ControlPlane(control_plane()),
            principal_lifetime_s: 60,
            principal_stale_s: 600,
            unknown_key_lifetime_s: 10,
            principal_capacity: 10_000,
        }),
        Plugin::new(plugin::ROUTE, |revision| RouteConfig { revision, body_limit_bytes: 50 * 1024 * 1024 }),
        Plugin::new(plugin::QUOTA, move |revision| QuotaConfig {
            revision,
            control_plane: control_plane(),
            fail_mode: FailMode::Closed,
            lease_percent: 10,
        }),
        Plugin::new(plugin::GUARDRAILS, move |revision| GuardrailsConfig { revision, profiles: profiles.clone() }),
        Plugin::new(plugin::METERING, move |revision| MeteringConfig {
            revision,
            sink: UsageSink::ControlPlane(control_plane()),
            flush_ms: 200,
            batch_records: 500,
            outbox_records: 20_000,
        }),
        Plugin::new(plugin::PROVIDER, move |revision| ProviderConfig { revision, deployments: deployments.clone() }),
    ]
}

/// The request header into which a deployment's credential is put.
pub(super) fn credential_slot(deployment_id: Uuid) -> String {
    format!("{}{deployment_id}", names::CREDENTIAL_SLOT_PREFIX)
}

fn deployment(member: &Member, provider: &Provider) -> Deployment {
    let (header, prefix) = match provider.schema {
        ProviderSchema::OpenAi => ("authorization", "Bearer "),
        ProviderSchema::Anthropic => ("x-api-key", ""),
    };
    Deployment {
        provider_id: provider.id.to_string(),
        provider_name: provider.name.clone(),
        schema: provider.schema,
        authority: authority(&provider.base_url),
        scheme: if provider.base_url.tls { "https" } else { "http" }.to_owned(),
        path_prefix: provider.base_url.path_prefix.clone(),
        model: member.model.clone(),
        credential: provider.credential.is_some().then(|| CredentialPlacement {
            slot: credential_slot(member.deployment_id),
            header: header.to_owned(),
            prefix: prefix.to_owned(),
        }),
        price: member.price.clone(),
    }
}

/// Without the scheme's own port, as clients write it (RFC 9110, 4.2.3).
fn authority(url: &BaseUrl) -> String {
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    match (url.tls, url.port) {
        (true, 443) | (false, 80) => host,
        (_, port) => format!("{host}:{port}"),
    }
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
