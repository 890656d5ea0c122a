//! Service accounts: apps and machines of a tenant that have keys.

use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::service_account::ServiceAccountSettings;

use crate::resource::kind::{Checking, Kind, Owner};
use crate::resource::reference::{DEPARTMENT_OF_OWNER, PROFILE_OF_OWNER_OR_PLATFORM, Reference};

/// Of those who can be disabled.
pub(super) const STATES: [(&str, &str); 2] = [("active", "NOT t.disabled"), ("disabled", "t.disabled")];

pub(super) struct ServiceAccount;

impl Kind for ServiceAccount {
    fn name(&self) -> &'static str {
        "service_account"
    }

    fn title(&self) -> &'static str {
        "service account"
    }

    fn table(&self) -> &'static str {
        "service_accounts"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "department_id", "labels", "environment", "guardrail_profile_id", "disabled"]
    }

    fn owner(&self) -> Owner {
        Owner::Tenant
    }

    fn reading(&self) -> Permission {
        Permission::ServiceAccountsRead
    }

    fn writing(&self) -> Permission {
        Permission::ServiceAccountsWrite
    }

    fn states(&self) -> &'static [(&'static str, &'static str)] {
        &STATES
    }

    fn references(&self) -> &'static [Reference] {
        &[DEPARTMENT_OF_OWNER, PROFILE_OF_OWNER_OR_PLATFORM]
    }

    fn department(&self) -> Option<&'static str> {
        Some("t.department_id")
    }

    fn check(&self, spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: ServiceAccountSettings = read(spec.into())?;
        settings.check()?;
        Ok(write(&settings))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        ChangeKind::Tenant { tenant_id: stored.tenant_id.unwrap_or_default() }
    }

    fn has_streams(&self) -> bool {
        true
    }

    fn felt_by_callers(&self) -> Option<&'static [&'static str]> {
        Some(&["department_id", "labels", "guardrail_profile_id", "disabled"])
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM service_accounts WHERE id = $1"]
    }
}
