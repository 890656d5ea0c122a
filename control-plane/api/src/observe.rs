//! What holds for every request: an id, one log line, metrics, security headers.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use crate::caller::CallerId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, for whoever writes down what it did.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Wraps a request. Bodies, queries and tokens are never logged.
pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request_id(request.headers());
    let caller = CallerId::default();
    request.extensions_mut().insert(caller.clone());
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let method = request.method().clone();
    // The pattern, not the path: so that it can be counted, and holds no ids.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let is_docs = request.uri().path().starts_with("/docs");

    let mut response = next.run(request).await;

    let route = route.unwrap_or_else(|| "unmatched".into());
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    metrics::counter!("weir_api_requests_total", "method" => known(&method), "route" => route.clone(),
        "status" => status.to_string())
    .increment(1);
    metrics::histogram!("weir_api_request_duration_seconds", "route" => route.clone()).record(elapsed.as_secs_f64());
    tracing::info!(
        request_id,
        %method,
        route,
        status,
        duration_us = elapsed.as_micros() as u64,
        actor = caller.0.get().map(tracing::field::display),
        "api request"
    );
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    secure(headers, is_docs);
    response
}

/// A method as a label: clients can invent methods, and each would be a time series of its own.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// The caller's id if it is harmless, or else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let harmless = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(harmless);
    given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Strict, but for what the console has said of its own files.
fn secure(headers: &mut HeaderMap, is_docs: bool) {
    // The interactive documentation brings its own scripts and styles, some of them inline; nothing from elsewhere.
    let policy = if is_docs {
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         frame-ancestors 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if !is_docs {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
}
