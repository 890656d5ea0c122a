//! What the control plane sends, as the filters read it.

use std::rc::Rc;

use prost::Message as _;
use uuid::Uuid;
use weir_auth::{Answer, AuthPlugin, PrincipalCache, Watch};
use weir_config::{AuthConfig, AuthSource, ControlPlane, FailMode, Limit, QuotaConfig, Unit, Window};
use weir_exchange::{Exchange, Principal, Shared};
use weir_host::fake::FakeHost;
use weir_host::{Flow, StreamFilter};
use weir_proto::dataplane::{
    AcquireQuotaRequest, AcquireQuotaResponse, ResolveCredentialResponse, WatchRequest, WatchResponse,
    resolve_credential_response::Status,
};
use weir_quota::{Leases, QuotaPlugin};

use crate::input::choice;
use crate::input::{chat, openai};

/// The first byte chooses the message; the rest is its bytes.
///
/// Only an answer that says so in full lets a request pass; what cannot be read is refused, or forgets everything.
pub fn check(data: &[u8]) {
    let (kind, message) = choice(data);
    match kind % 3 {
        0 => check_credential(message),
        1 => check_watch(message),
        _ => check_quota(message),
    }
}

fn control_plane() -> ControlPlane {
    ControlPlane { cluster: "control-plane".into(), timeout_ms: 1000 }
}

fn host() -> FakeHost {
    let headers = [(":method", "POST"), (":path", "/v1/chat/completions"), ("authorization", "Bearer weir_1")];
    FakeHost { now: 1_800_000_000_000_000, ..FakeHost::with_request(&headers) }
}

fn auth_config() -> AuthConfig {
    AuthConfig {
        source: AuthSource::ControlPlane(control_plane()),
        principal_lifetime_s: 60,
        principal_stale_s: 600,
        unknown_key_lifetime_s: 10,
        principal_capacity: 10,
    }
}

fn check_credential(message: &[u8]) {
    let answer = Answer::decode(message, &[]);
    if let Ok(Answer::Active { principal, .. }) = &answer {
        let response = ResolveCredentialResponse::decode(message).expect("it was decoded");
        assert_eq!(response.status(), Status::Active);
        let said = response.principal.expect("an active key has a principal");
        assert_eq!(principal.tenant_id, said.tenant_id);
        let profile = principal.guardrail_profile.as_ref();
        assert_eq!(
            profile.map_or("", |profile| &profile.id),
            said.guardrail_profile_id,
            "its guardrails are another's"
        );
        assert!(profile.is_none_or(|profile| !profile.profile.rules.is_empty()), "guardrails without a rule");
        assert_eq!(principal.allowed_models, said.allowed_models.map(|allowed| allowed.names));
        let holds = |limit: &Rc<Limit>| {
            let period = limit.window.period_at(0);
            period.start_s < period.end_s
        };
        assert!(principal.limits.iter().all(holds), "a window without a moment");
    }

    let mut host = host();
    let shared = Shared::new(Exchange::new(Uuid::nil(), 0));
    let cache = Rc::new(PrincipalCache::new());
    cache.set_watched(true);
    let plugin = AuthPlugin::new(auth_config());
    let mut filter = plugin.stream(shared.clone(), Rc::clone(&cache));
    assert_eq!(filter.on_request_headers(&mut host, false), Flow::Pause);
    let call = host.calls.first().expect("the key is looked up").id;
    let flow = filter.on_call(&mut host, call, Ok(message));
    let admitted = shared
        .read(|exchange| exchange.request().principal.is_some() && exchange.request().catalog.is_some())
        == Some(true);
    assert_eq!(admitted, flow == Flow::Continue);
    match answer {
        Ok(Answer::Active { principal, catalog, .. }) => {
            let expired = principal.expires_at.is_some_and(|at| at <= host.now);
            // Nobody asked for the catalog to be left out.
            let usable = !expired && catalog.is_some();
            assert_eq!(admitted, usable);
            assert_eq!(cache.len(), usize::from(usable));
        }
        Ok(Answer::Denied(_)) => {
            // Who is not known waits for the body, which names the model.
            let flow = if flow == Flow::Pause { filter.on_request_body(&mut host, 0, true) } else { flow };
            assert!(matches!(flow, Flow::Reply(reply) if [401, 403].contains(&reply.status)));
        }
        Err(_) => assert!(matches!(flow, Flow::Reply(reply) if reply.status == 503)),
    }
    assert_eq!(filter.on_request_body(&mut host, 0, true) == Flow::Continue, admitted);
}

fn check_watch(message: &[u8]) {
    let cache = PrincipalCache::new();
    let mut watch = Watch::new("vm", "node");
    assert!(watch.tick(0).is_some());
    let before = watch.applied_revision();
    match (watch.message(&cache, message, 0), WatchResponse::decode(message)) {
        (Ok(acknowledged), Ok(said)) => {
            let acknowledged = WatchRequest::decode(acknowledged.as_slice()).expect("an acknowledgement is a message");
            assert_eq!(acknowledged.applied_revision, watch.applied_revision());
            assert_eq!(watch.applied_revision(), said.revision.max(before));
        }
        (Err(_), Err(_)) => assert_eq!(watch.applied_revision(), before),
        (ours, theirs) => panic!("{ours:?}, but {theirs:?}"),
    }
}

fn check_quota(message: &[u8]) {
    let limit = |counter: &str| Rc::new(Limit::new(counter, Unit::Requests, Window::of_seconds(60), 5));
    let principal = Principal { tenant_id: "t".into(), limits: vec![limit("a"), limit("b")], ..Principal::default() };
    let mut host = host();
    let mut exchange = Exchange::new(Uuid::nil(), 0);
    let request = exchange.prepare().expect("no attempt was made");
    request.operation = Some(chat(openai()));
    request.principal = Some(Rc::new(principal));
    let plugin = QuotaPlugin::new(QuotaConfig {
        control_plane: control_plane(),
        fail_mode: FailMode::Closed,
        lease_percent: 100,
    });
    let leases = Rc::new(Leases::new("envoy".into(), 1));
    let mut filter = plugin.stream(Shared::new(exchange), Rc::clone(&leases));
    assert_eq!(filter.on_request_headers(&mut host, false), Flow::Pause);
    let call = host.calls.first().expect("a lease is asked for").clone();
    let asked = AcquireQuotaRequest::decode(call.message.as_slice()).expect("a request is a message");
    leases.on_call(&mut host, call.id, Ok(message));
    assert_eq!((leases.next_woken(), leases.next_woken()), (Some(0), None));
    let flow = filter.on_wake(&mut host);
    let granted = AcquireQuotaResponse::decode(message).is_ok_and(|said| {
        said.grants.len() == asked.demands.len()
            && said.grants.iter().zip(&asked.demands).all(|(grant, demand)| {
                grant.granted > 0
                    && grant.counter == demand.counter
                    && grant.window_start_unix_s == demand.window_start_unix_s
            })
    });
    assert_eq!(flow == Flow::Continue, granted, "{flow:?}");
    if let Flow::Reply(reply) = flow {
        assert!(matches!(reply.status, 429 | 503), "{}", reply.status);
    }
}
