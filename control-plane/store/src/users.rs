//! People who administer.

use uuid::Uuid;
use weir_core::actor::{Actor, Role};
use weir_core::change::ChangeKind;
use weir_core::page::{Page, PageRequest};
use weir_core::resource::Stored;
use weir_core::tenant::UserSettings;

use crate::commit::{Committed, Idempotency, Write, authorise, expect_revision};
use crate::row::{Meta, page, require_tenant, taken};
use crate::{Store, StoreError};

const OWNER: &str = "SELECT tenant_id FROM users WHERE id = $1";
const COLUMNS: &str = "id, tenant_id, created_at, updated_at, revision, email, role";

impl Store {
    /// The users in the actor's scope, in the order in which they were made.
    pub async fn list_users(
        &self,
        actor: &Actor,
        request: PageRequest,
    ) -> Result<Page<Stored<UserSettings>>, StoreError> {
        let rows: Vec<UserRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM users
             WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR tenant_id = $2)
               AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4"
        )))
        .bind(actor.scope().tenant())
        .bind(request.tenant_id)
        .bind(request.after)
        .bind(i64::from(request.limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        page(rows, request.limit, UserRow::into_stored)
    }

    /// One user.
    pub async fn get_user(&self, actor: &Actor, id: Uuid) -> Result<Stored<UserSettings>, StoreError> {
        let row: Option<UserRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM users WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)"
        )))
        .bind(id)
        .bind(actor.scope().tenant())
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or(StoreError::NotFound)?.into_stored()
    }

    /// Makes a user. `password_hash` is an argon2id hash in PHC form.
    pub async fn create_user(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        settings: UserSettings,
        password_hash: &str,
        idempotency: Option<&Idempotency>,
    ) -> Result<Stored<UserSettings>, StoreError> {
        authorise(actor, tenant_id)?;
        settings.check(tenant_id)?;
        let mut write = self.begin(actor).await?;
        if let Some(earlier) = self.replay(&mut write, idempotency).await? {
            return Ok(earlier);
        }
        require_tenant(write.connection(), tenant_id).await?;
        require_free(&mut write, &settings.email, None).await?;
        let id = Uuid::now_v7();
        let revision = write.revision();
        let row: UserRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "INSERT INTO users (id, tenant_id, email, role, password_hash, revision) VALUES ($1, $2, $3, $4, $5, $6)
             RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(tenant_id)
        .bind(settings.email)
        .bind(settings.role.name())
        .bind(password_hash)
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("email"))?;
        let stored = row.into_stored()?;
        self.remember(&mut write, idempotency, &stored).await?;
        write.commit(committed("user.create", id, tenant_id)).await?;
        Ok(stored)
    }

    /// Replaces what is decided about a user, and the password if one is given. A new password or role ends the user's
    /// sessions.
    pub async fn update_user(
        &self,
        actor: &Actor,
        id: Uuid,
        expected_revision: u64,
        settings: UserSettings,
        password_hash: Option<&str>,
    ) -> Result<Stored<UserSettings>, StoreError> {
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let before = current(&mut write, actor, id, expected_revision).await?;
        settings.check(before.meta.tenant_id)?;
        require_free(&mut write, &settings.email, Some(id)).await?;
        let ends_sessions = password_hash.is_some() || before.role != settings.role.name();
        let revision = write.revision();
        let row: UserRow = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "UPDATE users SET email = $2, role = $3, password_hash = coalesce($4, password_hash), revision = $5,
                    updated_at = now()
             WHERE id = $1 RETURNING {COLUMNS}"
        )))
        .bind(id)
        .bind(settings.email)
        .bind(settings.role.name())
        .bind(password_hash)
        .bind(revision)
        .fetch_one(write.connection())
        .await
        .map_err(taken("email"))?;
        if ends_sessions {
            sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(id).execute(write.connection()).await?;
        }
        write.commit(committed("user.update", id, before.meta.tenant_id)).await?;
        row.into_stored()
    }

    /// Deletes a user, sessions included. Nobody can delete themselves, so one platform admin always remains.
    pub async fn delete_user(&self, actor: &Actor, id: Uuid, expected_revision: u64) -> Result<u64, StoreError> {
        let mut write = self.begin_on(actor, OWNER, id).await?;
        let before = current(&mut write, actor, id, expected_revision).await?;
        if actor.user_id == id {
            return Err(StoreError::InUse { by: "yourself".into() });
        }
        sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(write.connection()).await?;
        write.commit(committed("user.delete", id, before.meta.tenant_id)).await
    }

    /// Whether anybody can sign in at all.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        let (found,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT 1 FROM users)").fetch_one(&self.pool).await?;
        Ok(found)
    }
}

/// Refuses an address that somebody else has. Writers take turns, so it stays free; and Postgres, which would find out too,
/// would write the address into its log.
async fn require_free(write: &mut Write<'_>, email: &str, but_for: Option<Uuid>) -> Result<(), StoreError> {
    let (is_taken,): (bool,) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM users WHERE lower(email) = lower($1) AND id IS DISTINCT FROM $2::uuid)",
    )
    .bind(email)
    .bind(but_for)
    .fetch_one(write.connection())
    .await?;
    if is_taken { Err(StoreError::Taken { field: "email" }) } else { Ok(()) }
}

async fn current(
    write: &mut Write<'_>,
    actor: &Actor,
    id: Uuid,
    expected_revision: u64,
) -> Result<UserRow, StoreError> {
    let row: Option<UserRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM users WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)"
    )))
    .bind(id)
    .bind(actor.scope().tenant())
    .fetch_optional(write.connection())
    .await?;
    let row = row.ok_or(StoreError::NotFound)?;
    write.authorise(row.meta.tenant_id)?;
    expect_revision(row.meta.revision, expected_revision)?;
    Ok(row)
}

fn committed(action: &'static str, id: Uuid, tenant_id: Option<Uuid>) -> Committed {
    Committed {
        action,
        resource_type: "user",
        resource_id: id,
        tenant_id,
        kind: ChangeKind::Administration,
        affects_configuration: false,
    }
}

#[derive(sqlx::FromRow)]
struct UserRow {
    #[sqlx(flatten)]
    meta: Meta,
    email: String,
    role: String,
}

impl UserRow {
    fn into_stored(self) -> Result<Stored<UserSettings>, StoreError> {
        let role = Role::from_name(&self.role).ok_or(StoreError::Corrupt("a user's role"))?;
        self.meta.with(UserSettings { email: self.email, role })
    }
}
