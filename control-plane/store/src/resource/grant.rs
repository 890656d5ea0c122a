//! Grants that rules give: what they name must be there.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;
use weir_core::role::UserGrant;

use crate::StoreError;

/// Refuses a grant whose role or department is not of the tenant that its rule leads to.
pub(super) async fn expect_there(
    connection: &mut PgConnection,
    path: &str,
    tenant_id: Option<Uuid>,
    grant: &UserGrant,
) -> Result<(), StoreError> {
    const ROLE: &str = "SELECT EXISTS (SELECT 1 FROM roles WHERE id = $1 AND (tenant_id IS NULL OR tenant_id = $2))";
    const DEPARTMENT: &str = "SELECT EXISTS (SELECT 1 FROM departments WHERE id = $1 AND tenant_id = $2)";
    for (field, id, query, reason) in [
        ("custom_role_id", grant.custom_role_id, ROLE, "there is no such role"),
        ("department_id", grant.department_id, DEPARTMENT, "there is no such department of the rule's tenant"),
    ] {
        let Some(id) = id else { continue };
        let (is_there,): (bool,) = sqlx::query_as(query).bind(id).bind(tenant_id).fetch_one(&mut *connection).await?;
        if !is_there {
            return Err(StoreError::invalid(format!("{path}.{field}"), reason));
        }
    }
    Ok(())
}

/// Leaves out grants whose role or department is gone by now.
pub(crate) async fn retain_existing(
    pool: &PgPool,
    tenant_id: Option<Uuid>,
    grants: &mut Vec<UserGrant>,
) -> Result<(), StoreError> {
    let roles: Vec<Uuid> = grants.iter().filter_map(|grant| grant.custom_role_id).collect();
    let departments: Vec<Uuid> = grants.iter().filter_map(|grant| grant.department_id).collect();
    if roles.is_empty() && departments.is_empty() {
        return Ok(());
    }
    let found: Vec<(Uuid,)> = sqlx::query_as(
        "SELECT id FROM roles WHERE id = ANY($1) AND (tenant_id IS NULL OR tenant_id = $3)
         UNION ALL SELECT id FROM departments WHERE id = ANY($2) AND tenant_id = $3",
    )
    .bind(roles)
    .bind(departments)
    .bind(tenant_id)
    .fetch_all(pool)
    .await?;
    let is_there = |id: Option<Uuid>| id.is_none_or(|id| found.contains(&(id,)));
    grants.retain(|grant| is_there(grant.custom_role_id) && is_there(grant.department_id));
    Ok(())
}
