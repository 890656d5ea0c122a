//! Tenants.

use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::tenant::TenantSettings;

use crate::resource::kind::{Checking, Kind, Owner};
use crate::resource::reference::{PROFILE_OF_OWNER_OR_PLATFORM, Reference};

pub(super) struct Tenant;

impl Kind for Tenant {
    fn name(&self) -> &'static str {
        "tenant"
    }

    fn table(&self) -> &'static str {
        "tenants"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "time_zone", "guardrail_profile_id", "keys_may_loosen_guardrails", "ways_in"]
    }

    fn owner(&self) -> Owner {
        Owner::Itself
    }

    fn reading(&self) -> Permission {
        Permission::TenantsRead
    }

    fn writing(&self) -> Permission {
        Permission::TenantsWrite
    }

    /// A tenant's users read their own.
    fn is_written_by_platform_alone(&self) -> bool {
        true
    }

    fn twin(&self) -> Option<&'static str> {
        Some("t.name = $1")
    }

    fn references(&self) -> &'static [Reference] {
        &[PROFILE_OF_OWNER_OR_PLATFORM]
    }

    fn check(&self, spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: TenantSettings = read(spec.into())?;
        settings.check()?;
        Ok(write(&settings))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        ChangeKind::Tenant { tenant_id: stored.id }
    }

    /// What is left of its keys are those that nobody sees any more.
    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM api_keys WHERE tenant_id = $1", "DELETE FROM tenants WHERE id = $1"]
    }
}
