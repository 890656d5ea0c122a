//! Gateways: fleets of Envoys with one token each.

use secrecy::ExposeSecret;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Difference, Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::{Stored, WithSecret};
use weir_core::secret::{SecretKind, generate, sha256};
use weir_core::tenant::GatewaySettings;

use crate::commit::Idempotency;
use crate::resource::kind::{Checking, Issued, Issuing, Kind, Owner, Secret};
use crate::row::bytea;
use crate::{Store, StoreError};

/// Seconds for which a former token may still be accepted: 30 days.
const LONGEST_OVERLAP: u64 = 30 * 24 * 60 * 60;
/// Former tokens of one gateway that are accepted at a time.
const MOST_FORMER_TOKENS: i64 = 5;

/// In the one spelling of the API.
const FORMER_TOKENS_UNTIL: &str =
    "(SELECT to_char(max(former.valid_until) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
    FROM former_gateway_tokens former WHERE former.gateway_id = t.id AND former.valid_until > now())";

pub(super) struct Gateway;

impl Kind for Gateway {
    fn name(&self) -> &'static str {
        "gateway"
    }

    fn table(&self) -> &'static str {
        "gateways"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "trusted_hops", "trusts_forwarded_certificates", "ways_in"]
    }

    fn expressions(&self) -> &'static [(&'static str, &'static str)] {
        &[("former_tokens_until", FORMER_TOKENS_UNTIL)]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::GatewaysRead
    }

    fn writing(&self) -> Permission {
        Permission::GatewaysWrite
    }

    fn is_platforms_alone(&self) -> bool {
        true
    }

    fn twin(&self) -> Option<&'static str> {
        Some("t.name = $1")
    }

    fn secret(&self) -> Secret {
        Secret::Issued { field: "token" }
    }

    fn check(&self, spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: GatewaySettings = read(spec.into())?;
        settings.check()?;
        Ok(write(&settings))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        ChangeKind::Gateway { gateway_id: stored.id }
    }

    fn issue(&self, _: &Issuing<'_>) -> Result<Option<Issued>, StoreError> {
        let secret = generate(SecretKind::GatewayToken)?;
        let digest = bytea(&sha256(secret.expose_secret()));
        let columns = Object::from_iter([("token_sha256".to_owned(), digest)]);
        Ok(Some(Issued { secret: Some(secret), columns, twin: None }))
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM gateways WHERE id = $1"]
    }
}

impl Store {
    /// Gives a gateway another token, which is shown this once. The one before is accepted for so many seconds more, and former ones until
    /// their own ends; with 0 all of them end at once.
    pub async fn rotate_gateway(
        &self,
        actor: &Actor,
        id: Uuid,
        overlap_seconds: u64,
        idempotency: Option<&Idempotency>,
    ) -> Result<WithSecret, StoreError> {
        if overlap_seconds > LONGEST_OVERLAP {
            let reason = format!("must be at most {LONGEST_OVERLAP} (30 days)");
            return Err(StoreError::invalid("overlap_seconds", &reason));
        }
        let mut write = self.begin_on(&Gateway, actor, id).await?;
        if let Some(earlier) = self.replay(&mut write, idempotency, &Gateway).await? {
            return Ok(earlier);
        }
        write.current(&Gateway, id).await?;
        let over = "DELETE FROM former_gateway_tokens WHERE gateway_id = $1 AND (valid_until <= now() OR $2 = 0)";
        let overlap = i64::try_from(overlap_seconds).unwrap_or(i64::MAX);
        sqlx::query(over).bind(id).bind(overlap).execute(write.connection()).await?;
        if overlap > 0 {
            let (former,): (i64,) = sqlx::query_as("SELECT count(*) FROM former_gateway_tokens WHERE gateway_id = $1")
                .bind(id)
                .fetch_one(write.connection())
                .await?;
            if former >= MOST_FORMER_TOKENS {
                let reason = format!("must be 0 (which ends them) while {former} former tokens are still accepted");
                return Err(StoreError::invalid("overlap_seconds", &reason));
            }
            sqlx::query(
                "INSERT INTO former_gateway_tokens (token_sha256, gateway_id, valid_until)
                 SELECT token_sha256, id, now() + make_interval(secs => $2) FROM gateways WHERE id = $1",
            )
            .bind(id)
            .bind(overlap as f64)
            .execute(write.connection())
            .await?;
        }
        let secret = generate(SecretKind::GatewayToken)?;
        let statement = "UPDATE gateways SET token_sha256 = $2, revision = $3, updated_at = now() WHERE id = $1";
        let revision = write.revision();
        sqlx::query(statement)
            .bind(id)
            .bind(sha256(secret.expose_secret()))
            .bind(revision)
            .execute(write.connection())
            .await?;
        let stored = write.current(&Gateway, id).await?;
        let token = Difference { path: "token".into(), before: "***".into(), after: "*** (new)".into() };
        write.note(&Gateway, "rotate", &stored, vec![token]);
        let rotated = WithSecret { stored, secret: secret.expose_secret().to_owned() };
        self.remember(&mut write, idempotency, &rotated).await?;
        write.commit().await?;
        Ok(rotated)
    }
}
