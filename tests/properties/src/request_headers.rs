//! A request's line and headers: operation, key, and what they announce of the body.

use std::rc::Rc;

use crate::input::anthropic;
use prost::Message as _;
use serde_json::Value;
use sha2::Digest as _;
use uuid::Uuid;
use weir_auth::{AuthPlugin, PrincipalCache};
use weir_config::{AuthConfig, AuthSource, ControlPlane, RouteConfig};
use weir_exchange::{Bodies, Catalog, CatalogModel, Exchange, Principal, Shared};
use weir_host::fake::FakeHost;
use weir_host::fake::Header;
use weir_host::{Flow, Reply, StreamFilter};
use weir_llm::{Operation, Schema};
use weir_proto::dataplane::ResolveCredentialRequest;
use weir_route::RoutePlugin;

const HEADERS: [&str; 8] = [
    "authorization",
    "x-api-key",
    "api-key",
    "anthropic-version",
    "content-type",
    "content-encoding",
    "content-length",
    "x-goog-api-key",
];

/// The first line is `METHOD path`; each further line begins with the number of a header in `HEADERS` and holds its value.
///
/// What is looked up is the digest of a key that the headers hold, and of nothing else. One key is never refused unasked, unless it has
/// Weir's form; of several, one of Weir's form goes before others. A refusal is an error in the schema of the path. The route plugin reads a body only as far as the headers allow it.
pub fn check(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let request_line = lines.next().unwrap_or_default();
    let mut words = request_line.splitn(2, |byte| *byte == b' ');
    let mut headers: Vec<Header> = vec![
        (":method".into(), words.next().unwrap_or_default().to_vec()),
        (":path".into(), words.next().unwrap_or_default().to_vec()),
    ];
    headers.extend(lines.filter_map(|line| {
        let (number, value) = line.split_first()?;
        Some((HEADERS[usize::from(*number) % HEADERS.len()].to_owned(), value.to_vec()))
    }));
    let mut host = FakeHost::default();
    host.headers[0] = headers.clone();

    let text = |name: &str| first(&headers, name).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
    let has_header = |name: &str| first(&headers, name).is_some();
    let operation = Operation::of(text(":method"), text(":path"), &has_header);
    let schema = operation.map_or_else(|_| Schema::of_path(text(":path"), &has_header), Operation::schema);
    check_auth(&mut host, &headers, operation.is_ok(), schema);
    if let Ok(operation) = operation {
        check_route(&mut host, &headers, operation);
    }
}

fn check_auth(host: &mut FakeHost, headers: &[Header], has_operation: bool, schema: Schema) {
    let config = AuthConfig {
        source: AuthSource::ControlPlane(ControlPlane { cluster: "c".into(), timeout_ms: 1 }),
        principal_lifetime_s: 60,
        principal_stale_s: 60,
        unknown_key_lifetime_s: 60,
        principal_capacity: 1,
    };
    let shared = Shared::new(Exchange::new(Uuid::nil(), 0));
    let mut filter = AuthPlugin::new(config).stream(shared, Rc::new(PrincipalCache::new()));
    let mut keys: Vec<Vec<u8>> = headers.iter().filter_map(|(name, value)| key(name, value)).collect();
    keys.sort_unstable();
    keys.dedup();
    // Envoy joins several headers of one name by commas.
    let is_one_key = keys.len() == 1 && !keys[0].contains(&b',');
    let is_weirs = |key: &Vec<u8>| key.starts_with(b"weir_");
    match filter.on_request_headers(host, false) {
        Flow::Continue => panic!("a request passed without its key being looked up"),
        Flow::Pause => {
            assert!(has_operation);
            let call = host.calls.first().expect("the key is looked up");
            let asked = ResolveCredentialRequest::decode(call.message.as_slice()).expect("it is a message");
            let is_asked = |key: &&Vec<u8>| asked.key_sha256 == sha2::Sha256::digest(key).to_vec();
            let key = keys.iter().find(is_asked).expect("it is a key of the request");
            assert!(!key.contains(&b','), "two values of one header were taken for a key");
            assert!(is_weirs(key) || !keys.iter().any(is_weirs), "another credential went before Weir's");
        }
        Flow::Reply(reply) => {
            assert!(host.calls.is_empty());
            let expect: &[u16] = if has_operation { &[401] } else { &[404, 405] };
            assert!(expect.contains(&reply.status), "{}", reply.status);
            assert!(!has_operation || !is_one_key || is_weirs(&keys[0]), "a good key was refused");
            check_reply(&reply, schema);
        }
    }
}

fn check_route(host: &mut FakeHost, headers: &[Header], operation: Operation) {
    let model = CatalogModel {
        name: "a/b c".into(),
        pool_id: "p".into(),
        created_at_s: i64::MAX,
        owner: "o".into(),
        ..CatalogModel::default()
    };
    let mut exchange = Exchange::new(Uuid::nil(), 0);
    let request = exchange.prepare().expect("no attempt was made");
    request.operation = Some(operation);
    request.principal = Some(Rc::new(Principal::default()));
    request.catalog = Some(Rc::new(Catalog::new(vec![model])));
    let limit = 1000;
    let config = RouteConfig { body_limit_bytes: limit, bodies_in_flight_bytes: limit };
    let mut filter = RoutePlugin::new(config).stream(Shared::new(exchange), Rc::new(Bodies::new()));
    match filter.on_request_headers(host, !operation.has_body()) {
        Flow::Continue => panic!("a request passed without a pool"),
        Flow::Pause => {
            assert!(operation.has_body());
            let kind = first(headers, "content-type").map(<[u8]>::to_ascii_lowercase);
            assert!(kind.is_none_or(|kind| kind.trim_ascii().starts_with(b"application/json")));
            let coding = first(headers, "content-encoding").map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
            assert!(!coding.windows(4).any(|word| word == b"gzip"));
            let length = first(headers, "content-length").and_then(|value| std::str::from_utf8(value).ok());
            assert!(length.and_then(|length| length.parse::<u64>().ok()).is_none_or(|length| length <= limit));
        }
        Flow::Reply(reply) if reply.status == 200 => {
            assert!(!operation.has_body());
            assert!(crate::input::is_json(&reply.body));
        }
        Flow::Reply(reply) => {
            assert!(matches!(reply.status, 404 | 413 | 415), "{}", reply.status);
            check_reply(&reply, operation.schema());
        }
    }
}

/// The key in a header as RFC 6750 and the providers' own headers have it.
fn key(name: &str, value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    let key = match name {
        "authorization" if value.len() >= 7 && value[..7].eq_ignore_ascii_case(b"bearer ") => value[7..].trim_ascii(),
        "x-api-key" | "api-key" | "x-goog-api-key" => value,
        _ => return None,
    };
    (!key.is_empty()).then(|| key.to_vec())
}

fn first<'a>(headers: &'a [Header], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
}

fn check_reply(reply: &Reply, schema: Schema) {
    let body: Value = serde_json::from_slice(&reply.body).expect("a refusal is JSON");
    assert!(body["error"]["message"].is_string());
    assert_eq!(body["type"] == "error", schema == anthropic());
}
