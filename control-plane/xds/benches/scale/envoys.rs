//! The simulated Envoys, and the course of the benchmark.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::transport::Channel;
use weir_core::snapshot::Provider;
use weir_xds::ResourceType;

use crate::{Scale, policy};

/// What the Envoys have received.
#[derive(Default)]
struct Received {
    resources: AtomicU64,
    bytes: AtomicU64,
}

pub(crate) async fn run(scale: &Scale) {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut control_plane = Command::new(std::env::current_exe().expect("this program"))
        .arg("serve")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the control plane starts");
    let mut lines = BufReader::new(control_plane.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut orders = control_plane.stdin.take().expect("piped");
    let address = lines.next().expect("an address");
    println!("{}", lines.next().expect("the first snapshot"));

    let received = Arc::new(Received::default());
    let providers = policy::initial(scale).providers;
    for number in 0..scale.envoys {
        let token = if scale.one_tenant { (number % scale.tenants).to_string() } else { "all".into() };
        tokio::spawn(envoy(address.clone(), number, token, secrets(scale, &providers, number), received.clone()));
    }
    println!("{}", lines.next().expect("every Envoy has the first revision"));
    let count = |received: &Received| {
        (received.resources.load(Ordering::Relaxed), received.bytes.load(Ordering::Relaxed) / 1_000_000)
    };
    println!("received by all: {:?} resources and MB", count(&received));
    let mut order = |order: &str| writeln!(orders, "{order}").expect("the control plane takes orders");
    order("begin");
    let mut tick = tokio::time::interval(Duration::from_secs(1) / scale.rate);
    for _ in 0..scale.seconds * scale.rate {
        tick.tick().await;
        order("change");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    order("end");
    println!("received by all: {:?} resources and MB", count(&received));
    lines.for_each(|line| println!("{line}"));
    control_plane.wait().expect("the control plane ends");
}

/// Names of the secrets that this Envoy's clusters refer to.
fn secrets(scale: &Scale, providers: &[Provider], number: usize) -> Vec<String> {
    let own = policy::tenant(number % scale.tenants);
    let providers = providers.iter().filter(|one| !scale.one_tenant || one.tenant_id == Some(own));
    providers.map(|one| format!("weir.credential.{}", one.id)).collect()
}

/// Subscribes as Envoy does, and takes what comes.
async fn envoy(address: String, number: usize, token: String, secrets: Vec<String>, received: Arc<Received>) {
    let channel = Channel::from_shared(address).expect("an address").connect().await.expect("a connection");
    let mut client = AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let (requests, stream) = mpsc::channel(32);
    let mut request = Request::new(ReceiverStream::new(stream));
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    let subscribe = |kind: ResourceType, names: Vec<String>| DeltaDiscoveryRequest {
        node: Some(Node { id: format!("envoy-{number}"), ..Node::default() }),
        type_url: kind.type_url().into(),
        resource_names_subscribe: names,
        ..Default::default()
    };
    let plugins = vec!["weir.chain".into(), "weir.provider".into()];
    for (kind, names) in [
        (ResourceType::Cluster, vec![]),
        (ResourceType::Plugin, plugins),
        (ResourceType::Secret, secrets),
        (ResourceType::Route, vec!["weir.routes".into()]),
        (ResourceType::VirtualHost, vec![]),
    ] {
        requests.send(subscribe(kind, names)).await.expect("room");
    }
    let mut responses = client.delta_aggregated_resources(request).await.expect("accepted").into_inner();
    while let Ok(Some(response)) = responses.message().await {
        received.resources.fetch_add(response.resources.len() as u64, Ordering::Relaxed);
        let bodies = response.resources.iter().filter_map(|one| one.resource.as_ref());
        received.bytes.fetch_add(bodies.map(|body| body.value.len() as u64).sum(), Ordering::Relaxed);
        let acknowledge =
            DeltaDiscoveryRequest { type_url: response.type_url, response_nonce: response.nonce, ..Default::default() };
        if requests.send(acknowledge).await.is_err() {
            return;
        }
    }
}
