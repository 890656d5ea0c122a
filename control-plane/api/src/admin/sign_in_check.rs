//! Asking an identity provider whether people could sign in by it.

use std::time::Instant;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::actor::Target;
use weir_core::destination::inside;
use weir_core::field::FieldError;
use weir_core::permission::Permission;
use weir_core::sign_in::issuer_url;
use weir_store::StoreError;

use crate::ApiState;
use crate::admin::provider_check::Rates;
use crate::caller::Caller;
use crate::extract::Body;
use crate::oidc::{Asking, discover};
use crate::problem::{Code, Problem, Writing};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(check)).layer(Extension(Rates::default()))
}

/// Whom to ask.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignInCheckRequest {
    /// Whose the identity provider is or will be; null: the platform's.
    #[serde(default)]
    tenant_id: Option<Uuid>,
    /// The issuer's URL.
    issuer: String,
}

/// What came of asking an issuer for its discovery document and its keys.
#[derive(Serialize, ToSchema)]
struct SignInCheck {
    /// Whether people can be sent there.
    ok: bool,
    /// `ok`; `destination`: the address is inside the operator's network; `unreachable`; `status`: it refuses; `malformed`: it is no
    /// OpenID Connect; `issuer`: it calls itself otherwise; `endpoint`: an endpoint without TLS; `unsupported`: it lacks what is needed.
    result: &'static str,
    /// The same in words.
    message: String,
    /// Whether one is signed out there, too.
    ends_its_session: bool,
    /// Whether it says which sessions are over.
    tells_of_ended_sessions: bool,
    /// Whether its answers say whose they are (RFC 9207).
    names_itself: bool,
}

/// Asks an issuer, stored or not, for its discovery document and its keys, and says what it can do. The client and its secret are tried
/// by signing in. At most 30 a minute for each tenant.
#[utoipa::path(post, path = "/sign-in-providers/check", operation_id = "check_sign_in_provider", tag = "sign-in-providers",
    request_body = SignInCheckRequest, responses((status = 200, body = SignInCheck), Writing,
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many checks."),
))]
async fn check(
    State(state): State<ApiState>,
    Extension(rates): Extension<Rates>,
    caller: Caller,
    Body(request): Body<SignInCheckRequest>,
) -> Result<Json<SignInCheck>, Problem> {
    let actor = &caller.actor;
    if !actor.allows(Permission::SignInWrite, &Target { tenant_id: request.tenant_id, ..Target::default() }) {
        return Err(match actor.scope().tenant() {
            Some(own) if request.tenant_id != Some(own) => StoreError::NotFound.into(),
            _ => StoreError::Forbidden("your roles do not allow this").into(),
        });
    }
    let field = |reason| Problem::fields(Code::InvalidFields, vec![FieldError::new("issuer", reason)]);
    let url = issuer_url(&request.issuer).map_err(field)?;
    let allowed = state.store.allowed_hosts();
    if let Some(what) = inside(&url.host).filter(|_| actor.scope().tenant().is_some() && !allowed.include(&url.host)) {
        return Err(field(format!("must not lead to {what}; only a platform admin may set this")));
    }
    let tenant_id = actor.scope().tenant();
    rates.take(tenant_id, Instant::now()).map_err(|wait| Problem::too_many_requests("too many checks", wait))?;
    let asking = Asking {
        tenant_id: request.tenant_id,
        issuer: &request.issuer,
        allowed,
        authorities: state.upstream_ca_file.as_deref(),
    };
    let found = match discover(&asking).await {
        Ok(metadata) => {
            asking.read::<Keys>("the issuer's keys", &metadata.jwks_uri, None).await.map(|keys| (metadata, keys))
        }
        Err(error) => Err(error),
    };
    let check = match found {
        Ok((metadata, keys)) => SignInCheck {
            ok: !keys.keys.is_empty(),
            result: if keys.keys.is_empty() { "malformed" } else { "ok" },
            message: match keys.keys.len() {
                0 => "The issuer has no keys: none of its tokens could be checked.".into(),
                many => format!("The issuer answers, and signs with {many} key{}.", if many == 1 { "" } else { "s" }),
            },
            ends_its_session: metadata.end_session_endpoint.is_some(),
            tells_of_ended_sessions: metadata.backchannel_logout_supported,
            names_itself: metadata.authorization_response_iss_parameter_supported,
        },
        Err(error) => {
            let mut message = error.to_string();
            message.get_mut(..1).into_iter().for_each(str::make_ascii_uppercase);
            SignInCheck {
                ok: false,
                result: error.word(),
                message: format!("{message}."),
                ends_its_session: false,
                tells_of_ended_sessions: false,
                names_itself: false,
            }
        }
    };
    Ok(Json(check))
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<serde_json::Value>,
}
