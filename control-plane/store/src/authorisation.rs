//! Who may do what with which rows.
//!
//! Whose rows somebody can see at all is a tenant's boundary, which every query has. Within it an [`Actor`] may have a permission for a
//! part only: that is a condition on rows, with the ids written into it. They are UUIDs, so nothing else can be.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;
use weir_core::actor::{Actor, Grant, GrantScope, GrantedRole, Sees};
use weir_core::permission::{InDepartment, Permission, Reach};
use weir_core::resource::Stored;
use weir_core::role::UserGrant;

use crate::StoreError;
use crate::resource::{Kind, USER};

/// What a resource gives to whoever holds it.
#[derive(Debug, Default)]
pub struct Gives {
    pub(crate) grants: Vec<UserGrant>,
    /// In the whole of its owner's.
    pub(crate) permissions: BTreeSet<Permission>,
}

/// Which rows of a kind, called `t`, are among those that are seen.
pub(crate) fn condition(kind: &dyn Kind, sees: &Sees) -> String {
    let (departments, own) = match sees {
        Sees::Everything | Sees::Tenant(_) => return "true".into(),
        Sees::Nothing => return "false".into(),
        Sees::Part { departments, own } => (departments, own),
    };
    let within = kind.department().into_iter().flat_map(|expression| {
        departments
            .iter()
            .map(move |department| format!("{expression} IN (SELECT departments_beneath('{department}'))"))
    });
    let own = kind.user().zip(own.as_ref()).map(|(expression, user)| format!("{expression} = '{user}'"));
    let either: Vec<String> = within.chain(own).collect();
    if either.is_empty() { "false".into() } else { format!("({})", either.join(" OR ")) }
}

/// Refuses unless the actor may do something with some of what belongs to this tenant (`None`: to the platform); with which of it, the
/// rows say ([`condition`]). What the actor may not even see is not found.
pub(crate) fn authorise(actor: &Actor, permission: Permission, tenant_id: Option<Uuid>) -> Result<(), StoreError> {
    let is_within = actor.scope().tenant().is_none_or(|own| tenant_id == Some(own));
    match actor.sees(permission) {
        Sees::Everything => Ok(()),
        Sees::Tenant(_) | Sees::Part { .. } if is_within => Ok(()),
        _ if !is_within => Err(StoreError::NotFound),
        _ => Err(StoreError::Forbidden("your roles do not allow this")),
    }
}

/// The same for writing what is of a kind.
pub(crate) fn authorise_kind(actor: &Actor, kind: &dyn Kind, tenant_id: Option<Uuid>) -> Result<(), StoreError> {
    if kind.is_written_by_people_alone() && actor.via.service_token {
        return Err(StoreError::Forbidden("a service token does not write service tokens"));
    }
    if kind.is_written_by_platform_alone() && actor.scope().tenant().is_some() {
        // It is seen if it may be read at all, and it is the reader's own.
        let is_seen = !kind.is_platforms_alone() && tenant_id.is_some() && tenant_id == actor.scope().tenant();
        return Err(if is_seen {
            StoreError::Forbidden("only the platform's admins change it")
        } else {
            StoreError::NotFound
        });
    }
    authorise(actor, kind.writing(), tenant_id)
}

/// Grants as an actor has them. One of a role that is gone gives nothing.
pub(crate) async fn grants(
    connection: &mut PgConnection,
    tenant_id: Option<Uuid>,
    grants: &[UserGrant],
) -> Result<Vec<Grant>, StoreError> {
    let custom: Vec<Uuid> = grants.iter().filter_map(|grant| grant.custom_role_id).collect();
    let rows: Vec<(Uuid, Value)> = if custom.is_empty() {
        Vec::new()
    } else {
        sqlx::query_as("SELECT id, permissions FROM roles WHERE id = ANY($1)")
            .bind(&custom)
            .fetch_all(connection)
            .await?
    };
    let permissions = |id: Uuid| -> Option<BTreeSet<Permission>> {
        let (_, permissions) = rows.iter().find(|(role, _)| *role == id)?;
        // What a later version knows is none here.
        let names = permissions.as_array()?.iter().filter_map(Value::as_str);
        Some(names.filter_map(Permission::from_name).collect())
    };
    let read = |grant: &UserGrant| {
        let role = match (grant.role, grant.custom_role_id) {
            (Some(role), _) => GrantedRole::BuiltIn(role),
            (None, id) => GrantedRole::Custom(permissions(id?)?),
        };
        Some(Grant { role, scope: scope_of(tenant_id, grant.department_id) })
    };
    Ok(grants.iter().filter_map(read).collect())
}

fn scope_of(tenant_id: Option<Uuid>, department_id: Option<Uuid>) -> GrantScope {
    match (tenant_id, department_id) {
        (None, _) => GrantScope::Platform,
        (Some(tenant_id), None) => GrantScope::Tenant(tenant_id),
        (Some(tenant_id), Some(department_id)) => GrantScope::Department { tenant_id, department_id },
    }
}

/// Refuses what gives somebody more than the actor has. What reaches to its holder's own only is nobody's to be short of.
pub(crate) async fn expect_no_more(
    connection: &mut PgConnection,
    actor: &Actor,
    tenant_id: Option<Uuid>,
    gives: Gives,
) -> Result<(), StoreError> {
    let mut given = grants(connection, tenant_id, &gives.grants).await?;
    if !gives.permissions.is_empty() {
        given.push(Grant { role: GrantedRole::Custom(gives.permissions), scope: scope_of(tenant_id, None) });
    }
    for grant in given {
        let above: Vec<Uuid> = match grant.scope {
            GrantScope::Department { department_id, .. } => {
                let query = "SELECT department_id FROM departments_above($1)";
                let rows: Vec<(Uuid,)> = sqlx::query_as(query).bind(department_id).fetch_all(&mut *connection).await?;
                rows.into_iter().map(|(id,)| id).collect()
            }
            GrantScope::Platform | GrantScope::Tenant(_) => Vec::new(),
        };
        let is_department = matches!(grant.scope, GrantScope::Department { .. });
        let comes_to_nothing = |permission: Permission| {
            (permission.is_platforms() && grant.scope != GrantScope::Platform)
                || (is_department && permission.in_department() == InDepartment::Nothing)
        };
        let is_had = |permission: Permission| match actor.sees(permission) {
            Sees::Everything => true,
            Sees::Tenant(tenant_id) => match grant.scope {
                GrantScope::Platform => false,
                GrantScope::Tenant(of) | GrantScope::Department { tenant_id: of, .. } => of == tenant_id,
            },
            Sees::Part { departments, .. } => above.iter().any(|department| departments.contains(department)),
            Sees::Nothing => false,
        };
        let is_short = Permission::ALL.iter().copied().any(|permission| {
            grant.reach(permission) == Reach::All && !comes_to_nothing(permission) && !is_had(permission)
        });
        if is_short {
            return Err(StoreError::Forbidden("it gives more than you have yourself"));
        }
    }
    Ok(())
}

/// Refuses a service token what lets people in: a password or a link would outlive it.
pub(crate) fn expect_person(actor: &Actor) -> Result<(), StoreError> {
    match actor.via.service_token {
        true => Err(StoreError::Forbidden("a service token lets nobody in: that would outlive its end")),
        false => Ok(()),
    }
}

/// Refuses to let somebody in as a user: whoever sets a password has what the user has. That is not more than they have themselves, and
/// of what the user may do with their own, they may do each over that user.
pub(crate) async fn expect_to_let_in(
    connection: &mut PgConnection,
    actor: &Actor,
    user: &Stored,
) -> Result<(), StoreError> {
    authorise_kind(actor, USER, user.tenant_id)?;
    expect_within(connection, actor, USER, user.id).await?;
    let gives = USER.gives(&user.spec);
    let given = grants(connection, user.tenant_id, &gives.grants).await?;
    expect_no_more(connection, actor, user.tenant_id, gives).await?;
    if actor.user_id == user.id {
        return Ok(());
    }
    let own = |permission: &Permission| given.iter().any(|grant| grant.reach(*permission) == Reach::Own);
    for permission in Permission::ALL.iter().copied().filter(own) {
        if !is_within(connection, &others(actor.sees(permission)), USER, user.id).await? {
            return Err(StoreError::Forbidden("the user may do with their own what you may not do for them"));
        }
    }
    Ok(())
}

/// What of it is not seen for being the actor's own alone.
pub(crate) fn others(sees: Sees) -> Sees {
    match sees {
        Sees::Part { departments, .. } => Sees::Part { departments, own: None },
        sees => sees,
    }
}

/// Whether a row, of a tenant whose rows the actor sees, is among those that are seen.
pub(crate) async fn is_within(
    connection: &mut PgConnection,
    sees: &Sees,
    kind: &dyn Kind,
    id: Uuid,
) -> Result<bool, StoreError> {
    if matches!(sees, Sees::Everything | Sees::Tenant(_)) {
        return Ok(true);
    }
    let condition = condition(kind, sees);
    let query = format!("SELECT EXISTS (SELECT 1 FROM {} t WHERE t.id = $1 AND {condition})", kind.table());
    let (is_within,): (bool,) = sqlx::query_as(AssertSqlSafe(query)).bind(id).fetch_one(connection).await?;
    Ok(is_within)
}

/// Refuses a row that is not among those that the actor may write.
pub(crate) async fn expect_within(
    connection: &mut PgConnection,
    actor: &Actor,
    kind: &dyn Kind,
    id: Uuid,
) -> Result<(), StoreError> {
    if is_within(connection, &actor.sees(kind.writing()), kind, id).await? {
        Ok(())
    } else {
        Err(StoreError::Forbidden("it is outside of what you may write"))
    }
}
