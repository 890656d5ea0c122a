//! The users whom tokens name: who they are, and what rules make of them.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::field::Fields;
use weir_core::identity::{Claims, PersonMapping};
use weir_core::json::write;
use weir_core::resource::Origin;
use weir_core::role::UserGrant;
use weir_core::tenant::UserSettings;

use crate::caller::Rule;
use crate::resource::{SecretChange, USER, retain_existing};
use crate::{Store, StoreError};

/// Users whom rules make of the tokens of one issuer in a minute, about: those who came by them first count as well.
const MOST_MADE_A_MINUTE: i64 = 100;
/// Callers by the rules of one issuer beyond whom no users are made.
const MOST_MADE: i64 = 50_000;

/// Whether a token says anew what a user may do: it was issued after the one that said it last, or the rule has changed since. By that, two
/// tokens of one user that differ do not change it to and fro, and an old one brings nothing back. $1: the user, $2: the rule, $3: when the
/// token was issued, no later than now; $4: the rule's revision.
const SAYS_ANEW: &str = "p.user_id = $1 AND p.identity_rule_id = $2
    AND (p.claims_issued_at IS NULL OR p.claims_issued_at < least($3, now()) OR p.rule_revision < $4)
    AND NOT EXISTS (SELECT 1 FROM user_identities i WHERE i.user_id = p.user_id)";

impl Store {
    /// The user whom a token names, made if the rule says so; `None`: there is none.
    pub(crate) async fn user_of(
        &self,
        rule: &Rule,
        person: &PersonMapping,
        claims: &Claims,
    ) -> Result<Option<(Uuid, String)>, StoreError> {
        let Some(address) = claims.text(&person.claim) else { return Ok(None) };
        let mut fields = Fields::default();
        fields.email("email", address);
        if fields.finish().is_err() {
            return Ok(None);
        }
        let find = "SELECT id, email FROM users WHERE tenant_id = $1 AND lower(email) = lower($2)";
        let found: Option<(Uuid, String)> =
            sqlx::query_as(find).bind(rule.tenant_id).bind(address).fetch_optional(&self.pool).await?;
        if let Some((id, _)) = &found {
            self.keep_grants(rule, *id, claims).await?;
        }
        if found.is_some() || !person.creates {
            return Ok(found);
        }
        if self.makes_no_more(rule).await? {
            tracing::warn!(rule = %rule.id, "a rule makes no more users for now");
            return Ok(None);
        }
        let system = Actor::system();
        // Writers take turns: of two at once the second finds whom the first has made.
        let mut writing = self.begin(&system).await?;
        let found: Option<(Uuid, Option<Uuid>, String)> =
            sqlx::query_as("SELECT id, tenant_id, email FROM users WHERE lower(email) = lower($1)")
                .bind(address)
                .fetch_optional(writing.connection())
                .await?;
        if let Some((id, tenant_id, email)) = found {
            // An address is one user's; another tenant's is nobody here.
            return Ok(Some((id, email)).filter(|_| tenant_id == Some(rule.tenant_id)));
        }
        let issued_at = issued_at(claims);
        let grants = match issued_at {
            Some(_) => self.grants_of(rule, claims).await?,
            None => Vec::new(),
        };
        let settings = UserSettings {
            department_id: rule.settings.department_id,
            grants,
            ..UserSettings::new(address.to_owned(), person.role.role())
        };
        let made = writing
            .create(self, USER, Some(rule.tenant_id), write(&settings), SecretChange::Keep, &Origin::default())
            .await?;
        sqlx::query("INSERT INTO provisioned_users (user_id, identity_rule_id, claims_issued_at, rule_revision) VALUES ($1, $2, least($3, now()), $4)")
            .bind(made.stored.id)
            .bind(rule.id)
            .bind(issued_at)
            .bind(rule.revision)
            .execute(writing.connection())
            .await?;
        writing.commit().await?;
        Ok(Some((made.stored.id, address.to_owned())))
    }

    /// Whether by the issuer of a rule as many callers became known as may, in this minute or altogether.
    async fn makes_no_more(&self, rule: &Rule) -> Result<bool, StoreError> {
        let (lately, all): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE key.created_at > now() - interval '1 minute'), count(*)
             FROM identity_rules rule JOIN api_keys key ON key.identity_rule_id = rule.id AND key.deleted_at IS NULL
             WHERE rule.token_issuer_id = $1",
        )
        .bind(rule.settings.token_issuer_id)
        .fetch_one(&self.pool)
        .await?;
        Ok(lately >= MOST_MADE_A_MINUTE || all >= MOST_MADE)
    }

    /// Gives a user whom the rule has made what the token says, and nothing else.
    async fn keep_grants(&self, rule: &Rule, user_id: Uuid, claims: &Claims) -> Result<(), StoreError> {
        let Some(issued_at) = issued_at(claims).filter(|_| !rule.settings.claim_grants.is_empty()) else {
            return Ok(());
        };
        let had: Option<(Json<Vec<UserGrant>>,)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT u.grants FROM provisioned_users p JOIN users u ON u.id = p.user_id WHERE {SAYS_ANEW}"
        )))
        .bind(user_id)
        .bind(rule.id)
        .bind(issued_at)
        .bind(rule.revision)
        .fetch_optional(&self.pool)
        .await?;
        let Some((Json(had),)) = had else { return Ok(()) };
        let grants = self.grants_of(rule, claims).await?;
        let note = format!(
            "UPDATE provisioned_users p SET claims_issued_at = least($3, now()), rule_revision = $4 WHERE {SAYS_ANEW}"
        );
        let note =
            sqlx::query(sqlx::AssertSqlSafe(note)).bind(user_id).bind(rule.id).bind(issued_at).bind(rule.revision);
        if had == grants {
            note.execute(&self.pool).await?;
            return Ok(());
        }
        let system = Actor::system();
        let mut writing = self.begin(&system).await?;
        // Writers take turns: another token may have said it meanwhile.
        if note.execute(writing.connection()).await?.rows_affected() == 0 {
            return Ok(());
        }
        let before = writing.current(USER, user_id).await?;
        let mut spec = before.spec.clone();
        spec.insert("grants".into(), serde_json::json!(grants));
        if spec != before.spec {
            let origin = before.origin.clone();
            writing.update(self, USER, &before, spec, SecretChange::Keep, &origin).await?;
        }
        writing.commit().await?;
        Ok(())
    }

    async fn grants_of(&self, rule: &Rule, claims: &Claims) -> Result<Vec<UserGrant>, StoreError> {
        let mut grants = rule.settings.grants_of(claims);
        retain_existing(&self.pool, Some(rule.tenant_id), &mut grants).await?;
        Ok(grants)
    }
}

/// When a token was issued, if it says a time that the database knows.
fn issued_at(claims: &Claims) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(claims.issued_at_unix_s().filter(|at| *at >= 0)?, 0)
}
