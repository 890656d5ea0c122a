//! Providers: where requests can be sent.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::resource::Stored;
use weir_core::routing::{self, ProviderSettings, ProviderView};
use weir_core::snapshot::BaseUrl;
use weir_store::CredentialChange;

use crate::ApiState;
use crate::admin::capabilities::Capabilities;
use crate::caller::Caller;
use crate::etag::IfMatch;
use crate::extract::{Body, Creation, Id, Query, present};
use crate::problem::{Code, Problem, Reading, Writing};
use crate::resource::{Deleted, List, ListQuery, Meta, created, deleted, found};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// In which request header a provider wants its credential.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Authentication {
    /// The header's name: `authorization`, `x-api-key`, `api-key`, …
    header: String,
    /// What stands before the credential there, with its blank: `Bearer `. Absent: nothing.
    #[serde(default)]
    prefix: String,
}

impl From<routing::Authentication> for Authentication {
    fn from(authentication: routing::Authentication) -> Self {
        Self { header: authentication.header, prefix: authentication.prefix }
    }
}

impl From<Authentication> for routing::Authentication {
    fn from(authentication: Authentication) -> Self {
        Self { header: authentication.header, prefix: authentication.prefix }
    }
}

/// Where requests can be sent, and with which credential.
#[derive(Serialize, ToSchema)]
struct Provider {
    #[serde(flatten)]
    meta: Meta,
    /// Null: the platform's.
    tenant_id: Option<Uuid>,
    /// For people, and for the response header `x-weir-provider`.
    name: String,
    /// The wire schema that it speaks: `openai`, `anthropic`, …
    schema: String,
    /// `http(s)://host[:port][/path]`.
    base_url: String,
    /// Which kind of server it is; null: a vendor's own host says it, or nothing.
    preset: Option<String>,
    /// What is said about what it takes.
    capabilities: Capabilities,
    /// How it is shown its credential; null: as its kind or schema wants it.
    authentication: Option<Authentication>,
    /// What stands in the query of every request.
    query: String,
    /// Further schemas that it speaks, beside those of its kind.
    also_speaks: Vec<String>,
    /// Whether it is shown a credential. The credential itself is never read.
    has_credential: bool,
}

impl From<Stored<ProviderView>> for Provider {
    fn from(stored: Stored<ProviderView>) -> Self {
        let meta = Meta::from(&stored);
        let ProviderView { settings, has_credential } = stored.value;
        Self {
            meta,
            tenant_id: stored.tenant_id,
            name: settings.name,
            schema: settings.schema,
            base_url: settings.base_url,
            preset: settings.preset,
            capabilities: settings.capabilities.into(),
            authentication: settings.authentication.map(Authentication::from),
            query: settings.query,
            also_speaks: settings.also_speaks,
            has_credential,
        }
    }
}

/// A provider to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProvider {
    /// Absent or null: the platform's.
    tenant_id: Option<Uuid>,
    /// 1 to 100 ASCII characters; unique for its owner.
    name: String,
    /// The wire schema that it speaks: `openai` (OpenAI's API, which many others speak too), `anthropic`, …
    schema: String,
    /// `http(s)://host[:port][/path]`. Used as it stands if its path has a version in it (`/v1`, `/api/v3`, `/v1beta/openai`);
    /// otherwise `/v1` is put behind it.
    base_url: String,
    /// Which kind of server it is, from which follows what it takes: `openai`, `anthropic`, `azure_openai`, `deepseek`, `groq`,
    /// `llama_cpp`, `mistral`, `ollama`, `openrouter`, `together`, `vllm` or `xai`. Absent or null: a vendor's own host says it.
    preset: Option<String>,
    /// What it takes, where that differs from what is known of its kind and of its models. Absent or null: nowhere.
    capabilities: Option<Capabilities>,
    /// How it is shown its credential. Absent or null: as its kind or schema wants it.
    authentication: Option<Authentication>,
    /// What stands in the query of every request, without a question mark: `api-version=2025-04-01`. It is no place for secrets. Absent: nothing.
    query: Option<String>,
    /// Further schemas that it speaks, beside those of its kind: their clients are not translated. Absent: none.
    also_speaks: Option<Vec<String>>,
    /// What it is shown. Stored encrypted, never read again. Absent or null: none.
    #[schema(value_type = Option<String>, format = Password)]
    credential: Option<SecretString>,
}

/// What to change about a provider; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProviderPatch {
    /// 1 to 100 ASCII characters; unique for its owner.
    name: Option<String>,
    /// The wire schema that it speaks: `openai`, `anthropic`, …
    schema: Option<String>,
    /// `http(s)://host[:port][/path]`. Used as it stands if its path has a version in it (`/v1`, `/api/v3`, `/v1beta/openai`);
    /// otherwise `/v1` is put behind it.
    base_url: Option<String>,
    /// Which kind of server it is, from which follows what it takes: `openai`, `anthropic`, `azure_openai`, `deepseek`, `groq`,
    /// `llama_cpp`, `mistral`, `ollama`, `openrouter`, `together`, `vllm` or `xai`. Null: a vendor's own host says it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    preset: Option<Option<String>>,
    /// What it takes, where that differs from what is known of its kind and of its models. All of it; null: nowhere.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Capabilities>)]
    capabilities: Option<Option<Capabilities>>,
    /// How it is shown its credential. Null: as its kind or schema wants it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Authentication>)]
    authentication: Option<Option<Authentication>>,
    /// What stands in the query of every request, without a question mark: `api-version=2025-04-01`. It is no place for secrets.
    query: Option<String>,
    /// Further schemas that it speaks, beside those of its kind: their clients are not translated. All of them.
    also_speaks: Option<Vec<String>>,
    /// What it is shown; null: none any more. Must be given again when `base_url` leads to another server.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = Password)]
    credential: Option<Option<SecretString>>,
}

/// The providers in your scope, oldest first.
#[utoipa::path(get, path = "/providers", operation_id = "list_providers", tag = "providers", params(ListQuery),
    responses((status = 200, body = List<Provider>), Reading))]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Provider>>, Problem> {
    let page = state.store.list_providers(&caller.actor, query.page()?).await?;
    Ok(List::of(page, Provider::from))
}

/// Makes a provider.
#[utoipa::path(post, path = "/providers", operation_id = "create_provider", tag = "providers", request_body = NewProvider,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key brings the same result for 24 hours.")),
    responses((status = 201, body = Provider), Writing))]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Creation { body, idempotency }: Creation<NewProvider>,
) -> Result<Response, Problem> {
    let settings = ProviderSettings {
        name: body.name,
        schema: body.schema,
        base_url: body.base_url,
        preset: body.preset,
        capabilities: body.capabilities.unwrap_or_default().into(),
        authentication: body.authentication.map(routing::Authentication::from),
        query: body.query.unwrap_or_default(),
        also_speaks: body.also_speaks.unwrap_or_default(),
    };
    let credential = body.credential.map_or(CredentialChange::Keep, CredentialChange::Set);
    let stored =
        state.store.create_provider(&caller.actor, body.tenant_id, settings, credential, idempotency.as_ref()).await?;
    Ok(created("providers", stored.id, stored.revision, Provider::from(stored)))
}

/// One provider.
#[utoipa::path(get, path = "/providers/{id}", operation_id = "get_provider", tag = "providers", params(("id" = Uuid, Path)),
    responses((status = 200, body = Provider), Reading))]
async fn get(State(state): State<ApiState>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let stored = state.store.get_provider(&caller.actor, id).await?;
    Ok(found(stored.revision, Provider::from(stored)))
}

/// Changes a provider.
#[utoipa::path(patch, path = "/providers/{id}", operation_id = "update_provider", tag = "providers", request_body = ProviderPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Provider), Writing))]
async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
    Body(patch): Body<ProviderPatch>,
) -> Result<Response, Problem> {
    let ProviderView { settings: before, has_credential } = state.store.get_provider(&caller.actor, id).await?.value;
    if let Some(new) = &patch.base_url
        && has_credential
        && patch.credential.is_none()
        && !same_origin(&before.base_url, new)
    {
        let reason = "must be given again when base_url leads to another server: the stored one was meant for the old";
        return Err(Problem::field(Code::InvalidFields, "credential", reason));
    }
    let settings = ProviderSettings {
        name: patch.name.unwrap_or(before.name),
        schema: patch.schema.unwrap_or(before.schema),
        base_url: patch.base_url.unwrap_or(before.base_url),
        preset: patch.preset.unwrap_or(before.preset),
        capabilities: patch.capabilities.map_or(before.capabilities, |said| said.unwrap_or_default().into()),
        authentication: patch
            .authentication
            .map_or(before.authentication, |authentication| authentication.map(routing::Authentication::from)),
        query: patch.query.unwrap_or(before.query),
        also_speaks: patch.also_speaks.unwrap_or(before.also_speaks),
    };
    let credential = match patch.credential {
        None => CredentialChange::Keep,
        Some(None) => CredentialChange::Remove,
        Some(Some(credential)) => CredentialChange::Set(credential),
    };
    let stored = state.store.update_provider(&caller.actor, id, expected, settings, credential).await?;
    Ok(found(stored.revision, Provider::from(stored)))
}

/// Whether a stored credential may go on to the new URL. One that cannot be read is refused further on, by its own name.
fn same_origin(before: &str, new: &str) -> bool {
    match (before.parse::<BaseUrl>(), new.parse::<BaseUrl>()) {
        (Ok(before), Ok(new)) => before.same_origin(&new),
        _ => true,
    }
}

/// Deletes a provider that no pool uses.
#[utoipa::path(delete, path = "/providers/{id}", operation_id = "delete_provider", tag = "providers",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that you have read.")),
    responses((status = 200, body = Deleted), Writing))]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    Ok(deleted(id, state.store.delete_provider(&caller.actor, id, expected).await?))
}
