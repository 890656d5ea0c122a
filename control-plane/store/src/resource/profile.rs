//! Guardrail profiles.

use serde_json::Value;
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

/// Beside what the filters read of a profile.
const FOR_EVERYBODY: &str = "for_everybody";

fn with_everybody(profile: &Settings, for_everybody: bool) -> Object {
    let mut spec = write(profile);
    spec.insert(FOR_EVERYBODY.into(), for_everybody.into());
    spec
}

/// Whether the filters can look for what administrators wrote: the very code that does says so.
fn check_searches(profile: &Settings) -> Result<(), Vec<FieldError>> {
    let custom = profile.rules.iter().enumerate().filter_map(|(index, rule)| Some((index, rule.custom.as_ref()?)));
    let refused = custom.filter_map(|(index, rule)| {
        let error = weir_guardrails::check_custom(rule).err()?;
        Some(FieldError::new(format!("rules.{index}.custom.{}", error.field), error.reason))
    });
    let refused: Vec<_> = refused.collect();
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

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
        &["name", "rules", "uninspectable", "for_everybody"]
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

    fn check(&self, mut spec: Object, checking: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let for_everybody = match spec.remove(FOR_EVERYBODY) {
            None => false,
            Some(Value::Bool(value)) => value,
            Some(_) => return Err(vec![FieldError::new(FOR_EVERYBODY, "must be a boolean")]),
        };
        let profile: Settings = read(spec.into())?;
        check_profile(&profile)?;
        check_searches(&profile)?;
        if for_everybody && checking.tenant_id.is_some() {
            return Err(vec![FieldError::new(FOR_EVERYBODY, "must be false: only the platform's hold for everybody")]);
        }
        Ok(with_everybody(&profile, for_everybody))
    }

    fn read(&self, mut row: Object) -> Result<(Object, Object), StoreError> {
        // Rules in the one spelling of the API, with their defaults.
        let for_everybody = row.remove(FOR_EVERYBODY) == Some(Value::Bool(true));
        let profile: Settings = read(row.into()).map_err(|_| StoreError::Corrupt("a guardrail profile"))?;
        Ok((with_everybody(&profile, for_everybody), Object::new()))
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
