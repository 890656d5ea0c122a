//! API keys. A deleted key stays as a row that nobody sees: usage of its last requests may still be on its way.

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::ExposeSecret;
use sqlx::{AssertSqlSafe, PgConnection};
use weir_core::actor::Actor;
use weir_core::api_key::{ApiKeySettings, check_given_key};
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::secret::{SecretKind, generate, sha256, shown_prefix};

use crate::key_digest::{IS_RESTRICTED, KeptKey, is_alone};
use crate::resource::kind::{Checking, Issued, Issuing, Kind, Owner, Secret, SecretTwin, Written};
use crate::resource::reference::{DEPARTMENT_OF_OWNER, PROFILE_OF_OWNER_OR_PLATFORM, Reference, Within};
use crate::resource::write::SecretChange;
use crate::row::{bytea, from_bytea};
use crate::{StoreError, User};

/// In the one spelling of the API.
pub(super) const REVOKED_AT: &str = "to_char(t.revoked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
/// The days of the sums are in the order of time, so that only those of the last one are read.
const LAST_USED_AT: &str = "(SELECT to_char(max(used.last_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
    FROM usage_rollups_4 used WHERE used.key_id = t.id
        AND used.period_start = (SELECT max(last.period_start) FROM usage_rollups_4 last WHERE last.key_id = t.id))";
/// One that is revoked and disabled is revoked; one that is expired and disabled is disabled.
const STATES: [(&str, &str); 4] = [
    ("active", "t.revoked_at IS NULL AND NOT t.disabled AND (t.expires_at IS NULL OR t.expires_at > now())"),
    ("disabled", "t.revoked_at IS NULL AND t.disabled"),
    ("expired", "t.revoked_at IS NULL AND NOT t.disabled AND t.expires_at <= now()"),
    ("revoked", "t.revoked_at IS NOT NULL"),
];
/// Those that are newer have had no time to be used.
const UNUSED: &str = "t.created_at < now() - make_interval(days => {days}) AND NOT EXISTS (
    SELECT 1 FROM usage_rollups_4 used WHERE used.key_id = t.id AND used.period_start >= now() - make_interval(days => {days} + 1)
        AND used.last_at >= now() - make_interval(days => {days}))";
const TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM api_keys WHERE key_hmac = ANY($1) OR key_sha256 = $2)";

const KEY_FIELD: &str = "key";
const DIGEST_FIELD: &str = "key_sha256";

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

/// What gateways are told to forget; null as long as control planes of the version before may serve, which cannot read it.
const KEY_DIGEST: &str = concat!("CASE WHEN ", is_alone!(), " THEN t.key_digest_encrypted END");

/// A key's department: its own, or else its owner's.
macro_rules! department {
    () => {
        "coalesce(t.department_id, (SELECT owner.department_id FROM users owner WHERE owner.id = t.user_id),
            (SELECT owner.department_id FROM service_accounts owner WHERE owner.id = t.service_account_id))"
    };
}

/// Makes rows `t` deleted keys: such a one no longer holds a profile or an owner in use, and its usage stays its owner's.
macro_rules! delete_keys {
    ($which:literal) => {
        concat!(
            "UPDATE api_keys t SET deleted_at = now(), former_user_id = user_id, former_service_account_id = service_account_id,
                 former_department_id = ",
            crate::resource::api_key::department!(),
            ", guardrail_profile_id = NULL, user_id = NULL, service_account_id = NULL, department_id = NULL, key_hmac = NULL,
                 key_digest_encrypted = NULL, key_sha256 = NULL
             WHERE ",
            $which
        )
    };
}
pub(super) use {delete_keys, department};

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
            "allowed_operations",
            "source_cidrs",
            "disabled",
        ]
    }

    fn expressions(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("prefix", "t.prefix"),
            ("revoked_at", REVOKED_AT),
            ("owner_disabled", OWNER_DISABLED),
            ("last_used_at", LAST_USED_AT),
            ("way", "t.way"),
            ("identity_rule_id", "t.identity_rule_id"),
            ("_key_digest", KEY_DIGEST),
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

    fn department(&self) -> Option<&'static str> {
        Some(department!())
    }

    fn loosens(&self, before: &Object, after: &Object) -> bool {
        let read = |spec: &Object| read::<ApiKeySettings>(spec.clone().into());
        match (read(before), read(after)) {
            (Ok(before), Ok(after)) => !after.is_within(&before),
            _ => true,
        }
    }

    fn secret(&self) -> Secret {
        Secret::Issued { field: KEY_FIELD }
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
        let tenant_id = stored.tenant_id.unwrap_or_default();
        match stored.status.get("_key_digest").and_then(from_bytea) {
            Some(sha256) => ChangeKind::Key { sha256, tenant_id },
            // It may be any of the tenant's.
            None => ChangeKind::Tenant { tenant_id },
        }
    }

    fn digest_field(&self) -> Option<&'static str> {
        Some(DIGEST_FIELD)
    }

    fn has_streams(&self) -> bool {
        true
    }

    fn unused(&self) -> Option<&'static str> {
        Some(UNUSED)
    }

    fn issue(&self, issuing: &Issuing<'_>) -> Result<Option<Issued>, StoreError> {
        let (digest, prefix, secret, field) = match issuing.given {
            SecretChange::Keep | SecretChange::Remove => {
                let secret = generate(SecretKind::ApiKey)?;
                (sha256(secret.expose_secret()).to_vec(), shown_prefix(&secret), Some(secret), None)
            }
            SecretChange::Set(key) => {
                check_given_key(KEY_FIELD, key.expose_secret())?;
                // The shorter a key is, the less of it is shown.
                let shown = (key.expose_secret().len() / 4).min(12);
                let prefix = key.expose_secret().chars().take(shown).collect();
                (sha256(key.expose_secret()).to_vec(), prefix, None, Some(KEY_FIELD))
            }
            SecretChange::SetHash { hash, .. } => {
                if issuing.actor.scope().tenant().is_some() {
                    return Err(StoreError::Forbidden("only the platform's admins give digests of keys"));
                }
                let digits = hash.expose_secret();
                let digest = from_bytea(&format!("\\x{digits}").into()).filter(|digest| digest.len() == 32);
                let digest = digest.ok_or(StoreError::invalid(DIGEST_FIELD, "must be 64 hexadecimal digits"))?;
                (digest, format!("sha256:{}", digits.get(..5).unwrap_or_default()), None, Some(DIGEST_FIELD))
            }
        };
        let KeptKey { hmac, encrypted } = KeptKey::of(issuing.encryption, issuing.id, &digest)?;
        let columns = [
            ("key_hmac".to_owned(), bytea(&hmac)),
            ("key_digest_encrypted".to_owned(), bytea(&encrypted)),
            ("prefix".to_owned(), prefix.into()),
        ];
        let digests = issuing.encryption.lookup_digests(&digest);
        let twin = field.map(|field| SecretTwin { field, query: TAKEN, digests, plain: digest });
        Ok(Some(Issued { secret, columns: Object::from_iter(columns), twin }))
    }

    /// Control planes of the version before know no restrictions: they must not find a key that has some.
    fn project<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        written: &'a Written<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let statement = format!(
                "UPDATE api_keys key SET key_sha256 = NULL
                 WHERE id = $1 AND key_sha256 IS NOT NULL AND key_hmac IS NOT NULL AND {IS_RESTRICTED}"
            );
            sqlx::query(AssertSqlSafe(statement)).bind(written.id).execute(connection).await?;
            Ok(())
        }
        .boxed()
    }

    /// One of a rule would be made anew at the next request, with nothing that restricts it.
    fn keeps(&self, stored: &Stored, _: &Actor) -> Result<(), StoreError> {
        let rule = stored.status.get("identity_rule_id").and_then(|id| id.as_str()?.parse().ok());
        match rule {
            Some(id) => {
                let rule =
                    User { kind: "identity_rule", title: "identity rule", id: Some(id), name: "that makes it".into() };
                Err(StoreError::InUse { users: vec![rule] })
            }
            None => Ok(()),
        }
    }

    /// Whoever has the key can make it known again.
    fn deletion(&self) -> &'static [&'static str] {
        &[delete_keys!("id = $1")]
    }
}
