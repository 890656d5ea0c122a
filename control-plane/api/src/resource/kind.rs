//! The endpoints of a kind of resource: what is the same for all kinds is written here once.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use futures::future::BoxFuture;
use secrecy::SecretString;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;
use weir_core::change::Streams;
use weir_core::json::{Object, Strict};
use weir_core::resource::Stored;
use weir_store::{Kind, Owner, Secret, SecretChange, Update};

use crate::ApiState;
use crate::caller::Caller;
use crate::etag::IfMatch;
use crate::extract::{Body, Creation, Named, Query};
use crate::problem::{Code, Problem};
use crate::resource::document::{self, Schemas};
use crate::resource::{List, ResourceQuery, created, deleted, found};

/// Turns a secret into what is kept of it.
pub(crate) type Seal = fn(SecretString) -> BoxFuture<'static, Result<SecretString, Problem>>;

/// A kind of resource, as the API shows it.
#[derive(Clone, Copy)]
pub(crate) struct Resource {
    /// As the store knows it.
    pub(crate) kind: &'static dyn Kind,
    /// Where its resources are, under `/api/v1/admin/`.
    pub(crate) path: &'static str,
    /// The group of its operations.
    pub(crate) tag: &'static str,
    /// What operations are called: `create_` and this.
    pub(crate) singular: &'static str,
    /// What the list is called: `list_` and this.
    pub(crate) plural: &'static str,
    /// What the schema is called.
    pub(crate) schema: &'static str,
    /// What it is, for the document.
    pub(crate) about: &'static str,
    /// What of it can be listed.
    pub(crate) listed: &'static str,
    /// What can be deleted.
    pub(crate) deletable: &'static str,
    /// What the secret is, if it has one.
    pub(crate) secret: &'static str,
    /// Hashes the secret; `None`: it is kept encrypted.
    pub(crate) seal: Option<Seal>,
}

impl Resource {
    /// Its routes and their documentation.
    pub(crate) fn router(self, schemas: Schemas) -> OpenApiRouter<ApiState> {
        let (many, one) = (format!("/{}", self.path), format!("/{}/{{id}}", self.path));
        let of_many: MethodRouter<ApiState> = get(move |state, caller, query| self.list(state, caller, query))
            .merge(post(move |state, caller, creation| self.create(state, caller, creation)));
        let of_one: MethodRouter<ApiState> = get(move |state, caller, id| self.get(state, caller, id))
            .merge(put(move |state, caller, id, if_match, body: Body<Strict>| async move {
                self.update(state, caller, id, if_match, body, Update::Replace).await
            }))
            .merge(patch(move |state, caller, id, if_match, body: Body<Strict>| async move {
                self.update(state, caller, id, if_match, body, Update::Merge).await
            }))
            .merge(delete(move |state, caller, id, if_match| self.delete(state, caller, id, if_match)));
        let (components, paths_of_many, paths_of_one) = document::describe(&self, schemas, &many, &one);
        OpenApiRouter::new().routes((components, paths_of_many, of_many)).routes((Vec::new(), paths_of_one, of_one))
    }

    async fn list(
        self,
        State(state): State<ApiState>,
        caller: Caller,
        Query(query): Query<ResourceQuery>,
    ) -> Result<axum::Json<List<Value>>, Problem> {
        let page = state.store.list(self.kind, &caller.actor, query.page()?).await?;
        Ok(List::of_resources(page, |stored| self.answer(stored).into()))
    }

    async fn create(
        self,
        State(state): State<ApiState>,
        caller: Caller,
        Creation { body: Strict(body), idempotency }: Creation<Strict>,
    ) -> Result<Response, Problem> {
        let mut spec = object(body)?;
        let tenant_id = self.take_tenant(&mut spec)?;
        let secret = match self.take_secret(&mut spec).await? {
            SecretChange::Keep | SecretChange::Remove => self.take_given(&mut spec)?,
            secret => secret,
        };
        let made = state.store.create(self.kind, &caller.actor, tenant_id, spec, secret, idempotency.as_ref()).await?;
        let (id, revision) = (made.stored.id, made.stored.revision);
        let mut answer = self.answer(made.stored);
        if let Secret::Issued { field } = self.kind.secret() {
            answer.insert(field.into(), Some(made.secret).filter(|secret| !secret.is_empty()).into());
        }
        Ok(created(self.path, id, revision, answer))
    }

    async fn get(self, State(state): State<ApiState>, caller: Caller, named: Named) -> Result<Response, Problem> {
        let id = self.id(&state, &caller, &named).await?;
        let stored = state.store.get(self.kind, &caller.actor, id).await?;
        Ok(found(stored.revision, self.answer(stored)))
    }

    async fn update(
        self,
        State(state): State<ApiState>,
        caller: Caller,
        named: Named,
        IfMatch(expected): IfMatch,
        Body(Strict(body)): Body<Strict>,
        update: fn(Object) -> Update,
    ) -> Result<Response, Problem> {
        let id = self.id(&state, &caller, &named).await?;
        let mut spec = object(body)?;
        let secret = self.take_secret(&mut spec).await?;
        let streams = self.streams(&named, Streams::Finish)?;
        let stored = state.store.update(self.kind, &caller.actor, id, expected, update(spec), secret, streams).await?;
        Ok(found(stored.revision, self.answer(stored)))
    }

    async fn delete(
        self,
        State(state): State<ApiState>,
        caller: Caller,
        named: Named,
        IfMatch(expected): IfMatch,
    ) -> Result<Response, Problem> {
        let id = self.id(&state, &caller, &named).await?;
        let streams = self.streams(&named, Streams::Finish)?;
        Ok(deleted(id, state.store.delete(self.kind, &caller.actor, id, expected, streams).await?))
    }

    /// Revokes what was issued.
    pub(crate) async fn revoke(self, state: ApiState, caller: Caller, named: Named) -> Result<Response, Problem> {
        let id = self.id(&state, &caller, &named).await?;
        let streams = self.streams(&named, Streams::End)?;
        let stored = state.store.revoke(self.kind, &caller.actor, id, streams).await?;
        Ok(found(stored.revision, self.answer(stored)))
    }

    /// What becomes of streams under way, as the query says, or else as is usual.
    fn streams(&self, named: &Named, usual: Streams) -> Result<Streams, Problem> {
        match named.streams {
            Some(_) if !self.kind.has_streams() => {
                Err(Problem::field(Code::InvalidQuery, "streams", "is not known of this kind"))
            }
            streams => Ok(streams.unwrap_or(usual)),
        }
    }

    async fn id(&self, state: &ApiState, caller: &Caller, named: &Named) -> Result<Uuid, Problem> {
        Ok(state.store.id_of(self.kind, &caller.actor, &named.id_or_name, named.tenant.as_deref()).await?)
    }

    /// A resource as it is read.
    pub(crate) fn answer(&self, stored: Stored) -> Object {
        let mut answer = stored.spec;
        answer.extend(stored.status.into_iter().filter(|(name, _)| !name.starts_with('_')));
        answer.insert("id".into(), stored.id.to_string().into());
        if self.kind.owner() != Owner::Itself {
            answer.insert("tenant_id".into(), stored.tenant_id.map(|id| id.to_string()).into());
        }
        for (name, at) in [("created_at", stored.created_at), ("updated_at", stored.updated_at)] {
            answer.insert(name.into(), serde_json::to_value(at).unwrap_or_default());
        }
        answer.insert("revision".into(), stored.revision.into());
        answer.insert("origin".into(), serde_json::to_value(stored.origin).unwrap_or_default());
        answer
    }

    fn take_tenant(&self, spec: &mut Object) -> Result<Option<Uuid>, Problem> {
        let invalid = |reason| Problem::field(Code::InvalidFields, "tenant_id", reason);
        if self.kind.owner() == Owner::Itself {
            return Ok(None);
        }
        match spec.remove("tenant_id") {
            Some(Value::String(id)) => id.parse().map(Some).map_err(|_| invalid("must be a UUID")),
            None | Some(Value::Null) if self.kind.owner() == Owner::Tenant => Err(invalid("is required")),
            None | Some(Value::Null) => Ok(None),
            Some(_) => Err(invalid("must be a UUID")),
        }
    }

    /// Takes out of the body of a new one what is given in the place of a secret that would be made.
    fn take_given(&self, spec: &mut Object) -> Result<SecretChange, Problem> {
        let (Secret::Issued { field }, Some(digest)) = (self.kind.secret(), self.kind.digest_field()) else {
            return Ok(SecretChange::Keep);
        };
        let mut take = |field| match spec.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(SecretString::from(text))),
            Some(_) => Err(Problem::field(Code::InvalidFields, field, "must be a string")),
        };
        match (take(field)?, take(digest)?) {
            (None, None) => Ok(SecretChange::Keep),
            (Some(secret), None) => Ok(SecretChange::Set(secret)),
            (None, Some(hash)) => Ok(SecretChange::SetHash { hash, secret: None }),
            (Some(_), Some(_)) => {
                Err(Problem::field(Code::InvalidFields, digest, "cannot stand beside the key itself"))
            }
        }
    }

    /// Takes the secret out of a body, so that it is never part of what is read again.
    pub(crate) async fn take_secret(&self, spec: &mut Object) -> Result<SecretChange, Problem> {
        let Secret::Given { field, .. } = self.kind.secret() else { return Ok(SecretChange::Keep) };
        match spec.remove(field) {
            None => Ok(SecretChange::Keep),
            Some(Value::Null) => Ok(SecretChange::Remove),
            Some(Value::String(secret)) => {
                let secret = SecretString::from(secret);
                match self.seal {
                    None => Ok(SecretChange::Set(secret)),
                    Some(seal) => {
                        let hash = seal(secret.clone()).await?;
                        Ok(SecretChange::SetHash { hash, secret: Some(secret) })
                    }
                }
            }
            Some(_) => Err(Problem::field(Code::InvalidFields, field, "must be a string")),
        }
    }
}

/// A body that is an object.
pub(crate) fn object(body: Value) -> Result<Object, Problem> {
    match body {
        Value::Object(fields) => Ok(fields),
        _ => Err(Problem::field(Code::InvalidFields, "$", "must be an object")),
    }
}
