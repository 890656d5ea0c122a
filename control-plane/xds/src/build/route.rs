use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source};
use envoy_types::pb::envoy::config::route::v3 as envoy;
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, Vhds,
    VirtualHost, header_matcher::HeaderMatchSpecifier, retry_policy::RetryBackOff, route::Action,
    route_action::ClusterSpecifier, route_match::PathSpecifier,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::pb::google::protobuf::{Any, BoolValue, UInt64Value};
use envoy_types::util::pack_any;
use uuid::Uuid;
use weir_config::names;
use weir_core::snapshot::{Pool, Provider};

use super::pool::ads;
use super::scalar::{milliseconds, number};
use super::{BUFFER_LIMIT_BYTES, ROUTES, cluster_of_pool, members};

/// How much longer than a request may take its answer may wait for a client that does not read it.
const UNREAD_ANSWER_MS: u64 = 10_000;

/// Refusals for what no pool serves. Each pool has a virtual host of its own ([`of_pool`]), found by the header that the route plugin
/// sets: a change of one pool is one small message, and Envoy finds a pool among thousands by one look into a table.
pub(super) fn routes() -> Any {
    pack_any(RouteConfiguration {
        name: ROUTES.into(),
        virtual_hosts: vec![VirtualHost {
            // A pool that this Envoy has not heard of yet, or no longer: the client may try again.
            routes: vec![
                refusal("weir.unknown_pool", vec![present(names::POOL_HEADER)], 503),
                refusal("weir.unknown_path", vec![], 404),
            ],
            ..virtual_host("weir", "*")
        }],
        vhost_header: names::POOL_HEADER.into(),
        vhds: Some(Vhds { config_source: Some(ads()) }),
        // Clusters come first, but a route may outlive its cluster by a moment; that is no reason to refuse all routes.
        validate_clusters: Some(BoolValue { value: false }),
        ..Default::default()
    })
}

/// The virtual host of a pool, by its name: two routes, picked by the header that says whether a stream is asked for.
///
/// Envoy takes hosts away by the name that they say themselves, so that it must be the resource's.
pub(super) fn of_pool(pool: &Pool, providers: &BTreeMap<Uuid, &Provider>) -> (String, Any) {
    let name = format!("{ROUTES}/{}", pool.id);
    let retried = Retried::of(pool, providers);
    let routes = vec![streamed(pool, retried), whole(pool, retried)];
    let host = pack_any(VirtualHost { routes, ..virtual_host(&name, &pool.id.to_string()) });
    (name, host)
}

fn virtual_host(name: &str, domain: &str) -> VirtualHost {
    VirtualHost {
        name: name.into(),
        domains: vec![domain.into()],
        include_request_attempt_count: true,
        request_body_buffer_limit: Some(UInt64Value { value: BUFFER_LIMIT_BYTES.into() }),
        ..Default::default()
    }
}

/// A stream must begin soon, and may be silent only so long.
///
/// A route's idle time-out runs from the end of the request, over all attempts, so each member gets an equal share of it at
/// most, or the silence of the first could use up the time of all the others. (Envoy's idle time-out for one attempt is no
/// way around: `per_try_timeout` disarms it when its own time comes, also after the answer has begun.)
fn streamed(pool: &Pool, retried: Retried) -> Route {
    let of_streams = Some(exact(names::STREAM_HEADER, "true"));
    route(pool, "stream", of_streams, pool.idle_timeout_ms, Some(retried.policy(attempt_at_stream_ms(pool))))
}

/// A whole answer is silent until the model is done, so that only the time in all can bound it. The route's idle time-out takes
/// the place of the listener's, which knows no pool: it is for a client that does not read its answer.
///
/// Where nothing is tried again, the time in all is that of the attempt. A retry policy without retries would have nothing to say,
/// and costs each request its state and Envoy a copy of the body.
fn whole(pool: &Pool, retried: Retried) -> Route {
    let unread = pool.request_timeout_ms.saturating_add(UNREAD_ANSWER_MS);
    let policy = (retried != Retried::Nothing).then(|| retried.policy(share(pool, pool.request_timeout_ms)));
    route(pool, "whole", None, unread, policy)
}

/// How long one attempt at a stream may take to its first content.
pub(super) fn attempt_at_stream_ms(pool: &Pool) -> u64 {
    let silence = pool.idle_timeout_ms.min(pool.request_timeout_ms);
    pool.first_byte_timeout_ms.min(share(pool, silence))
}

/// A member's part of a time that all share.
fn share(pool: &Pool, milliseconds: u64) -> u64 {
    milliseconds.div_ceil(u64::try_from(pool.members.len()).unwrap_or(1).max(1))
}

/// How often a request goes to a provider again that never looked at it: the next connection may be about to close as well.
const REFUSED_RETRIES: u32 = 3;

/// What a pool does about an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retried {
    /// It goes to so many other members, one after the other.
    Elsewhere(u32),
    /// The only member is asked again if it says that it never looked at the request (RFC 9113, 8.7): it had refused the stream, or was
    /// about to close the connection.
    Refused,
    /// The only member is spoken to in plain text, and so in HTTP/1.1, which has no such word.
    Nothing,
}

impl Retried {
    fn of(pool: &Pool, providers: &BTreeMap<Uuid, &Provider>) -> Self {
        match u32::try_from(pool.members.len().saturating_sub(1)).unwrap_or(u32::MAX) {
            0 if members(pool, providers).any(|(_, provider)| provider.base_url.tls) => Self::Refused,
            0 => Self::Nothing,
            others => Self::Elsewhere(others),
        }
    }

    fn policy(self, attempt_timeout_ms: u64) -> RetryPolicy {
        let (retry_on, codes, retries) = match self {
            Self::Elsewhere(others) => {
                let codes = names::RETRIED_BELOW_500.map(u32::from).to_vec();
                ("5xx,reset,connect-failure,refused-stream,retriable-status-codes", codes, others)
            }
            Self::Refused => ("refused-stream", vec![], REFUSED_RETRIES),
            Self::Nothing => ("", vec![], 0),
        };
        RetryPolicy {
            retry_on: retry_on.into(),
            retriable_status_codes: codes,
            num_retries: Some(number(retries)),
            per_try_timeout: Some(milliseconds(attempt_timeout_ms)),
            // The next attempt goes to another provider, or on another connection: there is nobody to spare by waiting.
            retry_back_off: Some(RetryBackOff {
                base_interval: Some(milliseconds(25)),
                max_interval: Some(milliseconds(25)),
            }),
            ..Default::default()
        }
    }
}

fn route(
    pool: &Pool,
    name: &str,
    besides: Option<HeaderMatcher>,
    idle_timeout_ms: u64,
    retry_policy: Option<RetryPolicy>,
) -> Route {
    Route {
        name: format!("{}.{name}", cluster_of_pool(pool.id)),
        r#match: Some(any_path(besides.into_iter().collect())),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(cluster_of_pool(pool.id))),
            cluster_not_found_response_code: envoy::route_action::ClusterNotFoundResponseCode::ServiceUnavailable
                .into(),
            timeout: Some(milliseconds(pool.request_timeout_ms)),
            idle_timeout: Some(milliseconds(idle_timeout_ms)),
            retry_policy,
            ..Default::default()
        })),
        ..Default::default()
    }
}

/// The body is a placeholder: the listener's `local_reply_config` writes it in the client's schema.
fn refusal(name: &str, headers: Vec<HeaderMatcher>, status: u32) -> Route {
    let body =
        DataSource { specifier: Some(data_source::Specifier::InlineString(name.to_owned())), ..Default::default() };
    Route {
        name: name.into(),
        r#match: Some(any_path(headers)),
        action: Some(Action::DirectResponse(DirectResponseAction { status, body: Some(body), ..Default::default() })),
        ..Default::default()
    }
}

fn any_path(headers: Vec<HeaderMatcher>) -> RouteMatch {
    RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".into())), headers, ..Default::default() }
}

fn exact(name: &str, value: &str) -> HeaderMatcher {
    let matcher = StringMatcher { match_pattern: Some(MatchPattern::Exact(value.to_owned())), ..Default::default() };
    header(name, HeaderMatchSpecifier::StringMatch(matcher))
}

fn present(name: &str) -> HeaderMatcher {
    header(name, HeaderMatchSpecifier::PresentMatch(true))
}

fn header(name: &str, specifier: HeaderMatchSpecifier) -> HeaderMatcher {
    HeaderMatcher { name: name.to_owned(), header_match_specifier: Some(specifier), ..Default::default() }
}
