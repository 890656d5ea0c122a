//! Which headers go to a provider, and which of a provider's come back.

use weir_config::Deployment;
use weir_config::names::{CREDENTIAL_SLOT_PREFIX, INTERNAL_PREFIX};
use weir_host::Header;
use weir_llm::Schema;

/// The version of Anthropic's API that this crate writes and reads.
const ANTHROPIC_VERSION: &str = "2023-06-01";

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

/// Of a provider's answer these do not reach the client: what speaks of the connection or of the operator's account there,
/// and what is written anew.
const DROPPED_FROM_RESPONSE: [&str; 22] = [
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "trailer",
    "upgrade",
    "set-cookie",
    "www-authenticate",
    "alt-svc",
    "strict-transport-security",
    "anthropic-organization-id",
    "via",
    "nel",
    "report-to",
    "reporting-endpoints",
    "x-cache",
    "x-powered-by",
    "x-served-by",
    "x-robots-tag",
];
const DROPPED_RESPONSE_PREFIXES: [&str; 6] =
    [INTERNAL_PREFIX, "x-envoy-", "x-ratelimit-", "anthropic-ratelimit-", "openai-", "cf-"];

/// What an attempt's request headers are made of.
pub(crate) struct Upstream<'a> {
    pub(crate) deployment: &'a Deployment,
    /// The schema's own path, for example `/v1/messages`.
    pub(crate) path: &'a str,
    pub(crate) client: Schema,
    pub(crate) provider: Schema,
    /// Content of the credential's slot.
    pub(crate) credential: Option<Vec<u8>>,
    pub(crate) body_length: usize,
}

/// The headers to keep from the first attempt on: as the client sent them, without the credentials that Envoy put in.
pub(crate) fn originals(headers: Vec<Header>) -> Vec<Header> {
    headers.into_iter().filter(|(name, _)| !name.starts_with(CREDENTIAL_SLOT_PREFIX)).collect()
}

impl Upstream<'_> {
    /// One attempt's request headers, made of nothing but the original ones and its own.
    pub(crate) fn headers(&self, originals: &[Header]) -> Vec<Header> {
        let mut headers: Vec<Header> = Vec::with_capacity(originals.len().saturating_add(8));
        let mut put = |name: &str, value: &[u8]| headers.push((name.to_owned(), value.to_vec()));
        put(":method", b"POST");
        put(":scheme", self.deployment.scheme.as_bytes());
        put(":authority", self.deployment.authority.as_bytes());
        put(":path", format!("{}{}", self.deployment.path_prefix, self.path).as_bytes());
        for (name, value) in originals {
            if self.keeps(name) {
                put(name, value);
            }
        }
        put("content-type", b"application/json");
        put("content-length", self.body_length.to_string().as_bytes());
        put("accept-encoding", b"identity");
        let has_version = self.same_schema() && originals.iter().any(|(name, _)| name == "anthropic-version");
        if self.provider == Schema::Anthropic && !has_version {
            put("anthropic-version", ANTHROPIC_VERSION.as_bytes());
        }
        if let (Some(placement), Some(credential)) = (&self.deployment.credential, &self.credential) {
            let mut value = placement.prefix.as_bytes().to_vec();
            value.extend_from_slice(credential);
            let header = placement.header.to_ascii_lowercase();
            headers.retain(|(name, _)| *name != header);
            headers.push((header, value));
        }
        headers
    }

    fn same_schema(&self) -> bool {
        self.client == self.provider
    }

    fn keeps(&self, name: &str) -> bool {
        let dropped = name.starts_with(':')
            || DROPPED_FROM_REQUEST.contains(&name)
            || begins_with_one_of(name, &DROPPED_PREFIXES)
            || (!self.same_schema() && begins_with_one_of(name, &SCHEMA_PREFIXES));
        !dropped
    }
}

/// The headers of an answer as the client gets them; `length` is that of a body held whole.
pub(crate) fn downstream(provider: &[Header], status: u16, content_type: &str, length: Option<usize>) -> Vec<Header> {
    let mut headers: Vec<Header> = vec![(":status".into(), status.to_string().into_bytes())];
    let kept = provider.iter().filter(|(name, _)| {
        !(name.starts_with(':')
            || DROPPED_FROM_RESPONSE.contains(&name.as_str())
            || begins_with_one_of(name, &DROPPED_RESPONSE_PREFIXES))
    });
    headers.extend(kept.cloned());
    headers.push(("content-type".into(), content_type.into()));
    if let Some(length) = length {
        headers.push(("content-length".into(), length.to_string().into_bytes()));
    }
    headers
}

fn begins_with_one_of(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}
