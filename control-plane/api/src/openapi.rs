//! The OpenAPI document.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder, SecurityRequirement};

/// The document as it is checked in: the same for the same code.
pub fn openapi() -> String {
    let document = crate::documented().into_openapi();
    let mut json = document.to_pretty_json().unwrap_or_default();
    json.push('\n');
    json
}

/// All of the document but its operations.
pub(crate) fn header() -> OpenApi {
    let mut info = Info::new("Weir admin API", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Policies of the gateways: tenants, keys, providers, pools, models, guardrails, and what was used. Times are \
         RFC 3339 in UTC, money is integer micro-dollars. Every write answers the revision of its change; \
         `nodes` shows which revision holds on which Envoy. Refusals are problem documents (RFC 9457)."
            .into(),
    );
    let mut components = Components::new();
    components.add_security_scheme(
        "session",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("The token of POST /api/v1/admin/auth/login, valid for 12 hours."))
                .build(),
        ),
    );
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>("session", [])]))
        .build()
}
