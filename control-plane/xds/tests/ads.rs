//! The ADS server over a real gRPC connection.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use envoy_types::pb::google::rpc;
use futures::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use uuid::Uuid;
use weir_core::capabilities::CapabilityOverrides;
use weir_core::gateway::Gateway;
use weir_core::node::{NodeEvent, NodeReport};
use weir_core::snapshot::{Member, Pool, Provider, Snapshot};
use weir_llm::Schema;
use weir_xds::{Ads, AuthenticationUnavailable, ModuleSource, Publisher, ResourceType, Settings};

const DEADLINE: Duration = Duration::from_secs(10);

struct ControlPlane {
    publisher: Publisher,
    reports: mpsc::UnboundedReceiver<NodeReport>,
    stop: watch::Sender<bool>,
    /// Tells that gateways have changed; true: none is valid any more.
    revoked: Arc<AtomicBool>,
    gateways_changed: watch::Sender<u64>,
    address: String,
}

impl ControlPlane {
    async fn start() -> Self {
        let publisher = Publisher::new(Settings::new(ModuleSource::ControlPlane { sha256: "ab".repeat(32) }));
        let (sender, reports) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let (gateways_changed, changes) = watch::channel(0);
        let revoked = Arc::new(AtomicBool::new(false));
        let is_revoked = revoked.clone();
        let authenticate = Arc::new(move |token: String| -> futures::future::BoxFuture<'static, _> {
            let is_revoked = is_revoked.load(Ordering::SeqCst);
            Box::pin(async move {
                match token.as_str() {
                    _ if is_revoked => Ok(None),
                    "good" => Ok(Some(Gateway {
                        id: Uuid::from_u128(7),
                        name: "g".into(),
                        tenant_id: None,
                        trusted_hops: 0,
                        trusts_forwarded_certificates: false,
                        ways_in: Default::default(),
                    })),
                    "unknowable" => Err(AuthenticationUnavailable),
                    _ => Ok(None),
                }
            })
        });
        let ads = Ads::new(publisher.clone(), authenticate, sender, changes, stopping);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder().add_service(AggregatedDiscoveryServiceServer::new(ads));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { publisher, reports, stop, revoked, gateways_changed, address }
    }

    fn publish(&self, revision: u64) {
        self.publisher.publish(&Snapshot { revision, ..Snapshot::default() });
    }

    async fn reported(&mut self) -> NodeEvent {
        let report = tokio::time::timeout(DEADLINE, self.reports.recv()).await.expect("in time").expect("a report");
        assert_eq!((report.gateway_id, report.node_id.as_str()), (Uuid::from_u128(7), "envoy-1"));
        report.event
    }
}

struct Envoy {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Envoy {
    async fn connect(control_plane: &ControlPlane, token: Option<&str>, node: &str) -> Result<Self, Status> {
        let client = AggregatedDiscoveryServiceClient::connect(control_plane.address.clone()).await.unwrap();
        Self::over(client, token, node).await
    }

    async fn over(
        mut client: AggregatedDiscoveryServiceClient<Channel>,
        token: Option<&str>,
        node: &str,
    ) -> Result<Self, Status> {
        let (requests, stream) = mpsc::channel(8);
        let mut request = Request::new(ReceiverStream::new(stream));
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let first = DeltaDiscoveryRequest {
            node: Some(Node { id: node.into(), ..Node::default() }),
            type_url: ResourceType::Plugin.type_url().into(),
            resource_names_subscribe: vec!["weir.provider".into()],
            ..Default::default()
        };
        requests.send(first).await.unwrap();
        let responses = client.delta_aggregated_resources(request).await?.into_inner();
        Ok(Self { requests, responses })
    }

    async fn receive(&mut self) -> Result<DeltaDiscoveryResponse, Status> {
        let next = tokio::time::timeout(DEADLINE, self.responses.message()).await.expect("in time");
        next.map(|response| response.expect("the stream goes on"))
    }

    async fn subscribe(&self, kind: ResourceType, name: &str) {
        let request = DeltaDiscoveryRequest {
            type_url: kind.type_url().into(),
            resource_names_subscribe: vec![name.into()],
            ..Default::default()
        };
        self.requests.send(request).await.unwrap();
    }

    async fn answer(&self, response: &DeltaDiscoveryResponse, error: Option<&str>) {
        let request = DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            error_detail: error.map(|message| rpc::Status { message: message.into(), ..Default::default() }),
            ..Default::default()
        };
        self.requests.send(request).await.unwrap();
    }
}

#[tokio::test]
async fn only_a_gateways_token_gets_configuration() {
    let control_plane = ControlPlane::start().await;
    control_plane.publish(1);
    for (token, node, expect) in [
        (None, "envoy-1", Code::Unauthenticated),
        (Some("bad"), "envoy-1", Code::Unauthenticated),
        (Some("unknowable"), "envoy-1", Code::Unavailable),
        (Some("good"), "", Code::InvalidArgument),
    ] {
        let refused = match Envoy::connect(&control_plane, token, node).await {
            Err(status) => status,
            Ok(mut envoy) => envoy.receive().await.expect_err("no configuration"),
        };
        assert_eq!(refused.code(), expect, "{token:?} {node:?}");
    }
}

#[tokio::test]
async fn an_open_stream_ends_once_its_gateway_is_gone() {
    let control_plane = ControlPlane::start().await;
    control_plane.publish(1);
    let mut envoy = Envoy::connect(&control_plane, Some("good"), "envoy-1").await.unwrap();
    envoy.receive().await.unwrap();
    control_plane.revoked.store(true, Ordering::SeqCst);
    let told = std::time::Instant::now();
    control_plane.gateways_changed.send_modify(|changes| *changes += 1);
    assert_eq!(envoy.receive().await.expect_err("ended").code(), Code::Unauthenticated);
    // Not by the look that is taken from time to time.
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
}

#[tokio::test]
async fn what_is_sent_acknowledged_and_refused_is_reported() {
    let mut control_plane = ControlPlane::start().await;
    let mut envoy = Envoy::connect(&control_plane, Some("good"), "envoy-1").await.unwrap();
    // An Envoy may come before the first snapshot.
    assert!(matches!(control_plane.reported().await, NodeEvent::Connected { .. }));
    control_plane.publish(1);
    let refused = envoy.receive().await.unwrap();
    assert_eq!(refused.resources[0].name, "weir.provider");
    assert_eq!(control_plane.reported().await, NodeEvent::Sent { revision: 1 });
    // While the module's code is on its way to Envoy a refusal is no news. The same version is sent again soon, in other
    // bytes: Envoy would take equal bytes for what it has.
    envoy.answer(&refused, Some("the code is not here yet")).await;
    let again = envoy.receive().await.unwrap();
    assert_eq!(again.resources[0].version, refused.resources[0].version);
    assert_ne!(again.resources[0].resource, refused.resources[0].resource);
    envoy.answer(&again, None).await;
    assert_eq!(control_plane.reported().await, NodeEvent::Applied { revision: 1 });

    // A change elsewhere counts as applied without a message.
    control_plane.publisher.advance(2);
    assert_eq!(control_plane.reported().await, NodeEvent::Sent { revision: 2 });
    assert_eq!(control_plane.reported().await, NodeEvent::Applied { revision: 2 });

    envoy.subscribe(ResourceType::Route, "weir.routes").await;
    let refused = envoy.receive().await.unwrap();
    envoy.answer(&refused, Some("no such thing")).await;
    let expect = NodeEvent::Refused { revision: 2, resource: "weir.routes".into(), reason: "no such thing".into() };
    assert_eq!(control_plane.reported().await, expect);

    control_plane.stop.send_replace(true);
    assert_eq!(envoy.receive().await.expect_err("ended").code(), Code::Unavailable);
    assert_eq!(control_plane.reported().await, NodeEvent::Disconnected);
}

/// Envoy refuses a pool while the code of its upstream plugin is on its way, and no later change need ever come.
#[tokio::test]
async fn a_refused_cluster_is_sent_again() {
    let control_plane = ControlPlane::start().await;
    let provider = Provider {
        id: Uuid::from_u128(1),
        tenant_id: None,
        name: "provider".into(),
        schema: Schema::default(),
        base_url: "http://127.0.0.1:8080".parse().unwrap(),
        credential: None,
        authentication: None,
        query: String::new(),
        also_speaks: vec![],
        preset: None,
        capabilities: CapabilityOverrides::NONE,
    };
    let member = Member {
        deployment_id: Uuid::from_u128(2),
        provider_id: provider.id,
        model: "model".into(),
        price: None,
        next_prices: Vec::new(),
        capabilities: CapabilityOverrides::NONE,
    };
    let pool = Pool {
        id: Uuid::from_u128(3),
        tenant_id: None,
        name: "pool".into(),
        members: vec![member],
        first_byte_timeout_ms: 1000,
        idle_timeout_ms: 1000,
        request_timeout_ms: 1000,
    };
    control_plane.publisher.publish(&Snapshot {
        revision: 1,
        providers: vec![provider],
        pools: vec![pool],
        ..Snapshot::default()
    });
    let mut envoy = Envoy::connect(&control_plane, Some("good"), "envoy-1").await.unwrap();
    let plugin = envoy.receive().await.unwrap();
    envoy.answer(&plugin, None).await;
    envoy.subscribe(ResourceType::Cluster, "*").await;
    let refused = envoy.receive().await.unwrap();
    assert_eq!(refused.resources.len(), 1);
    envoy.answer(&refused, Some("Unable to create Wasm plugin weir.provider")).await;
    let again = envoy.receive().await.unwrap();
    let names = |response: &DeltaDiscoveryResponse| -> Vec<String> {
        response.resources.iter().map(|resource| resource.name.clone()).collect()
    };
    assert_eq!(names(&again), names(&refused));
}

/// After a restart of the control plane, all come at once.
#[tokio::test]
async fn a_thousand_envoys_that_come_at_once_are_served() {
    let mut control_plane = ControlPlane::start().await;
    control_plane.publish(1);
    for revision in [1, 2] {
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(AggregatedDiscoveryServiceClient::connect(control_plane.address.clone()).await.unwrap());
        }
        let envoys = (0..1000).map(|number: usize| {
            let client = clients[number % clients.len()].clone();
            async move {
                let mut envoy = Envoy::over(client, Some("good"), &format!("envoy-{number}")).await.unwrap();
                let response = envoy.responses.message().await.unwrap().unwrap();
                envoy.answer(&response, None).await;
                envoy
            }
        });
        let envoys = tokio::time::timeout(6 * DEADLINE, join_all(envoys)).await.expect("in time");
        let mut applied = BTreeSet::new();
        while applied.len() < 1000 {
            let report = tokio::time::timeout(DEADLINE, control_plane.reports.recv()).await.expect("in time").unwrap();
            if report.event == (NodeEvent::Applied { revision }) {
                applied.insert(report.node_id);
            }
        }
        drop(envoys);
        let mut gone = 0;
        while gone < 1000 {
            let report = tokio::time::timeout(DEADLINE, control_plane.reports.recv()).await.expect("in time").unwrap();
            gone += usize::from(report.event == NodeEvent::Disconnected);
        }
        control_plane.publish(2);
    }
}

#[tokio::test]
async fn what_an_envoy_can_ask_for_is_bounded() {
    let control_plane = ControlPlane::start().await;
    control_plane.publish(1);
    let long = "x".repeat(2000);
    let refused = Envoy::connect(&control_plane, Some("good"), &long).await.unwrap().receive().await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let mut envoy = Envoy::connect(&control_plane, Some("good"), "envoy-1").await.unwrap();
    envoy.receive().await.unwrap();
    envoy.subscribe(ResourceType::Secret, &long).await;
    assert_eq!(envoy.receive().await.unwrap_err().code(), Code::InvalidArgument);

    let mut envoy = Envoy::connect(&control_plane, Some("good"), "envoy-1").await.unwrap();
    envoy.receive().await.unwrap();
    for batch in 0..3 {
        let names = (0..90_000).map(|number| format!("{batch}-{number}")).collect();
        let request = DeltaDiscoveryRequest {
            type_url: ResourceType::Secret.type_url().into(),
            resource_names_subscribe: names,
            ..Default::default()
        };
        envoy.requests.send(request).await.unwrap();
    }
    // Each name is answered as one that does not exist, and then there are too many.
    let ended = loop {
        if let Err(status) = envoy.receive().await {
            break status;
        }
    };
    assert_eq!(ended.code(), Code::ResourceExhausted);
}
