//! API keys. A deleted key stays as a row that nobody sees: usage of its last requests may still be on its way.

use secrecy::ExposeSecret;
use weir_core::api_key::ApiKeySettings;
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::secret::{SecretKind, generate, sha256, shown_prefix};

use crate::StoreError;
use crate::resource::kind::{Checking, Issued, Kind, Owner, Secret};
use crate::resource::reference::{DEPARTMENT_OF_OWNER, PROFILE_OF_OWNER_OR_PLATFORM, Reference, Within};
use crate::row::{bytea, from_bytea};

/// In the one spelling of the API.
pub(super) const REVOKED_AT: &str = "to_char(t.revoked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
/// Of what is shown by whoever asks for something.
pub(super) const STATES: [(&str, &str); 3] = [
    ("active", "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())"),
    ("expired", "t.revoked_at IS NULL AND t.expires_at <= now()"),
    ("revoked", "t.revoked_at IS NOT NULL"),
];

const USER: Reference =
    Reference { list: None, field: "user_id", kind: "user", within: Within::Owner, uses: "t.user_id = $1" };
const SERVICE_ACCOUNT: Reference = Reference {
    list: None,
    field: "service_account_id",
    kind: "service_account",
    within: Within::Owner,
    uses: "t.service_account_id = $1",
};
const OWNER_DISABLED: &str = "(SELECT bool_or(owner.disabled) IS TRUE FROM (
    SELECT disabled FROM users WHERE id = t.user_id
    UNION ALL SELECT disabled FROM service_accounts WHERE id = t.service_account_id) owner)";

pub(super) struct ApiKey;

impl Kind for ApiKey {
    fn name(&self) -> &'static str {
        "api_key"
    }

    fn title(&self) -> &'static str {
        "API key"
    }

    fn table(&self) -> &'static str {
        "api_keys"
    }

    fn columns(&self) -> &'static [&'static str] {
        &[
            "name",
            "allowed_models",
            "requests_per_minute",
            "guardrail_profile_id",
            "expires_at",
            "user_id",
            "service_account_id",
            "department_id",
            "labels",
            "environment",
        ]
    }

    fn expressions(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("prefix", "t.prefix"),
            ("revoked_at", REVOKED_AT),
            ("owner_disabled", OWNER_DISABLED),
            ("_key_sha256", "t.key_sha256"),
        ]
    }

    fn owner(&self) -> Owner {
        Owner::Tenant
    }

    fn reading(&self) -> Permission {
        Permission::KeysRead
    }

    fn writing(&self) -> Permission {
        Permission::KeysWrite
    }

    fn twin(&self) -> Option<&'static str> {
        Some("t.name = $1 AND t.tenant_id = $2::uuid AND t.deleted_at IS NULL")
    }

    fn states(&self) -> &'static [(&'static str, &'static str)] {
        &STATES
    }

    fn condition(&self) -> &'static str {
        "t.deleted_at IS NULL"
    }

    fn references(&self) -> &'static [Reference] {
        &[PROFILE_OF_OWNER_OR_PLATFORM, USER, SERVICE_ACCOUNT, DEPARTMENT_OF_OWNER]
    }

    fn user(&self) -> Option<&'static str> {
        Some("t.user_id")
    }

    /// Its own, or else its owner's.
    fn department(&self) -> Option<&'static str> {
        Some(
            "coalesce(t.department_id, (SELECT owner.department_id FROM users owner WHERE owner.id = t.user_id),
                (SELECT owner.department_id FROM service_accounts owner WHERE owner.id = t.service_account_id))",
        )
    }

    fn secret(&self) -> Secret {
        Secret::Issued { field: "key" }
    }

    fn check(&self, spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: ApiKeySettings = read(spec.into())?;
        settings.check()?;
        Ok(write(&settings))
    }

    fn read(&self, row: Object) -> Result<(Object, Object), StoreError> {
        let (spec, status): (Object, Object) =
            row.into_iter().partition(|(name, _)| self.columns().contains(&name.as_str()));
        // Times in the one spelling of the API.
        let spec: ApiKeySettings = read(spec.into()).map_err(|_| StoreError::Corrupt("an API key"))?;
        Ok((write(&spec), status))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        ChangeKind::Key {
            sha256: stored.status.get("_key_sha256").and_then(from_bytea).unwrap_or_default(),
            tenant_id: stored.tenant_id.unwrap_or_default(),
        }
    }

    fn issue(&self) -> Result<Option<Issued>, StoreError> {
        let secret = generate(SecretKind::ApiKey)?;
        let digest = bytea(&sha256(secret.expose_secret()));
        let columns = [("key_sha256".to_owned(), digest), ("prefix".to_owned(), shown_prefix(&secret).into())];
        Ok(Some(Issued { secret, columns: Object::from_iter(columns) }))
    }

    /// It no longer holds a profile or an owner in use.
    fn deletion(&self) -> &'static [&'static str] {
        &["UPDATE api_keys SET deleted_at = now(), guardrail_profile_id = NULL, user_id = NULL, service_account_id = NULL,
               department_id = NULL
           WHERE id = $1"]
    }
}
