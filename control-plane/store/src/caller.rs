//! Who is calling without a key: whom a token or a workload stands for, by the rules.

use std::collections::BTreeMap;

use chrono::DateTime;
use sqlx::types::Json;
use uuid::Uuid;
use weir_config::FindingType;
use weir_core::gateway::{CredentialStatus, Gateway, KnownCatalog, Peer, Resolved};
use weir_core::identity::{
    ClaimCondition, ClaimGrant, Claims, IdentityRuleSettings, PersonMapping, SpiffeId, WorkloadMatch,
};
use weir_core::ways_in::{Way, WayMode, WaysIn};

use crate::credential::refused;
use crate::resource::identity_rule::{insert_key, way};
use crate::{Store, StoreError};

/// Rules that are looked at for one caller: all that an installation may have of an issuer.
const MOST_RULES: i64 = 10_000;

/// For how long after its end Envoy still takes a token for good, as clocks differ: `clock_skew_seconds` of jwt_authn.
const CLOCK_SKEW_S: i64 = 60;

const RULE: &str = "rule.id, rule.tenant_id, rule.name, rule.position, rule.token_issuer_id, rule.audience, rule.claims, rule.workload,
    rule.department_id, rule.service_account_id, rule.person, rule.labels, rule.label_claims, rule.claim_grants,
    rule.revision, (SELECT tenant.ways_in FROM tenants tenant WHERE tenant.id = rule.tenant_id) AS ways_in";

/// Who calls without a key, as certificates or a verified token say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody with a token.
    Token {
        /// The issuer's id.
        issuer_id: Uuid,
        /// To whom the issuer belongs; `None`: to the platform.
        tenant_id: Option<Uuid>,
        /// The issuer, as the token says it.
        issuer: String,
        /// The claim `sub`.
        subject: String,
    },
    /// A workload.
    Workload(SpiffeId),
}

/// What is known about somebody who calls without a key.
#[derive(Clone, Debug)]
pub struct Identified {
    /// Whether they may go on, and what holds for them.
    pub resolved: Resolved,
    /// Who it is; `None`: that cannot be told.
    pub caller: Option<Caller>,
}

#[derive(sqlx::FromRow)]
struct RuleRow {
    id: Uuid,
    tenant_id: Uuid,
    name: String,
    position: i32,
    token_issuer_id: Option<Uuid>,
    audience: Option<String>,
    claims: Json<Vec<ClaimCondition>>,
    workload: Option<Json<WorkloadMatch>>,
    department_id: Option<Uuid>,
    service_account_id: Option<Uuid>,
    person: Option<Json<PersonMapping>>,
    labels: Json<BTreeMap<String, String>>,
    label_claims: Json<BTreeMap<String, String>>,
    claim_grants: Json<Vec<ClaimGrant>>,
    revision: i64,
    ways_in: Json<WaysIn>,
}

pub(crate) struct Rule {
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Uuid,
    pub(crate) settings: IdentityRuleSettings,
    /// The change that last wrote it.
    pub(crate) revision: i64,
    /// Its tenant's.
    ways_in: WaysIn,
}

impl Rule {
    /// Whether nobody comes by it at this gateway. Nothing is made then.
    fn is_refused(&self, gateway: &Gateway) -> bool {
        gateway.ways_in.and(self.ways_in).mode(way(&self.settings)) == WayMode::Refused
    }
}

impl From<RuleRow> for Rule {
    fn from(row: RuleRow) -> Self {
        let settings = IdentityRuleSettings {
            name: row.name,
            position: u32::try_from(row.position).unwrap_or_default(),
            token_issuer_id: row.token_issuer_id,
            audience: row.audience,
            claims: row.claims.0,
            workload: row.workload.map(|Json(workload)| workload),
            service_account_id: row.service_account_id,
            person: row.person.map(|Json(person)| person),
            department_id: row.department_id,
            labels: row.labels.0,
            label_claims: row.label_claims.0,
            claim_grants: row.claim_grants.0,
        };
        Self { id: row.id, tenant_id: row.tenant_id, settings, revision: row.revision, ways_in: row.ways_in.0 }
    }
}

/// Whose row among the keys counts, or why nobody's does.
type Found = Result<Uuid, CredentialStatus>;

impl Store {
    /// Whom a token stands for that Envoy has verified, at most until it ends; `claims`: its middle part; `verified_by`: the issuer whose
    /// keys have verified it, `None` if Envoy does not say. A user whom a rule makes is made here.
    pub async fn resolve_token(
        &self,
        gateway: &Gateway,
        claims: &str,
        verified_by: Option<Uuid>,
        known: Option<KnownCatalog>,
        finds: &[FindingType],
    ) -> Result<Identified, StoreError> {
        self.unless_away()?;
        if gateway.ways_in.mode(Way::Token) == WayMode::Refused {
            return self.unidentified(CredentialStatus::WayRefused).await;
        }
        let Ok(claims) = Claims::of_token(claims) else { return self.unidentified(CredentialStatus::Malformed).await };
        let mut identified = self.resolve_claims(gateway, &claims, verified_by, known, finds).await?;
        let ends =
            claims.expires_at_unix_s().and_then(|at| DateTime::from_timestamp(at.saturating_add(CLOCK_SKEW_S), 0));
        if let Some(principal) = &mut identified.resolved.principal {
            principal.expires_at = [principal.expires_at, ends].into_iter().flatten().min();
        }
        Ok(identified)
    }

    async fn resolve_claims(
        &self,
        gateway: &Gateway,
        claims: &Claims,
        verified_by: Option<Uuid>,
        known: Option<KnownCatalog>,
        finds: &[FindingType],
    ) -> Result<Identified, StoreError> {
        let Some(issuer) = claims.text("iss") else { return self.unidentified(CredentialStatus::Malformed).await };
        let found: Option<(Uuid, Option<Uuid>, Vec<String>)> = sqlx::query_as(
            "SELECT id, tenant_id, audiences FROM token_issuers
             WHERE issuer = $1 AND ($2::uuid IS NULL OR tenant_id IS NULL OR tenant_id = $2)",
        )
        .bind(crate::logins::as_text(issuer))
        .bind(gateway.tenant_id)
        .fetch_optional(&self.pool)
        .await?;
        // Envoy has verified all of it, maybe by a configuration of before: then the name may have been another owner's, with other keys.
        let found = found.filter(|(id, _, _)| verified_by.is_none_or(|verifier| verifier == *id));
        let found = found.filter(|(_, _, audiences)| audiences.iter().any(|audience| claims.is_for(audience)));
        let Some((issuer_id, tenant_id, _)) = found else { return self.unidentified(CredentialStatus::NoRule).await };
        let subject = claims.text("sub").unwrap_or_default().to_owned();
        let caller = Caller::Token { issuer_id, tenant_id, issuer: issuer.to_owned(), subject };
        let rules: Vec<RuleRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {RULE} FROM identity_rules rule WHERE rule.token_issuer_id = $1 AND ($2::uuid IS NULL OR rule.tenant_id = $2)
             ORDER BY rule.position, rule.id LIMIT {MOST_RULES}"
        )))
        .bind(issuer_id)
        .bind(gateway.tenant_id)
        .fetch_all(&self.pool)
        .await?;
        let rule = rules.into_iter().map(Rule::from).find(|rule| rule.settings.matches(claims));
        let Some(rule) = rule else { return self.refused_caller(CredentialStatus::NoRule, caller).await };
        if rule.is_refused(gateway) {
            return self.refused_caller(CredentialStatus::WayRefused, caller).await;
        }
        let found = match &rule.settings.person {
            None => self.key_of(&rule, None).await?,
            Some(person) => match self.user_of(&rule, person, claims).await? {
                Some((id, address)) => {
                    let found = self.key_of(&rule, Some((id, &address))).await?;
                    if let Ok(key_id) = found {
                        self.label(key_id, &rule.settings, claims).await?;
                    }
                    found
                }
                None => Err(CredentialStatus::NoUser),
            },
        };
        self.identified(gateway, found, caller, known, finds).await
    }

    /// Whom a workload stands for; `None`: nothing that counts was shown.
    pub async fn resolve_workload(
        &self,
        gateway: &Gateway,
        peer: &Peer,
        known: Option<KnownCatalog>,
        finds: &[FindingType],
    ) -> Result<Identified, StoreError> {
        self.unless_away()?;
        let counted = peer.counted(gateway.trusted_hops, gateway.trusts_forwarded_certificates);
        let shown: Vec<&String> = counted.iter().filter(|uri| uri.starts_with("spiffe://")).collect();
        let id = match shown.as_slice() {
            [] => return self.unidentified(CredentialStatus::Unknown).await,
            // A certificate with several names says none (X.509-SVID, 2).
            [one] => SpiffeId::parse(one),
            _ => None,
        };
        if gateway.ways_in.mode(Way::Workload) == WayMode::Refused {
            return self.unidentified(CredentialStatus::WayRefused).await;
        }
        let Some(id) = id else { return self.unidentified(CredentialStatus::Malformed).await };
        let rules: Vec<RuleRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {RULE} FROM identity_rules rule WHERE rule.workload IS NOT NULL AND ($2::uuid IS NULL OR rule.tenant_id = $2)
                AND (rule.workload ->> 'spiffe_id' = $1 OR rule.workload ->> 'trust_domain' = $3
                    OR starts_with($1, rule.workload ->> 'spiffe_id_prefix'))
             ORDER BY rule.position, rule.id LIMIT {MOST_RULES}"
        )))
        .bind(id.as_str())
        .bind(gateway.tenant_id)
        .bind(id.trust_domain())
        .fetch_all(&self.pool)
        .await?;
        let matches = |rule: &Rule| rule.settings.workload.as_ref().is_some_and(|workload| workload.matches(&id));
        let rule = rules.into_iter().map(Rule::from).find(matches);
        let caller = Caller::Workload(id);
        let Some(rule) = rule else { return self.refused_caller(CredentialStatus::NoRule, caller).await };
        if rule.is_refused(gateway) {
            return self.refused_caller(CredentialStatus::WayRefused, caller).await;
        }
        let found = self.key_of(&rule, None).await?;
        self.identified(gateway, found, caller, known, finds).await
    }

    async fn identified(
        &self,
        gateway: &Gateway,
        found: Found,
        caller: Caller,
        known: Option<KnownCatalog>,
        finds: &[FindingType],
    ) -> Result<Identified, StoreError> {
        match found {
            Ok(key_id) => {
                let resolved = self.resolve_without_key(gateway, key_id, known, finds).await?;
                Ok(Identified { resolved, caller: Some(caller) })
            }
            Err(status) => self.refused_caller(status, caller).await,
        }
    }

    async fn refused_caller(&self, status: CredentialStatus, caller: Caller) -> Result<Identified, StoreError> {
        let refused = self.unidentified(status).await?;
        Ok(Identified { caller: Some(caller), ..refused })
    }

    async fn unidentified(&self, status: CredentialStatus) -> Result<Identified, StoreError> {
        Ok(Identified { resolved: refused(status, self.revision().await?), caller: None })
    }

    /// The row among the keys of a rule, or of its user. Whoever comes first makes it.
    async fn key_of(&self, rule: &Rule, user: Option<(Uuid, &str)>) -> Result<Found, StoreError> {
        let find = "SELECT id FROM api_keys WHERE identity_rule_id = $1 AND deleted_at IS NULL
            AND coalesce(user_id, '00000000-0000-0000-0000-000000000000') = $2";
        let user_id = user.map(|(id, _)| id).unwrap_or_default();
        for is_last in [false, true] {
            let found: Option<(Uuid,)> =
                sqlx::query_as(find).bind(rule.id).bind(user_id).fetch_optional(&self.pool).await?;
            match found {
                Some((id,)) => return Ok(Ok(id)),
                None if is_last => {}
                None => {
                    let mut connection = self.pool.acquire().await?;
                    let revision = crate::row::signed(self.revision().await?);
                    insert_key(&mut connection, rule.tenant_id, rule.id, &rule.settings, user, revision).await?;
                }
            }
        }
        // The rule changed meanwhile; whoever is told to forget asks again.
        Ok(Err(CredentialStatus::NoRule))
    }

    /// Gives a user's row the labels that the token says.
    async fn label(&self, key_id: Uuid, settings: &IdentityRuleSettings, claims: &Claims) -> Result<(), StoreError> {
        if !settings.label_claims.is_empty() {
            sqlx::query("UPDATE api_keys SET labels = $2 WHERE id = $1 AND labels <> $2")
                .bind(key_id)
                .bind(Json(settings.labels_of(claims)))
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }
}
