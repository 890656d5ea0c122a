//! Models: the names that clients ask for.

use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::routing::ModelSettings;

use crate::resource::kind::{Checking, Kind, Owner};
use crate::resource::reference::{Reference, Within};

pub(super) struct Model;

impl Kind for Model {
    fn name(&self) -> &'static str {
        "model"
    }

    fn table(&self) -> &'static str {
        "models"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "pool_id", "ways_in", "default_max_tokens", "max_tokens_cap"]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::ModelsRead
    }

    fn writing(&self) -> Permission {
        Permission::ModelsWrite
    }

    fn shows_platforms(&self) -> bool {
        true
    }

    fn references(&self) -> &'static [Reference] {
        &[Reference { list: None, field: "pool_id", kind: "pool", within: Within::Owner, uses: "t.pool_id = $1" }]
    }

    fn check(&self, spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: ModelSettings = read(spec.into())?;
        settings.check()?;
        Ok(write(&settings))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        ChangeKind::Catalog { tenant_id: stored.tenant_id }
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM models WHERE id = $1"]
    }
}
