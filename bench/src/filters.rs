//! The filters alone, outside of Envoy: one request through all of them, with a proxy that is a few collections.
//!
//! Not a measure of what a gateway costs, since no host call costs anything here, but one that does not depend on what else a
//! machine does: `valgrind --tool=callgrind weir-bench filters` counts the instructions of each function, and its step is one
//! of the functions below.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::json;
use sha2::Digest;
use weir_auth::{AuthPlugin, PrincipalCache};
use weir_chain::Chain;
use weir_config::parse;
use weir_exchange::{Bodies, Exchange, ExchangeTable};
use weir_guardrails::{GuardrailsPlugin, ProfileCache};
use weir_host::fake::FakeHost;
use weir_host::{Callouts, Flow, Host, Message, StreamFilter};
use weir_metering::{MeteringPlugin, Outbox};
use weir_provider::ProviderPlugin;
use weir_route::RoutePlugin;

use crate::gateway;

const KEY: &str = "weir_bench";

/// Runs the filters natively, for counting instructions.
#[derive(Args, Debug)]
pub(crate) struct Filters {
    /// Requests.
    #[arg(long, default_value_t = 1000)]
    requests: usize,
}

/// The plugins with their state, as one VM has them. Quota is left out: what it costs is its host calls.
struct Vm {
    metering: MeteringPlugin,
    auth: AuthPlugin,
    route: RoutePlugin,
    guardrails: GuardrailsPlugin,
    provider: Rc<ProviderPlugin>,
    outbox: Rc<Outbox>,
    principals: Rc<PrincipalCache>,
    profiles: Rc<ProfileCache>,
    bodies: Rc<Bodies>,
    exchanges: ExchangeTable,
}

/// What each step took.
#[derive(Default)]
struct Times {
    request: Duration,
    attempt: Duration,
    answer: Duration,
    response: Duration,
    log: Duration,
}

impl Filters {
    /// Runs them and prints a table.
    pub(crate) fn run(&self) -> Result<()> {
        let mut vm = Vm::new()?;
        let mut times = Times::default();
        for number in 0..self.requests {
            vm.request(number, &mut times)?;
        }
        println!("## Filters alone, natively\n\n| step | µs a request |\n|---|---:|");
        let steps = [
            ("metering, auth, route and guardrails: the request", times.request),
            ("provider: the request of an attempt", times.attempt),
            ("provider and guardrails: its answer", times.answer),
            ("metering: the answer", times.response),
            ("metering: the record", times.log),
        ];
        for (step, time) in steps {
            println!("| {step} | {:.2} |", time.as_secs_f64() * 1e6 / self.requests as f64);
        }
        println!();
        Ok(())
    }
}

impl Vm {
    fn new() -> Result<Self> {
        let digest: String = sha2::Sha256::digest(KEY).iter().map(|byte| format!("{byte:02x}")).collect();
        let rules = ["CREDIT_CARD", "EMAIL"].map(|kind| json!({"type": kind, "action": "redact"}));
        let principal = json!({"key_sha256": digest, "tenant_id": "tenant", "key_id": "key",
            "models": [{"name": gateway::MODEL, "pool_id": "pool"}],
            "guardrail_profile": {"name": "both", "rules": rules}});
        let auth = json!({"source": {"static": [principal]}}).to_string();
        let metering = json!({"sink": {"control_plane": {"cluster": "control_plane"}}}).to_string();
        Ok(Self {
            metering: MeteringPlugin::new(parse(metering.as_bytes())?),
            auth: AuthPlugin::new(parse(auth.as_bytes())?),
            route: RoutePlugin::new(parse(b"{}")?),
            guardrails: GuardrailsPlugin::new(parse(b"{}")?),
            provider: Rc::new(ProviderPlugin::new(parse(b"{}")?)),
            outbox: Rc::new(Outbox::new(1)),
            principals: Rc::new(PrincipalCache::new()),
            profiles: Rc::new(ProfileCache::new()),
            bodies: Rc::new(Bodies::new()),
            exchanges: ExchangeTable::new(1),
        })
    }

    fn request(&mut self, number: usize, times: &mut Times) -> Result<()> {
        let body = gateway::body(1000, false);
        let mut host = client(body.len());
        let exchange = Exchange::new(uuid::Uuid::from_u128(number as u128), 0);
        let shared = self.exchanges.insert(&mut host, exchange);
        let mut chain = Chain::new(vec![
            Box::new(self.metering.stream(shared.clone(), Rc::clone(&self.outbox))),
            Box::new(self.auth.stream(shared.clone(), Rc::clone(&self.principals))),
            Box::new(self.route.stream(shared.clone(), Rc::clone(&self.bodies))),
            Box::new(self.guardrails.stream(Some(shared), Rc::clone(&self.profiles), Callouts::default())),
        ]);
        timed(&mut times.request, || request(&mut chain, &mut host, &body))?;
        host.headers[0].push(("x-weir-credential-1".into(), b"sk-bench".to_vec()));
        let headers = host.headers(Message::Request);
        let mut attempt = self.provider.attempt(self.exchanges.find_for_attempt(&host, &headers), headers);
        timed(&mut times.attempt, || request(attempt.as_mut(), &mut host, &body))?;
        answered(&mut host);
        timed(&mut times.answer, || response(attempt.as_mut(), &mut host))?;
        timed(&mut times.response, || response(&mut chain, &mut host))?;
        timed(&mut times.log, || {
            log(&mut chain, &mut host);
            Ok(())
        })
    }
}

/// A request as an OpenAI client sends it, and what Envoy knows of it.
fn client(length: usize) -> FakeHost {
    let length = length.to_string();
    let mut host = FakeHost::with_request(&[
        (":authority", "weir.example"),
        (":path", "/v1/chat/completions"),
        (":method", "POST"),
        (":scheme", "http"),
        ("content-type", "application/json"),
        ("authorization", "Bearer weir_bench"),
        ("user-agent", "OpenAI/Python"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate"),
        ("x-stainless-lang", "python"),
        ("x-stainless-os", "Linux"),
        ("content-length", &length),
        ("x-forwarded-proto", "http"),
        ("x-envoy-attempt-count", "1"),
    ]);
    let credential = json!({"slot": "x-weir-credential-1", "header": "authorization", "prefix": "Bearer "});
    let price = json!({"version": "1", "input_microusd_per_million": 1, "cached_input_microusd_per_million": 1,
        "output_microusd_per_million": 1});
    let deployment = json!({"id": "deployment", "provider_id": "provider", "provider_name": "openai", "schema": "openai",
        "authority": "provider.example", "scheme": "https", "model": "gpt-4o-2024-11-20", "credential": credential,
        "price": price});
    let properties = [
        ("xds.upstream_host_metadata.filter_metadata.weir.deployment", deployment.to_string().into_bytes()),
        ("response.code", 200_u64.to_le_bytes().to_vec()),
        ("response.code_details", b"via_upstream".to_vec()),
    ];
    host.properties.extend(properties.map(|(path, value)| (path.to_owned(), value)));
    host
}

/// What the provider sent.
fn answered(host: &mut FakeHost) {
    let headers =
        [(":status", "200"), ("content-type", "application/json"), ("date", "today"), ("x-request-id", "req")];
    host.headers[1] = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec();
    host.hold(Message::Response, gateway::WHOLE_ANSWER.as_bytes());
}

#[inline(never)]
fn request(filter: &mut dyn StreamFilter, host: &mut FakeHost, body: &[u8]) -> Result<()> {
    ensure!(filter.on_request_headers(host, false) == Flow::Pause, "the headers were not held");
    host.hold(Message::Request, body);
    ensure!(filter.on_request_body(host, body.len(), true) == Flow::Continue, "the request was not let go");
    Ok(())
}

#[inline(never)]
fn response(filter: &mut dyn StreamFilter, host: &mut FakeHost) -> Result<()> {
    filter.on_response_headers(host, false);
    let length = host.bodies[1].len();
    ensure!(filter.on_response_body(host, length, true) == Flow::Continue, "the answer was not let go");
    Ok(())
}

#[inline(never)]
fn log(filter: &mut dyn StreamFilter, host: &mut FakeHost) {
    filter.on_log(host);
}

fn timed(total: &mut Duration, step: impl FnOnce() -> Result<()>) -> Result<()> {
    let begin = Instant::now();
    let done = step();
    *total += begin.elapsed();
    done
}
