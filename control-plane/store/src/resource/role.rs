//! Roles that administrators make.

use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::role::RoleSettings;

use crate::authorisation::Gives;
use crate::resource::kind::{Checking, Kind, Owner};

pub(super) struct Role;

impl Kind for Role {
    fn name(&self) -> &'static str {
        "role"
    }

    fn table(&self) -> &'static str {
        "roles"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "permissions"]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::RolesRead
    }

    fn writing(&self) -> Permission {
        Permission::RolesWrite
    }

    fn shows_platforms(&self) -> bool {
        true
    }

    fn gives(&self, spec: &Object) -> Gives {
        let role: Option<RoleSettings> = read(spec.clone().into()).ok();
        Gives { permissions: role.map(|role| role.permissions).unwrap_or_default(), ..Gives::default() }
    }

    fn check(&self, spec: Object, checking: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: RoleSettings = read(spec.into())?;
        settings.check(checking.tenant_id)?;
        Ok(write(&settings))
    }

    fn outdates(&self, _: &Stored) -> ChangeKind {
        ChangeKind::Administration
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM roles WHERE id = $1"]
    }
}
