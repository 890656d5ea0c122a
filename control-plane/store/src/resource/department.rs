//! Departments of a tenant.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use weir_core::change::ChangeKind;
use weir_core::department::DepartmentSettings;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;

use crate::StoreError;
use crate::resource::kind::{Checking, Kind, Owner, Written};
use crate::resource::reference::{PROFILE_OF_OWNER_OR_PLATFORM, Reference, Within};

const PARENT: Reference =
    Reference { list: None, field: "parent_id", kind: "department", within: Within::Owner, uses: "t.parent_id = $1" };

/// Departments beneath each other at most, as each request of a key asks for those above its own.
const DEEPEST: i64 = 32;

pub(super) struct Department;

impl Kind for Department {
    fn name(&self) -> &'static str {
        "department"
    }

    fn table(&self) -> &'static str {
        "departments"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "parent_id", "labels", "guardrail_profile_id"]
    }

    fn owner(&self) -> Owner {
        Owner::Tenant
    }

    fn reading(&self) -> Permission {
        Permission::DepartmentsRead
    }

    fn writing(&self) -> Permission {
        Permission::DepartmentsWrite
    }

    fn references(&self) -> &'static [Reference] {
        &[PARENT, PROFILE_OF_OWNER_OR_PLATFORM]
    }

    fn department(&self) -> Option<&'static str> {
        Some("t.id")
    }

    fn parent(&self) -> Option<&'static str> {
        Some(PARENT.field)
    }

    fn check(&self, spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: DepartmentSettings = read(spec.into())?;
        settings.check()?;
        Ok(write(&settings))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        ChangeKind::Tenant { tenant_id: stored.tenant_id.unwrap_or_default() }
    }

    fn felt_by_callers(&self) -> Option<&'static [&'static str]> {
        Some(&["name", "parent_id", "labels", "guardrail_profile_id"])
    }

    /// A tree stays one, and no deeper than [`DEEPEST`]. Writers take turns, so that no two of them close a circle together.
    fn project<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        written: &'a Written<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            // Without a distance, so that the way up ends where it closes.
            let query = "WITH RECURSIVE above AS (
                             SELECT parent_id AS id FROM departments WHERE id = $1
                             UNION SELECT parent.parent_id FROM departments parent JOIN above ON parent.id = above.id
                         )
                         SELECT EXISTS (SELECT 1 FROM above WHERE id = $1)";
            let (closes,): (bool,) = sqlx::query_as(query).bind(written.id).fetch_one(&mut *connection).await?;
            if closes {
                return Err(StoreError::invalid(
                    "parent_id",
                    "must be neither the department itself nor one beneath it",
                ));
            }
            let query = "WITH RECURSIVE beneath AS (
                             SELECT $1::uuid AS id, 1 AS depth
                             UNION ALL SELECT child.id, depth + 1 FROM departments child JOIN beneath ON child.parent_id = beneath.id
                         )
                         SELECT (SELECT count(*) FROM departments_above($1)) + (SELECT max(depth) FROM beneath) - 1";
            let (depth,): (i64,) = sqlx::query_as(query).bind(written.id).fetch_one(connection).await?;
            if depth > DEEPEST {
                return Err(StoreError::invalid("parent_id", "must leave no more than 32 departments beneath each other"));
            }
            Ok(())
        }
        .boxed()
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM departments WHERE id = $1"]
    }
}
