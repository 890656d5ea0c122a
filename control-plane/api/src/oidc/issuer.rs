//! What an issuer says of itself, and its keys.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use weir_core::destination::{AllowedHosts, inside};
use weir_core::snapshot::BaseUrl;
use weir_store::SignInProvider;

use crate::oidc::OidcError;
use crate::probe::{Answer, Question, ask};

/// How long a document or a set of keys is used before it is read again.
const FRESH: Duration = Duration::from_secs(3600);
/// How often the keys of one issuer are read within [`WINDOW`], whatever keys tokens name.
const MOST_REFRESHES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// How long an issuer that could not be asked is not asked again.
const FAILED: Duration = Duration::from_secs(5);
/// Issuers that are remembered.
const MOST_KNOWN: usize = 500;
const DISCOVERY: &str = "the discovery document";
const KEYS: &str = "the issuer's keys";

/// The discovery document (OpenID Connect Discovery 1.0, 3), as far as it is used.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    pub(crate) jwks_uri: String,
    #[serde(default)]
    pub(crate) userinfo_endpoint: Option<String>,
    /// OpenID Connect RP-Initiated Logout 1.0.
    #[serde(default)]
    pub(crate) end_session_endpoint: Option<String>,
    /// RFC 9207: its answers say whose they are.
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
    /// RFC 8414; absent: it does not say.
    #[serde(default)]
    pub(crate) code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) backchannel_logout_supported: bool,
}

/// How issuers are asked, and where they may be.
pub(crate) struct Asking<'a> {
    /// Whose the provider is.
    pub(crate) tenant_id: Option<Uuid>,
    /// As the provider's settings say it.
    pub(crate) issuer: &'a str,
    /// Hosts inside that tenants may name.
    pub(crate) allowed: &'a AllowedHosts,
    /// Authorities to trust, in PEM.
    pub(crate) authorities: Option<&'a Path>,
}

impl Asking<'_> {
    /// Asks an endpoint of the issuer's. With a form it is posted.
    pub(crate) async fn ask(
        &self,
        what: &'static str,
        url: &str,
        authorization: Option<HeaderValue>,
        form: Option<String>,
    ) -> Result<Answer, OidcError> {
        let (url, path_and_query) = endpoint(url).ok_or(OidcError::Endpoint(what))?;
        let issuer: BaseUrl = self.issuer.parse().map_err(|_| OidcError::Endpoint(DISCOVERY))?;
        if issuer.tls && !url.tls {
            return Err(OidcError::Endpoint(what));
        }
        // What is inside by its spelling, only a platform admin can have named as the issuer.
        let is_the_issuers = url.host == issuer.host && inside(&issuer.host).is_some();
        let may_be_inside = self.tenant_id.is_none() || self.allowed.include(&url.host) || is_the_issuers;
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("application/json"));
        headers.insert("user-agent", HeaderValue::from_static("weir"));
        headers.extend(authorization.map(|value| (axum::http::header::AUTHORIZATION, value)));
        let question =
            Question { url: &url, path_and_query, headers, may_be_inside, authorities: self.authorities, form };
        ask(&question).await.map_err(|failure| OidcError::Unreachable { what, failure })
    }

    /// The same, for an answer in JSON.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        what: &'static str,
        url: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<T, OidcError> {
        let answer = self.ask(what, url, authorization, None).await?;
        if answer.status != StatusCode::OK {
            return Err(OidcError::Status { what, status: answer.status.as_u16() });
        }
        serde_json::from_slice(&answer.body).map_err(|_| OidcError::Malformed { what })
    }
}

/// A URL's origin, and the rest of it as it stands.
fn endpoint(url: &str) -> Option<(BaseUrl, String)> {
    let begin = url.find("://")? + 3;
    let end = url[begin..].find(['/', '?', '#']).map_or(url.len(), |at| begin + at);
    let rest = url[end..].split('#').next().unwrap_or_default();
    let path_and_query = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    Some((url[..end].parse().ok()?, path_and_query))
}

/// Reads the discovery document and refuses what cannot be relied on.
pub(crate) async fn discover(asking: &Asking<'_>) -> Result<Metadata, OidcError> {
    let url = format!("{}/.well-known/openid-configuration", asking.issuer.trim_end_matches('/'));
    let mut metadata: Metadata = asking.read(DISCOVERY, &url, None).await?;
    // Or one issuer could speak for another.
    if metadata.issuer != asking.issuer {
        return Err(OidcError::OtherIssuer(metadata.issuer.chars().take(500).collect()));
    }
    let methods = metadata.code_challenge_methods_supported.as_ref();
    if methods.is_some_and(|methods| methods.iter().all(|method| method != "S256")) {
        return Err(OidcError::Unsupported("PKCE with S256"));
    }
    let is_safe = |url: &str| endpoint(url).is_some_and(|(url, _)| url.tls || !asking.issuer.starts_with("https://"));
    for (what, url) in [
        ("authorization_endpoint", &metadata.authorization_endpoint),
        ("token_endpoint", &metadata.token_endpoint),
        ("jwks_uri", &metadata.jwks_uri),
    ] {
        if !is_safe(url) {
            return Err(OidcError::Endpoint(what));
        }
    }
    // Browsers are sent there, and one can sign in without it.
    metadata.end_session_endpoint = metadata.end_session_endpoint.filter(|url| is_safe(url));
    Ok(metadata)
}

/// What is remembered of issuers. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issuers {
    known: Arc<Mutex<HashMap<Uuid, Known>>>,
    /// By provider. Whoever has the lock asks for its document, and leaves behind why there is none.
    asked: Arc<Mutex<HashMap<Uuid, Asked>>>,
}

type Asked = Arc<tokio::sync::Mutex<Option<Failed>>>;

#[derive(Debug)]
struct Failed {
    /// Of the provider.
    revision: u64,
    at: Instant,
    error: Arc<OidcError>,
}

#[derive(Clone, Debug)]
struct Known {
    /// Of the provider: what was read for other settings is not used.
    revision: u64,
    metadata: Arc<Metadata>,
    read_at: Instant,
    keys: Option<(Arc<JwkSet>, Instant)>,
    refreshes: (Instant, u32),
}

impl Issuers {
    /// The discovery document of a provider's issuer, not older than an hour. It is asked for once at a time.
    pub(crate) async fn metadata(
        &self,
        provider: &SignInProvider,
        asking: &Asking<'_>,
    ) -> Result<Arc<Metadata>, OidcError> {
        let fresh = || self.known(provider).filter(|known| known.read_at.elapsed() < FRESH);
        if let Some(known) = fresh() {
            return Ok(known.metadata);
        }
        let asked = self.asked(provider.id);
        let mut failed = asked.lock().await;
        // Another may have it by now.
        if let Some(known) = fresh() {
            return Ok(known.metadata);
        }
        let lately = |failed: &&Failed| failed.revision == provider.revision && failed.at.elapsed() < FAILED;
        if let Some(failed) = failed.as_ref().filter(lately) {
            return Err(OidcError::Shared(Arc::clone(&failed.error)));
        }
        let metadata = match discover(asking).await {
            Ok(metadata) => Arc::new(metadata),
            Err(error) => {
                let error = Arc::new(error);
                let (revision, at) = (provider.revision, Instant::now());
                *failed = Some(Failed { revision, at, error: Arc::clone(&error) });
                return Err(OidcError::Shared(error));
            }
        };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_KNOWN {
            all.clear();
        }
        let now = Instant::now();
        let known = Known {
            revision: provider.revision,
            metadata: Arc::clone(&metadata),
            read_at: now,
            keys: None,
            refreshes: (now, 0),
        };
        all.insert(provider.id, known);
        Ok(metadata)
    }

    /// The issuer's keys, not older than an hour; `anew`: read now, because a token names one that is not among them. Within a minute
    /// that is done ten times at most, so that made-up tokens do not make us ask for ever.
    pub(crate) async fn keys(
        &self,
        provider: &SignInProvider,
        asking: &Asking<'_>,
        anew: bool,
    ) -> Result<Arc<JwkSet>, OidcError> {
        let metadata = self.metadata(provider, asking).await?;
        if let Some((keys, read_at)) = self.known(provider).and_then(|known| known.keys) {
            let may_read = (anew || read_at.elapsed() >= FRESH) && self.may_refresh(provider.id);
            if !may_read {
                return Ok(keys);
            }
        }
        // Keys of kinds that are not known are left out, not the others with them.
        let read: Keys = asking.read(KEYS, &metadata.jwks_uri, None).await?;
        let keys = read.keys.into_iter().take(100).filter_map(|key| serde_json::from_value(key).ok()).collect();
        let keys = Arc::new(JwkSet { keys });
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(&provider.id) {
            known.keys = Some((Arc::clone(&keys), Instant::now()));
        }
        Ok(keys)
    }

    fn asked(&self, id: Uuid) -> Asked {
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_KNOWN {
            all.retain(|_, asked| Arc::strong_count(asked) > 1);
        }
        Arc::clone(all.entry(id).or_default())
    }

    fn known(&self, provider: &SignInProvider) -> Option<Known> {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&provider.id).filter(|known| known.revision == provider.revision).cloned()
    }

    fn may_refresh(&self, id: Uuid) -> bool {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = all.get_mut(&id) else { return true };
        if known.refreshes.0.elapsed() >= WINDOW {
            known.refreshes = (Instant::now(), 0);
        }
        known.refreshes.1 += 1;
        known.refreshes.1 <= MOST_REFRESHES
    }
}

/// A set of keys (RFC 7517, 5).
#[derive(Deserialize)]
pub(crate) struct Keys {
    pub(crate) keys: Vec<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_asked_as_it_is_written() {
        let check = |url: &str, expect: Option<(&str, &str)>| {
            let found = endpoint(url).map(|(url, path)| (url.to_string(), path));
            assert_eq!(found, expect.map(|(url, path)| (url.to_owned(), path.to_owned())), "{url}");
        };
        check("https://a.example/token/", Some(("https://a.example", "/token/")));
        check("https://a.example:8443/t?p=x#y", Some(("https://a.example:8443", "/t?p=x")));
        check("http://127.0.0.1:9?p=x", Some(("http://127.0.0.1:9", "/?p=x")));
        check("https://a.example", Some(("https://a.example", "/")));
        check("https://u@a.example/", None);
        check("/token", None);
    }
}
