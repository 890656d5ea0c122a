//! Which guardrails hold for keys, and where each of them comes from.

use serde::Deserialize;
use sqlx::AssertSqlSafe;
use sqlx::types::Json;
use uuid::Uuid;
use weir_config::{GuardrailProfile, GuardrailRule, Uninspectable};
use weir_core::actor::Actor;
use weir_core::gateway::PrincipalProfile;
use weir_core::guardrails::strictest_of_all;

use crate::resource::Kind;
use crate::{Store, StoreError};

/// A profile, and what it is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardrailSource {
    /// `platform`, `tenant`, `department`, `user`, `service_account` or `api_key`.
    pub kind: String,
    /// `None`: the platform.
    pub id: Option<Uuid>,
    /// What it is called; `None`: the platform.
    pub name: Option<String>,
    /// The profile.
    pub profile: PrincipalProfile,
}

/// What holds for all keys of something, or for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveGuardrails {
    /// The widest first.
    pub sources: Vec<GuardrailSource>,
    /// The strictest of all of them; `None`: there are none.
    pub profile: Option<GuardrailProfile>,
}

/// A profile as Postgres writes it into JSON.
#[derive(Deserialize)]
pub(crate) struct ProfileRow {
    id: Uuid,
    name: String,
    rules: Vec<GuardrailRule>,
    uninspectable: String,
}

#[derive(sqlx::FromRow)]
struct SourceRow {
    kind: String,
    id: Option<Uuid>,
    name: Option<String>,
    profile: Json<ProfileRow>,
}

impl ProfileRow {
    pub(crate) fn read(self) -> Result<PrincipalProfile, StoreError> {
        let Self { id, name, rules, uninspectable } = self;
        let uninspectable = Uninspectable::of_name(&uninspectable)
            .ok_or(StoreError::Corrupt("a profile's word for what is not read"))?;
        Ok(PrincipalProfile { id, profile: GuardrailProfile { uninspectable, ..GuardrailProfile::new(name, rules) } })
    }
}

/// How a row of [`ProfileRow`] is written, of the table `profile`.
pub(crate) const PROFILE: &str = "jsonb_build_object('id', profile.id, 'name', profile.name, 'rules', profile.rules,
    'uninspectable', profile.uninspectable)";

impl Store {
    /// The guardrails of a department, a user, a service account or an API key: the strictest of all that apply, and where they come from.
    pub async fn effective_guardrails(
        &self,
        kind: &dyn Kind,
        actor: &Actor,
        id: Uuid,
    ) -> Result<EffectiveGuardrails, StoreError> {
        self.get(kind, actor, id).await?;
        let (user, account) = match kind.name() {
            "user" => ("t.id", "NULL::uuid"),
            "service_account" => ("NULL::uuid", "t.id"),
            "api_key" => ("t.user_id", "t.service_account_id"),
            _ => ("NULL::uuid", "NULL::uuid"),
        };
        let department = kind.department().unwrap_or("NULL::uuid");
        let is_key = kind.name() == "api_key";
        let has_own = if is_key { "t.guardrail_profile_id IS NOT NULL" } else { "false" };
        let own = if is_key {
            "UNION ALL SELECT 'api_key', t.id, t.name, t.guardrail_profile_id, 2000000 WHERE t.guardrail_profile_id IS NOT NULL"
        } else {
            ""
        };
        let query = format!(
            "SELECT source.kind, source.id, source.name, {PROFILE} AS profile
             FROM {} t CROSS JOIN LATERAL (
                 SELECT * FROM guardrail_sources(t.tenant_id, {department}, {user}, {account}, {has_own}) {own}
             ) source JOIN guardrail_profiles profile ON profile.id = source.profile_id
             WHERE t.id = $1 ORDER BY source.rank, profile.id",
            kind.table()
        );
        let rows: Vec<SourceRow> = sqlx::query_as(AssertSqlSafe(query)).bind(id).fetch_all(&self.admin).await?;
        let read = |SourceRow { kind, id, name, profile: Json(profile) }| {
            Ok(GuardrailSource { kind, id, name, profile: profile.read()? })
        };
        let sources: Vec<GuardrailSource> = rows.into_iter().map(read).collect::<Result<_, StoreError>>()?;
        let profile = strictest_of_all(sources.iter().map(|source| source.profile.clone()));
        Ok(EffectiveGuardrails { sources, profile: profile.map(|profile| profile.profile) })
    }
}
