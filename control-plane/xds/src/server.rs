use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use envoy_types::pb::envoy::config::core::v3::{Node, node::UserAgentVersionType};
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryService;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource as WireResource,
};
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;
use weir_core::gateway::Gateway;
use weir_core::node::{NodeEvent, NodeReport};

use crate::complaints::{Complaints, shortened};
use crate::open_streams::OpenStreams;
use crate::plugin_delivery::{Retry, Stamp};
use crate::{Outcome, Publisher, Push, Resource, ResourceType, Scope, Session};

/// Finds the gateway that a bearer token stands for; `None`: no gateway has it.
pub type Authenticate =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Option<Gateway>, AuthenticationUnavailable>> + Send + Sync>;

/// The token could be neither accepted nor refused, for now.
#[derive(Debug, thiserror::Error)]
#[error("the token cannot be checked now")]
pub struct AuthenticationUnavailable;

/// How often the token of an open stream is checked again, beside whenever a gateway changes, so that a deleted one gets no
/// more configuration.
const RECHECK: Duration = Duration::from_secs(15);

/// Bytes of an Envoy's name, and of a resource's that it asks for.
const LONGEST_NAME: usize = 1024;
/// Names of one type that an Envoy may ask for. It has as many secrets as there are providers in its scope.
const MOST_NAMES: usize = 200_000;

/// How often it is reported that an Envoy is still there. One that is gone without a word is found out by pings before that.
const SEEN_EVERY: Duration = Duration::from_secs(15);

/// The aggregated discovery service.
#[derive(Clone)]
pub struct Ads {
    publisher: Publisher,
    authenticate: Authenticate,
    reports: mpsc::UnboundedSender<NodeReport>,
    open: Arc<OpenStreams>,
    stamp: Arc<Stamp>,
    gateways_changed: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
}

impl Ads {
    /// Serves what is published to whoever authenticates, and says what each Envoy made of it, until `stopping` is true.
    /// `gateways_changed` changes whenever a token may have become invalid.
    pub fn new(
        publisher: Publisher,
        authenticate: Authenticate,
        reports: mpsc::UnboundedSender<NodeReport>,
        gateways_changed: watch::Receiver<u64>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            publisher,
            authenticate,
            reports,
            open: Arc::default(),
            stamp: Arc::default(),
            gateways_changed,
            stopping,
        }
    }

    async fn gateway(&self, token: &str) -> Result<Gateway, Status> {
        match (self.authenticate)(token.to_owned()).await {
            Ok(Some(gateway)) => Ok(gateway),
            Ok(None) => Err(Status::unauthenticated("the gateway's token is not valid")),
            Err(error) => Err(Status::unavailable(error.to_string())),
        }
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream =
        Pin<Box<dyn futures::Stream<Item = Result<DiscoveryResponse, Status>> + Send>>;
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        _request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("only the delta protocol is served: set api_type to DELTA_GRPC"))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let token = bearer(&request).ok_or_else(|| Status::unauthenticated("a gateway's token is required"))?;
        let gateway = self.gateway(&token).await?;
        let (responses, stream) = mpsc::channel(ResourceType::ALL.len());
        let ads = self.clone();
        tokio::spawn(async move {
            if let Err(status) = ads.serve(token, gateway, request.into_inner(), &responses).await {
                // Whoever is gone does not read it.
                let _ = responses.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn bearer<T>(request: &Request<T>) -> Option<String> {
    let value = request.metadata().get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

impl Ads {
    /// Serves one Envoy until it leaves.
    async fn serve(
        &self,
        token: String,
        gateway: Gateway,
        mut requests: Streaming<DeltaDiscoveryRequest>,
        responses: &mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
    ) -> Result<(), Status> {
        let Some(first) = requests.message().await? else { return Ok(()) };
        let node = first.node.clone().unwrap_or_default();
        if node.id.is_empty() || node.id.len() > LONGEST_NAME {
            let reason = format!("the first request must carry a node.id of at most {LONGEST_NAME} bytes");
            return Err(Status::invalid_argument(reason));
        }
        let scope = gateway.tenant_id.map_or(Scope::Everyone, Scope::Tenant);
        let mut connection = Connection::open(self, gateway.id, &node);
        let mut views = self.publisher.subscribe();
        let mut stopping = self.stopping.clone();
        let mut gateways_changed = self.gateways_changed.clone();
        gateways_changed.mark_changed();
        let mut recheck = tokio::time::interval(RECHECK);
        let mut seen = tokio::time::interval_at(Instant::now() + SEEN_EVERY, SEEN_EVERY);
        connection.view(views.borrow_and_update().as_deref(), scope);
        connection.receive(&first)?;
        loop {
            while let Some(push) = connection.session.next_push() {
                tracing::debug!(
                    node = node.id,
                    kind = ?push.kind,
                    revision = push.revision,
                    resources = push.resources.len(),
                    removed = push.removed.len(),
                    "sent to an Envoy"
                );
                if responses.send(Ok(wire(push, &self.stamp))).await.is_err() {
                    return Ok(());
                }
            }
            connection.report_progress();
            tokio::select! {
                request = requests.message() => match request? {
                    Some(request) => connection.receive(&request)?,
                    None => return Ok(()),
                },
                () = stopped(&mut stopping) => {
                    return Err(Status::unavailable("the control plane is shutting down"));
                }
                Ok(()) = views.changed() => {
                    connection.retry.restart();
                    connection.view(views.borrow_and_update().as_deref(), scope);
                }
                _ = seen.tick() => connection.seen(),
                () = connection.retry.due() => {
                    connection.session.try_again(ResourceType::Plugin);
                    connection.session.try_again(ResourceType::Cluster);
                }
                () = token_in_doubt(&mut gateways_changed, &mut recheck) => match self.gateway(&token).await {
                    Err(status) if status.code() == tonic::Code::Unauthenticated => return Err(status),
                    _ => {}
                },
                () = responses.closed() => return Ok(()),
            }
        }
    }
}

/// Ends when the token should be checked again. It is once at the beginning, since what changed while the stream was opened
/// would else go unnoticed.
async fn token_in_doubt(gateways_changed: &mut watch::Receiver<u64>, recheck: &mut tokio::time::Interval) {
    tokio::select! {
        // Without a sender the runtime is gone as well.
        Ok(()) = gateways_changed.changed() => {}
        _ = recheck.tick() => {}
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Without a sender the runtime is gone as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn wire(push: Push, stamp: &Stamp) -> DeltaDiscoveryResponse {
    metrics::counter!("weir_xds_responses_total", "type" => push.kind.type_url()).increment(1);
    let body = |resource: &Resource| match push.kind {
        ResourceType::Plugin => stamp.plugin(&resource.body),
        _ => resource.body.clone(),
    };
    let resources = push.resources.iter().map(|(name, resource)| WireResource {
        name: name.to_string(),
        version: resource.version.to_string(),
        resource: Some(body(resource)),
        ..Default::default()
    });
    DeltaDiscoveryResponse {
        system_version_info: push.revision.to_string(),
        resources: resources.collect(),
        removed_resources: push.removed.iter().map(ToString::to_string).collect(),
        type_url: push.kind.type_url().to_owned(),
        nonce: push.nonce,
        ..Default::default()
    }
}

/// One Envoy's open stream.
struct Connection<'a> {
    ads: &'a Ads,
    gateway_id: Uuid,
    node_id: String,
    session: Session,
    retry: Retry,
    complaints: Complaints,
    /// It was said that another Envoy has the same name.
    shared: bool,
}

impl<'a> Connection<'a> {
    fn open(ads: &'a Ads, gateway_id: Uuid, node: &Node) -> Self {
        ads.open.open(&(gateway_id, node.id.clone()), Instant::now());
        metrics::gauge!("weir_xds_streams").increment(1);
        let connection = Self {
            ads,
            gateway_id,
            node_id: node.id.clone(),
            session: Session::default(),
            retry: Retry::default(),
            complaints: Complaints::default(),
            shared: false,
        };
        tracing::info!(node = node.id, gateway = %gateway_id, "an Envoy connected");
        connection.report(NodeEvent::Connected { envoy_version: envoy_version(node) });
        connection
    }

    fn seen(&mut self) {
        let envoys = self.ads.open.envoys(&(self.gateway_id, self.node_id.clone()), Instant::now());
        self.report(NodeEvent::Seen { streams: u32::try_from(envoys).unwrap_or(u32::MAX) });
        let shared = envoys > 1;
        if shared && !self.shared {
            metrics::counter!("weir_xds_shared_node_ids_total").increment(1);
            tracing::warn!(
                node = self.node_id,
                gateway = %self.gateway_id,
                "several Envoys have one node.id, so that what is said about it is true of none: give each its own"
            );
        }
        self.shared = shared;
    }

    fn view(&mut self, view: Option<&crate::View>, scope: Scope) {
        if let Some(view) = view {
            self.session.offer(view.resources(scope), view.revision);
        }
    }

    fn receive(&mut self, request: &DeltaDiscoveryRequest) -> Result<(), Status> {
        let Some(kind) = ResourceType::of_type_url(&request.type_url) else {
            return Err(Status::invalid_argument(format!("{} is not served", request.type_url)));
        };
        let names = || request.resource_names_subscribe.iter().chain(request.initial_resource_versions.keys());
        if names().any(|name| name.len() > LONGEST_NAME) {
            return Err(Status::invalid_argument(format!("a resource's name has at most {LONGEST_NAME} bytes")));
        }
        if self.session.known_names(kind).saturating_add(names().count()) > MOST_NAMES {
            return Err(Status::resource_exhausted(format!("at most {MOST_NAMES} names of a type can be asked for")));
        }
        match self.session.receive(kind, request) {
            Some(Outcome::Acknowledged { kind: ResourceType::Plugin }) => self.retry.accepted(),
            // Envoy refuses a pool, too, whose upstream plugin cannot be made yet.
            Some(Outcome::Refused { kind: ResourceType::Plugin | ResourceType::Cluster, names, reason, revision }) => {
                if self.retry.refused(&names) {
                    self.refused(names, reason, revision);
                }
            }
            Some(Outcome::Refused { names, reason, revision, .. }) => self.refused(names, reason, revision),
            Some(Outcome::Acknowledged { .. }) | None => {}
        }
        if kind == ResourceType::Plugin && !request.initial_resource_versions.is_empty() {
            self.retry.accepted();
        }
        Ok(())
    }

    fn refused(&mut self, names: Vec<Arc<str>>, reason: String, revision: u64) {
        let (resource, reason) = (shortened(names.join(", ")), shortened(reason));
        metrics::counter!("weir_xds_refusals_total").increment(1);
        if let Some(unsaid) = self.complaints.may_say(Instant::now()) {
            tracing::warn!(
                node = self.node_id,
                revision,
                resource,
                reason,
                unsaid,
                "an Envoy refused its configuration"
            );
        }
        self.report(NodeEvent::Refused { revision, resource, reason });
    }

    fn report_progress(&mut self) {
        if let Some(revision) = self.session.newly_sent() {
            self.report(NodeEvent::Sent { revision });
        }
        if let Some(revision) = self.session.newly_applied() {
            tracing::debug!(node = self.node_id, revision, "an Envoy applied its configuration");
            self.report(NodeEvent::Applied { revision });
        }
    }

    fn report(&self, event: NodeEvent) {
        let (gateway_id, node_id) = (self.gateway_id, self.node_id.clone());
        // Without a receiver the runtime is shutting down.
        let _ = self.ads.reports.send(NodeReport { gateway_id, node_id, at: Utc::now(), event });
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        metrics::gauge!("weir_xds_streams").decrement(1);
        // An Envoy that came back before its old stream was noticed to be dead is still connected.
        if self.ads.open.close(&(self.gateway_id, self.node_id.clone())) {
            tracing::info!(node = self.node_id, "an Envoy disconnected");
            self.report(NodeEvent::Disconnected);
        }
    }
}

fn envoy_version(node: &Node) -> String {
    match &node.user_agent_version_type {
        Some(UserAgentVersionType::UserAgentVersion(version)) => version.clone(),
        Some(UserAgentVersionType::UserAgentBuildVersion(build)) => build
            .version
            .as_ref()
            .map(|version| format!("{}.{}.{}", version.major_number, version.minor_number, version.patch))
            .unwrap_or_default(),
        None => String::new(),
    }
}
