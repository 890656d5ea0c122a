//! Signing in by an identity provider.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::{Actor, Via};
use weir_core::encryption::Purpose;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Origin;
use weir_core::sign_in::{Granted, Person, SignInProviderSettings};
use weir_core::tenant::UserSettings;

use crate::authorisation::authorise;
use crate::commit::Write;
use crate::identities::{Connecting, connection, insert};
use crate::resource::{SIGN_IN_PROVIDER, SecretChange, USER, retain_existing};
use crate::row::unsigned;
use crate::sessions::Holder;
use crate::{Store, StoreError};

/// What the audit log calls a sign-in with a break-glass account.
const BREAK_GLASS: &str = "user.break_glass_sign_in";

/// An identity provider, as signing in needs it.
#[derive(Clone, Debug)]
pub struct SignInProvider {
    /// Names it.
    pub id: Uuid,
    /// Its tenant; `None`: the platform's.
    pub tenant_id: Option<Uuid>,
    /// The change that last wrote it.
    pub revision: u64,
    /// What is decided about it.
    pub settings: SignInProviderSettings,
    /// What this installation shows to it; `None`: a public client.
    pub client_secret: Option<SecretString>,
}

/// Why somebody whom an identity provider knows is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInRefusal {
    /// No verified e-mail address.
    #[error("your identity provider does not say that your e-mail address is verified")]
    EmailNotVerified,
    /// No rule matches.
    #[error("none of your groups may sign in here; ask an administrator")]
    NoGroup,
    /// Nobody is known by this identity, and it makes no users.
    #[error(
        "nobody here is connected with this account; sign in another way and connect it in your settings, or ask an administrator"
    )]
    Unknown,
    /// Somebody else has the address: who it is, the address alone does not tell.
    #[error(
        "somebody here has your e-mail address already; if that is you, sign in as before and connect this account in your settings"
    )]
    AddressTaken,
    /// The rules lead to another tenant than the user's.
    #[error("your groups lead to another tenant than that of your account here; an administrator must move you")]
    OtherTenant,
    /// Switched off.
    #[error("your account here is disabled; ask an administrator")]
    Disabled,
    /// The identity is another user's.
    #[error("this account is connected with another user")]
    Connected,
    /// The session in which somebody asked to be connected is over.
    #[error("the session in which you asked to connect this account is over; sign in again")]
    SessionOver,
}

impl SignInRefusal {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::EmailNotVerified => "email_not_verified",
            Self::NoGroup => "no_group",
            Self::Unknown => "unknown",
            Self::AddressTaken => "address_taken",
            Self::OtherTenant => "other_tenant",
            Self::Disabled => "disabled",
            Self::Connected => "connected",
            Self::SessionOver => "session_over",
        }
    }
}

/// Whose identity it is.
#[derive(sqlx::FromRow)]
struct Known {
    #[sqlx(flatten)]
    holder: Holder,
    disabled: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    tenant_id: Option<Uuid>,
    revision: i64,
    settings: Json<Object>,
    client_secret_encrypted: Option<Vec<u8>>,
}

impl Store {
    /// The names of the identity providers that a sign-in page offers: the platform's, and those of a tenant that is named.
    pub async fn sign_in_choices(&self, tenant: Option<&str>) -> Result<Vec<(Uuid, String)>, StoreError> {
        let choices = sqlx::query_as(
            "SELECT p.id, p.name FROM sign_in_providers p LEFT JOIN tenants t ON t.id = p.tenant_id
             WHERE p.tenant_id IS NULL OR t.name = $1 ORDER BY p.tenant_id NULLS LAST, p.name LIMIT 50",
        )
        .bind(tenant.filter(|tenant| !tenant.contains('\0')))
        .fetch_all(&self.admin)
        .await?;
        Ok(choices)
    }

    /// An identity provider.
    pub async fn sign_in_provider(&self, id: Uuid) -> Result<SignInProvider, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, tenant_id, revision, client_secret_encrypted,
                    jsonb_build_object('name', name, 'issuer', issuer, 'client_id', client_id, 'scopes', scopes, 'claims', claims,
                        'rules', rules, 'creates_users', creates_users, 'is_only_way_in', is_only_way_in) AS settings
             FROM sign_in_providers WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&self.admin)
        .await?;
        let row = row.ok_or(StoreError::NotFound)?;
        let client_secret = match row.client_secret_encrypted {
            None => None,
            Some(secret) => Some(self.encryption.decrypt(Purpose::ProviderCredential, id, &secret)?),
        };
        Ok(SignInProvider {
            id: row.id,
            tenant_id: row.tenant_id,
            revision: unsigned(row.revision)?,
            settings: read(Value::Object(row.settings.0)).map_err(|_| StoreError::Corrupt("a sign-in provider"))?,
            client_secret,
        })
    }

    /// Encrypts what a browser keeps while its user is at an identity provider.
    pub fn seal_sign_in(&self, text: &SecretString) -> Result<Vec<u8>, StoreError> {
        Ok(self.encryption.encrypt(Purpose::SignIn, Uuid::nil(), text)?)
    }

    /// Reads it again; `None`: it is none of ours.
    pub fn open_sign_in(&self, sealed: &[u8]) -> Option<SecretString> {
        self.encryption.decrypt(Purpose::SignIn, Uuid::nil(), sealed).ok()
    }

    /// Whether an identity provider's answer with this state is the first one.
    pub async fn use_sign_in_state(&self, state_sha256: &[u8]) -> Result<bool, StoreError> {
        let used = sqlx::query("INSERT INTO used_sign_in_states (state_sha256) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(state_sha256)
            .execute(&self.admin)
            .await?;
        Ok(used.rows_affected() == 1)
    }

    /// Who this person is here: found by issuer and subject alone, with what the provider's rules give. Whom the rules let in becomes a
    /// user, if the provider makes users. `connecting` has signed in otherwise, and wants to sign in by it from now on.
    pub async fn user_of_identity(
        &self,
        provider: &SignInProvider,
        person: &Person,
        connecting: Option<Connecting>,
        via: &Via,
    ) -> Result<Actor, StoreError> {
        let Some(email) = &person.email else { return Err(SignInRefusal::EmailNotVerified.into()) };
        let granted = match provider.settings.granted(&person.groups) {
            Some(granted) => Some(self.existing(granted).await?),
            None if provider.settings.rules.is_empty() => None,
            None => return Err(SignInRefusal::NoGroup.into()),
        };
        let granted = granted.as_ref();
        if let Some(connecting) = connecting {
            self.connect_identity(provider, person, granted, connecting, via).await?;
        }
        if let Some(known) = self.known_identity(provider, person, granted).await? {
            return Ok(known);
        }
        let system = Actor { via: via.clone(), ..Actor::system() };
        // Writers take turns: of two at once the second finds what the first has written.
        let mut writing = self.begin(&system).await?;
        let found = find(&mut writing, provider, person).await?;
        let user_id = match found {
            Some(found) => found,
            None => self.new_user(&mut writing, provider, granted, email).await?,
        };
        let before = writing.current(USER, user_id).await?;
        if before.spec.get("disabled") == Some(&true.into()) {
            return Err(SignInRefusal::Disabled.into());
        }
        expect_tenant(provider, granted, before.tenant_id)?;
        if found.is_none() {
            insert(writing.connection(), provider, person, user_id).await?;
            writing.note(USER, "connect", &before, vec![connection(None, Some(provider.settings.name.clone()))]);
        }
        let mut spec = before.spec.clone();
        if let Some(granted) = granted {
            spec.insert("role".into(), granted.role.name().into());
            spec.extend(granted.grants.as_ref().map(|grants| ("grants".into(), serde_json::json!(grants))));
        }
        if spec != before.spec {
            let origin = before.origin.clone();
            writing.update(self, USER, &before, spec, SecretChange::Keep, &origin).await?;
        }
        // Two at once: the other one has written it all.
        if !writing.is_empty() {
            writing.commit().await?;
        }
        let holder: Option<Holder> =
            sqlx::query_as("SELECT id, email, role, tenant_id, grants FROM users WHERE id = $1 AND NOT disabled")
                .bind(user_id)
                .fetch_optional(&self.admin)
                .await?;
        self.actor_of(holder.ok_or(StoreError::NotFound)?).await
    }

    /// The same where nothing is to be written.
    async fn known_identity(
        &self,
        provider: &SignInProvider,
        person: &Person,
        granted: Option<&Granted>,
    ) -> Result<Option<Actor>, StoreError> {
        let row: Option<Known> = sqlx::query_as(
            "SELECT u.id, u.email, u.role, u.tenant_id, u.grants, u.disabled FROM user_identities i JOIN users u ON u.id = i.user_id
             WHERE i.provider_id = $1 AND i.issuer = $2 AND i.subject = $3",
        )
        .bind(provider.id)
        .bind(&provider.settings.issuer)
        .bind(&person.subject)
        .fetch_optional(&self.admin)
        .await?;
        let Some(Known { holder, disabled }) = row else { return Ok(None) };
        if disabled {
            return Err(SignInRefusal::Disabled.into());
        }
        expect_tenant(provider, granted, holder.tenant_id)?;
        let is_as_granted = |granted: &Granted| {
            granted.role.name() == holder.role
                && granted.grants.as_ref().is_none_or(|grants| *grants == holder.grants.0)
        };
        if !granted.is_none_or(is_as_granted) {
            return Ok(None);
        }
        self.actor_of(holder).await.map(Some)
    }

    /// What rules give, without the roles and departments that are gone by now.
    async fn existing(&self, mut granted: Granted) -> Result<Granted, StoreError> {
        if let Some(grants) = &mut granted.grants {
            retain_existing(&self.admin, granted.tenant_id, grants).await?;
        }
        Ok(granted)
    }

    async fn new_user(
        &self,
        writing: &mut Write<'_>,
        provider: &SignInProvider,
        granted: Option<&Granted>,
        email: &str,
    ) -> Result<Uuid, StoreError> {
        let (is_taken,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT 1 FROM users WHERE lower(email) = lower($1))")
            .bind(crate::logins::as_text(email))
            .fetch_one(writing.connection())
            .await?;
        if is_taken {
            return Err(SignInRefusal::AddressTaken.into());
        }
        let Some(granted) = granted.filter(|_| provider.settings.creates_users) else {
            return Err(SignInRefusal::Unknown.into());
        };
        let grants = granted.grants.clone().unwrap_or_default();
        let settings = UserSettings { grants, ..UserSettings::new(email.to_owned(), granted.role) };
        let made = writing
            .create(self, USER, granted.tenant_id, write(&settings), SecretChange::Keep, &Origin::default())
            .await?;
        Ok(made.stored.id)
    }

    /// Ends what an identity provider says is over: its session of this name, or all of a subject. Gives how many ended.
    pub async fn end_provider_sessions(
        &self,
        provider_id: Uuid,
        subject: Option<&str>,
        session: Option<&str>,
    ) -> Result<u64, StoreError> {
        let ended = sqlx::query(
            "DELETE FROM sessions WHERE provider_id = $1 AND ($2::text IS NULL OR provider_subject = $2)
               AND ($3::text IS NULL OR provider_session = $3) AND ($2::text IS NOT NULL OR $3::text IS NOT NULL)",
        )
        .bind(provider_id)
        .bind(subject)
        .bind(session)
        .execute(&self.admin)
        .await?;
        Ok(ended.rows_affected())
    }

    /// Notes that somebody whom an identity provider knows was not let in.
    pub async fn note_sign_in_refusal(
        &self,
        provider: &SignInProvider,
        person: &Person,
        refusal: SignInRefusal,
        via: &Via,
    ) -> Result<(), StoreError> {
        let system = Actor { via: via.clone(), ..Actor::system() };
        let what = serde_json::json!({"reason": refusal.name(), "email": person.email});
        let (kind, name) = (SIGN_IN_PROVIDER.name(), Some(provider.settings.name.as_str()));
        self.note(&system, "session.refuse", kind, provider.id, provider.tenant_id, name, &what).await
    }

    /// Who has signed in with an account that works without the identity provider within seven days, when, and from where; the latest first, at most 20. For the platform's admins.
    pub async fn break_glass_sign_ins(
        &self,
        actor: &Actor,
    ) -> Result<Vec<(String, DateTime<Utc>, String)>, StoreError> {
        authorise(actor, Permission::AuditRead, None)?;
        let sign_ins = sqlx::query_as(
            "SELECT actor_email, at, coalesce(client_address, changes -> 0 ->> 'after', '') FROM audit
             WHERE action = $1 AND at > now() - interval '7 days' ORDER BY id DESC LIMIT 20",
        )
        .bind(BREAK_GLASS)
        .fetch_all(&self.admin)
        .await?;
        Ok(sign_ins)
    }

    /// By which identity provider a session was opened.
    pub async fn provider_of_session(&self, token_sha256: &[u8]) -> Result<Option<Uuid>, StoreError> {
        let row: Option<(Option<Uuid>,)> = sqlx::query_as("SELECT provider_id FROM sessions WHERE token_sha256 = $1")
            .bind(token_sha256)
            .fetch_optional(&self.admin)
            .await?;
        Ok(row.and_then(|(provider_id,)| provider_id))
    }
}

pub(crate) async fn find(
    writing: &mut Write<'_>,
    provider: &SignInProvider,
    person: &Person,
) -> Result<Option<Uuid>, StoreError> {
    let row: Option<(Uuid,)> =
        sqlx::query_as("SELECT user_id FROM user_identities WHERE provider_id = $1 AND issuer = $2 AND subject = $3")
            .bind(provider.id)
            .bind(&provider.settings.issuer)
            .bind(&person.subject)
            .fetch_optional(writing.connection())
            .await?;
    Ok(row.map(|(id,)| id))
}

/// A tenant's provider vouches for that tenant's users only, and rules move nobody from one tenant to another.
pub(crate) fn expect_tenant(
    provider: &SignInProvider,
    granted: Option<&Granted>,
    tenant_id: Option<Uuid>,
) -> Result<(), StoreError> {
    let is_its_own = provider.tenant_id.is_none() || provider.tenant_id == tenant_id;
    if is_its_own && granted.is_none_or(|granted| granted.tenant_id == tenant_id) {
        Ok(())
    } else {
        Err(SignInRefusal::OtherTenant.into())
    }
}
