//! Which headers go to a provider, and which of a provider's come back.

use weir_config::Deployment;
use weir_config::names::{CREDENTIAL_SLOT_PREFIX, INTERNAL_PREFIX};
use weir_exchange::Exchange;
use weir_host::Headers;
use weir_llm::Schema;

use crate::credential::Credential;

/// Never passed on: credentials of the client, what names its account at a provider, what speaks of its connection to Envoy,
/// and what is written anew.
const DROPPED_FROM_REQUEST: [&str; 31] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "openai-organization",
    "openai-project",
    "x-request-id",
    "x-real-ip",
    "true-client-ip",
    "forwarded",
    "via",
    "expect",
    "host",
    "accept-encoding",
    "content-encoding",
    "content-length",
    "content-type",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "origin",
    "referer",
    "x-http-method-override",
];
const DROPPED_PREFIXES: [&str; 3] = [INTERNAL_PREFIX, "x-envoy-", "x-forwarded-"];
/// Mean something to one schema only.
const SCHEMA_PREFIXES: [&str; 3] = ["anthropic-", "openai-", "x-stainless-"];

/// Of a provider's answer these alone reach the client. Any other would speak of the connection or of the operator's account
/// there, set the gateway's origin up (cookies, CORS, security policies), or pass for a header of Weir's or Envoy's own.
const KEPT_OF_RESPONSE: [&str; 5] = [
    // When to try again, as official clients read it.
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    // What the provider's support asks for.
    "request-id",
    "x-request-id",
];

/// What an attempt's request headers are made of.
pub(crate) struct Upstream<'a> {
    pub(crate) deployment: &'a Deployment,
    /// With the query, if there is one.
    pub(crate) path: &'a str,
    pub(crate) client: Schema,
    pub(crate) provider: Schema,
    /// Content of the credential's slot.
    pub(crate) credential: Option<&'a Credential>,
    pub(crate) body_length: usize,
}

/// The headers to keep from the first attempt on: as the client sent them, without the credentials that Envoy put in.
pub(crate) fn originals(headers: &Headers) -> Headers {
    let mut kept = Headers::with_capacity(headers.len(), headers.size());
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(CREDENTIAL_SLOT_PREFIX.as_bytes())) {
        kept.push(name, value);
    }
    kept
}

impl Upstream<'_> {
    /// One attempt's request headers, made of nothing but the original ones and its own.
    pub(crate) fn headers(&self, originals: &Headers) -> Headers {
        let credential = self.deployment.credential.as_ref().zip(self.credential).map(|(placement, credential)| {
            let value = [placement.prefix.as_bytes(), credential.bytes()].concat();
            (placement.header.to_ascii_lowercase(), value)
        });
        let is_credential = |name: &[u8]| credential.as_ref().is_some_and(|(header, _)| header.as_bytes() == name);
        let mut headers =
            Headers::with_capacity(originals.len().saturating_add(8), originals.size().saturating_add(512));
        let mut put = |name: &[u8], value: &[u8]| {
            if !is_credential(name) {
                headers.push(name, value);
            }
        };
        put(b":method", b"POST");
        put(b":scheme", self.deployment.scheme.as_bytes());
        put(b":authority", self.deployment.authority.as_bytes());
        put(b":path", self.path.as_bytes());
        for (name, value) in originals.iter().filter(|(name, _)| self.keeps(name)) {
            put(name, value);
        }
        put(b"content-type", b"application/json");
        put(b"content-length", self.body_length.to_string().as_bytes());
        put(b"accept-encoding", b"identity");
        if let Some((name, value)) = self.provider.version_header()
            && !(self.same_schema() && originals.get(name).is_some())
        {
            put(name.as_bytes(), value.as_bytes());
        }
        if let Some((header, value)) = &credential {
            headers.push(header, value);
        }
        headers
    }

    fn same_schema(&self) -> bool {
        self.client == self.provider
    }

    fn keeps(&self, name: &[u8]) -> bool {
        let dropped = name.starts_with(b":")
            || DROPPED_FROM_REQUEST.iter().any(|dropped| dropped.as_bytes() == name)
            || begins_with_one_of(name, &DROPPED_PREFIXES)
            || (!self.same_schema() && begins_with_one_of(name, &SCHEMA_PREFIXES));
        !dropped
    }
}

/// The headers of an answer as the client gets them; `length` is that of a body held whole.
pub(crate) fn downstream(provider: &Headers, status: u16, content_type: &str, length: Option<usize>) -> Headers {
    let mut headers = Headers::with_capacity(16, 512);
    headers.push(":status", status.to_string());
    for (name, value) in provider.iter() {
        if KEPT_OF_RESPONSE.iter().any(|kept| kept.as_bytes() == name) {
            headers.push(name, value);
        }
    }
    headers.push("content-type", content_type);
    if let Some(length) = length {
        headers.push("content-length", length.to_string());
    }
    headers
}

/// Adds what the listener's filters want told of every answer: one write of all costs the proxy less than one of each behind it.
pub(crate) fn tell(exchange: &Exchange, headers: &mut Headers) {
    let told = exchange.teller.map(|teller| teller(exchange)).unwrap_or_default();
    for (name, value) in told.iter().chain(&exchange.told) {
        headers.push(name, value);
    }
}

fn begins_with_one_of(name: &[u8], prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
}
