//! What a dollar is in other currencies.

use weir_core::change::ChangeKind;
use weir_core::currency::CurrencyRateSettings;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;

use crate::resource::kind::{Checking, Kind, Owner};

pub(super) struct CurrencyRate;

impl Kind for CurrencyRate {
    fn name(&self) -> &'static str {
        "currency_rate"
    }

    fn title(&self) -> &'static str {
        "currency rate"
    }

    fn table(&self) -> &'static str {
        "currency_rates"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "currency", "rate", "valid_from"]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::CurrenciesRead
    }

    fn writing(&self) -> Permission {
        Permission::CurrenciesWrite
    }

    fn is_platforms_alone(&self) -> bool {
        true
    }

    fn check(&self, spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: CurrencyRateSettings = read(spec.into())?;
        settings.check()?;
        Ok(write(&settings))
    }

    /// No Envoy knows of currencies.
    fn outdates(&self, _: &Stored) -> ChangeKind {
        ChangeKind::Administration
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM currency_rates WHERE id = $1"]
    }
}
