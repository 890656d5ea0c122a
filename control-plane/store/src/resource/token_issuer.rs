//! Issuers of tokens by which apps show who they are.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::identity::TokenIssuerSettings;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;

use crate::StoreError;
use crate::resource::identity_rule::expect_issuer_gives_no_more;
use crate::resource::kind::{Checking, Kind, Owner, Written};

const KEYS_READ_AT: &str = "(SELECT to_char(keys.read_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
    FROM token_issuer_keys keys WHERE keys.token_issuer_id = t.id)";
const KEYS_FAILURE: &str = "(SELECT keys.failure FROM token_issuer_keys keys WHERE keys.token_issuer_id = t.id)";

pub(super) struct TokenIssuer;

impl Kind for TokenIssuer {
    fn name(&self) -> &'static str {
        "token_issuer"
    }

    fn title(&self) -> &'static str {
        "token issuer"
    }

    fn table(&self) -> &'static str {
        "token_issuers"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "issuer", "audiences", "jwks_url", "jwks", "header", "keys_kept_seconds"]
    }

    fn expressions(&self) -> &'static [(&'static str, &'static str)] {
        &[("keys_read_at", KEYS_READ_AT), ("keys_failure", KEYS_FAILURE)]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::IdentityRead
    }

    fn writing(&self) -> Permission {
        Permission::IdentityWrite
    }

    fn check(&self, spec: Object, checking: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: TokenIssuerSettings = read(spec.into())?;
        settings.check()?;
        let before = checking.before.and_then(|before| before.spec.get("jwks_url")?.as_str());
        // What a platform admin has set may stay.
        if before != settings.jwks_url.as_deref() {
            settings.check_destination(checking.actor, checking.tenant_id, checking.allowed_hosts)?;
        }
        Ok(write(&settings))
    }

    /// Of the platform's issuers tenants' rules make use.
    fn outdates(&self, stored: &Stored) -> ChangeKind {
        match stored.tenant_id {
            Some(tenant_id) => ChangeKind::Tenant { tenant_id },
            None => ChangeKind::Everyone,
        }
    }

    fn affects_configuration(&self) -> bool {
        true
    }

    /// An issuer is known by what its tokens say, so there is one of a name. Of keys that are somewhere else now nothing is known.
    fn project<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        written: &'a Written<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let settings: TokenIssuerSettings = read(written.spec.clone().into())?;
            expect_issuer_gives_no_more(connection, written.actor, written.id).await?;
            let (is_taken,): (bool,) =
                sqlx::query_as("SELECT EXISTS (SELECT 1 FROM token_issuers WHERE issuer = $1 AND id <> $2)")
                    .bind(&settings.issuer)
                    .bind(written.id)
                    .fetch_one(&mut *connection)
                    .await?;
            if is_taken {
                return Err(StoreError::Taken { field: "issuer" });
            }
            let before = written.before.and_then(|before| before.spec.get("jwks_url")?.as_str());
            if before != settings.jwks_url.as_deref() {
                sqlx::query("DELETE FROM token_issuer_keys WHERE token_issuer_id = $1")
                    .bind(written.id)
                    .execute(connection)
                    .await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM token_issuers WHERE id = $1"]
    }
}
