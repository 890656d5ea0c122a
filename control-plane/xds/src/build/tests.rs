use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, CustomClusterType},
};
use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::config::route::v3::{RouteConfiguration, VirtualHost, route::Action};
use envoy_types::pb::envoy::extensions::clusters::dns::v3::DnsCluster;
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::{
    JwtAuthentication, jwt_requirement::RequiresType, requirement_rule::RequirementType,
};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{Secret, UpstreamTlsContext};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::google::protobuf::{StringValue, value};
use prost::Message;
use weir_config::{Capabilities, Deployment, Price, names, plugin};
use weir_core::capabilities::CapabilityOverrides;
use weir_core::snapshot::{BaseUrl, Member};
use weir_llm::Schema;

use super::*;
use crate::resource::version_of;

const TENANT: Uuid = Uuid::from_u128(9);

fn provider(id: u128, host: &str, tls: bool, credential: Option<&str>) -> Provider {
    Provider {
        id: Uuid::from_u128(id),
        tenant_id: None,
        name: format!("provider-{id}"),
        schema: Schema::named(if id == 1 { "openai" } else { "anthropic" }).unwrap(),
        base_url: BaseUrl {
            tls,
            host: host.into(),
            port: if tls { 443 } else { 8080 },
            path_prefix: if tls { "" } else { "/api/v3" }.into(),
        },
        credential: credential.map(Into::into),
        authentication: None,
        query: String::new(),
        also_speaks: vec![],
        preset: None,
        capabilities: CapabilityOverrides::NONE,
    }
}

fn pool(id: u128, providers: &[u128]) -> Pool {
    let member = |provider: &u128| Member {
        deployment_id: Uuid::from_u128(id * 100 + provider),
        provider_id: Uuid::from_u128(*provider),
        model: "model".into(),
        price: Some(Price { version: "1".into(), ..Default::default() }),
        next_prices: Vec::new(),
        capabilities: CapabilityOverrides::NONE,
    };
    Pool {
        id: Uuid::from_u128(id),
        tenant_id: None,
        name: "pool".into(),
        members: providers.iter().map(member).collect(),
        first_byte_timeout_ms: 1500,
        idle_timeout_ms: 60_000,
        request_timeout_ms: 120_000,
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        revision: 7,
        providers: vec![provider(1, "api.example.com", true, Some("sk-1")), provider(2, "127.0.0.1", false, None)],
        pools: vec![pool(3, &[1, 2]), pool(4, &[2])],
        token_issuers: vec![],
        unreadable: vec![],
    }
}

fn settings() -> Settings {
    Settings::new(ModuleSource::ControlPlane { sha256: "ab".repeat(32) })
}

fn built(snapshot: &Snapshot) -> ResourceSet {
    build(snapshot, &settings(), Scope::Everyone)
}

fn get<T: Message + Default>(set: &ResourceSet, kind: ResourceType, name: &str) -> T {
    T::decode(set.get(kind, name).expect(name).body.value.as_slice()).unwrap()
}

fn cluster(set: &ResourceSet, name: &str) -> Cluster {
    get(set, ResourceType::Cluster, name)
}

fn custom_type(cluster: &Cluster) -> Option<CustomClusterType> {
    match cluster.cluster_discovery_type.clone()? {
        ClusterDiscoveryType::ClusterType(custom) => Some(custom),
        ClusterDiscoveryType::Type(_) => None,
    }
}

fn plugin_json(set: &ResourceSet, name: &str) -> String {
    let config: TypedExtensionConfig = get(set, ResourceType::Plugin, name);
    let wasm = Wasm::decode(config.typed_config.unwrap().value.as_slice()).unwrap();
    StringValue::decode(wasm.config.unwrap().configuration.unwrap().value.as_slice()).unwrap().value
}

#[test]
fn versions_do_not_depend_on_the_order_of_maps() {
    let first = built(&snapshot());
    for _ in 0..100 {
        assert_eq!(built(&snapshot()), first);
    }
}

#[test]
fn names_are_those_that_the_filters_and_the_bootstrap_expect() {
    let set = built(&snapshot());
    let check = |kind, expect: &[&str]| {
        let names: Vec<&str> = set.all(kind).map(|(name, _)| &**name).collect();
        assert_eq!(names, expect, "{kind:?}");
    };
    check(
        ResourceType::Cluster,
        &[
            "weir.deployment.00000000-0000-0000-0000-00000000012d",
            "weir.deployment.00000000-0000-0000-0000-00000000012e",
            "weir.pool.00000000-0000-0000-0000-000000000003",
            "weir.pool.00000000-0000-0000-0000-000000000004",
        ],
    );
    check(ResourceType::Secret, &["weir.credential.00000000-0000-0000-0000-000000000001"]);
    check(ResourceType::Route, &["weir.routes"]);
    check(
        ResourceType::VirtualHost,
        &["weir.routes/00000000-0000-0000-0000-000000000003", "weir.routes/00000000-0000-0000-0000-000000000004"],
    );
    check(ResourceType::Listener, &["weir.listener"]);
    check(ResourceType::Plugin, &["weir.chain", "weir.provider", "weir.tokens"]);
}

#[test]
fn a_deployment_checks_that_it_speaks_to_its_own_host() {
    let set = built(&snapshot());
    let tls = cluster(&set, "weir.deployment.00000000-0000-0000-0000-00000000012d");
    let socket = tls.transport_socket.expect("https");
    let Some(envoy_types::pb::envoy::config::core::v3::transport_socket::ConfigType::TypedConfig(config)) =
        socket.config_type
    else {
        panic!("typed")
    };
    let context = UpstreamTlsContext::decode(config.value.as_slice()).unwrap();
    assert_eq!(context.sni, "api.example.com");
    let debug = format!("{:?}", context.common_tls_context.unwrap().validation_context_type);
    assert!(debug.contains(r#"Exact("api.example.com")"#) && debug.contains("ca-certificates.crt"), "{debug}");
    assert!(cluster(&set, "weir.deployment.00000000-0000-0000-0000-00000000012e").transport_socket.is_none());
}

/// A resolver's search domains would lead a tenant's name into the operator's network.
#[test]
fn a_tenants_name_is_looked_up_as_it_stands() {
    let check = |tenant_id, host: &str, expect: &str| {
        let mut snapshot = snapshot();
        snapshot.providers[1].tenant_id = tenant_id;
        snapshot.pools[1].tenant_id = tenant_id;
        snapshot.providers[1].base_url.host = host.into();
        let cluster = cluster(&built(&snapshot), "weir.pool.00000000-0000-0000-0000-000000000004");
        let endpoint = format!("{:?}", cluster.load_assignment.unwrap().endpoints[0].lb_endpoints[0].host_identifier);
        assert!(endpoint.contains(&format!("address: {expect:?}")), "{host}: {endpoint}");
        assert!(endpoint.contains(&format!("hostname: {host:?}")), "{host}: {endpoint}");
    };
    check(Some(TENANT), "database.production", "database.production.");
    check(Some(TENANT), "203.0.113.7", "203.0.113.7");
    // A platform admin has set these, or the operator allows them.
    check(Some(TENANT), "vllm", "vllm");
    check(Some(TENANT), "vllm.models.svc", "vllm.models.svc");
    check(None, "database.production", "database.production");
}

#[test]
fn the_keys_of_a_tenants_issuer_are_looked_up_as_their_name_stands() {
    for (tenant_id, expect) in [(Some(TENANT), "vault.production."), (None, "vault.production")] {
        let url = "https://vault.production/keys";
        let at = Keys::At { url: url.into(), server: url.parse().unwrap(), withdrawals: Some(2) };
        let snapshot = Snapshot { token_issuers: [issuer(1, tenant_id, at)].into(), ..snapshot() };
        let cluster = cluster(&built(&snapshot), "weir.keys.00000000-0000-0000-0000-000000000001");
        let endpoint = format!("{:?}", cluster.load_assignment.unwrap().endpoints[0].lb_endpoints[0].host_identifier);
        assert!(endpoint.contains(&format!("address: {expect:?}")), "{endpoint}");
    }
}

/// Thousands of names are not asked for every few seconds, nor all at once.
#[test]
fn a_name_is_looked_up_when_its_records_end() {
    let set = built(&snapshot());
    let by_name = custom_type(&cluster(&set, "weir.deployment.00000000-0000-0000-0000-00000000012d")).unwrap();
    let lookups = DnsCluster::decode(by_name.typed_config.unwrap().value.as_slice()).unwrap();
    assert!(lookups.respect_dns_ttl && !lookups.all_addresses_in_single_endpoint);
    let seconds = |duration: Option<envoy_types::pb::google::protobuf::Duration>| duration.unwrap().seconds;
    assert_eq!((seconds(lookups.dns_refresh_rate), seconds(lookups.dns_min_refresh_rate)), (30, 5));
    assert_eq!(seconds(lookups.dns_jitter), 2);
    assert!(custom_type(&cluster(&set, "weir.deployment.00000000-0000-0000-0000-00000000012e")).is_none());
}

/// An ejected member is away for every client, whoever's requests it failed on.
#[test]
fn no_member_is_ejected() {
    let set = built(&snapshot());
    let clusters: Vec<Cluster> =
        set.all(ResourceType::Cluster).map(|(name, _)| get(&set, ResourceType::Cluster, name)).collect();
    assert_eq!(clusters.len(), 4);
    assert!(clusters.iter().all(|cluster| cluster.outlier_detection.is_none()));
}

/// Envoy's defaults are 1024 requests and 3 retries at a time, for everybody together.
#[test]
fn no_client_is_refused_because_of_how_many_others_there_are() {
    let set = built(&snapshot());
    for (name, _) in set.all(ResourceType::Cluster) {
        let thresholds = cluster(&set, name).circuit_breakers.expect("circuit breakers").thresholds;
        let [bounds] = thresholds.as_slice() else { panic!("one priority") };
        for bound in [bounds.max_connections, bounds.max_pending_requests, bounds.max_requests, bounds.max_retries] {
            assert!(bound.is_some_and(|bound| bound.value >= 100_000), "{name}: {bounds:?}");
        }
    }
}

#[test]
fn a_pool_injects_each_credential_into_its_own_slot_and_drops_them_all() {
    let mut snapshot = snapshot();
    snapshot.pools.push(pool(5, &[1]));
    let set = built(&snapshot);
    let check = |name: &str, is_composite: bool, slot: Option<&str>| {
        let pool = cluster(&set, name);
        let kind = custom_type(&pool).map(|kind| kind.name);
        assert_eq!(kind.as_deref() == Some("envoy.clusters.composite"), is_composite, "{name}");
        let options = &pool.typed_extension_protocol_options[super::cluster::HTTP_PROTOCOL_OPTIONS];
        let options = HttpProtocolOptions::decode(options.value.as_slice()).unwrap();
        let names: Vec<&str> = options.http_filters.iter().map(|filter| filter.name.as_str()).collect();
        let mut expect =
            vec!["weir.provider", "envoy.filters.http.header_mutation", "envoy.filters.http.upstream_codec"];
        if let Some(slot) = slot {
            expect.insert(0, "envoy.filters.http.credential_injector");
            let injector = format!("{:?}", String::from_utf8_lossy(&options.http_filters[0].encode_to_vec()));
            assert!(injector.contains(slot), "{injector}");
            assert!(injector.contains("weir.credential.00000000-0000-0000-0000-000000000001"), "{injector}");
        }
        assert_eq!(names, expect, "{name}");
    };
    let slot = "x-weir-credential-00000000-0000-0000-0000-0000000";
    check("weir.pool.00000000-0000-0000-0000-000000000003", true, Some(&format!("{slot}0012d")));
    check("weir.pool.00000000-0000-0000-0000-000000000004", false, None);
    check("weir.pool.00000000-0000-0000-0000-000000000005", false, Some(&format!("{slot}001f5")));
}

#[test]
fn routes_bound_streams_and_whole_answers_differently() {
    let mut snapshot = snapshot();
    // The members share a silence that is shorter than their times to a first byte together.
    snapshot.pools.push(Pool { idle_timeout_ms: 2000, ..pool(5, &[1, 2]) });
    snapshot.pools.push(pool(6, &[1]));
    let set = built(&snapshot);
    let routes: RouteConfiguration = get(&set, ResourceType::Route, "weir.routes");
    let of_pools = set.all(ResourceType::VirtualHost).map(|(name, _)| get(&set, ResourceType::VirtualHost, name));
    let hosts: Vec<VirtualHost> = of_pools.chain(routes.virtual_hosts).collect();
    let rows: Vec<String> = hosts
        .iter()
        .flat_map(|host| &host.routes)
        .map(|route| match route.action.as_ref().unwrap() {
            Action::Route(action) => {
                let seconds = |duration: &Option<envoy_types::pb::google::protobuf::Duration>| {
                    duration.as_ref().map(|one| f64::from(one.nanos) / 1e9 + one.seconds as f64)
                };
                let retry = action.retry_policy.as_ref().map(|retry| {
                    let retries = retry.num_retries.as_ref().unwrap().value;
                    let refused = if retry.retry_on == "refused-stream" { " refused" } else { "" };
                    format!(" attempt {:?} retries {retries}{refused}", seconds(&retry.per_try_timeout))
                });
                format!(
                    "{} all {:?} idle {:?}{}",
                    route.name.trim_start_matches("weir.pool.00000000-0000-0000-0000-00000000000"),
                    seconds(&action.timeout),
                    seconds(&action.idle_timeout),
                    retry.unwrap_or_default()
                )
            }
            Action::DirectResponse(response) => format!("{} {}", route.name, response.status),
            other => format!("{other:?}"),
        })
        .collect();
    let expect = [
        "3.stream all Some(120.0) idle Some(60.0) attempt Some(1.5) retries 1",
        "3.whole all Some(120.0) idle Some(130.0) attempt Some(60.0) retries 1",
        "4.stream all Some(120.0) idle Some(60.0) attempt Some(1.5) retries 0",
        "4.whole all Some(120.0) idle Some(130.0)",
        "5.stream all Some(120.0) idle Some(2.0) attempt Some(1.0) retries 1",
        "5.whole all Some(120.0) idle Some(130.0) attempt Some(60.0) retries 1",
        "6.stream all Some(120.0) idle Some(60.0) attempt Some(1.5) retries 3 refused",
        "6.whole all Some(120.0) idle Some(130.0) attempt Some(120.0) retries 3 refused",
        "weir.unknown_pool 503",
        "weir.unknown_path 404",
    ];
    assert_eq!(rows, expect);
}

/// Envoy counts an attempt's time once it has a connection.
#[test]
fn a_connection_takes_no_longer_than_an_attempt() {
    let mut snapshot = snapshot();
    snapshot.pools.push(Pool { first_byte_timeout_ms: 30_000, ..pool(5, &[1]) });
    let set = built(&snapshot);
    let check = |name: &str, expect: (i64, i32)| {
        let timeout = cluster(&set, name).connect_timeout;
        assert_eq!(timeout.map(|timeout| (timeout.seconds, timeout.nanos)), Some(expect), "{name}");
    };
    check("weir.deployment.00000000-0000-0000-0000-00000000012d", (1, 500_000_000));
    check("weir.pool.00000000-0000-0000-0000-000000000005", (4, 0));
}

#[test]
fn what_the_filters_rely_on_is_tried_again() {
    let set = built(&snapshot());
    let host: VirtualHost = get(&set, ResourceType::VirtualHost, "weir.routes/00000000-0000-0000-0000-000000000003");
    let Some(Action::Route(action)) = &host.routes[0].action else { panic!("a route") };
    let policy = action.retry_policy.as_ref().unwrap();
    assert_eq!(policy.retriable_status_codes, [408, 409, 425, 429]);
    for on in ["5xx", "reset", "connect-failure", "refused-stream", "retriable-status-codes"] {
        assert!(policy.retry_on.split(',').any(|one| one == on), "{on}");
    }
}

/// A model may think for long; three members have the whole of the default each, within the default silence.
#[test]
fn by_default_each_of_three_members_may_take_90_s_to_the_first_content() {
    let defaults = |members: &[u128]| Pool {
        first_byte_timeout_ms: 90_000,
        idle_timeout_ms: 300_000,
        request_timeout_ms: 600_000,
        ..pool(5, members)
    };
    assert_eq!(super::route::attempt_at_stream_ms(&defaults(&[1])), 90_000);
    assert_eq!(super::route::attempt_at_stream_ms(&defaults(&[1, 2, 1])), 90_000);
    assert_eq!(super::route::attempt_at_stream_ms(&defaults(&[1, 2, 1, 2])), 75_000);
}

/// The upstream plugin relies on the routes' trying these again, with a control plane or without.
#[test]
fn the_static_example_retries_what_is_served() {
    let example = include_str!("../../../../envoy/static.yaml");
    let codes = format!("retriable_status_codes: {:?}", weir_config::names::RETRIED_BELOW_500);
    let policies = example.matches("retriable_status_codes").count();
    assert!(policies > 0);
    assert_eq!(example.matches(&codes).count(), policies);
}

#[test]
fn plugins_get_what_they_parse() {
    let set = built(&snapshot());
    fn check<T: serde::de::DeserializeOwned + weir_config::Check>(set: &ResourceSet, name: &str) {
        weir_config::parse::<T>(plugin_json(set, name).as_bytes()).unwrap();
    }
    check::<weir_config::ChainConfig>(&set, plugin::CHAIN);
    check::<weir_config::ProviderConfig>(&set, plugin::PROVIDER);
    // The least that an operator may set is enough for the largest body.
    let least = Settings { bodies_in_flight_bytes: BODY_LIMIT_BYTES, ..settings() };
    let set = build(&snapshot(), &least, Scope::Everyone);
    check::<weir_config::ChainConfig>(&set, plugin::CHAIN);
    let bound = format!("\"bodies_in_flight_bytes\":{BODY_LIMIT_BYTES}");
    assert!(plugin_json(&set, plugin::CHAIN).contains(&bound));
}

/// A new configuration of a plugin makes a new VM on Envoy's main thread, and no order of delivery would keep it in step with
/// clusters and routes.
#[test]
fn a_change_of_policy_leaves_the_plugins_alone() {
    let before = built(&snapshot());
    let mut changed = snapshot();
    changed.revision = 8;
    changed.pools.pop();
    changed.providers[0].name = "renamed".into();
    let after = built(&changed);
    for (name, resource) in before.all(ResourceType::Plugin) {
        assert_eq!(after.get(ResourceType::Plugin, name).unwrap().version, resource.version, "{name}");
    }
}

#[test]
fn endpoints_carry_what_the_provider_plugin_parses() {
    let set = built(&snapshot());
    let rows: Vec<String> = set
        .all(ResourceType::Cluster)
        .filter_map(|(name, _)| {
            let cluster: Cluster = get(&set, ResourceType::Cluster, name);
            let metadata = cluster.load_assignment?.endpoints[0].lb_endpoints[0].metadata.clone().unwrap();
            let json = metadata.filter_metadata["weir"].fields["deployment"].clone();
            let Some(value::Kind::StringValue(json)) = json.kind else { panic!("text") };
            let one: Deployment = weir_config::parse(json.as_bytes()).unwrap();
            let header = one.credential.as_ref().map(|one| &one.header);
            let Deployment { id, schema, scheme, authority, base_path, .. } = &one;
            Some(format!("{name} {id} {schema} {scheme}://{authority}{base_path} {header:?}"))
        })
        .collect();
    let zeros = "00000000-0000-0000-0000";
    let expect = [
        format!(
            "weir.deployment.{zeros}-00000000012d {zeros}-00000000012d openai https://api.example.com/v1 \
             Some(\"authorization\")"
        ),
        format!(
            "weir.deployment.{zeros}-00000000012e {zeros}-00000000012e anthropic http://127.0.0.1:8080/api/v3 None"
        ),
        // The only member of a pool is its cluster.
        format!("weir.pool.{zeros}-000000000004 {zeros}-000000000192 anthropic http://127.0.0.1:8080/api/v3 None"),
    ];
    assert_eq!(rows, expect);
}

#[test]
fn an_endpoint_says_what_holds_for_its_model_at_its_provider() {
    let mut snapshot = snapshot();
    let provider = &mut snapshot.providers[0];
    provider.preset = Some("azure_openai".into());
    provider.query = "api-version=preview".into();
    provider.capabilities.images = Some(false);
    provider.also_speaks = vec!["anthropic".into()];
    let member = &mut snapshot.pools[0].members[0];
    member.model = "o3".into();
    member.capabilities.parallel_tool_calls = Some(true);
    let cluster = cluster(&built(&snapshot), "weir.deployment.00000000-0000-0000-0000-00000000012d");
    let metadata = cluster.load_assignment.unwrap().endpoints[0].lb_endpoints[0].metadata.clone().unwrap();
    let Some(value::Kind::StringValue(json)) = &metadata.filter_metadata["weir"].fields["deployment"].kind else {
        panic!("text")
    };
    let one: Deployment = weir_config::parse(json.as_bytes()).unwrap();
    assert_eq!(
        (one.query.as_str(), one.also_speaks.as_slice()),
        ("api-version=preview", &["openai_responses".to_owned(), "anthropic".to_owned()][..])
    );
    let credential = one.credential.unwrap();
    assert_eq!((credential.header.as_str(), credential.prefix.as_str()), ("api-key", ""));
    let expect = Capabilities { temperature: false, images: false, ..Capabilities::default() };
    assert_eq!(one.capabilities, expect);
}

fn issuer(id: u128, tenant_id: Option<Uuid>, keys: Keys) -> TokenIssuer {
    TokenIssuer {
        id: Uuid::from_u128(id),
        tenant_id,
        issuer: format!("https://{id}.example"),
        audiences: vec!["weir".into()],
        keys,
        header: if id == 1 { "authorization" } else { "x-token" }.into(),
        keys_kept_seconds: 300,
    }
}

fn verified(set: &ResourceSet) -> JwtAuthentication {
    let config: TypedExtensionConfig = get(set, ResourceType::Plugin, TOKENS);
    JwtAuthentication::decode(config.typed_config.unwrap().value.as_slice()).unwrap()
}

#[test]
fn tokens_are_verified_by_the_issuers_in_scope_and_never_refused_nor_forwarded() {
    assert_eq!(verified(&built(&snapshot())), JwtAuthentication::default(), "without issuers it looks at nothing");
    let (other, url) = (Uuid::from_u128(10), "https://login.example.com/keys");
    let at = Keys::At { url: url.into(), server: url.parse().unwrap(), withdrawals: Some(2) };
    let issuers = [
        issuer(1, None, at),
        issuer(2, Some(TENANT), Keys::Here("{}".into())),
        issuer(3, Some(other), Keys::Here("{}".into())),
    ];
    let snapshot = Snapshot { token_issuers: issuers.into(), ..snapshot() };
    let check = |scope, expect: &[u128]| {
        let set = build(&snapshot, &settings(), scope);
        let filter = verified(&set);
        let mut names: Vec<&str> = filter.providers.values().map(|provider| provider.issuer.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, expect.iter().map(|id| format!("https://{id}.example")).collect::<Vec<_>>());
        for provider in filter.providers.values() {
            assert!(!provider.forward && provider.require_expiration);
            assert_eq!(provider.jwt_cache_config.is_some(), expect.len() == 1, "of those that are named");
            assert_eq!(provider.forward_payload_header, names::HEADER_TOKEN_CLAIMS);
            assert_eq!(provider.audiences, ["weir"]);
        }
        let [rule] = filter.rules.as_slice() else { panic!("one rule") };
        let Some(RequirementType::Requires(requirement)) = &rule.requirement_type else { panic!("a requirement") };
        match &requirement.requires_type {
            Some(RequiresType::AllowMissingOrFailed(_)) if expect.len() > 1 => {}
            Some(RequiresType::RequiresAny(any)) if expect.len() == 1 => {
                let [named, anything] = any.requirements.as_slice() else { panic!("two") };
                let name = "00000000-0000-0000-0000-000000000001/2".to_owned();
                assert_eq!(named.requires_type, Some(RequiresType::ProviderName(name)));
                let Some(RequiresType::RequiresAny(anything)) = &anything.requires_type else { panic!("a list") };
                assert!(matches!(anything.requirements[1].requires_type, Some(RequiresType::AllowMissingOrFailed(_))));
            }
            other => panic!("{other:?}"),
        }
        cluster(&set, "weir.keys.00000000-0000-0000-0000-000000000001").transport_socket.expect("https");
        // The same bytes each time, or Envoys would be told of a change that is none.
        for _ in 0..20 {
            let again = build(&snapshot, &settings(), scope);
            let version = |set: &ResourceSet| set.get(ResourceType::Plugin, TOKENS).unwrap().version.clone();
            assert_eq!(version(&again), version(&set));
        }
    };
    check(Scope::Everyone, &[1, 2, 3]);
    check(Scope::Tenant(TENANT), &[1, 2]);
    check(Scope::Tenant(Uuid::from_u128(11)), &[1]);
}

#[test]
fn all_plugins_have_one_vm_configuration() {
    let set = built(&snapshot());
    let vms: Vec<Vec<u8>> = set
        .all(ResourceType::Plugin)
        .filter(|(name, _)| &***name != TOKENS)
        .map(|(name, _)| {
            let config: TypedExtensionConfig = get(&set, ResourceType::Plugin, name);
            let config = Wasm::decode(config.typed_config.unwrap().value.as_slice()).unwrap().config.unwrap();
            assert_eq!(*config.root_id, **name);
            assert!(config.allow_on_headers_stop_iteration.is_some_and(|allow| allow.value));
            let Some(envoy_types::pb::envoy::extensions::wasm::v3::plugin_config::Vm::VmConfig(vm)) = config.vm else {
                panic!("a VM")
            };
            vm.encode_to_vec()
        })
        .collect();
    assert!(vms.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_credential_is_in_its_secret_and_nowhere_else() {
    let set = built(&snapshot());
    let secret: Secret = get(&set, ResourceType::Secret, "weir.credential.00000000-0000-0000-0000-000000000001");
    assert!(format!("{secret:?}").contains("sk-1"));
    assert!(!format!("{set:?}").contains("sk-1"));
    for kind in ResourceType::ALL.into_iter().filter(|kind| *kind != ResourceType::Secret) {
        for (name, resource) in set.all(kind) {
            assert!(!resource.body.value.windows(4).any(|bytes| bytes == b"sk-1"), "{kind:?} {name}");
        }
    }
}

#[test]
fn a_tenants_gateway_sees_its_own_and_the_platforms() {
    let mut snapshot = snapshot();
    snapshot.pools[0].tenant_id = Some(TENANT);
    snapshot.providers[0].tenant_id = Some(TENANT);
    let check = |scope, pools: usize, secrets: usize| {
        let set = build(&snapshot, &settings(), scope);
        let names = set.all(ResourceType::Cluster).filter(|(name, _)| name.starts_with("weir.pool."));
        assert_eq!((names.count(), set.all(ResourceType::Secret).count()), (pools, secrets), "{scope:?}");
    };
    check(Scope::Everyone, 2, 1);
    check(Scope::Tenant(TENANT), 2, 1);
    check(Scope::Tenant(Uuid::from_u128(10)), 1, 0);
}

#[test]
fn version_names_the_content() {
    let body = secret::credential("a", &"x".into());
    assert_eq!(version_of(&body), version_of(&secret::credential("a", &"x".into())));
    assert_ne!(version_of(&body), version_of(&secret::credential("a", &"y".into())));
}

/// Words that must stand in the bootstrap in this order, so that its static listener is the one that LDS serves.
#[test]
fn the_bootstraps_listener_is_the_one_that_is_served() {
    let bootstrap = include_str!("../../../../envoy/bootstrap.yaml");
    let mut rest = bootstrap;
    let mut expect_next = |text: &str| {
        let at = rest.find(text).unwrap_or_else(|| panic!("the bootstrap lacks, or has elsewhere: {text}"));
        rest = &rest[at + text.len()..];
    };
    expect_next("per_connection_buffer_limit_bytes: 67108864");
    for text in [
        "forward_client_cert_details: ALWAYS_FORWARD_ONLY",
        "normalize_path: true",
        "merge_slashes: true",
        "path_with_escaped_slashes_action: KEEP_UNCHANGED",
        "request_headers_timeout: 10s",
        "request_timeout: 60s",
        "stream_idle_timeout: 300s",
        "max_request_headers_kb: 60",
    ] {
        expect_next(text);
    }
    for text in ["prefix: x-weir-", "prefix: x-envoy-", "route_config_name: weir.routes", "%PATH(NQ)%"] {
        expect_next(text);
    }
    expect_next(&format!("name: {TOKENS}"));
    expect_next(&format!("name: {}", plugin::CHAIN));
    expect_next("name: envoy.filters.http.router");
    for reply in super::local_reply::replies() {
        expect_next(&format!("expression: \"{}\"", reply.expression));
        if let Some(status) = reply.status {
            expect_next(&format!("status_code: {status}"));
        }
        expect_next(&reply.body.replace('\'', "''"));
    }
    assert!(!rest.contains("expression:"), "the bootstrap rewrites more than LDS does");
}
