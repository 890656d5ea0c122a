//! What all tables have in common: unsigned numbers, the columns of a resource, references to tenants and profiles.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;
use weir_core::page::Page;
use weir_core::resource::Stored;

use crate::StoreError;

/// A number that the schema keeps from being negative.
pub(crate) fn unsigned(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt("a negative number"))
}

/// A number as Postgres keeps it; what is too large for it becomes its largest.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The columns that every resource has.
#[derive(sqlx::FromRow)]
pub(crate) struct Meta {
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) revision: i64,
}

impl Meta {
    /// Puts a resource together.
    pub(crate) fn with<T>(self, value: T) -> Result<Stored<T>, StoreError> {
        Ok(Stored {
            id: self.id,
            tenant_id: self.tenant_id,
            created_at: self.created_at,
            updated_at: self.updated_at,
            revision: unsigned(self.revision)?,
            value,
        })
    }
}

/// Turns rows, one more than the page may hold, into a page.
pub(crate) fn page<R, T>(
    rows: Vec<R>,
    limit: u32,
    into: impl Fn(R) -> Result<Stored<T>, StoreError>,
) -> Result<Page<Stored<T>>, StoreError> {
    let items = rows.into_iter().map(into).collect::<Result<_, _>>()?;
    Ok(Page::from_rows(items, limit, |item: &Stored<T>| item.id))
}

/// Reads the violation of a unique constraint as "this field is taken".
pub(crate) fn taken(field: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| match error.as_database_error() {
        Some(database) if database.is_unique_violation() => StoreError::Taken { field },
        _ => StoreError::Database(error),
    }
}

/// Refuses a tenant that does not exist.
pub(crate) async fn require_tenant(connection: &mut PgConnection, tenant_id: Option<Uuid>) -> Result<(), StoreError> {
    let Some(tenant_id) = tenant_id else { return Ok(()) };
    let found: Option<(i32,)> =
        sqlx::query_as("SELECT 1 FROM tenants WHERE id = $1").bind(tenant_id).fetch_optional(connection).await?;
    found.map(|_| ()).ok_or_else(|| StoreError::invalid("tenant_id", "there is no such tenant"))
}

/// Refuses a guardrail profile that is neither the tenant's nor the platform's.
pub(crate) async fn require_profile(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    profile_id: Option<Uuid>,
) -> Result<(), StoreError> {
    let Some(profile_id) = profile_id else { return Ok(()) };
    let found: Option<(i32,)> =
        sqlx::query_as("SELECT 1 FROM guardrail_profiles WHERE id = $1 AND (tenant_id = $2 OR tenant_id IS NULL)")
            .bind(profile_id)
            .bind(tenant_id)
            .fetch_optional(connection)
            .await?;
    found.map(|_| ()).ok_or_else(|| StoreError::invalid("guardrail_profile_id", "there is no such profile"))
}
