use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source};
use envoy_types::pb::envoy::config::route::v3 as envoy;
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
    header_matcher::HeaderMatchSpecifier, retry_policy::RetryBackOff, route::Action, route_action::ClusterSpecifier,
    route_match::PathSpecifier,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::pb::google::protobuf::{Any, BoolValue, UInt64Value};
use envoy_types::util::pack_any;
use weir_config::names;
use weir_core::snapshot::Pool;

use super::scalar::{milliseconds, number};
use super::{BUFFER_LIMIT_BYTES, ROUTES, cluster_of_pool};

/// Two routes for each pool, picked by the headers that the route plugin sets, and refusals for all else.
pub(super) fn routes(pools: &[&Pool]) -> Any {
    let mut routes: Vec<Route> = pools.iter().flat_map(|pool| [streamed(pool), whole(pool)]).collect();
    // A pool that this Envoy has not heard of yet, or no longer: the client may try again.
    routes.push(refusal("weir.unknown_pool", vec![present(names::POOL_HEADER)], 503));
    routes.push(refusal("weir.unknown_path", vec![], 404));
    pack_any(RouteConfiguration {
        name: ROUTES.into(),
        virtual_hosts: vec![VirtualHost {
            name: "weir".into(),
            domains: vec!["*".into()],
            routes,
            include_request_attempt_count: true,
            request_body_buffer_limit: Some(UInt64Value { value: BUFFER_LIMIT_BYTES.into() }),
            ..Default::default()
        }],
        // Clusters come first, but a route may outlive its cluster by a moment; that is no reason to refuse all routes.
        validate_clusters: Some(BoolValue { value: false }),
        ..Default::default()
    })
}

/// A stream must begin soon, and may be silent only so long.
fn streamed(pool: &Pool) -> Route {
    let retry = RetryPolicy { per_try_timeout: Some(milliseconds(pool.first_byte_timeout_ms)), ..retry(pool) };
    route(pool, true, pool.idle_timeout_ms, retry)
}

/// A whole answer is silent until the model is done, so that only the time in all can bound it; each member gets an equal
/// share of it, or the first could use up the time of all the others by its silence.
fn whole(pool: &Pool) -> Route {
    let members = u64::try_from(pool.members.len()).unwrap_or(1).max(1);
    let share = milliseconds(pool.request_timeout_ms.div_ceil(members));
    route(pool, false, pool.request_timeout_ms, RetryPolicy { per_try_timeout: Some(share), ..retry(pool) })
}

fn route(pool: &Pool, stream: bool, idle_timeout_ms: u64, retry: RetryPolicy) -> Route {
    Route {
        name: format!("{}.{}", cluster_of_pool(pool.id), if stream { "stream" } else { "whole" }),
        r#match: Some(any_path(vec![
            exact(names::POOL_HEADER, &pool.id.to_string()),
            exact(names::STREAM_HEADER, if stream { "true" } else { "false" }),
        ])),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(cluster_of_pool(pool.id))),
            cluster_not_found_response_code: envoy::route_action::ClusterNotFoundResponseCode::ServiceUnavailable
                .into(),
            timeout: Some(milliseconds(pool.request_timeout_ms)),
            idle_timeout: Some(milliseconds(idle_timeout_ms)),
            retry_policy: Some(retry),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn retry(pool: &Pool) -> RetryPolicy {
    let others = u32::try_from(pool.members.len().saturating_sub(1)).unwrap_or(0);
    RetryPolicy {
        retry_on: "5xx,reset,connect-failure,refused-stream,retriable-status-codes".into(),
        retriable_status_codes: names::RETRIED_BELOW_500.map(u32::from).to_vec(),
        num_retries: Some(number(others)),
        // The next attempt goes to another provider: there is nobody to spare by waiting.
        retry_back_off: Some(RetryBackOff {
            base_interval: Some(milliseconds(25)),
            max_interval: Some(milliseconds(25)),
        }),
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
