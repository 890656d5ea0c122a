//! Asking a provider whether it answers, with the credential that it will be shown.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::{Extension, Json};
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::actor::{Sees, Target};
use weir_core::json::{Strict, read};
use weir_core::permission::Permission;
use weir_core::routing::{ProviderSettings, check_credential};
use weir_core::snapshot::{BaseUrl, Provider};
use weir_store::StoreError;

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::{Body, Id};
use crate::probe::{Answer, Failure, Question, ask};
use crate::problem::{Code, Problem, Writing};
use crate::resource::object;
use crate::turns::Turns;

/// Checks at once of one tenant, or of the platform.
const MOST_OF_ONE: usize = 2;
/// Checks at once in all.
const MOST_IN_ALL: usize = 8;
/// Checks of one tenant, or of the platform, in a minute.
const MOST_A_MINUTE: u32 = 30;
/// Names of models that are told.
const MOST_MODELS: usize = 500;
/// The path of the list of models, which all schemas have.
const MODELS: &str = "/models";

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(check))
        .routes(routes!(check_draft))
        .layer(Extension(Turns::new(MOST_OF_ONE, MOST_IN_ALL)))
        .layer(Extension(Rates::default()))
}

/// What came of asking a provider for its list of models.
#[derive(Serialize, ToSchema)]
struct ProviderCheck {
    /// Whether it answered as it should.
    ok: bool,
    /// `ok`; `dns`: its name has no address; `destination`: the address is inside the operator's network; `connect`: nobody takes the
    /// connection; `tls`: it is not who it should be; `timeout`; `http`: what it sent is no HTTP; `credential`: it refuses the
    /// credential (401, 403); `not_found`: there is no list of models at this URL (404, 405); `rate_limited` (429); `provider`: it fails
    /// itself (5xx); `status`: another status; `schema`: what it sent is no list of models.
    result: &'static str,
    /// The same in words.
    message: String,
    /// The provider's HTTP status; null: it sent none.
    #[schema(required)]
    http_status: Option<u16>,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// The names of its models, at most 500.
    models: Vec<String>,
}

/// Asks a provider for its list of models, with the credential that is stored.
///
/// It is asked from here, not from an Envoy, so what it says of the network holds for this machine. At most 30 a minute for each
/// tenant, few at once; each is in the audit log.
#[utoipa::path(post, path = "/providers/{id}/check", operation_id = "check_provider", tag = "providers",
    params(("id" = Uuid, Path)), responses((status = 200, body = ProviderCheck), Writing,
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many checks."),
))]
async fn check(
    State(state): State<ApiState>,
    Extension(turns): Extension<Turns>,
    Extension(rates): Extension<Rates>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ProviderCheck>, Problem> {
    let provider = state.store.provider_to_check(&caller.actor, id).await?;
    run(&state, &turns, &rates, &caller, &provider, Some(id)).await
}

/// Asks a provider that is not stored yet. The body is that of `POST /providers`; nothing of it is kept.
#[utoipa::path(post, path = "/providers/check", operation_id = "check_provider_draft", tag = "providers",
    request_body(content = ref("#/components/schemas/NewProvider"), content_type = "application/json"),
    responses((status = 200, body = ProviderCheck), Writing,
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many checks."),
))]
async fn check_draft(
    State(state): State<ApiState>,
    Extension(turns): Extension<Turns>,
    Extension(rates): Extension<Rates>,
    caller: Caller,
    Body(Strict(body)): Body<Strict>,
) -> Result<Json<ProviderCheck>, Problem> {
    let provider = draft(&state, &caller, body)?;
    run(&state, &turns, &rates, &caller, &provider, None).await
}

/// A provider as it would be stored.
fn draft(state: &ApiState, caller: &Caller, body: Value) -> Result<Provider, Problem> {
    let invalid = |errors| Problem::fields(Code::InvalidFields, errors);
    let field = |name: &str, reason: &str| Problem::field(Code::InvalidFields, name, reason);
    let mut spec = object(body)?;
    let tenant_id = match spec.remove("tenant_id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id.parse::<Uuid>().map_err(|_| field("tenant_id", "must be a UUID"))?),
        Some(_) => return Err(field("tenant_id", "must be a UUID")),
    };
    let credential = match spec.remove("credential") {
        None | Some(Value::Null) => None,
        Some(Value::String(secret)) => {
            check_credential(&secret).map_err(invalid)?;
            Some(SecretString::from(secret))
        }
        Some(_) => return Err(field("credential", "must be a string")),
    };
    let settings = read::<ProviderSettings>(spec.into()).and_then(ProviderSettings::check).map_err(invalid)?;
    if !caller.actor.allows(Permission::ProvidersWrite, &Target { tenant_id, ..Target::default() }) {
        return Err(match caller.actor.scope().tenant() {
            Some(own) if tenant_id != Some(own) => StoreError::NotFound.into(),
            _ => StoreError::Forbidden("your roles do not allow this").into(),
        });
    }
    settings.check_destination(&caller.actor, tenant_id, state.store.allowed_hosts()).map_err(invalid)?;
    Ok(Provider {
        id: Uuid::nil(),
        tenant_id,
        schema: weir_core::routing::schema_named(&settings.schema).ok_or_else(|| field("schema", "is not known"))?,
        base_url: settings.base_url.parse().map_err(|_| field("base_url", "must be a URL"))?,
        name: settings.name,
        credential,
        authentication: settings.authentication,
        query: settings.query,
        also_speaks: settings.also_speaks,
        preset: settings.preset,
        capabilities: settings.capabilities,
    })
}

async fn run(
    state: &ApiState,
    turns: &Turns,
    rates: &Rates,
    caller: &Caller,
    provider: &Provider,
    id: Option<Uuid>,
) -> Result<Json<ProviderCheck>, Problem> {
    let tenant_id = caller.actor.scope().tenant();
    rates.take(tenant_id, Instant::now()).map_err(|wait| Problem::too_many_requests("too many checks", wait))?;
    let _turn = turns
        .take(tenant_id)
        .ok_or_else(|| Problem::too_many_requests("other providers are being checked at the moment", 1))?;
    let may_be_inside = caller.actor.sees(Permission::ProvidersWrite) == Sees::Everything
        || state.store.allowed_hosts().include(&provider.base_url.host);
    let mut path_and_query = format!("{}{MODELS}", provider.base_path());
    if !provider.query.is_empty() {
        path_and_query.push('?');
        path_and_query.push_str(&provider.query);
    }
    let mut url = provider.base_url.clone();
    if let Some((host, path)) = provider.models_elsewhere() {
        (url.host, path_and_query) = (host, path.to_owned());
    }
    let question = Question {
        url: &url,
        headers: headers(provider, &url, &path_and_query)?,
        path_and_query,
        may_be_inside,
        authorities: state.upstream_ca_file.as_deref(),
        form: None,
    };
    let started = Instant::now();
    let found = ask(&question).await;
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let check = judge(found, took_ms);
    state.store.note_check(&caller.actor, id, provider.tenant_id, &provider.name, check.result).await?;
    Ok(Json(check))
}

/// The provider's own headers, as an attempt has them.
fn headers(provider: &Provider, url: &BaseUrl, path: &str) -> Result<HeaderMap, Problem> {
    let unusable = |_| Problem::field(Code::InvalidFields, "credential", "cannot be sent in a header");
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static("application/json"));
    headers.insert("user-agent", HeaderValue::from_static("weir"));
    if let Some((name, value)) = provider.schema.version_header() {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if provider.key_pair().is_some() {
        let field = |reason| Problem::field(Code::InvalidFields, "credential", reason);
        let signer =
            provider.signer().ok_or_else(|| field("is a pair of keys, and base_url does not name the region"))?;
        for (name, value) in signer.sign_get(&url.authority(), path, Utc::now()) {
            let mut value = HeaderValue::try_from(value.expose_secret()).map_err(|_| unusable(()))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
    } else if let Some(credential) = &provider.credential {
        let (name, prefix) = provider.credential_header();
        let value = format!("{prefix}{}", credential.expose_secret());
        let mut value = HeaderValue::try_from(value).map_err(|_| unusable(()))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::try_from(name).map_err(|_| unusable(()))?, value);
    }
    Ok(headers)
}

/// What it means. None of the provider's own words are told: some repeat the credential.
fn judge(found: Result<Answer, Failure>, took_ms: u64) -> ProviderCheck {
    let (result, message, http_status, models) = match found {
        Ok(answer) => {
            let status = answer.status.as_u16();
            let (result, message, models) = judge_answer(&answer);
            (result, message, Some(status), models)
        }
        Err(failure) => {
            let (result, message) = judge_failure(failure);
            (result, message, None, vec![])
        }
    };
    ProviderCheck { ok: result == "ok", result, message, http_status, took_ms, models }
}

fn judge_failure(failure: Failure) -> (&'static str, String) {
    match failure {
        Failure::Dns(why) => ("dns", format!("The host's name cannot be resolved: {why}.")),
        Failure::Inside(what) => {
            ("destination", format!("The host's name leads to {what}; only a platform admin may have that asked."))
        }
        Failure::Connect(why) => ("connect", format!("Nobody takes the connection: {why}.")),
        Failure::Tls(why) => ("tls", format!("The TLS connection cannot be made: {why}.")),
        Failure::Http(why) => ("http", format!("What the server sends is no HTTP, or breaks off: {why}.")),
        Failure::TooSlow(what) => ("timeout", format!("It took too long: {what}.")),
        Failure::TooLong => ("schema", "The answer is longer than a list of models.".into()),
    }
}

fn judge_answer(answer: &Answer) -> (&'static str, String, Vec<String>) {
    let status = answer.status;
    let said = |result, message: &str| (result, format!("{message} ({}).", status.as_u16()), vec![]);
    match status {
        StatusCode::OK => match models(&answer.body) {
            Some(models) => ("ok", "The provider answers, and takes the credential.".into(), models),
            None => said("schema", "The server answers, but with no list of models: is this the URL of an API?"),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => said("credential", "The provider refuses the credential"),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => said(
            "not_found",
            "The server answers, but has no list of models at this URL. Some servers have none and serve requests all the same",
        ),
        StatusCode::TOO_MANY_REQUESTS => said("rate_limited", "The provider answers that it was asked too often"),
        status if status.is_server_error() => said("provider", "The provider fails itself"),
        _ => said("status", "The server answers with a status that says neither yes nor no"),
    }
}

/// The names in a list of models, `{"data": [{"id"}]}` in every schema; Ollama and others put them below `models`, Amazon below
/// `modelSummaries`.
fn models(body: &[u8]) -> Option<Vec<String>> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let list = ["data", "models", "modelSummaries"].iter().find_map(|name| document.get(name));
    let list = list.unwrap_or(&document).as_array()?;
    let name = |model: &Value| {
        let name = ["id", "name", "modelId"].iter().find_map(|name| model.get(name)).and_then(Value::as_str)?;
        Some(name.chars().take(200).collect())
    };
    Some(list.iter().filter_map(name).take(MOST_MODELS).collect())
}

/// How many checks there were in this minute. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates(Arc<Mutex<Minutes>>);

/// Since when whose checks are counted, and how many there were.
type Minutes = HashMap<Option<Uuid>, (Instant, u32)>;

impl Rates {
    /// Counts one; else the seconds after which there is room again.
    pub(crate) fn take(&self, tenant_id: Option<Uuid>, now: Instant) -> Result<(), u64> {
        let minute = Duration::from_secs(60);
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // So only those of this minute take room.
        rates.retain(|_, (since, _)| now.saturating_duration_since(*since) < minute);
        let (since, count) = rates.entry(tenant_id).or_insert((now, 0));
        if *count >= MOST_A_MINUTE {
            return Err(minute.saturating_sub(now.saturating_duration_since(*since)).as_secs().max(1));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_models_is_told_from_what_is_none() {
        let check = |body: &str, expect: Option<&[&str]>| {
            let found = models(body.as_bytes());
            assert_eq!(found, expect.map(|names| names.iter().map(|name| (*name).to_owned()).collect()), "{body}");
        };
        check(r#"{"object":"list","data":[{"id":"a"},{"id":"b"},{"x":1}]}"#, Some(&["a", "b"]));
        check(r#"{"models":[{"name":"a"}]}"#, Some(&["a"]));
        check(r#"[{"id":"a"}]"#, Some(&["a"]));
        check(r#"{"modelSummaries":[{"modelId":"a"}]}"#, Some(&["a"]));
        check(r#"{"data":[]}"#, Some(&[]));
        for none in ["", "<html>", "{}", r#"{"data":{}}"#, r#"{"error":"no"}"#, "7"] {
            check(none, None);
        }
    }

    #[test]
    fn each_status_has_its_word() {
        for (status, expect) in [
            (200, "schema"),
            (401, "credential"),
            (403, "credential"),
            (404, "not_found"),
            (405, "not_found"),
            (429, "rate_limited"),
            (500, "provider"),
            (503, "provider"),
            (302, "status"),
            (418, "status"),
        ] {
            let answer = Answer { status: StatusCode::from_u16(status).unwrap(), body: b"sk-secret".to_vec() };
            let check = judge(Ok(answer), 1);
            assert_eq!((check.result, check.ok, check.http_status), (expect, false, Some(status)));
            assert!(!check.message.contains("sk-secret"));
        }
    }

    #[test]
    fn each_tenant_has_so_many_a_minute() {
        let (rates, now) = (Rates::default(), Instant::now());
        let other = Some(Uuid::nil());
        assert!((0..MOST_A_MINUTE).all(|_| rates.take(None, now).is_ok()));
        assert_eq!(rates.take(None, now + Duration::from_secs(20)), Err(40));
        assert!(rates.take(other, now).is_ok());
        assert!(rates.take(None, now + Duration::from_secs(60)).is_ok());
    }
}
