//! Which headers go to a provider, and which of a provider's come back.

use weir_config::Deployment;
use weir_config::names::CREDENTIAL_SLOT_PREFIX;
use weir_host::Headers;
use weir_llm::Schema;

use crate::credential::Credential;

/// Of a client's request these reach any provider; a schema adds what means something to its own providers ([`Dialect::headers`]).
/// Whatever else a client sends is for the gateway, for a proxy before it, or for nobody: credentials, what names an account,
/// redirects another proxy or speaks of a connection. Neither does an `idempotency-key`, since tenants share an account at a provider
/// and could get each other's answers, nor `baggage`, which is the application's own.
///
/// [`Dialect::headers`]: weir_llm::schema::Dialect::headers
const KEPT_OF_REQUEST: [&str; 4] = [
    "accept",
    "user-agent",
    // By which systems know one request (W3C Trace Context).
    "traceparent",
    "tracestate",
];

/// Of a provider's answer these alone reach the client. Any other would speak of the connection or of the operator's account
/// there, set the gateway's origin up (cookies, CORS, security policies), or pass for a header of Weir's or Envoy's own.
const KEPT_OF_RESPONSE: [(&str, Form); 5] = [
    // When to try again, as official clients read it.
    ("retry-after", Form::Time),
    ("retry-after-ms", Form::Digits),
    ("x-should-retry", Form::Boolean),
    // What the provider's support asks for.
    ("request-id", Form::Token),
    ("x-request-id", Form::Token),
];

/// What a header's value looks like. Any other is not passed on: it is the provider's to choose, and read by nobody before the client.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Seconds, or a date (RFC 9110, 10.2.3).
    Time,
    /// A whole number.
    Digits,
    /// `true` or `false`.
    Boolean,
    /// An id.
    Token,
}

/// The longest value of such a header.
const LONGEST_VALUE: usize = 128;
/// The longest number.
const LONGEST_NUMBER: usize = 10;

impl Form {
    fn fits(self, value: &[u8]) -> bool {
        let is_number = !value.is_empty() && value.len() <= LONGEST_NUMBER && value.iter().all(u8::is_ascii_digit);
        match self {
            Self::Time => is_number || is_date(value),
            Self::Digits => is_number,
            Self::Boolean => matches!(value, b"true" | b"false"),
            Self::Token => {
                let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
                !value.is_empty() && value.len() <= LONGEST_VALUE && value.iter().all(is_of_token)
            }
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7): letters and digits where it has them.
fn is_date(value: &[u8]) -> bool {
    const DATE: &[u8] = b"Aaa, 00 Aaa 0000 00:00:00 GMT";
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'A' | b'a' => byte.is_ascii_alphabetic(),
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    };
    value.len() == DATE.len() && value.iter().zip(DATE).all(fits)
}

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
        let of_schema = if self.same_schema() { self.provider.headers() } else { &[] };
        KEPT_OF_REQUEST.iter().chain(of_schema).any(|kept| match kept.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning.as_bytes()),
            None => name == kept.as_bytes(),
        })
    }
}

/// The headers of an answer as the client gets them; `length` is that of a body held whole.
pub(crate) fn downstream(
    provider: &Headers,
    credential: Option<&Credential>,
    status: u16,
    content_type: &str,
    length: Option<usize>,
) -> Headers {
    let mut headers = Headers::with_capacity(16, 512);
    headers.push(":status", status.to_string());
    let kept = || {
        KEPT_OF_RESPONSE
            .iter()
            .filter_map(|(name, form)| Some((*name, provider.get(name).filter(|value| form.fits(value))?)))
    };
    let is_quoted = |value: &[u8]| credential.is_some_and(|credential| credential.is_in(value));
    // A provider that failed may have put the request's headers anywhere.
    let shows_it_in_pieces = status != 200
        && credential
            .is_some_and(|credential| credential.is_in_any(&kept().map(|(_, value)| value).collect::<Vec<_>>()));
    for (name, value) in kept().filter(|(_, value)| !shows_it_in_pieces && !is_quoted(value)) {
        headers.push(name, value);
    }
    headers.push("content-type", content_type);
    if let Some(length) = length {
        headers.push("content-length", length.to_string());
    }
    headers
}
