//! What a kind of resource is.

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::SecretString;
use sqlx::PgConnection;
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::change::ChangeKind;
use weir_core::destination::AllowedHosts;
use weir_core::encryption::Encryption;
use weir_core::field::FieldError;
use weir_core::json::Object;
use weir_core::permission::Permission;
use weir_core::resource::Stored;

use crate::StoreError;
use crate::authorisation::Gives;
use crate::resource::reference::Reference;
use crate::resource::write::SecretChange;

/// To whom resources of a kind belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Each to itself: tenants.
    Itself,
    /// To a tenant.
    Tenant,
    /// To a tenant or the platform.
    TenantOrPlatform,
}

/// What resources of a kind have to do with secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// Nothing.
    None,
    /// It is given in this field of a body, and kept encrypted or as a hash.
    Given {
        /// The field; also the name under which the audit log tells that it was changed.
        field: &'static str,
        /// The column that keeps it.
        column: &'static str,
        /// The column that keeps the keyed digest by which it is told from another one.
        digest: &'static str,
        /// Whether there must be one.
        is_required: bool,
    },
    /// It is made with the resource, and shown once in this field of the answer.
    Issued {
        /// The field.
        field: &'static str,
    },
}

/// A secret of a new resource: itself, and what is kept of it, by columns.
pub struct Issued {
    /// `None`: it was given, and is not shown.
    pub(crate) secret: Option<SecretString>,
    pub(crate) columns: Object,
    /// `None`: it was drawn, and is nobody else's.
    pub(crate) twin: Option<SecretTwin>,
}

/// How to tell that somebody has a given secret already.
pub(crate) struct SecretTwin {
    pub(crate) field: &'static str,
    /// Whether one is found by one of the digests $1, or by the digest $2.
    pub(crate) query: &'static str,
    pub(crate) digests: Vec<Vec<u8>>,
    pub(crate) plain: Vec<u8>,
}

/// What a secret is made of.
pub struct Issuing<'a> {
    pub(crate) actor: &'a Actor,
    /// The resource that it is made for.
    pub(crate) id: Uuid,
    pub(crate) encryption: &'a Encryption,
    /// What was given in its place; a hash is its SHA-256 in hexadecimal digits.
    pub(crate) given: &'a SecretChange,
}

/// What a specification is checked against, besides its own rules.
pub struct Checking<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) tenant_id: Option<Uuid>,
    /// What is replaced.
    pub(crate) before: Option<&'a Stored>,
    pub(crate) secret: &'a SecretChange,
    pub(crate) allowed_hosts: &'a AllowedHosts,
}

/// A kind of resource.
pub trait Kind: Send + Sync {
    /// Its name in the audit log and in `apply`: `api_key`.
    fn name(&self) -> &'static str;

    /// Its name within a sentence: `API key`.
    fn title(&self) -> &'static str {
        self.name()
    }

    /// The table, called `t` in all fragments of SQL. Besides the columns of its own it has `id`, `created_at`, `updated_at`,
    /// `revision`, `origin_kind`, `origin_ref` and, unless it belongs to itself, `tenant_id`.
    fn table(&self) -> &'static str;

    /// The columns that are written, by the names that [`Kind::columns_of`] gives them.
    fn columns(&self) -> &'static [&'static str];

    /// What is read besides: names, and expressions over `t`. What begins with `_` is not for people.
    fn expressions(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// To whom its resources belong.
    fn owner(&self) -> Owner;

    /// What it takes to see them.
    fn reading(&self) -> Permission;

    /// What it takes to write them.
    fn writing(&self) -> Permission;

    /// Whether only the platform's people see them at all.
    fn is_platforms_alone(&self) -> bool {
        false
    }

    /// Whether only the platform's admins write them.
    fn is_written_by_platform_alone(&self) -> bool {
        self.is_platforms_alone()
    }

    /// Whether service tokens cannot write them, and they are no part of an export.
    fn is_written_by_people_alone(&self) -> bool {
        false
    }

    /// The states that a list can be narrowed to, with what holds in them.
    fn states(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// What must hold after a write to this one, and why.
    fn must_hold(&self, _before: &Stored) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Whether a tenant's users see the platform's, too.
    fn shows_platforms(&self) -> bool {
        false
    }

    /// The field that names a resource to people, unique for its owner.
    fn natural_key(&self) -> &'static str {
        "name"
    }

    /// Which rows have the natural key $1 and the owner $2, so that no other may have it; `None`: others may.
    fn twin(&self) -> Option<&'static str> {
        Some("t.name = $1 AND t.tenant_id IS NOT DISTINCT FROM $2::uuid")
    }

    /// Which rows there are, for rows that stay behind unseen.
    fn condition(&self) -> &'static str {
        "true"
    }

    /// What it refers to.
    fn references(&self) -> &'static [Reference] {
        &[]
    }

    /// What else one of them names, by kind, and whether a row names the id $1: that cannot be deleted meanwhile.
    fn mentions(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The department that one of them is of, an expression over `t`; `None`: of none.
    fn department(&self) -> Option<&'static str> {
        None
    }

    /// The user whose one of them is, an expression over `t`; `None`: nobody's.
    fn user(&self) -> Option<&'static str> {
        None
    }

    /// The field that names the one above it, where they are a tree.
    fn parent(&self) -> Option<&'static str> {
        None
    }

    /// Whether a change takes away from what restricts one, which nobody does to their own by having it.
    fn loosens(&self, _before: &Object, _after: &Object) -> bool {
        false
    }

    /// What one gives to whoever holds it.
    fn gives(&self, _spec: &Object) -> Gives {
        Gives::default()
    }

    /// What it has to do with secrets.
    fn secret(&self) -> Secret {
        Secret::None
    }

    /// Reads a specification, names all that is wrong with it, and gives it in its one spelling.
    fn check(&self, spec: Object, checking: &Checking<'_>) -> Result<Object, Vec<FieldError>>;

    /// The columns of a specification.
    fn columns_of(&self, spec: &Object) -> Object {
        spec.clone()
    }

    /// The specification and the status, from columns and expressions.
    fn read(&self, row: Object) -> Result<(Object, Object), StoreError> {
        Ok(row.into_iter().partition(|(name, _)| self.columns().contains(&name.as_str())))
    }

    /// Whose copies a change makes out of date.
    fn outdates(&self, stored: &Stored) -> ChangeKind;

    /// The fields whose changes alone make copies out of date, as nobody can have a copy of what is new or gone; `None`: whatever
    /// is written does.
    fn felt_by_callers(&self) -> Option<&'static [&'static str]> {
        None
    }

    /// Whether Envoy is configured from it.
    fn affects_configuration(&self) -> bool {
        false
    }

    /// Why this one cannot be written.
    fn refuses(&self, _stored: &Stored) -> Result<(), StoreError> {
        Ok(())
    }

    /// Why this one cannot be deleted by this actor.
    fn keeps(&self, _stored: &Stored, _actor: &Actor) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether a secret that is made with it may be given instead: itself, or, in this field, its SHA-256.
    fn digest_field(&self) -> Option<&'static str> {
        None
    }

    /// Whether its changes may end streams under way.
    fn has_streams(&self) -> bool {
        false
    }

    /// What holds of those that were not used for `{days}` days; `None`: that is not known of the kind.
    fn unused(&self) -> Option<&'static str> {
        None
    }

    /// Makes the secret of a new one.
    fn issue(&self, _issuing: &Issuing<'_>) -> Result<Option<Issued>, StoreError> {
        Ok(None)
    }

    /// Writes what else follows from it, within the same change.
    fn project<'a>(
        &'a self,
        _connection: &'a mut PgConnection,
        _written: &'a Written<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async { Ok(()) }.boxed()
    }

    /// Statements over its id ($1) that end it.
    fn deletion(&self) -> &'static [&'static str];
}

/// What was written.
pub struct Written<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Option<Uuid>,
    pub(crate) revision: i64,
    pub(crate) before: Option<&'a Stored>,
    pub(crate) spec: &'a Object,
    pub(crate) has_new_secret: bool,
}

impl std::fmt::Debug for dyn Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
