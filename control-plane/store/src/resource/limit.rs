//! Limits: how much of what a subject may use in which time.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::limit::{LimitSettings, SubjectKind};
use weir_core::permission::Permission;
use weir_core::resource::Stored;

use crate::StoreError;
use crate::resource::kind::{Checking, Kind, Owner, Written};
use crate::resource::kind_named;
use crate::resource::reference::{Reference, Within};

/// Limits of one owner at most: each request may be held to all of them.
const MOST_OF_OWNER: i64 = 100;

/// The field of the window, and its column: the word belongs to SQL.
const WINDOW: &str = "window";
const WINDOW_COLUMN: &str = "time_window";

/// What stands in the place of an id of a subject, which is of any kind.
const fn subject(kind: &'static str, uses: &'static str) -> Reference {
    Reference { list: Some("subject"), field: "id", kind, within: Within::OwnerOrPlatform, uses }
}

pub(super) struct Limit;

impl Kind for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn table(&self) -> &'static str {
        "limits"
    }

    fn columns(&self) -> &'static [&'static str] {
        &[
            "name",
            "subject",
            "unit",
            WINDOW_COLUMN,
            "amount",
            "action",
            "thresholds",
            "fall_over_pool_id",
            "unreconciled_release_after_s",
        ]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::LimitsRead
    }

    fn writing(&self) -> Permission {
        Permission::LimitsWrite
    }

    fn references(&self) -> &'static [Reference] {
        const FALL_OVER: Reference = Reference {
            list: None,
            field: "fall_over_pool_id",
            kind: "pool",
            within: Within::OwnerOrPlatform,
            uses: "t.fall_over_pool_id = $1",
        };
        const REFERENCES: [Reference; 6] = [
            FALL_OVER,
            subject("department", "t.subject_kind = 'department' AND t.subject_id = $1"),
            subject("user", "t.subject_kind = 'user' AND t.subject_id = $1"),
            subject("service_account", "t.subject_kind = 'service_account' AND t.subject_id = $1"),
            subject("api_key", "t.subject_kind = 'api_key' AND t.subject_id = $1"),
            subject("model", "t.subject_kind = 'model' AND t.subject_id = $1"),
        ];
        &REFERENCES
    }

    fn department(&self) -> Option<&'static str> {
        Some(
            "CASE t.subject_kind WHEN 'department' THEN t.subject_id
                WHEN 'user' THEN (SELECT owner.department_id FROM users owner WHERE owner.id = t.subject_id)
                WHEN 'service_account' THEN (SELECT owner.department_id FROM service_accounts owner WHERE owner.id = t.subject_id)
                WHEN 'api_key' THEN (SELECT owner.department_id FROM api_keys owner WHERE owner.id = t.subject_id) END",
        )
    }

    fn user(&self) -> Option<&'static str> {
        Some(
            "CASE t.subject_kind WHEN 'user' THEN t.subject_id
                WHEN 'api_key' THEN (SELECT owner.user_id FROM api_keys owner WHERE owner.id = t.subject_id) END",
        )
    }

    fn check(&self, spec: Object, checking: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: LimitSettings = read(spec.into())?;
        settings.check(checking.tenant_id)?;
        Ok(write(&settings))
    }

    fn columns_of(&self, spec: &Object) -> Object {
        let rename = |(name, value): (&String, &serde_json::Value)| match name.as_str() {
            WINDOW => (WINDOW_COLUMN.to_owned(), value.clone()),
            _ => (name.clone(), value.clone()),
        };
        spec.iter().map(rename).filter(|(name, value)| name != WINDOW_COLUMN || !value.is_null()).collect()
    }

    fn read(&self, mut row: Object) -> Result<(Object, Object), StoreError> {
        let window = row.remove(WINDOW_COLUMN).unwrap_or_default();
        row.insert(WINDOW.into(), window);
        let settings: LimitSettings = read(row.into()).map_err(|_| StoreError::Corrupt("a limit"))?;
        Ok((write(&settings), Object::new()))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        match stored.tenant_id {
            Some(tenant_id) => ChangeKind::Tenant { tenant_id },
            None => ChangeKind::Everyone,
        }
    }

    fn project<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        written: &'a Written<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let settings: LimitSettings =
                read(written.spec.clone().into()).map_err(|_| StoreError::Corrupt("a limit that was checked"))?;
            expect_subject(connection, written, &settings).await?;
            expect_no_other(connection, written, &settings).await
        }
        .boxed()
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM limits WHERE id = $1"]
    }
}

/// Refuses a subject that does not exist, or is another tenant's.
async fn expect_subject(
    connection: &mut PgConnection,
    written: &Written<'_>,
    settings: &LimitSettings,
) -> Result<(), StoreError> {
    let subject = &settings.subject;
    let (Some(id), Some(kind)) = (subject.id, kind_named(subject.kind.name())) else { return Ok(()) };
    let owned = match subject.kind {
        SubjectKind::Tenant => "($2::uuid IS NULL OR t.id = $2)",
        // The platform's models are everybody's.
        SubjectKind::Model => "($2::uuid IS NULL OR t.tenant_id = $2 OR t.tenant_id IS NULL)",
        SubjectKind::Platform
        | SubjectKind::Department
        | SubjectKind::User
        | SubjectKind::ServiceAccount
        | SubjectKind::ApiKey
        | SubjectKind::Route
        | SubjectKind::Label => "($2::uuid IS NULL OR t.tenant_id = $2)",
    };
    let query =
        format!("SELECT EXISTS (SELECT FROM {} t WHERE t.id = $1 AND {} AND {owned})", kind.table(), kind.condition());
    let (exists,): (bool,) =
        sqlx::query_as(AssertSqlSafe(query)).bind(id).bind(written.tenant_id).fetch_one(connection).await?;
    if exists {
        return Ok(());
    }
    Err(StoreError::invalid("subject.id", &format!("there is no such {}", subject.kind.title())))
}

/// Refuses what holds already by another name: of two limits on the same, one says nothing.
async fn expect_no_other(
    connection: &mut PgConnection,
    written: &Written<'_>,
    settings: &LimitSettings,
) -> Result<(), StoreError> {
    let (count, twin): (i64, Option<String>) = sqlx::query_as(
        "SELECT count(*), min(t.name) FILTER (WHERE t.id <> $2 AND t.unit = $3 AND t.subject = $4
             AND t.time_window IS NOT DISTINCT FROM (SELECT own.time_window FROM limits own WHERE own.id = $2))
         FROM limits t WHERE t.tenant_id IS NOT DISTINCT FROM $1",
    )
    .bind(written.tenant_id)
    .bind(written.id)
    .bind(settings.unit.name())
    .bind(Json(&settings.subject))
    .fetch_one(connection)
    .await?;
    if let Some(twin) = twin {
        let reason = format!("is held to the same unit in the same window by the limit {twin}");
        return Err(StoreError::invalid("subject", &reason));
    }
    if count > MOST_OF_OWNER {
        return Err(StoreError::invalid("name", "there are 100 limits already, and may be no more"));
    }
    Ok(())
}
