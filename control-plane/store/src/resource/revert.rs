//! Undoing one revision.

use std::collections::BTreeMap;

use sqlx::types::Json;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::json::{Difference, Object, undone};
use weir_core::permission::Permission;
use weir_core::resource::Stored;

use crate::audit::HIDDEN;
use crate::authorisation::{authorise, authorise_kind, is_within};
use crate::commit::Write;
use crate::resource::apply::{Application, Run};
use crate::resource::kind::{Kind, Secret};
use crate::resource::write::SecretChange;
use crate::resource::{KINDS, kind_named};
use crate::row::{signed, unsigned};
use crate::{Store, StoreError};

/// Why an object cannot be made as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Irrevertible {
    /// Its kind.
    pub kind: String,
    /// Its natural key.
    pub name: String,
    /// What stands in the way.
    pub reason: &'static str,
}

/// What becomes of an object.
enum Step {
    Create { id: Uuid, tenant_id: Option<Uuid>, spec: Object },
    Update { before: Stored, spec: Object },
    Delete { before: Stored },
}

/// What a revision did to an object, as the audit log tells it.
#[derive(sqlx::FromRow)]
struct Item {
    action: String,
    resource_type: String,
    resource_id: Uuid,
    resource_name: Option<String>,
    tenant_id: Option<Uuid>,
    changes: Option<Json<Vec<Difference>>>,
}

impl Item {
    fn is_written_by(&self, actor: &Actor) -> bool {
        kind_named(&self.resource_type).is_some_and(|kind| authorise_kind(actor, kind, self.tenant_id).is_ok())
    }

    fn verb(&self) -> &str {
        self.action.rsplit_once('.').map_or("", |(_, verb)| verb)
    }
}

impl Store {
    /// Makes the objects of a revision as they were before it, as a new revision. Refused whole, with all reasons, if one of them was
    /// changed since or needs a secret. What was deleted comes back under its id.
    pub async fn revert(&self, actor: &Actor, revision: u64, dry_run: bool) -> Result<Application, StoreError> {
        authorise(actor, Permission::PoliciesApply, actor.scope().tenant())?;
        let mut write = self.begin(actor).await?;
        let items: Vec<Item> = sqlx::query_as(
            "SELECT action, resource_type, resource_id, resource_name, tenant_id, changes FROM audit
             WHERE revision = $1 ORDER BY id",
        )
        .bind(signed(revision))
        .fetch_all(write.connection())
        .await?;
        // Who does not see all of it is told of none.
        if items.is_empty() || items.iter().any(|item| !item.is_written_by(actor)) {
            return Err(StoreError::NotFound);
        }
        // Neither is whoever has a part of the tenant only: of rows outside of it, and of what is gone from who knows where.
        for item in &items {
            let Some(kind) = kind_named(&item.resource_type) else { continue };
            for permission in [kind.reading(), kind.writing()] {
                if !is_within(write.connection(), &actor.sees(permission), kind, item.resource_id).await? {
                    return Err(StoreError::NotFound);
                }
            }
        }
        let mut objects: BTreeMap<(usize, Uuid), Vec<Item>> = BTreeMap::new();
        for item in items {
            let place = KINDS.iter().position(|kind| kind.name() == item.resource_type).unwrap_or(KINDS.len());
            objects.entry((place, item.resource_id)).or_default().push(item);
        }
        let (mut steps, mut refused) = (Vec::new(), Vec::new());
        for items in objects.into_values() {
            let Some(last) = items.last() else { continue };
            let (kind, name) = (last.resource_type.clone(), last.resource_name.clone().unwrap_or_default());
            match write.step(revision, &items).await? {
                Ok(step) => steps.push(step),
                Err(reason) => refused.push(Irrevertible { kind, name, reason }),
            }
        }
        if !refused.is_empty() {
            return Err(StoreError::Irrevertible(refused));
        }
        let mut run = Run::default();
        // What is referred to comes first, and goes last.
        for (kind, step) in &steps {
            if matches!(step, Step::Create { .. } | Step::Update { .. }) {
                run.take(self, &mut write, *kind, step).await?;
            }
        }
        for (kind, step) in steps.iter().rev().filter(|(_, step)| matches!(step, Step::Delete { .. })) {
            run.take(self, &mut write, *kind, step).await?;
        }
        let mut application = run.into_application();
        if dry_run || write.is_empty() {
            application.created.iter_mut().for_each(|created| created.id = None);
            return Ok(application);
        }
        application.revision = Some(unsigned(write.revision())?);
        write.commit().await?;
        Ok(application)
    }
}

impl Write<'_> {
    /// What makes an object as it was before these changes of it, or why nothing does.
    async fn step(
        &mut self,
        revision: u64,
        items: &[Item],
    ) -> Result<Result<(&'static dyn Kind, Step), &'static str>, StoreError> {
        let (Some(first), Some(last)) = (items.first(), items.last()) else { return Ok(Err("there is no change")) };
        let Some(kind) = kind_named(&first.resource_type) else { return Ok(Err("its kind is not known")) };
        if items.iter().any(|item| !matches!(item.verb(), "create" | "update" | "delete")) {
            return Ok(Err("what was revoked stays so"));
        }
        let Some(changes) = items.iter().map(|item| item.changes.as_ref()).collect::<Option<Vec<_>>>() else {
            return Ok(Err("an older version made the change, and did not note what was before"));
        };
        let is_secret = |change: &Difference| match kind.secret() {
            Secret::Given { field, .. } => change.path == field && !change.before.is_null(),
            Secret::None | Secret::Issued { .. } => false,
        };
        let is_made_now = first.verb() == "create";
        if !is_made_now && changes.iter().any(|changes| changes.iter().any(is_secret)) {
            return Ok(Err("its secret from before is not kept"));
        }
        if changes.iter().flat_map(|changes| changes.iter()).any(|change| change.before.to_string().contains(HIDDEN)) {
            return Ok(Err("a secret in what was before is not kept"));
        }
        if last.verb() == "delete" {
            if matches!(kind.secret(), Secret::Issued { .. }) {
                return Ok(Err("its secret is not kept; make a new one"));
            }
            let Some(spec) = before(&Object::new(), &changes) else { return Ok(Err("what was before is not known")) };
            return Ok(Ok((kind, Step::Create { id: first.resource_id, tenant_id: first.tenant_id, spec })));
        }
        let stored = match self.current(kind, first.resource_id).await {
            Ok(stored) => stored,
            Err(StoreError::NotFound) => return Ok(Err("it was deleted since")),
            Err(error) => return Err(error),
        };
        if stored.revision != revision {
            return Ok(Err("it was changed since"));
        }
        if !stored.origin.is_here() {
            return Ok(Err("it is managed elsewhere"));
        }
        if is_made_now {
            return Ok(Ok((kind, Step::Delete { before: stored })));
        }
        let secret = match kind.secret() {
            Secret::Given { field, .. } => Some(field),
            Secret::None | Secret::Issued { .. } => None,
        };
        if changes.iter().any(|changes| changes.iter().any(|change| Some(change.path.as_str()) == secret)) {
            return Ok(Err("a secret was given with the change; take it away by hand"));
        }
        match before(&stored.spec, &changes) {
            Some(spec) => Ok(Ok((kind, Step::Update { before: stored, spec }))),
            None => Ok(Err("what was before is not known")),
        }
    }
}

/// What a specification was before several changes of it.
fn before(after: &Object, changes: &[&Json<Vec<Difference>>]) -> Option<Object> {
    changes.iter().rev().try_fold(after.clone(), |after, Json(changes)| undone(&after, changes))
}

impl Run<'_> {
    async fn take(
        &mut self,
        store: &Store,
        write: &mut Write<'_>,
        kind: &'static dyn Kind,
        step: &Step,
    ) -> Result<(), StoreError> {
        match step {
            Step::Create { id, tenant_id, spec } => {
                let origin = write.actor().origin();
                let (spec, secret) = (super::write::tidied(spec.clone()), SecretChange::Keep);
                let made = write.create_as(*id, store, kind, *tenant_id, spec, secret, &origin).await?;
                self.note_created(write, kind, &made.stored, None).await
            }
            Step::Update { before, spec } => {
                kind.refuses(before)?;
                let spec = super::write::tidied(spec.clone());
                let after = write.update(store, kind, before, spec, SecretChange::Keep, &before.origin).await?;
                self.note_updated(write, kind, before, after).await
            }
            Step::Delete { before } => {
                // A member that came with it may have gone already.
                let before = write.current(kind, before.id).await?;
                write.delete(kind, &before).await?;
                self.note_deleted(write, kind, &before).await
            }
        }
    }
}
