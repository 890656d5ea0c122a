//! The service over a real gRPC connection and a real Postgres, which `WEIR_TEST_DATABASE_URL` names
//! (`cargo xtask test` and `weir-dev postgres` set it).

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Channel;
use tonic::{Code, Request};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::api_key::ApiKeySettings;
use weir_core::change::Streams;
use weir_core::encryption::Encryption;
use weir_core::json::write;
use weir_core::node::{NodeEvent, NodeReport};
use weir_core::secret::sha256;
use weir_core::tenant::{GatewaySettings, TenantSettings};
use weir_core::ways_in::WaysIn;
use weir_dataplane::{ChangeHub, Gateways, Module, Progress, Service};
use weir_proto::dataplane::data_plane_client::DataPlaneClient;
use weir_proto::dataplane::data_plane_server::DataPlaneServer;
use weir_proto::dataplane::resolve_credential_response::Status as KeyStatus;
use weir_proto::dataplane::*;
use weir_store::{API_KEY, GATEWAY, SecretChange, Store, TENANT, Update};

const DEADLINE: Duration = Duration::from_secs(10);

struct ControlPlane {
    store: Store,
    url: String,
    hub: ChangeHub,
    client: DataPlaneClient<Channel>,
    reports: mpsc::UnboundedReceiver<NodeReport>,
    /// Kept, since the service ends with them.
    _senders: (mpsc::UnboundedSender<NodeReport>, watch::Sender<bool>),
    gateways: Gateways,
    token: String,
}

/// A store, and its database's URL.
async fn fresh_store() -> (Store, String) {
    let server = std::env::var("WEIR_TEST_DATABASE_URL").expect("WEIR_TEST_DATABASE_URL names a Postgres to test with");
    let name = format!("weir_dataplane_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.expect("Postgres");
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.expect("a database");
    let (base, query) = server.split_once('?').map_or((server.as_str(), None), |(base, query)| (base, Some(query)));
    let (base, _) = base.rsplit_once('/').expect("a URL with a database");
    let url = format!("{base}/{name}{}", query.map(|query| format!("?{query}")).unwrap_or_default());
    let store = Store::connect(&url, Encryption::new(&[7; 32]).unwrap()).await.unwrap();
    store.migrate().await.unwrap();
    // No control plane of the version before serves any more.
    let aged = "UPDATE _sqlx_migrations SET installed_on = now() - interval '25 hours' WHERE version = 39";
    sqlx::query(aged).execute(&mut PgConnection::connect(&url).await.unwrap()).await.unwrap();
    (store, url)
}

impl ControlPlane {
    async fn start() -> Self {
        let (store, url) = fresh_store().await;
        let settings = GatewaySettings {
            name: "gateway".into(),
            trusted_hops: 0,
            trusts_forwarded_certificates: false,
            ways_in: WaysIn::default(),
        };
        let token = store.create_gateway(&Actor::system(), None, settings, None).await.unwrap().secret;
        let gateways = Gateways::new(store.clone());
        let hub = ChangeHub::new(store.revision().await.unwrap());
        let (sender, reports) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let service = Service::new(store.clone(), gateways.clone(), hub.clone(), Progress::new(&sender), stopping);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder().add_service(DataPlaneServer::new(service));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let client = DataPlaneClient::connect(address).await.unwrap();
        Self { store, url, hub, client, reports, _senders: (sender, stop), gateways, token }
    }

    fn with_token<T>(&self, message: T) -> Request<T> {
        with_token(Some(&self.token), message)
    }

    /// A tenant and the secret of its key, told to whoever watches.
    async fn key(&self) -> (Uuid, Uuid, String) {
        let actor = Actor::system();
        let tenant = TenantSettings {
            name: "t".into(),
            time_zone: "UTC".into(),
            guardrail_profile_id: None,
            keys_may_loosen_guardrails: false,
            ways_in: WaysIn::default(),
        };
        let make = async |kind, tenant_id, spec| {
            self.store.create(kind, &actor, tenant_id, spec, SecretChange::Keep, None).await.unwrap()
        };
        let tenant = make(TENANT, None, write(&tenant)).await.stored;
        let key = ApiKeySettings { name: "k".into(), requests_per_minute: Some(5), ..ApiKeySettings::default() };
        let key = make(API_KEY, Some(tenant.id), write(&key)).await;
        (tenant.id, key.stored.id, key.secret)
    }

    async fn publish_changes(&self, after: u64) {
        self.hub.publish(self.store.changes_since(after).await.unwrap());
    }
}

fn with_token<T>(token: Option<&str>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    request
}

#[tokio::test]
async fn nothing_is_answered_without_a_gateways_token() {
    let control_plane = ControlPlane::start().await;
    let mut client = control_plane.client.clone();
    for token in [None, Some("weir_gateway_wrong"), Some("")] {
        let codes = [
            client.resolve_credential(with_token(token, ResolveCredentialRequest::default())).await.unwrap_err().code(),
            client.acquire_quota(with_token(token, AcquireQuotaRequest::default())).await.unwrap_err().code(),
            client.settle_quota(with_token(token, SettleQuotaRequest::default())).await.unwrap_err().code(),
            client.report_usage(with_token(token, ReportUsageRequest::default())).await.unwrap_err().code(),
            client.read_own(with_token(token, ReadOwnRequest::default())).await.unwrap_err().code(),
            client.watch(with_token(token, tokio_stream::empty())).await.map(drop).unwrap_err().code(),
        ];
        assert_eq!(codes, [Code::Unauthenticated; 6], "{token:?}");
    }
}

#[tokio::test]
async fn the_module_is_for_gateways_and_has_one_name() {
    use tonic::codegen::Service as _;
    let control_plane = ControlPlane::start().await;
    let module = Module::new(b"\0asm".to_vec());
    let name = format!("{}.wasm", module.sha256());
    let mut router = weir_dataplane::router(module, control_plane.gateways.clone());
    for (token, file, expect) in [
        (None, name.as_str(), 401),
        (Some("wrong"), &name, 401),
        (Some(control_plane.token.as_str()), "other.wasm", 404),
        (Some(&control_plane.token), &name, 200),
    ] {
        let mut request = http::Request::get(format!("/dataplane/v1/modules/{file}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = router.call(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), expect, "{token:?} {file}");
    }
}

#[tokio::test]
async fn an_open_watch_ends_once_its_gateway_is_gone() {
    let control_plane = ControlPlane::start().await;
    let mut client = control_plane.client.clone();
    let (requests, stream) = mpsc::channel(8);
    requests
        .send(WatchRequest { vm: "vm".into(), node: "node".into(), applied_revision: 0, ..WatchRequest::default() })
        .await
        .unwrap();
    let request = control_plane.with_token(ReceiverStream::new(stream));
    let mut responses = client.watch(request).await.unwrap().into_inner();
    assert!(responses.message().await.unwrap().unwrap().forget_everything);

    let gateway = control_plane.gateways.authenticate(&control_plane.token).await.unwrap().unwrap();
    let gateway = control_plane.store.get(GATEWAY, &Actor::system(), gateway.id).await.unwrap();
    control_plane.store.delete(GATEWAY, &Actor::system(), gateway.id, gateway.revision, Streams::Finish).await.unwrap();
    let told = std::time::Instant::now();
    control_plane.gateways.forget();
    let ended = tokio::time::timeout(DEADLINE, responses.message()).await.expect("in time");
    assert_eq!(ended.unwrap_err().code(), Code::Unauthenticated);
    // Not by the look that is taken from time to time.
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
}

#[tokio::test]
async fn nothing_on_the_port_is_there_for_who_has_no_token() {
    use tonic::codegen::Service as _;
    let control_plane = ControlPlane::start().await;
    let inner = axum::Router::new().route("/added/later", axum::routing::any(async || "secret"));
    let mut router = weir_dataplane::guarded(inner, control_plane.gateways.clone());
    let wrong = "weirgw_wrong";
    for (token, path, content_type, status, grpc_status) in [
        (None, "/added/later", "text/plain", 401, None),
        (Some(wrong), "/added/later", "text/plain", 401, None),
        (None, "/nowhere", "text/plain", 401, None),
        (Some(wrong), "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "application/grpc", 200, Some("16")),
        (None, "/grpc.health.v1.Health/Check", "application/grpc+proto", 200, Some("16")),
        (Some(control_plane.token.as_str()), "/added/later", "text/plain", 200, None),
        (Some(&control_plane.token), "/nowhere", "text/plain", 404, None),
    ] {
        let mut request = http::Request::post(path).header("content-type", content_type);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = router.call(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{token:?} {path}");
        let found = response.headers().get("grpc-status").map(|value| value.to_str().unwrap());
        assert_eq!(found, grpc_status, "{token:?} {path}");
    }
}

#[tokio::test]
async fn while_the_database_is_away_calls_fail_at_once_and_a_known_gateway_stays_known() {
    let control_plane = ControlPlane::start().await;
    let mut client = control_plane.client.clone();
    let mut resolve = async || {
        let request =
            control_plane.with_token(ResolveCredentialRequest { key_sha256: vec![1; 32], ..Default::default() });
        client.resolve_credential(request).await.map(|response| response.into_inner().status())
    };
    assert_eq!(resolve().await.unwrap(), KeyStatus::Unknown);
    control_plane.store.note_away(true);
    let asked = std::time::Instant::now();
    assert_eq!(resolve().await.unwrap_err().code(), Code::Unavailable);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert!(control_plane.gateways.authenticate(&control_plane.token).await.unwrap().is_some());
    assert!(control_plane.gateways.authenticate("weirgw_wrong").await.is_err());
    control_plane.store.note_away(false);
    assert_eq!(resolve().await.unwrap(), KeyStatus::Unknown);
}

#[tokio::test]
async fn keys_are_resolved_and_usage_is_stored_once() {
    let control_plane = ControlPlane::start().await;
    let mut client = control_plane.client.clone();
    let (tenant, key, secret) = control_plane.key().await;
    let resolve = async |digest: Vec<u8>| {
        let request = control_plane.with_token(ResolveCredentialRequest { key_sha256: digest, ..Default::default() });
        control_plane.client.clone().resolve_credential(request).await.map(tonic::Response::into_inner)
    };
    assert_eq!(resolve(vec![1]).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(resolve(vec![1; 32]).await.unwrap().status(), KeyStatus::Unknown);
    let active = resolve(sha256(&secret).to_vec()).await.unwrap();
    assert_eq!(active.status(), KeyStatus::Active);
    let principal = active.principal.unwrap();
    assert_eq!((principal.key_id, principal.guardrail_profile), (key.to_string(), None));

    let (actor, all) = (Actor::system(), weir_store::PROFILE_ALL);
    let before = control_plane.store.get(TENANT, &actor, tenant).await.unwrap();
    let guarded = Update::Merge([("guardrail_profile_id".to_owned(), all.to_string().into())].into_iter().collect());
    let (store, revision) = (&control_plane.store, before.revision);
    store.update(TENANT, &actor, tenant, revision, guarded, SecretChange::Keep, Streams::Finish).await.unwrap();
    let principal = resolve(sha256(&secret).to_vec()).await.unwrap().principal.unwrap();
    let profile = principal.guardrail_profile.unwrap();
    assert_eq!((principal.guardrail_profile_id, profile.id), (all.to_string(), all.to_string()));
    let (action, direction) = ("redact".to_owned(), "both".to_owned());
    let rule = |name: &str| GuardrailRule {
        r#type: name.into(),
        action: action.clone(),
        direction: direction.clone(),
        ..GuardrailRule::default()
    };
    assert_eq!(profile.uninspectable, "allow");
    // The first modules do not say what they find, and refuse what they do not know.
    assert_eq!((profile.name.as_str(), profile.rules), ("all", vec![rule("CREDIT_CARD"), rule("EMAIL")]));
    let finding_types = ["IBAN", "EMAIL", "of a later version"].map(str::to_owned).to_vec();
    let key_sha256 = sha256(&secret).to_vec();
    let request = ResolveCredentialRequest { key_sha256, finding_types, ..Default::default() };
    let answer = client.resolve_credential(control_plane.with_token(request)).await.unwrap().into_inner();
    let profile = answer.principal.unwrap().guardrail_profile.unwrap();
    assert_eq!(profile.rules, [rule("EMAIL"), rule("IBAN")]);

    let record = UsageRecord {
        request_id: Uuid::now_v7().to_string(),
        started_at_unix_us: chrono::Utc::now().timestamp_micros(),
        tenant_id: tenant.to_string(),
        key_id: key.to_string(),
        outcome: "complete".into(),
        ..UsageRecord::default()
    };
    let unreadable = UsageRecord { request_id: "7".into(), ..record.clone() };
    let absurd = UsageRecord {
        request_id: Uuid::now_v7().to_string(),
        provider_id: "none".into(),
        output_tokens: u64::MAX,
        cache_write_1h_tokens: 7,
        cache_write_source: UsageSource::Provider.into(),
        doubtful: vec!["input_tokens".into()],
        started_at_unix_us: i64::MAX,
        ..record.clone()
    };
    for _ in 0..2 {
        let report = ReportUsageRequest { records: vec![record.clone(), unreadable.clone(), absurd.clone()] };
        let answer = client.report_usage(control_plane.with_token(report)).await.unwrap().into_inner();
        let rejected: Vec<&str> = answer.rejected.iter().map(|one| one.request_id.as_str()).collect();
        assert_eq!((answer.stored, rejected), (2, vec!["7"]));
    }
    let filter = weir_store::UsageFilter {
        request_id: absurd.request_id.parse().ok(),
        limit: 10,
        ..weir_store::UsageFilter::default()
    };
    let found = control_plane.store.list_usage(&actor, &filter).await.unwrap();
    let [stored] = found.as_slice() else { panic!("{} records", found.len()) };
    assert_eq!(stored.record.doubtful, ["input_tokens", "provider_id", "output_tokens", "started_at"]);
    assert_eq!((stored.record.provider_id, stored.record.cache_write_1h_tokens), (None, 7));
    assert_eq!(stored.record.cache_write_source, weir_core::ledger::UsageSource::Provider);
}

#[tokio::test]
async fn a_vm_is_told_what_to_forget_and_its_acknowledgement_is_reported() {
    let mut control_plane = ControlPlane::start().await;
    let mut client = control_plane.client.clone();
    let (requests, stream) = mpsc::channel(8);
    let acknowledge = |applied_revision, waiting_records| WatchRequest {
        vm: "vm".into(),
        node: "node".into(),
        applied_revision,
        waiting_records,
        ..WatchRequest::default()
    };
    requests.send(acknowledge(0, Some(9))).await.unwrap();
    let request = control_plane.with_token(ReceiverStream::new(stream));
    let mut responses = client.watch(request).await.unwrap().into_inner();
    let mut next = async || tokio::time::timeout(DEADLINE, responses.message()).await.unwrap().unwrap().unwrap();

    let start = next().await;
    assert!(start.forget_everything);
    let (_, key, secret) = control_plane.key().await;
    control_plane.publish_changes(start.revision).await;
    let made = next().await;
    assert_eq!(made.forget_keys_sha256, [sha256(&secret).to_vec()]);

    let before = control_plane.store.revision().await.unwrap();
    let revoked = control_plane.store.revoke(weir_store::API_KEY, &Actor::system(), key, Streams::End).await.unwrap();
    control_plane.publish_changes(before).await;
    let told = loop {
        let told = next().await;
        if told.revision == revoked.revision {
            break told;
        }
    };
    assert_eq!(told.forget_keys_sha256, [sha256(&secret).to_vec()]);

    requests.send(acknowledge(told.revision, Some(3))).await.unwrap();
    let (of_before, stream) = mpsc::channel(8);
    let watch_of_before = control_plane.with_token(ReceiverStream::new(stream));
    let reports = &mut control_plane.reports;
    let mut report = async || tokio::time::timeout(DEADLINE, reports.recv()).await.unwrap().unwrap();
    let forgot = report().await;
    assert_eq!((forgot.node_id.as_str(), forgot.event), ("node", NodeEvent::Forgot { revision: told.revision }));
    assert_eq!(report().await.event, NodeEvent::Waiting { records: Some(3) });
    requests.send(acknowledge(told.revision, Some(u64::MAX))).await.unwrap();
    assert_eq!(report().await.event, NodeEvent::Waiting { records: Some(1_000_000_000) }, "what can be believed");

    // A VM of the version before, in the same Envoy: what waits in all of it is not known.
    of_before.send(WatchRequest { vm: "of before".into(), ..acknowledge(told.revision, None) }).await.unwrap();
    let _open = client.watch(watch_of_before).await.unwrap();
    of_before.send(WatchRequest { vm: "of before".into(), ..acknowledge(told.revision, None) }).await.unwrap();
    assert_eq!(report().await.event, NodeEvent::Waiting { records: None });
}

#[tokio::test]
async fn a_vm_that_was_not_listening_is_told_whose_streams_were_ended_and_no_others() {
    let control_plane = ControlPlane::start().await;
    let (store, actor) = (&control_plane.store, Actor::system());
    let (tenant, long_ago, _) = control_plane.key().await;
    let mut keys = Vec::new();
    for name in ["revoked", "finishing", "changed"] {
        let key = write(&ApiKeySettings { name: name.into(), ..ApiKeySettings::default() });
        let made = store.create(API_KEY, &actor, Some(tenant), key, SecretChange::Keep, None).await.unwrap();
        keys.push(made.stored.id);
    }
    let [revoked, finishing, changed] = keys[..] else { panic!("three keys") };
    store.revoke(API_KEY, &actor, long_ago, Streams::End).await.unwrap();
    let mut database = PgConnection::connect(&control_plane.url).await.unwrap();
    sqlx::query("UPDATE changes SET at = at - interval '11 minutes'").execute(&mut database).await.unwrap();
    store.revoke(API_KEY, &actor, revoked, Streams::End).await.unwrap();
    store.revoke(API_KEY, &actor, finishing, Streams::Finish).await.unwrap();
    // It is still good: streams may have begun since.
    let before = store.get(API_KEY, &actor, changed).await.unwrap();
    let patch = Update::Merge([("requests_per_minute".to_owned(), 7.into())].into_iter().collect());
    store.update(API_KEY, &actor, changed, before.revision, patch, SecretChange::Keep, Streams::End).await.unwrap();

    let (requests, stream) = mpsc::channel(8);
    let first = WatchRequest { vm: "vm".into(), node: "node".into(), ..WatchRequest::default() };
    requests.send(first).await.unwrap();
    let request = control_plane.with_token(ReceiverStream::new(stream));
    let mut responses = control_plane.client.clone().watch(request).await.unwrap().into_inner();
    let mut next = async || tokio::time::timeout(DEADLINE, responses.message()).await.unwrap().unwrap().unwrap();
    assert!(next().await.forget_everything);
    let told = next().await;
    assert_eq!(told.end_streams_of_keys, [revoked.to_string()]);
    assert!(!told.forget_everything);

    // What it says that it ended is part of what a reader learns of the key; of what is no key nothing is kept.
    let said = |key_id: String| EndedStreams { key_id, streams: 3, last_byte_unix_ms: 1_700_000_000_123 };
    let ended_streams = vec![said(revoked.to_string()), said("none".into()), said(Uuid::nil().to_string())];
    let said = WatchRequest { vm: "vm".into(), node: "node".into(), ended_streams, ..WatchRequest::default() };
    requests.send(said).await.unwrap();
    let kept = async || {
        loop {
            let ended = store.ended_streams(&actor, revoked).await.unwrap();
            if let [ended] = &ended[..] {
                break ended.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let kept = tokio::time::timeout(DEADLINE, kept()).await.expect("it is kept");
    assert_eq!(kept.envoy, Some(("gateway".into(), "node".into())));
    assert_eq!((kept.streams, kept.last_byte_at.timestamp_millis()), (3, 1_700_000_000_123));
    // Which Envoy it was is not a tenant's to know.
    let admin = Actor::user(Uuid::nil(), "a".into(), weir_core::actor::Role::TenantAdmin, Some(tenant));
    assert_eq!(store.ended_streams(&admin, revoked).await.unwrap()[0].envoy, None);
    assert_eq!(store.ended_streams(&actor, changed).await.unwrap(), []);
}
