//! Service tokens of machines that administer.

use secrecy::ExposeSecret;
use uuid::Uuid;
use weir_core::actor::{Actor, Role, Via};
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::role::UserGrant;
use weir_core::secret::{SecretKind, generate, sha256, shown_prefix};
use weir_core::service_token::ServiceTokenSettings;

use crate::authorisation::Gives;
use crate::resource::api_key::REVOKED_AT;
use crate::resource::kind::{Checking, Issued, Issuing, Kind, Owner, Secret};
use crate::row::bytea;
use crate::{Store, StoreError};

const LAST_USED_AT: &str = "to_char(t.last_used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";

/// Of what is shown by whoever asks for something.
const STATES: [(&str, &str); 3] = [
    ("active", "t.revoked_at IS NULL AND t.expires_at > now()"),
    ("expired", "t.revoked_at IS NULL AND t.expires_at <= now()"),
    ("revoked", "t.revoked_at IS NOT NULL"),
];

pub(super) struct ServiceToken;

impl Kind for ServiceToken {
    fn name(&self) -> &'static str {
        "service_token"
    }

    fn title(&self) -> &'static str {
        "service token"
    }

    fn table(&self) -> &'static str {
        "service_tokens"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "role", "expires_at"]
    }

    fn expressions(&self) -> &'static [(&'static str, &'static str)] {
        &[("prefix", "t.prefix"), ("revoked_at", REVOKED_AT), ("last_used_at", LAST_USED_AT)]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::ServiceTokensRead
    }

    fn writing(&self) -> Permission {
        Permission::ServiceTokensWrite
    }

    fn gives(&self, spec: &Object) -> Gives {
        let Ok(token) = read::<ServiceTokenSettings>(spec.clone().into()) else { return Gives::default() };
        let of_role = UserGrant { role: Some(token.role.built_in()), custom_role_id: None, department_id: None };
        Gives { grants: vec![of_role], ..Gives::default() }
    }

    /// Or one that leaks could outlive its end.
    fn is_written_by_people_alone(&self) -> bool {
        true
    }

    fn states(&self) -> &'static [(&'static str, &'static str)] {
        &STATES
    }

    fn secret(&self) -> Secret {
        Secret::Issued { field: "token" }
    }

    fn check(&self, spec: Object, checking: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: ServiceTokenSettings = read(spec.into())?;
        settings.check(checking.tenant_id)?;
        Ok(write(&settings))
    }

    fn read(&self, row: Object) -> Result<(Object, Object), StoreError> {
        let (spec, status): (Object, Object) =
            row.into_iter().partition(|(name, _)| self.columns().contains(&name.as_str()));
        // Times in the one spelling of the API.
        let spec: ServiceTokenSettings = read(spec.into()).map_err(|_| StoreError::Corrupt("a service token"))?;
        Ok((write(&spec), status))
    }

    fn outdates(&self, _: &Stored) -> ChangeKind {
        ChangeKind::Administration
    }

    fn issue(&self, _: &Issuing<'_>) -> Result<Option<Issued>, StoreError> {
        let secret = generate(SecretKind::ServiceToken)?;
        let digest = bytea(&sha256(secret.expose_secret()));
        let columns = [("token_sha256".to_owned(), digest), ("prefix".to_owned(), shown_prefix(&secret).into())];
        Ok(Some(Issued { secret: Some(secret), columns: Object::from_iter(columns), twin: None }))
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM service_tokens WHERE id = $1"]
    }
}

impl Store {
    /// Who holds this token; `None` if there is none, or if it is revoked or over. Notes that it was used, to a minute.
    pub async fn actor_by_service_token(&self, token_sha256: &[u8]) -> Result<Option<Actor>, StoreError> {
        let row: Option<(Uuid, String, String, Option<Uuid>, bool)> = sqlx::query_as(
            "SELECT id, name, role, tenant_id, coalesce(last_used_at < now() - interval '1 minute', true)
             FROM service_tokens WHERE token_sha256 = $1 AND revoked_at IS NULL AND expires_at > now()",
        )
        .bind(token_sha256)
        .fetch_optional(&self.admin)
        .await?;
        let Some((id, name, role, tenant_id, outdated)) = row else { return Ok(None) };
        if outdated {
            sqlx::query("UPDATE service_tokens SET last_used_at = now() WHERE id = $1")
                .bind(id)
                .execute(&self.admin)
                .await?;
        }
        holder(id, name, &role, tenant_id).map(Some)
    }

    /// The same, without counting as a use: for what stays open by itself.
    pub(crate) async fn peek_service_token(&self, token_sha256: &[u8]) -> Result<Option<Actor>, StoreError> {
        let row: Option<(Uuid, String, String, Option<Uuid>)> = sqlx::query_as(
            "SELECT id, name, role, tenant_id FROM service_tokens
             WHERE token_sha256 = $1 AND revoked_at IS NULL AND expires_at > now()",
        )
        .bind(token_sha256)
        .fetch_optional(&self.admin)
        .await?;
        row.map(|(id, name, role, tenant_id)| holder(id, name, &role, tenant_id)).transpose()
    }
}

fn holder(id: Uuid, name: String, role: &str, tenant_id: Option<Uuid>) -> Result<Actor, StoreError> {
    let role = Role::from_name(role).ok_or(StoreError::Corrupt("a service token's role"))?;
    let via = Via { service_token: true, ..Via::default() };
    Ok(Actor { via, ..Actor::user(id, name, role, tenant_id) })
}
