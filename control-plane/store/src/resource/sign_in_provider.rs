//! Identity providers by which people sign in.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::role::UserGrant;
use weir_core::sign_in::{GroupRule, SignInProviderSettings, issuer_url};

use crate::StoreError;
use crate::authorisation::Gives;
use crate::resource::grant::expect_there;
use crate::resource::kind::{Checking, Kind, Owner, Secret, Written};
use crate::resource::write::SecretChange;

pub(super) struct SignInProvider;

impl Kind for SignInProvider {
    fn name(&self) -> &'static str {
        "sign_in_provider"
    }

    fn title(&self) -> &'static str {
        "sign-in provider"
    }

    fn table(&self) -> &'static str {
        "sign_in_providers"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "issuer", "client_id", "scopes", "claims", "rules", "creates_users", "is_only_way_in"]
    }

    fn expressions(&self) -> &'static [(&'static str, &'static str)] {
        &[("has_client_secret", "t.client_secret_encrypted IS NOT NULL")]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::SignInRead
    }

    fn writing(&self) -> Permission {
        Permission::SignInWrite
    }

    /// Whom the rules let in has what they say: no more than whoever writes them.
    fn gives(&self, spec: &Object) -> Gives {
        let Ok(settings) = read::<SignInProviderSettings>(spec.clone().into()) else { return Gives::default() };
        let of_role = |rule: &GroupRule| UserGrant {
            role: Some(rule.role.built_in()),
            custom_role_id: None,
            department_id: None,
        };
        let of_rule = |rule: GroupRule| std::iter::once(of_role(&rule)).chain(rule.grants);
        Gives { grants: settings.rules.into_iter().flat_map(of_rule).collect(), ..Gives::default() }
    }

    /// Or a token that leaks could let people in after its end.
    fn is_written_by_people_alone(&self) -> bool {
        true
    }

    /// A public client has none.
    fn secret(&self) -> Secret {
        Secret::Given {
            field: "client_secret",
            column: "client_secret_encrypted",
            digest: "client_secret_digest",
            is_required: false,
        }
    }

    fn check(&self, spec: Object, checking: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings = read::<SignInProviderSettings>(spec.into())?.check(checking.tenant_id)?;
        let before = checking.before.map(|before| before.text("issuer"));
        // What a platform admin has set may stay.
        if before != Some(settings.issuer.as_str()) {
            settings.check_destination(checking.actor, checking.tenant_id, checking.allowed_hosts)?;
        }
        let has_secret =
            checking.before.is_some_and(|before| before.status.get("has_client_secret") == Some(&true.into()));
        if has_secret
            && matches!(checking.secret, SecretChange::Keep)
            && before.is_some_and(|before| !same_origin(before, &settings.issuer))
        {
            let reason =
                "must be given again when issuer leads to another server: the stored one was meant for the old";
            return Err(vec![FieldError::new("client_secret", reason)]);
        }
        Ok(write(&settings))
    }

    /// In the grants of its rules.
    fn mentions(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                "role",
                "jsonb_path_exists(t.rules, '$[*].grants[*] ? (@.custom_role_id == $id)', jsonb_build_object('id', $1::uuid))",
            ),
            (
                "department",
                "jsonb_path_exists(t.rules, '$[*].grants[*] ? (@.department_id == $id)', jsonb_build_object('id', $1::uuid))",
            ),
        ]
    }

    /// A rule without grants has no list of them: control planes of the version before would not read it.
    fn columns_of(&self, spec: &Object) -> Object {
        let mut columns = spec.clone();
        for rule in columns.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(rule) = rule.as_object_mut() {
                rule.retain(|field, value| {
                    field != "grants" || value.as_array().is_none_or(|grants| !grants.is_empty())
                });
            }
        }
        columns
    }

    fn read(&self, row: Object) -> Result<(Object, Object), StoreError> {
        let (spec, status): (Object, Object) =
            row.into_iter().partition(|(name, _)| self.columns().contains(&name.as_str()));
        let spec: SignInProviderSettings = read(spec.into()).map_err(|_| StoreError::Corrupt("a sign-in provider"))?;
        Ok((write(&spec), status))
    }

    fn outdates(&self, _: &Stored) -> ChangeKind {
        ChangeKind::Administration
    }

    /// Passwords may be refused only while somebody can get in without the identity provider.
    fn must_hold(&self, _: &Stored) -> &'static [(&'static str, &'static str)] {
        &[(BREAK_GLASS_HOLDS, BREAK_GLASS_REASON)]
    }

    /// Rules lead to tenants that are there. Those who signed in elsewhere are not of this issuer.
    fn project<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        written: &'a Written<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let settings: SignInProviderSettings = read(written.spec.clone().into())?;
            let named: Vec<Uuid> = settings.rules.iter().filter_map(|rule| rule.tenant_id).collect();
            let found: Vec<(Uuid,)> = sqlx::query_as("SELECT id FROM tenants WHERE id = ANY($1)")
                .bind(&named)
                .fetch_all(&mut *connection)
                .await?;
            for (index, rule) in settings.rules.iter().enumerate() {
                if rule.tenant_id.is_some_and(|tenant_id| found.iter().all(|(id,)| *id != tenant_id)) {
                    return Err(StoreError::invalid(format!("rules[{index}].tenant_id"), "there is no such tenant"));
                }
                for (number, grant) in rule.grants.iter().enumerate() {
                    expect_there(connection, &format!("rules[{index}].grants[{number}]"), rule.tenant_id, grant)
                        .await?;
                }
            }
            if written.before.is_some_and(|before| before.text("issuer") != settings.issuer) {
                sqlx::query("DELETE FROM sessions WHERE provider_id = $1")
                    .bind(written.id)
                    .execute(&mut *connection)
                    .await?;
            }
            let was_so = written.before.is_some_and(|before| {
                before.spec.get("is_only_way_in") == Some(&true.into()) && before.text("issuer") == settings.issuer
            });
            // Whoever of the platform sets it for a tenant gets in all the same, and can undo it.
            if settings.is_only_way_in && !was_so && written.actor.scope().tenant().is_some() {
                let (holds,): (bool,) = sqlx::query_as(IS_CONNECTED)
                    .bind(written.id)
                    .bind(&settings.issuer)
                    .bind(written.tenant_id)
                    .bind(written.actor.user_id)
                    .fetch_one(&mut *connection)
                    .await?;
                if !holds {
                    return Err(StoreError::invalid("is_only_way_in", CONNECT_FIRST));
                }
            }
            if written.before.is_none() && settings.is_only_way_in {
                let (holds,): (bool,) = sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT {BREAK_GLASS_HOLDS}")))
                    .fetch_one(connection)
                    .await?;
                if !holds {
                    return Err(StoreError::invalid("is_only_way_in", BREAK_GLASS_REASON));
                }
            }
            Ok(())
        }
        .boxed()
    }

    /// Their identities and sessions go with it.
    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM sign_in_providers WHERE id = $1"]
    }
}

/// Whether the platform's own admins can still get in where their passwords are refused.
pub(crate) const BREAK_GLASS_HOLDS: &str =
    "(NOT EXISTS (SELECT 1 FROM sign_in_providers WHERE is_only_way_in AND tenant_id IS NULL)
    OR EXISTS (SELECT 1 FROM users WHERE is_break_glass AND NOT disabled AND password_hash IS NOT NULL))";
/// Why not.
pub(crate) const BREAK_GLASS_REASON: &str =
    "there must be a break-glass account with a password while passwords are refused";

/// Whether somebody who could undo it gets in by a provider: whoever writes it, or an admin of the tenant.
const IS_CONNECTED: &str =
    "SELECT EXISTS (SELECT 1 FROM user_identities i JOIN users u ON u.id = i.user_id AND NOT u.disabled
    WHERE i.provider_id = $1 AND i.issuer = $2 AND u.tenant_id = $3 AND (u.role = 'tenant_admin' OR u.id = $4))";
/// Why not.
const CONNECT_FIRST: &str =
    "must wait until you, or an administrator of the tenant, are connected with it: nobody could undo it";

/// Whether a stored secret may go on to the new issuer.
fn same_origin(before: &str, new: &str) -> bool {
    match (issuer_url(before), issuer_url(new)) {
        (Ok(before), Ok(new)) => before.same_origin(&new),
        _ => false,
    }
}
