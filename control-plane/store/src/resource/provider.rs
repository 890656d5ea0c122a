//! Providers and their credentials.

use sqlx::types::Json;
use weir_core::capabilities::CapabilityOverrides;
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::routing::{Authentication, ProviderSettings};
use weir_core::snapshot::BaseUrl;

use crate::StoreError;
use crate::resource::kind::{Checking, Kind, Owner, Secret};
use crate::resource::write::SecretChange;

pub(super) struct Provider;

impl Kind for Provider {
    fn name(&self) -> &'static str {
        "provider"
    }

    fn table(&self) -> &'static str {
        "providers"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "schema", "base_url", "preset", "capabilities", "auth_header", "auth_prefix", "query", "also_speaks"]
    }

    fn expressions(&self) -> &'static [(&'static str, &'static str)] {
        &[("has_credential", "t.credential_encrypted IS NOT NULL")]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::ProvidersRead
    }

    fn writing(&self) -> Permission {
        Permission::ProvidersWrite
    }

    /// It is stored encrypted and never read by an administrator again.
    fn secret(&self) -> Secret {
        Secret::Given {
            field: "credential",
            column: "credential_encrypted",
            digest: "credential_digest",
            is_required: false,
        }
    }

    fn check(&self, spec: Object, checking: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings = read::<ProviderSettings>(spec.into())?.check()?;
        let before = checking.before.map(|before| before.text("base_url"));
        // What a platform admin has set may stay.
        if before != Some(settings.base_url.as_str()) {
            settings.check_destination(checking.actor, checking.tenant_id, checking.allowed_hosts)?;
        }
        let has_credential =
            checking.before.is_some_and(|before| before.status.get("has_credential") == Some(&true.into()));
        if has_credential
            && matches!(checking.secret, SecretChange::Keep)
            && before.is_some_and(|before| !same_origin(before, &settings.base_url))
        {
            let reason =
                "must be given again when base_url leads to another server: the stored one was meant for the old";
            return Err(vec![FieldError::new("credential", reason)]);
        }
        if let SecretChange::Set(credential) = checking.secret {
            settings.check_credential(credential)?;
        }
        Ok(write(&settings))
    }

    fn columns_of(&self, spec: &Object) -> Object {
        let mut columns = spec.clone();
        if let Some(serde_json::Value::Object(authentication)) = columns.remove("authentication") {
            for (name, value) in authentication {
                columns.insert(format!("auth_{name}"), value);
            }
        }
        columns
    }

    fn read(&self, row: Object) -> Result<(Object, Object), StoreError> {
        let (mut spec, status): (Object, Object) =
            row.into_iter().partition(|(name, _)| self.columns().contains(&name.as_str()));
        let mut text = |name: &str| match spec.remove(name) {
            Some(serde_json::Value::String(text)) => Some(text),
            _ => None,
        };
        let authentication = authentication(text("auth_header"), text("auth_prefix"));
        let said = match spec.remove("capabilities") {
            Some(serde_json::Value::Object(said)) => said,
            _ => Said::new(),
        };
        let mut settings: ProviderSettings =
            read(spec.into()).map_err(|_| StoreError::Corrupt("a provider's settings"))?;
        settings.authentication = authentication;
        settings.capabilities = capabilities(Json(said));
        Ok((write(&settings), status))
    }

    fn outdates(&self, _: &Stored) -> ChangeKind {
        ChangeKind::Configuration
    }

    fn affects_configuration(&self) -> bool {
        true
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM providers WHERE id = $1"]
    }
}

/// Whether a stored credential may go on to the new URL.
fn same_origin(before: &str, new: &str) -> bool {
    match (before.parse::<BaseUrl>(), new.parse::<BaseUrl>()) {
        (Ok(before), Ok(new)) => before.same_origin(&new),
        _ => false,
    }
}

/// What is said about capabilities, as it is stored.
pub(crate) type Said = Object;

/// Reads what is stored. A field or value that only a newer control plane knows is left aside, as a module leaves it aside.
pub(crate) fn capabilities(Json(mut said): Json<Said>) -> CapabilityOverrides {
    let read = |said: Said| serde_json::from_value::<CapabilityOverrides>(said.into());
    said.retain(|field, value| read(Said::from_iter([(field.clone(), value.clone())])).is_ok());
    read(said).unwrap_or_default()
}

/// The schema holds that both are there or none.
pub(crate) fn authentication(header: Option<String>, prefix: Option<String>) -> Option<Authentication> {
    header.zip(prefix).map(|(header, prefix)| Authentication { header, prefix })
}
