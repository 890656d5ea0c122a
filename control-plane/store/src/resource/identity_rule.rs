//! What tokens and workloads lead to.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::identity::IdentityRuleSettings;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::role::UserGrant;
use weir_core::ways_in::Way;

use crate::StoreError;
use crate::authorisation::{Gives, expect_no_more};
use crate::resource::api_key::delete_keys;
use crate::resource::grant::expect_there;
use crate::resource::kind::{Checking, Kind, Owner, Written};
use crate::resource::reference::{DEPARTMENT_OF_OWNER, Reference, Within};

const TOKEN_ISSUER: Reference = Reference {
    list: None,
    field: "token_issuer_id",
    kind: "token_issuer",
    within: Within::OwnerOrPlatform,
    uses: "t.token_issuer_id = $1",
};
const SERVICE_ACCOUNT: Reference = Reference {
    list: None,
    field: "service_account_id",
    kind: "service_account",
    within: Within::Owner,
    uses: "t.service_account_id = $1",
};

pub(super) struct IdentityRule;

impl Kind for IdentityRule {
    fn name(&self) -> &'static str {
        "identity_rule"
    }

    fn title(&self) -> &'static str {
        "identity rule"
    }

    fn table(&self) -> &'static str {
        "identity_rules"
    }

    fn columns(&self) -> &'static [&'static str] {
        &[
            "name",
            "position",
            "token_issuer_id",
            "audience",
            "claims",
            "workload",
            "department_id",
            "service_account_id",
            "person",
            "labels",
            "label_claims",
            "claim_grants",
        ]
    }

    fn owner(&self) -> Owner {
        Owner::Tenant
    }

    fn reading(&self) -> Permission {
        Permission::IdentityRead
    }

    fn writing(&self) -> Permission {
        Permission::IdentityWrite
    }

    fn references(&self) -> &'static [Reference] {
        &[TOKEN_ISSUER, DEPARTMENT_OF_OWNER, SERVICE_ACCOUNT]
    }

    /// Users whom it makes have its role, and those whom it has made what their claims say: no more than whoever writes it.
    fn gives(&self, spec: &Object) -> Gives {
        let Ok(settings) = read::<IdentityRuleSettings>(spec.clone().into()) else { return Gives::default() };
        let of_role = settings.person.filter(|person| person.creates).map(|person| UserGrant {
            role: Some(person.role.role().built_in()),
            custom_role_id: None,
            department_id: None,
        });
        let by_claims = settings.claim_grants.into_iter().map(|granted| granted.grant);
        Gives { grants: of_role.into_iter().chain(by_claims).collect(), ..Gives::default() }
    }

    /// In the grants by claims.
    fn mentions(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                "role",
                "jsonb_path_exists(t.claim_grants, '$[*].grant ? (@.custom_role_id == $id)', jsonb_build_object('id', $1::uuid))",
            ),
            (
                "department",
                "jsonb_path_exists(t.claim_grants, '$[*].grant ? (@.department_id == $id)', jsonb_build_object('id', $1::uuid))",
            ),
        ]
    }

    fn check(&self, spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: IdentityRuleSettings = read(spec.into())?;
        settings.check()?;
        Ok(write(&settings))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        ChangeKind::Tenant { tenant_id: stored.tenant_id.unwrap_or_default() }
    }

    fn has_streams(&self) -> bool {
        true
    }

    /// What comes by the platform's issuers, and workloads, may be anybody's: only the platform says whose. Who comes by the rule has a row
    /// among the keys.
    fn project<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        written: &'a Written<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let settings: IdentityRuleSettings = read(written.spec.clone().into())?;
            expect_grants_by_a_person(written.actor, &settings)?;
            if is_of_a_tenant(written.actor) {
                expect_own_issuer(connection, written, &settings).await?;
            }
            for (index, granted) in settings.claim_grants.iter().enumerate() {
                let path = format!("claim_grants[{index}].grant");
                expect_there(connection, &path, written.tenant_id, &granted.grant).await?;
            }
            keep_keys(connection, written, &settings).await
        }
        .boxed()
    }

    /// Its rows among the keys stay as deleted keys do: usage of their last requests may still be on its way.
    fn deletion(&self) -> &'static [&'static str] {
        &[delete_keys!("identity_rule_id = $1 AND deleted_at IS NULL"), "DELETE FROM identity_rules WHERE id = $1"]
    }
}

/// Refuses a service token what gives rights in the console by claims: they would outlive its end.
fn expect_grants_by_a_person(actor: &Actor, settings: &IdentityRuleSettings) -> Result<(), StoreError> {
    if actor.via.service_token && !settings.claim_grants.is_empty() {
        return Err(StoreError::Forbidden("a service token gives nobody rights by claims: that would outlive its end"));
    }
    Ok(())
}

/// Refuses to write an issuer whose tokens, by the rules on it, give more than the actor has or could write into those rules: who says by
/// which keys tokens are good says what stands in them.
pub(super) async fn expect_issuer_gives_no_more(
    connection: &mut PgConnection,
    actor: &Actor,
    issuer_id: Uuid,
) -> Result<(), StoreError> {
    let query = "SELECT t.tenant_id, to_jsonb(t) FROM identity_rules t WHERE t.token_issuer_id = $1";
    let rules: Vec<(Uuid, Json<Object>)> = sqlx::query_as(query).bind(issuer_id).fetch_all(&mut *connection).await?;
    for (tenant_id, Json(row)) in rules {
        let (spec, _) = IdentityRule.read(row)?;
        expect_grants_by_a_person(actor, &read(spec.clone().into())?)?;
        expect_no_more(connection, actor, Some(tenant_id), IdentityRule.gives(&spec)).await?;
    }
    Ok(())
}

fn is_of_a_tenant(actor: &Actor) -> bool {
    actor.scope().tenant().is_some()
}

async fn expect_own_issuer(
    connection: &mut PgConnection,
    written: &Written<'_>,
    settings: &IdentityRuleSettings,
) -> Result<(), StoreError> {
    if settings.workload.is_some() {
        return Err(StoreError::Forbidden("only the platform's admins say whose workloads are"));
    }
    let (is_own,): (bool,) =
        sqlx::query_as("SELECT EXISTS (SELECT 1 FROM token_issuers WHERE id = $1 AND tenant_id = $2)")
            .bind(settings.token_issuer_id)
            .bind(written.tenant_id)
            .fetch_one(connection)
            .await?;
    if is_own {
        Ok(())
    } else {
        Err(StoreError::Forbidden("only the platform's admins say whose tokens of its issuers are"))
    }
}

/// Changes the rows of the rule among the keys as the rule has changed. They come with the first requests.
async fn keep_keys(
    connection: &mut PgConnection,
    written: &Written<'_>,
    settings: &IdentityRuleSettings,
) -> Result<(), StoreError> {
    let names_users = settings.person.is_some();
    // What they have become is another's: usage of before stays with the rows of before.
    sqlx::query(delete_keys!(
        "identity_rule_id = $1 AND deleted_at IS NULL AND ($2 <> (user_id IS NOT NULL) OR way <> $3)"
    ))
    .bind(written.id)
    .bind(names_users)
    .bind(way(settings).name())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE api_keys SET labels = $2, service_account_id = $3, department_id = CASE WHEN user_id IS NULL THEN $4 END
         WHERE identity_rule_id = $1 AND deleted_at IS NULL",
    )
    .bind(written.id)
    .bind(Json(&settings.labels))
    .bind(settings.service_account_id)
    .bind(settings.department_id)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// In which way those come whom a rule means.
pub(crate) fn way(settings: &IdentityRuleSettings) -> Way {
    if settings.workload.is_some() { Way::Workload } else { Way::Token }
}

/// The row among the keys of a rule, or of a user who comes by it: id and address. It is there once, whoever asks at the same time. A name that
/// another key has already gets the end of the id behind it. What was refused before the rule changed is refused still: it is revoked or
/// disabled if one of the rows is whose place it takes.
pub(crate) async fn insert_key(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    rule_id: Uuid,
    settings: &IdentityRuleSettings,
    user: Option<(Uuid, &str)>,
    revision: i64,
) -> Result<(), StoreError> {
    let name = match user {
        Some((_, address)) => format!("{}: {address}", settings.name),
        None => settings.name.clone(),
    };
    sqlx::query(
        "INSERT INTO api_keys (id, tenant_id, name, prefix, way, identity_rule_id, user_id, service_account_id, department_id,
             labels, revision, revoked_at, disabled)
         SELECT $1, $2, CASE WHEN EXISTS (SELECT 1 FROM api_keys WHERE tenant_id = $2 AND name = left($3, 100) AND deleted_at IS NULL)
                             THEN left($3, 87) || ' ' || right($1::text, 12) ELSE left($3, 100) END,
             '', $4, $5, $6, $7, CASE WHEN $6::uuid IS NULL THEN $8::uuid END, $9, $10,
             max(before.revoked_at), coalesce(bool_or(before.disabled), false)
         FROM api_keys before WHERE before.identity_rule_id = $5 AND before.deleted_at IS NOT NULL
             AND ($6::uuid IS NULL OR coalesce(before.former_user_id, $6) = $6)
         ON CONFLICT DO NOTHING",
    )
    .bind(Uuid::now_v7())
    .bind(tenant_id)
    .bind(name)
    .bind(way(settings).name())
    .bind(rule_id)
    .bind(user.map(|(id, _)| id))
    .bind(settings.service_account_id)
    .bind(settings.department_id)
    .bind(Json(&settings.labels))
    .bind(revision)
    .execute(connection)
    .await?;
    Ok(())
}
