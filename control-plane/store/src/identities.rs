//! Accounts at identity providers that users are connected with: each is a way in, until it is taken away.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;
use weir_core::actor::{Actor, Via};
use weir_core::json::Difference;
use weir_core::resource::Stored;
use weir_core::sign_in::{Granted, Person};

use crate::authorisation::expect_to_let_in;
use crate::resource::{USER, read};
use crate::sessions::password_is_refused;
use crate::sign_in::{expect_tenant, find};
use crate::{SignInProvider, SignInRefusal, Store, StoreError};

/// Who a user is at an identity provider.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ConnectedIdentity {
    /// Names it.
    pub id: Uuid,
    /// The identity provider.
    pub provider_id: Uuid,
    /// What that is called.
    pub provider_name: String,
    /// The issuer. Another one than the provider's now: nobody signs in by it any more.
    pub issuer: String,
    /// The issuer's name for the user.
    pub subject: String,
    /// When it was connected.
    pub created_at: DateTime<Utc>,
}

/// Somebody who is signed in, and wants to sign in by another way too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connecting {
    /// The user.
    pub user_id: Uuid,
    /// SHA-256 of the token of the session in which it was asked for: it must hold until it is done.
    pub session_sha256: [u8; 32],
}

impl Store {
    /// The accounts that a user is connected with, the latest first; at most 200.
    pub async fn list_identities(&self, actor: &Actor, user_id: Uuid) -> Result<Vec<ConnectedIdentity>, StoreError> {
        self.get(USER, actor, user_id).await?;
        let identities = sqlx::query_as(
            "SELECT i.id, i.provider_id, p.name AS provider_name, i.issuer, i.subject, i.created_at
             FROM user_identities i JOIN sign_in_providers p ON p.id = i.provider_id
             WHERE i.user_id = $1 ORDER BY i.created_at DESC, i.id LIMIT 200",
        )
        .bind(user_id)
        .fetch_all(&self.admin)
        .await?;
        Ok(identities)
    }

    /// Takes one of them away, and ends the sessions that came by it. Of others: whoever could let themselves in as that user.
    pub async fn delete_identity(&self, actor: &Actor, user_id: Uuid, id: Uuid) -> Result<(), StoreError> {
        let mut writing = if actor.user_id == user_id {
            self.begin(actor).await?
        } else {
            self.begin_on(USER, actor, user_id).await?
        };
        let user = read::get(writing.connection(), USER, actor, user_id).await?;
        if actor.user_id != user_id {
            expect_to_let_in(writing.connection(), actor, &user).await?;
        }
        let gone: Option<(Uuid, String)> = sqlx::query_as(
            "DELETE FROM user_identities i USING sign_in_providers p
             WHERE i.id = $1 AND i.user_id = $2 AND p.id = i.provider_id RETURNING p.id, p.name",
        )
        .bind(id)
        .bind(user_id)
        .fetch_optional(writing.connection())
        .await?;
        let (provider_id, name) = gone.ok_or(StoreError::NotFound)?;
        if actor.user_id == user_id {
            let query = concat!(
                "SELECT (u.password_hash IS NOT NULL AND NOT ",
                password_is_refused!(),
                ") OR EXISTS (SELECT 1 FROM user_identities i WHERE i.user_id = u.id) FROM users u WHERE u.id = $1"
            );
            let (is_left,): (bool,) = sqlx::query_as(query).bind(user_id).fetch_one(writing.connection()).await?;
            if !is_left {
                return Err(StoreError::Forbidden("it is the only way in that you have"));
            }
        }
        sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND provider_id = $2")
            .bind(user_id)
            .bind(provider_id)
            .execute(writing.connection())
            .await?;
        writing.expect_to_hold(USER, &user).await?;
        writing.note(USER, "disconnect", &user, vec![connection(Some(name), None)]);
        writing.commit().await?;
        Ok(())
    }

    /// Connects somebody who has signed in otherwise with an account, in their own name.
    pub(crate) async fn connect_identity(
        &self,
        provider: &SignInProvider,
        person: &Person,
        granted: Option<&Granted>,
        connecting: Connecting,
        via: &Via,
    ) -> Result<(), StoreError> {
        let Connecting { user_id, session_sha256 } = connecting;
        let holder = self.peek_session(&session_sha256).await?.filter(|holder| holder.user_id == user_id);
        let actor = Actor { via: via.clone(), ..holder.ok_or(SignInRefusal::SessionOver)? };
        let mut writing = self.begin(&actor).await?;
        // What ends sessions is a write too: none is under way now.
        let (holds,): (bool,) =
            sqlx::query_as("SELECT EXISTS (SELECT 1 FROM sessions WHERE token_sha256 = $1 AND user_id = $2)")
                .bind(session_sha256)
                .bind(user_id)
                .fetch_one(writing.connection())
                .await?;
        if !holds {
            return Err(SignInRefusal::SessionOver.into());
        }
        match find(&mut writing, provider, person).await? {
            Some(known) if known == user_id => return Ok(()),
            Some(_) => return Err(SignInRefusal::Connected.into()),
            None => {}
        }
        let user = read::get(writing.connection(), USER, &actor, user_id).await?;
        expect_tenant(provider, granted, user.tenant_id)?;
        insert(writing.connection(), provider, person, user_id).await?;
        writing.note(USER, "connect", &user, vec![connection(None, Some(provider.settings.name.clone()))]);
        writing.commit().await?;
        Ok(())
    }
}

/// Takes all of a user's away where somebody else lets them in anew: whoever else may have connected one is shut out. Where passwords are
/// refused it would be the user.
pub(crate) async fn forget(connection: &mut PgConnection, actor: &Actor, user: &Stored) -> Result<(), StoreError> {
    if actor.user_id != user.id {
        let query = concat!(
            "DELETE FROM user_identities i USING users u WHERE i.user_id = $1 AND u.id = $1 AND NOT ",
            password_is_refused!()
        );
        sqlx::query(query).bind(user.id).execute(connection).await?;
    }
    Ok(())
}

pub(crate) async fn insert(
    connection: &mut PgConnection,
    provider: &SignInProvider,
    person: &Person,
    user_id: Uuid,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO user_identities (provider_id, issuer, subject, user_id) VALUES ($1, $2, $3, $4)")
        .bind(provider.id)
        .bind(&provider.settings.issuer)
        .bind(&person.subject)
        .bind(user_id)
        .execute(connection)
        .await?;
    Ok(())
}

/// How the audit log tells of it: by the provider's name.
pub(crate) fn connection(before: Option<String>, after: Option<String>) -> Difference {
    Difference { path: "identities".into(), before: before.into(), after: after.into() }
}
