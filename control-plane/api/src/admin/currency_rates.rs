//! Rates of currencies.

use utoipa_axum::router::OpenApiRouter;
use weir_core::currency::CurrencyRateSettings;

use crate::ApiState;
use crate::resource::{NoStatus, Resource, Schemas};

/// As the API shows it.
pub(crate) const RESOURCE: Resource = Resource {
    kind: weir_store::CURRENCY_RATE,
    path: "currency-rates",
    tag: "currencies",
    singular: "currency_rate",
    plural: "currency_rates",
    schema: "CurrencyRate",
    about: "What a US dollar is in another currency from a day on. Money is kept in dollars; sums can be shown in a currency (`currency` of \
            the usage summary), each request by the rate of its UTC day.",
    listed: "The rates, oldest first.",
    deletable: "Deletes a rate. What was shown by it is shown by the one before.",
    secret: "",
    seal: None,
};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    RESOURCE.router(Schemas::of::<CurrencyRateSettings, NoStatus>())
}
