//! Writing resources of any kind.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::{Actor, Sees};
use weir_core::change::Streams;
use weir_core::encryption::Purpose;
use weir_core::json::{Difference, Object, differences, merge, without_nulls};
use weir_core::permission::Permission;
use weir_core::resource::{Origin, Stored, WithSecret};
use weir_core::routing::check_credential;

use crate::authorisation::{
    authorise_kind, expect_no_more, expect_person, expect_to_let_in, expect_within, is_within, others,
};
use crate::commit::{Idempotency, Write, expect_revision};
use crate::identities;
use crate::resource::kind::{Checking, Issuing, Kind, Owner, Secret, Written};
use crate::resource::reference::PROFILE_OF_OWNER_OR_PLATFORM;
use crate::resource::{USER, read, reference};
use crate::row::{bytea, from_bytea, require_tenant};
use crate::{Store, StoreError};

/// What happens to a secret that people give.
#[derive(Clone, Debug, Default)]
pub enum SecretChange {
    /// It stays as it is; a new resource has none.
    #[default]
    Keep,
    /// It is replaced.
    Set(SecretString),
    /// It is replaced, and only a hash of it is kept.
    SetHash {
        /// What is kept.
        hash: SecretString,
        /// What it is the hash of, if that is known: so that the same one is told from another later on.
        secret: Option<SecretString>,
    },
    /// There is none any more.
    Remove,
}

/// What becomes of a specification.
#[derive(Clone, Debug)]
pub enum Update {
    /// It is replaced whole; what is absent has its default.
    Replace(Object),
    /// It is merged (RFC 7396): what is absent stays, null takes away.
    Merge(Object),
}

impl Store {
    /// Makes a resource. A secret that is made with it is given this once.
    pub async fn create(
        &self,
        kind: &dyn Kind,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        spec: Object,
        secret: SecretChange,
        idempotency: Option<&Idempotency>,
    ) -> Result<WithSecret, StoreError> {
        authorise_kind(actor, kind, tenant_id)?;
        let spec = tidied(spec);
        self.check_early(kind, actor, tenant_id, None, &spec, &secret)?;
        let mut write = self.begin(actor).await?;
        if let Some(earlier) = self.replay(&mut write, idempotency, kind).await? {
            return Ok(earlier);
        }
        let created = write.create(self, kind, tenant_id, spec, secret, &actor.origin()).await?;
        self.remember(&mut write, idempotency, &created).await?;
        write.commit().await?;
        Ok(created)
    }

    /// Changes what is decided about a resource. What changes nothing is not committed.
    #[expect(clippy::too_many_arguments, reason = "what is changed, how, and what follows")]
    pub async fn update(
        &self,
        kind: &dyn Kind,
        actor: &Actor,
        id: Uuid,
        expected_revision: u64,
        update: Update,
        secret: SecretChange,
        streams: Streams,
    ) -> Result<Stored, StoreError> {
        let mut write = self.begin_on(kind, actor, id).await?;
        write.streams(streams);
        let before = write.current(kind, id).await?;
        kind.refuses(&before)?;
        expect_revision(&before, expected_revision)?;
        write.expect_managed_here(&before)?;
        let spec = match update {
            Update::Replace(spec) => tidied(spec),
            Update::Merge(patch) => {
                let mut spec = before.spec.clone();
                // A name in a patch takes the place of an id.
                for reference in kind.references() {
                    if reference.list.is_none() && patch.contains_key(reference.short()) {
                        spec.remove(reference.field);
                    }
                }
                merge(&mut spec, patch);
                tidied(spec)
            }
        };
        let origin = before.origin.clone();
        let Some(after) = write.update(self, kind, &before, spec, secret, &origin).await? else { return Ok(before) };
        write.commit().await?;
        Ok(after)
    }

    /// Deletes a resource that nothing refers to. Gives the revision.
    pub async fn delete(
        &self,
        kind: &dyn Kind,
        actor: &Actor,
        id: Uuid,
        expected_revision: u64,
        streams: Streams,
    ) -> Result<u64, StoreError> {
        let mut write = self.begin_on(kind, actor, id).await?;
        write.streams(streams);
        let before = write.current(kind, id).await?;
        kind.refuses(&before)?;
        expect_revision(&before, expected_revision)?;
        write.expect_managed_here(&before)?;
        write.delete(kind, &before).await?;
        write.commit().await
    }

    /// Refuses what is wrong whatever is stored, so that it does not hold up other writers.
    fn check_early(
        &self,
        kind: &dyn Kind,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        before: Option<&Stored>,
        spec: &Object,
        secret: &SecretChange,
    ) -> Result<(), StoreError> {
        // A name can be read only once it is an id.
        let is_by_name =
            |reference: &reference::Reference| reference.list.is_some() || spec.contains_key(reference.short());
        if kind.references().iter().any(is_by_name) {
            return Ok(());
        }
        let checking = Checking { actor, tenant_id, before, secret, allowed_hosts: &self.allowed_hosts };
        kind.check(spec.clone(), &checking)?;
        Ok(())
    }
}

impl Write<'_> {
    /// A resource that the actor may write.
    pub(crate) async fn current(&mut self, kind: &dyn Kind, id: Uuid) -> Result<Stored, StoreError> {
        let actor = self.actor();
        let stored = read::get(self.connection(), kind, actor, id).await?;
        authorise_kind(actor, kind, stored.tenant_id)?;
        Ok(stored)
    }

    /// Refuses what something else would write again.
    pub(crate) fn expect_managed_here(&self, stored: &Stored) -> Result<(), StoreError> {
        if stored.origin.is_here() { Ok(()) } else { Err(StoreError::ManagedElsewhere(stored.origin.clone())) }
    }

    pub(crate) async fn create(
        &mut self,
        store: &Store,
        kind: &dyn Kind,
        tenant_id: Option<Uuid>,
        spec: Object,
        secret: SecretChange,
        origin: &Origin,
    ) -> Result<WithSecret, StoreError> {
        self.create_as(Uuid::now_v7(), store, kind, tenant_id, spec, secret, origin).await
    }

    /// The same under an id that nothing has.
    #[expect(clippy::too_many_arguments, reason = "what a resource is, and where it comes from")]
    pub(crate) async fn create_as(
        &mut self,
        id: Uuid,
        store: &Store,
        kind: &dyn Kind,
        tenant_id: Option<Uuid>,
        mut spec: Object,
        secret: SecretChange,
        origin: &Origin,
    ) -> Result<WithSecret, StoreError> {
        let tenant_id = match kind.owner() {
            Owner::Itself => Some(id),
            Owner::Tenant if tenant_id.is_none() => return Err(StoreError::invalid("tenant_id", "is required")),
            Owner::Tenant | Owner::TenantOrPlatform => {
                require_tenant(self.connection(), tenant_id).await?;
                tenant_id
            }
        };
        reference::resolve(self.connection(), kind, tenant_id, &mut spec).await?;
        let checking = Checking {
            actor: self.actor(),
            tenant_id,
            before: None,
            secret: &secret,
            allowed_hosts: &store.allowed_hosts,
        };
        let spec = kind.check(spec, &checking)?;
        self.expect_no_more(kind, tenant_id, &spec).await?;
        if kind.name() == USER.name() && matches!(secret, SecretChange::Set(_) | SecretChange::SetHash { .. }) {
            expect_person(self.actor())?;
        }
        self.expect_fields(kind, None, &spec).await?;
        self.expect_free(kind, tenant_id, id, &spec).await?;
        let mut columns = kind.columns_of(&spec);
        let mut names: Vec<&str> = kind.columns().to_vec();
        let issuing = Issuing { actor: self.actor(), id, encryption: &store.encryption, given: &secret };
        let issued = kind.issue(&issuing)?;
        if let Some(twin) = issued.as_ref().and_then(|issued| issued.twin.as_ref()) {
            let (is_taken,): (bool,) =
                sqlx::query_as(twin.query).bind(&twin.digests).bind(&twin.plain).fetch_one(self.connection()).await?;
            if is_taken {
                return Err(StoreError::Taken { field: twin.field });
            }
        }
        if let Some(issued) = &issued {
            columns.extend(issued.columns.clone());
        }
        if let Secret::Given { field, column, digest, is_required } = kind.secret() {
            match sealed(store, id, field, &secret)? {
                Some(sealed) => columns.extend(sealed.columns(column, digest)),
                None if is_required => return Err(StoreError::invalid(field, "is required")),
                None => {}
            }
            names.extend([column, digest]);
        }
        names.extend(issued.iter().flat_map(|issued| issued.columns.keys()).map(String::as_str));
        let owner = if kind.owner() == Owner::Itself { ("", "") } else { ("tenant_id, ", "$6::uuid, ") };
        let query = format!(
            "INSERT INTO {table} (id, {}revision, origin_kind, origin_ref, {names})
             SELECT $1, {}$2, $3, $4, {values} FROM jsonb_populate_record(NULL::{table}, $5) r WHERE $6::uuid IS NULL OR true",
            owner.0,
            owner.1,
            table = kind.table(),
            names = names.join(", "),
            values = names.iter().map(|name| format!("r.{name}")).collect::<Vec<_>>().join(", "),
        );
        let revision = self.revision();
        sqlx::query(AssertSqlSafe(query))
            .bind(id)
            .bind(revision)
            .bind(origin.kind.name())
            .bind(&origin.reference)
            .bind(Json(columns))
            .bind(tenant_id)
            .execute(self.connection())
            .await?;
        let has_new_secret = matches!(secret, SecretChange::Set(_) | SecretChange::SetHash { .. });
        let written =
            Written { actor: self.actor(), id, tenant_id, revision, before: None, spec: &spec, has_new_secret };
        kind.project(self.connection(), &written).await?;
        self.expect_within(kind, id).await?;
        let stored = self.current(kind, id).await?;
        self.record(kind, "create", None, Some(&stored), has_new_secret);
        let secret = issued.and_then(|issued| issued.secret);
        let secret = secret.map_or_else(String::new, |secret| secret.expose_secret().to_owned());
        Ok(WithSecret { stored, secret })
    }

    /// `None`: there was nothing to change.
    pub(crate) async fn update(
        &mut self,
        store: &Store,
        kind: &dyn Kind,
        before: &Stored,
        mut spec: Object,
        secret: SecretChange,
        origin: &Origin,
    ) -> Result<Option<Stored>, StoreError> {
        let (id, tenant_id) = (before.id, before.tenant_id);
        self.expect_within(kind, id).await?;
        self.expect_no_more(kind, tenant_id, &before.spec).await?;
        reference::resolve(self.connection(), kind, tenant_id, &mut spec).await?;
        let checking = Checking {
            actor: self.actor(),
            tenant_id,
            before: Some(before),
            secret: &secret,
            allowed_hosts: &store.allowed_hosts,
        };
        let spec = kind.check(spec, &checking)?;
        let has_new_secret = self.is_new_secret(store, kind, before, &secret).await?;
        if spec == before.spec && !has_new_secret && *origin == before.origin {
            return Ok(None);
        }
        self.expect_no_more(kind, tenant_id, &spec).await?;
        self.expect_fields(kind, Some(before), &spec).await?;
        if has_new_secret && kind.name() == USER.name() {
            let actor = self.actor();
            expect_person(actor)?;
            expect_to_let_in(self.connection(), actor, before).await?;
            // By a link it is the control plane itself: whoever made the link is looked at there.
            if !actor.user_id.is_nil() {
                identities::forget(self.connection(), actor, before).await?;
            }
        }
        self.expect_free(kind, tenant_id, id, &spec).await?;
        let mut columns = kind.columns_of(&spec);
        let mut names: Vec<&str> = kind.columns().to_vec();
        if let Secret::Given { field, column, digest, .. } = kind.secret()
            && has_new_secret
        {
            columns.extend(
                sealed(store, id, field, &secret)?.into_iter().flat_map(|sealed| sealed.columns(column, digest)),
            );
            names.extend([column, digest]);
        }
        let query = format!(
            "UPDATE {table} SET ({names}, revision, origin_kind, origin_ref, updated_at)
               = (SELECT {values}, $2::bigint, $3::text, $4::text, now() FROM jsonb_populate_record(NULL::{table}, $5) r)
             WHERE id = $1",
            table = kind.table(),
            names = names.join(", "),
            values = names.iter().map(|name| format!("r.{name}")).collect::<Vec<_>>().join(", "),
        );
        let revision = self.revision();
        sqlx::query(AssertSqlSafe(query))
            .bind(id)
            .bind(revision)
            .bind(origin.kind.name())
            .bind(&origin.reference)
            .bind(Json(columns))
            .execute(self.connection())
            .await?;
        let written =
            Written { actor: self.actor(), id, tenant_id, revision, before: Some(before), spec: &spec, has_new_secret };
        kind.project(self.connection(), &written).await?;
        self.expect_to_hold(kind, before).await?;
        self.expect_within(kind, id).await?;
        let stored = self.current(kind, id).await?;
        self.record(kind, "update", Some(before), Some(&stored), has_new_secret);
        Ok(Some(stored))
    }

    pub(crate) async fn delete(&mut self, kind: &dyn Kind, before: &Stored) -> Result<(), StoreError> {
        self.expect_within(kind, before.id).await?;
        self.expect_no_more(kind, before.tenant_id, &before.spec).await?;
        let users = reference::users(self.connection(), kind, before.id).await?;
        if !users.is_empty() {
            return Err(StoreError::InUse { users });
        }
        kind.keeps(before, self.actor())?;
        for statement in kind.deletion() {
            sqlx::query(*statement).bind(before.id).execute(self.connection()).await?;
        }
        self.expect_to_hold(kind, before).await?;
        self.record(kind, "delete", Some(before), None, false);
        Ok(())
    }

    /// Refuses a row that the actor may not write, as it is now.
    pub(crate) async fn expect_within(&mut self, kind: &dyn Kind, id: Uuid) -> Result<(), StoreError> {
        let actor = self.actor();
        expect_within(self.connection(), actor, kind, id).await
    }

    /// Refuses what gives somebody more than the actor has. Who has more is not changed either, or could be taken over.
    async fn expect_no_more(
        &mut self,
        kind: &dyn Kind,
        tenant_id: Option<Uuid>,
        spec: &Object,
    ) -> Result<(), StoreError> {
        let actor = self.actor();
        expect_no_more(self.connection(), actor, tenant_id, kind.gives(spec)).await
    }

    /// Refuses changes of fields that take more than to write the row: of guardrails, of what restricts one's own, and of the place in a
    /// tree, which takes the same over both places.
    async fn expect_fields(
        &mut self,
        kind: &dyn Kind,
        before: Option<&Stored>,
        spec: &Object,
    ) -> Result<(), StoreError> {
        let actor = self.actor();
        let of = |spec: &Object, field: &str| spec.get(field).filter(|value| !value.is_null()).cloned();
        let was = |field: &str| before.and_then(|before| of(&before.spec, field));
        let is_changed = |field: &str| was(field) != of(spec, field);
        if is_changed(PROFILE_OF_OWNER_OR_PLATFORM.field)
            && !matches!(actor.sees(Permission::GuardrailsWrite), Sees::Everything | Sees::Tenant(_))
        {
            return Err(StoreError::Forbidden("to attach or detach a guardrail profile takes guardrails.write"));
        }
        let (Some(before), sees @ Sees::Part { .. }) = (before, actor.sees(kind.writing())) else { return Ok(()) };
        if kind.loosens(&before.spec, spec) && !is_within(self.connection(), &others(sees), kind, before.id).await? {
            return Err(StoreError::Forbidden("what restricts a key of your own you may tighten, not loosen"));
        }
        let Some(parent) = kind.parent().filter(|parent| is_changed(parent)) else { return Ok(()) };
        for place in [was(parent), of(spec, parent)] {
            let place = place.as_ref().and_then(Value::as_str).and_then(|id| id.parse().ok());
            let place = place.ok_or(StoreError::Forbidden("it is outside of what you may write"))?;
            expect_within(self.connection(), actor, kind, place).await?;
        }
        Ok(())
    }

    /// Refuses a write after which something would not hold that must. Writers take turns, so no other one is under way.
    pub(crate) async fn expect_to_hold(&mut self, kind: &dyn Kind, before: &Stored) -> Result<(), StoreError> {
        for (condition, reason) in kind.must_hold(before) {
            let (holds,): (bool,) =
                sqlx::query_as(AssertSqlSafe(format!("SELECT {condition}"))).fetch_one(self.connection()).await?;
            if !holds {
                return Err(StoreError::Forbidden(reason));
            }
        }
        Ok(())
    }

    /// Refuses a name that another has. Writers take turns, so it stays free; and Postgres, which would find out too, would write
    /// the name into its log.
    async fn expect_free(
        &mut self,
        kind: &dyn Kind,
        tenant_id: Option<Uuid>,
        id: Uuid,
        spec: &Object,
    ) -> Result<(), StoreError> {
        let Some(twin) = kind.twin() else { return Ok(()) };
        let key = kind.natural_key();
        let query = format!(
            "SELECT EXISTS (SELECT 1 FROM {} t WHERE t.id <> $3 AND ($2::uuid IS NULL OR true) AND {twin})",
            kind.table()
        );
        let (is_taken,): (bool,) = sqlx::query_as(AssertSqlSafe(query))
            .bind(spec.get(key).and_then(Value::as_str).unwrap_or_default())
            .bind(tenant_id)
            .bind(id)
            .fetch_one(self.connection())
            .await?;
        if is_taken { Err(StoreError::Taken { field: key }) } else { Ok(()) }
    }

    /// Whether a secret is another than the one that is stored. What cannot be compared is another.
    async fn is_new_secret(
        &mut self,
        store: &Store,
        kind: &dyn Kind,
        before: &Stored,
        secret: &SecretChange,
    ) -> Result<bool, StoreError> {
        let Secret::Given { column, digest, field, is_required } = kind.secret() else { return Ok(false) };
        let given = match secret {
            SecretChange::Keep => return Ok(false),
            SecretChange::Remove if is_required => return Err(StoreError::invalid(field, "is required")),
            SecretChange::Remove => None,
            SecretChange::Set(secret) => Some(secret),
            SecretChange::SetHash { secret: Some(secret), .. } => Some(secret),
            SecretChange::SetHash { secret: None, .. } => return Ok(true),
        };
        let query =
            format!("SELECT to_jsonb(t.{column}), to_jsonb(t.{digest}) FROM {} t WHERE t.id = $1", kind.table());
        let (kept, digest): (Option<Value>, Option<Value>) =
            sqlx::query_as(AssertSqlSafe(query)).bind(before.id).fetch_one(self.connection()).await?;
        let kept = kept.filter(|kept| !kept.is_null());
        let (Some(kept), Some(given)) = (&kept, given) else { return Ok(kept.is_some() || given.is_some()) };
        let is_hash = matches!(secret, SecretChange::SetHash { .. });
        let kept = if is_hash { kept.as_str().map(|hash| hash.as_bytes().to_vec()) } else { from_bytea(kept) };
        let kept = kept.ok_or(StoreError::Corrupt("a secret"))?;
        if digest
            .as_ref()
            .and_then(from_bytea)
            .is_some_and(|digest| store.encryption.digest(before.id, &kept, given) == Some(digest))
        {
            return Ok(false);
        }
        // A digest that is missing or of something else says nothing.
        let decrypted =
            if is_hash { None } else { store.encryption.decrypt(Purpose::ProviderCredential, before.id, &kept).ok() };
        Ok(decrypted.is_none_or(|decrypted| decrypted.expose_secret() != given.expose_secret()))
    }

    /// Notes what was changed. `before` and `after`: as they are read.
    pub(crate) fn record(
        &mut self,
        kind: &dyn Kind,
        verb: &str,
        before: Option<&Stored>,
        after: Option<&Stored>,
        has_new_secret: bool,
    ) {
        let Some(stored) = after.or(before) else { return };
        let nothing = Object::new();
        let spec = |stored: Option<&'_ Stored>| stored.map_or_else(|| nothing.clone(), |stored| stored.spec.clone());
        let mut changes = differences(&spec(before), &spec(after));
        if let Secret::Given { field, .. } = kind.secret()
            && (has_new_secret || has_secret(before) != has_secret(after))
        {
            // What it is, nobody reads again.
            let shown = |stored, text: &str| if has_secret(stored) { Value::from(text) } else { Value::Null };
            let after = shown(after, "*** (new)");
            changes.push(Difference { path: field.into(), before: shown(before, "***"), after });
        }
        self.note(kind, verb, stored, changes);
    }
}

fn has_secret(stored: Option<&Stored>) -> bool {
    stored.is_some_and(|stored| stored.status.get(read::HAS_SECRET) == Some(&Value::Bool(true)))
}

/// What is kept of a given secret.
struct Sealed {
    kept: Value,
    digest: Value,
}

impl Sealed {
    fn columns(self, column: &str, digest: &str) -> [(String, Value); 2] {
        [(column.to_owned(), self.kept), (digest.to_owned(), self.digest)]
    }
}

fn sealed(store: &Store, id: Uuid, field: &str, secret: &SecretChange) -> Result<Option<Sealed>, StoreError> {
    let digest = |kept: &[u8], secret: &SecretString| {
        store.encryption.digest(id, kept, secret).map_or(Value::Null, |digest| bytea(&digest))
    };
    match secret {
        SecretChange::Keep | SecretChange::Remove => Ok(None),
        SecretChange::Set(secret) => {
            check_credential(secret.expose_secret()).map_err(|mut errors| {
                errors.iter_mut().for_each(|error| error.field = field.into());
                errors
            })?;
            let kept = store.encryption.encrypt(Purpose::ProviderCredential, id, secret)?;
            Ok(Some(Sealed { digest: digest(&kept, secret), kept: bytea(&kept) }))
        }
        SecretChange::SetHash { hash, secret } => {
            let hash = hash.expose_secret();
            let digest = secret.as_ref().map_or(Value::Null, |secret| digest(hash.as_bytes(), secret));
            Ok(Some(Sealed { digest, kept: hash.into() }))
        }
    }
}

pub(crate) fn tidied(spec: Object) -> Object {
    let mut spec = Value::Object(spec);
    without_nulls(&mut spec);
    match spec {
        Value::Object(spec) => spec,
        _ => Object::new(),
    }
}
