//! Guardrail profiles.

use uuid::Uuid;
use weir_config::GuardrailProfile as Settings;
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::routing::check_profile;

use crate::StoreError;
use crate::resource::kind::{Checking, Kind, Owner};

/// The platform's profile `all`: every detector, redacting. It always exists and cannot be changed.
pub const PROFILE_ALL: Uuid = Uuid::from_u128(0x00000000_0000_7000_8000_000000000a11);

pub(super) struct GuardrailProfile;

impl Kind for GuardrailProfile {
    fn name(&self) -> &'static str {
        "guardrail_profile"
    }

    fn title(&self) -> &'static str {
        "guardrail profile"
    }

    fn table(&self) -> &'static str {
        "guardrail_profiles"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "rules", "uninspectable"]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::GuardrailsRead
    }

    fn writing(&self) -> Permission {
        Permission::GuardrailsWrite
    }

    fn shows_platforms(&self) -> bool {
        true
    }

    fn check(&self, spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let profile: Settings = read(spec.into())?;
        check_profile(&profile)?;
        Ok(write(&profile))
    }

    fn read(&self, row: Object) -> Result<(Object, Object), StoreError> {
        // Rules in the one spelling of the API, with their defaults.
        let profile: Settings = read(row.into()).map_err(|_| StoreError::Corrupt("a guardrail profile"))?;
        Ok((write(&profile), Object::new()))
    }

    /// It travels with the principals for whom it holds.
    fn outdates(&self, stored: &Stored) -> ChangeKind {
        stored.tenant_id.map_or(ChangeKind::Everyone, |tenant_id| ChangeKind::Tenant { tenant_id })
    }

    fn refuses(&self, stored: &Stored) -> Result<(), StoreError> {
        if stored.id == PROFILE_ALL {
            return Err(StoreError::Forbidden("the profile `all` cannot be changed"));
        }
        Ok(())
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM guardrail_profiles WHERE id = $1"]
    }
}
