//! Many objects at once: planned, and committed whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::json::{Difference, Object};
use weir_core::permission::Permission;
use weir_core::resource::{Origin, Stored};

use crate::authorisation::{authorise, authorise_kind, is_within};
use crate::commit::{Idempotency, Write};
use crate::resource::kind::{Kind, Owner};
use crate::resource::reference::{PROFILE_OF_OWNER_OR_PLATFORM, Reference, tenant_named};
use crate::resource::write::SecretChange;
use crate::resource::{GUARDRAIL_PROFILE, KINDS, TENANT, kind_named, read};
use crate::row::unsigned;
use crate::{Store, StoreError};

/// An object as it should be.
#[derive(Clone, Debug)]
pub struct NamedObject {
    /// Its kind.
    pub kind: &'static dyn Kind,
    /// Its natural key.
    pub name: String,
    /// The tenant that it belongs to, by name or id; `None`: the platform.
    pub tenant: Option<String>,
    /// Everything else, with names in the place of ids where it is so written.
    pub spec: Object,
    /// A secret, where the kind has one that is given.
    pub secret: SecretChange,
}

/// A set of objects to bring about.
#[derive(Clone, Debug)]
pub struct Apply {
    /// In any order.
    pub objects: Vec<NamedObject>,
    /// Where they are managed from now on.
    pub origin: Origin,
    /// Whether objects of this origin are deleted that the set does not name, of the kinds and owners that it names. Never tenants.
    pub prune: bool,
    /// Whether objects of other origins are taken over.
    pub adopt: bool,
    /// How many objects may be deleted.
    pub max_deleted: usize,
    /// Refuses the set if an object that it names was changed since.
    pub base_revision: Option<u64>,
    /// Whether nothing is committed.
    pub dry_run: bool,
}

/// What was done, or would be.
#[derive(Default, Serialize, Deserialize)]
pub struct Application {
    /// In the order in which they were made.
    pub created: Vec<AppliedObject>,
    /// Those that differ now.
    pub changed: Vec<AppliedObject>,
    /// Those that were as they should be.
    pub unchanged: Vec<AppliedObject>,
    /// Those that are gone.
    pub deleted: Vec<AppliedObject>,
    /// What differs, object by object.
    pub differences: Vec<ObjectDifferences>,
    /// `None`: nothing was committed.
    pub revision: Option<u64>,
}

/// An object of a set.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedObject {
    /// Its kind.
    pub kind: String,
    /// Its natural key.
    pub name: String,
    /// Its tenant's name; `None`: the platform's.
    pub tenant: Option<String>,
    /// `None`: it is not there, as nothing was committed.
    pub id: Option<Uuid>,
    /// The key or token that was made with it, which is shown this once.
    pub secret: Option<String>,
}

/// What differs about an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObjectDifferences {
    /// Its kind.
    pub kind: String,
    /// Its natural key.
    pub name: String,
    /// Its tenant's name; `None`: the platform's.
    pub tenant: Option<String>,
    /// By the paths of its fields.
    pub changes: Vec<Difference>,
}

impl Store {
    /// Brings a set of objects about, all or nothing. A repeat has the result of the first time; a dry run is no such.
    pub async fn apply(
        &self,
        actor: &Actor,
        apply: Apply,
        idempotency: Option<&Idempotency>,
    ) -> Result<Application, StoreError> {
        refuse_twins(&apply.objects)?;
        // Who only reads cannot hold up writers.
        authorise(actor, Permission::PoliciesApply, actor.scope().tenant())?;
        let mut write = self.begin(actor).await?;
        let idempotency = idempotency.filter(|_| !apply.dry_run);
        if let Some(mut earlier) = self.earlier::<Application>(&mut write, idempotency).await? {
            earlier.forget_what_is_gone(&mut write).await?;
            return Ok(earlier);
        }
        let mut run = Run::default();
        for kind in KINDS {
            for (index, object) in in_order(kind, &apply.objects) {
                if run.postpones(&mut write, index, object).await? {
                    continue;
                }
                let done = run.bring_about(self, &mut write, &apply, object).await;
                done.map_err(|error| StoreError::Object { index, source: Box::new(error) })?;
            }
            if kind.name() == GUARDRAIL_PROFILE.name() {
                for (index, object) in std::mem::take(&mut run.postponed) {
                    let done = run.bring_about(self, &mut write, &apply, object).await;
                    done.map_err(|error| StoreError::Object { index, source: Box::new(error) })?;
                }
                run.finish_tenants(self, &mut write, &apply).await?;
            }
        }
        if apply.prune {
            run.prune(&mut write, &apply).await?;
        }
        let mut application = run.application;
        if apply.dry_run || write.is_empty() {
            for created in &mut application.created {
                (created.id, created.secret) = (None, None);
            }
            return Ok(application);
        }
        application.revision = Some(unsigned(write.revision())?);
        self.remember(&mut write, idempotency, &application).await?;
        write.commit().await?;
        Ok(application)
    }
}

impl Application {
    /// The secret of what is gone is not shown again.
    async fn forget_what_is_gone(&mut self, write: &mut Write<'_>) -> Result<(), StoreError> {
        for created in self.created.iter_mut().filter(|created| created.secret.is_some()) {
            let (Some(kind), Some(id)) = (kind_named(&created.kind), created.id) else { continue };
            match write.current(kind, id).await {
                Ok(_) => {}
                Err(StoreError::NotFound) => created.secret = None,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Application {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Application").field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// What names an object: its kind, its owner, its natural key.
type Key = (&'static str, Option<Uuid>, String);

#[derive(Default)]
pub(crate) struct Run<'a> {
    application: Application,
    /// Names of tenants by id.
    tenants: BTreeMap<Uuid, String>,
    /// What the set names.
    named: BTreeSet<Key>,
    /// New tenants that wait for a profile of their own, which is made after them.
    waiting: Vec<Stored>,
    /// Tenants that are there already and may get a profile that is made after them, with their places in the set.
    postponed: Vec<(usize, &'a NamedObject)>,
}

impl<'a> Run<'a> {
    /// Whether an object comes after the guardrail profiles of the set, although it is of a kind before them.
    async fn postpones(
        &mut self,
        write: &mut Write<'_>,
        index: usize,
        object: &'a NamedObject,
    ) -> Result<bool, StoreError> {
        if object.kind.owner() != Owner::Itself || write.actor().scope().tenant().is_some() {
            return Ok(false);
        }
        let is_there = !read::of_name(write.connection(), object.kind, None, &object.name).await?.is_empty();
        if is_there {
            self.postponed.push((index, object));
        }
        Ok(is_there)
    }

    async fn bring_about(
        &mut self,
        store: &Store,
        write: &mut Write<'_>,
        apply: &Apply,
        object: &NamedObject,
    ) -> Result<(), StoreError> {
        let kind = object.kind;
        let tenant_id = self.tenant(write, object).await?;
        authorise_kind(write.actor(), kind, tenant_id)?;
        let mut before = read::of_name(write.connection(), kind, tenant_id, &object.name).await?;
        for stored in &before {
            write.expect_within(kind, stored.id).await?;
        }
        if before.len() > 1 {
            return Err(StoreError::invalid("name", "is that of several; rename all but one of them"));
        }
        let mut spec = object.spec.clone();
        spec.insert(kind.natural_key().into(), object.name.clone().into());
        let Some(before) = before.pop() else {
            let waits = kind.owner() == Owner::Itself && spec.remove(PROFILE_OF_OWNER_OR_PLATFORM.short()).is_some();
            let made = write.create(store, kind, tenant_id, spec, object.secret.clone(), &apply.origin).await?;
            if waits {
                self.waiting.push(made.stored.clone());
            }
            self.name(kind, made.stored.tenant_id, &object.name)?;
            let secret = Some(made.secret).filter(|secret| !secret.is_empty());
            return self.note_created(write, kind, &made.stored, secret).await;
        };
        self.name(kind, before.tenant_id, &object.name)?;
        if apply.base_revision.is_some_and(|base| before.revision > base) {
            return Err(StoreError::Stale { current: before.revision });
        }
        if !apply.adopt && !before.origin.may_be_written_by(&apply.origin) {
            return Err(StoreError::ManagedElsewhere(before.origin));
        }
        let origin = if before.origin.may_be_written_by(&apply.origin) { &before.origin } else { &apply.origin };
        // One that cannot be changed may be named if it is as it should be.
        let after = write.update(store, kind, &before, spec, object.secret.clone(), origin).await?;
        if after.is_some() {
            kind.refuses(&before)?;
        }
        self.note_updated(write, kind, &before, after).await
    }

    /// Refuses what the set has named already, by its tenant's id or name.
    fn name(&mut self, kind: &dyn Kind, tenant_id: Option<Uuid>, name: &str) -> Result<(), StoreError> {
        if self.named.insert((kind.name(), tenant_id, name.to_owned())) {
            return Ok(());
        }
        Err(StoreError::invalid("name", "is in the set already"))
    }

    /// Gives new tenants the profiles that were made after them.
    async fn finish_tenants(&mut self, store: &Store, write: &mut Write<'_>, apply: &Apply) -> Result<(), StoreError> {
        for before in std::mem::take(&mut self.waiting) {
            let is_it =
                |object: &NamedObject| object.kind.name() == TENANT.name() && object.name == before.text("name");
            let Some((index, object)) = apply.objects.iter().enumerate().find(|(_, object)| is_it(object)) else {
                continue;
            };
            let mut spec = object.spec.clone();
            spec.insert("name".into(), object.name.clone().into());
            let done = write.update(store, TENANT, &before, spec, SecretChange::Keep, &apply.origin).await;
            done.map_err(|error| StoreError::Object { index, source: Box::new(error) })?;
            // It is told as one with its making.
            let newer = write.last_changes();
            let told = self.application.differences.iter_mut();
            for told in told.filter(|told| told.kind == TENANT.name() && told.name == object.name) {
                told.changes.retain(|change| newer.iter().all(|newer| newer.path != change.path));
                told.changes.extend(newer.clone());
            }
        }
        Ok(())
    }

    async fn prune(&mut self, write: &mut Write<'_>, apply: &Apply) -> Result<(), StoreError> {
        let kinds: BTreeSet<&str> = self.named.iter().map(|(kind, ..)| *kind).collect();
        let owners: BTreeSet<Option<Uuid>> = self.named.iter().map(|(_, owner, _)| *owner).collect();
        let mut superfluous = Vec::new();
        for kind in KINDS.iter().rev().filter(|kind| kinds.contains(kind.name()) && kind.owner() != Owner::Itself) {
            for owner in &owners {
                if authorise_kind(write.actor(), *kind, *owner).is_err() {
                    continue;
                }
                let mut found = read::of_origin(write.connection(), *kind, *owner, &apply.origin).await?;
                if let Some(own) = of_own_kind(*kind) {
                    let referred = |stored: &Stored| stored.text(own.field).parse().ok();
                    found = referred_first(found, |stored| Some(stored.id), referred);
                    found.reverse();
                }
                for stored in found {
                    let key = (kind.name(), *owner, stored.text(kind.natural_key()).to_owned());
                    let sees = write.actor().sees(kind.writing());
                    if !self.named.contains(&key)
                        && kind.refuses(&stored).is_ok()
                        && is_within(write.connection(), &sees, *kind, stored.id).await?
                    {
                        superfluous.push((*kind, stored));
                    }
                }
            }
        }
        if superfluous.len() > apply.max_deleted {
            return Err(StoreError::TooManyDeletions { count: superfluous.len(), most: apply.max_deleted });
        }
        for (kind, stored) in superfluous {
            write.delete(kind, &stored).await?;
            self.note_deleted(write, kind, &stored).await?;
        }
        Ok(())
    }

    /// The owner that an object names.
    async fn tenant(&mut self, write: &mut Write<'_>, object: &NamedObject) -> Result<Option<Uuid>, StoreError> {
        let Some(tenant) = &object.tenant else { return Ok(None) };
        if object.kind.owner() == Owner::Itself {
            return Err(StoreError::invalid("tenant", "is not known"));
        }
        let actor = write.actor();
        let row = tenant_named(write.connection(), actor, tenant).await?;
        let (id, name) = row.ok_or_else(|| StoreError::invalid("tenant", "there is no such tenant"))?;
        self.tenants.insert(id, name);
        Ok(Some(id))
    }

    pub(crate) fn into_application(self) -> Application {
        self.application
    }

    pub(crate) async fn note_created(
        &mut self,
        write: &mut Write<'_>,
        kind: &dyn Kind,
        stored: &Stored,
        secret: Option<String>,
    ) -> Result<(), StoreError> {
        let applied = self.applied(write.connection(), kind, stored, secret).await?;
        self.differs(&applied, write.last_changes());
        self.application.created.push(applied);
        Ok(())
    }

    /// `after`: none if there was nothing to change.
    pub(crate) async fn note_updated(
        &mut self,
        write: &mut Write<'_>,
        kind: &dyn Kind,
        before: &Stored,
        after: Option<Stored>,
    ) -> Result<(), StoreError> {
        let Some(after) = after else {
            let applied = self.applied(write.connection(), kind, before, None).await?;
            self.application.unchanged.push(applied);
            return Ok(());
        };
        let applied = self.applied(write.connection(), kind, &after, None).await?;
        self.differs(&applied, write.last_changes());
        self.application.changed.push(applied);
        Ok(())
    }

    pub(crate) async fn note_deleted(
        &mut self,
        write: &mut Write<'_>,
        kind: &dyn Kind,
        stored: &Stored,
    ) -> Result<(), StoreError> {
        let applied = self.applied(write.connection(), kind, stored, None).await?;
        self.differs(&applied, write.last_changes());
        self.application.deleted.push(applied);
        Ok(())
    }

    async fn applied(
        &mut self,
        connection: &mut PgConnection,
        kind: &dyn Kind,
        stored: &Stored,
        secret: Option<String>,
    ) -> Result<AppliedObject, StoreError> {
        let tenant_id = stored.tenant_id.filter(|_| kind.owner() != Owner::Itself);
        let tenant = match tenant_id {
            None => None,
            Some(id) => match self.tenants.get(&id) {
                Some(name) => Some(name.clone()),
                None => {
                    let (name,): (String,) =
                        sqlx::query_as("SELECT name FROM tenants WHERE id = $1").bind(id).fetch_one(connection).await?;
                    self.tenants.insert(id, name.clone());
                    Some(name)
                }
            },
        };
        let name = stored.text(kind.natural_key()).to_owned();
        Ok(AppliedObject { kind: kind.name().into(), name, tenant, id: Some(stored.id), secret })
    }

    fn differs(&mut self, object: &AppliedObject, changes: Vec<Difference>) {
        let AppliedObject { kind, name, tenant, .. } = object.clone();
        self.application.differences.push(ObjectDifferences { kind, name, tenant, changes });
    }
}

/// The objects of a kind with their places in the set, so that one that another of them refers to comes before it.
fn in_order<'a>(kind: &dyn Kind, objects: &'a [NamedObject]) -> Vec<(usize, &'a NamedObject)> {
    let of_kind = objects.iter().enumerate().filter(|(_, object)| object.kind.name() == kind.name());
    let Some(own) = of_own_kind(kind) else { return of_kind.collect() };
    referred_first(
        of_kind.collect(),
        |(_, object)| Some((object.tenant.as_deref(), object.name.as_str())),
        |(_, object)| Some((object.tenant.as_deref(), object.spec.get(own.short())?.as_str()?)),
    )
}

/// The field by which resources of a kind refer to others of it.
fn of_own_kind(kind: &dyn Kind) -> Option<&'static Reference> {
    kind.references().iter().find(|reference| reference.kind == kind.name())
}

/// Items so that what one refers to comes before it. Where they refer to each other in a circle, it begins somewhere: each of them is
/// refused in its turn.
fn referred_first<T: Clone, N: Ord>(
    items: Vec<T>,
    name: impl Fn(&T) -> Option<N>,
    referred: impl Fn(&T) -> Option<N>,
) -> Vec<T> {
    let places: BTreeMap<N, usize> =
        items.iter().enumerate().filter_map(|(place, item)| Some((name(item)?, place))).collect();
    let (mut ordered, mut seen) = (Vec::with_capacity(items.len()), vec![false; items.len()]);
    for first in 0..items.len() {
        let (mut way, mut next) = (Vec::new(), Some(first));
        while let Some(place) = next.filter(|place| !std::mem::replace(&mut seen[*place], true)) {
            way.push(place);
            next = referred(&items[place]).and_then(|named| places.get(&named).copied());
        }
        ordered.extend(way.into_iter().rev().map(|place| items[place].clone()));
    }
    ordered
}

/// Refuses a set that names an object twice.
fn refuse_twins(objects: &[NamedObject]) -> Result<(), StoreError> {
    let mut seen = BTreeSet::new();
    for (index, object) in objects.iter().enumerate() {
        if !seen.insert((object.kind.name(), object.tenant.as_deref(), object.name.as_str())) {
            let source = Box::new(StoreError::invalid("name", "is in the set already"));
            return Err(StoreError::Object { index, source });
        }
    }
    Ok(())
}
