/// Who decides that a request has an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decider {
    /// Envoy itself: its limits, its routes, its time-outs, a provider that it cannot reach.
    #[default]
    Envoy,
    /// Metering, which has no room for another record.
    Metering,
    /// Who checks the key.
    Auth,
    /// Who finds the model and its pool.
    Route,
    /// A limit of the caller's.
    Quota,
    /// A guardrail.
    Guardrails,
    /// Who prepares an attempt: the request cannot be said to this provider, or the provider's credential is not there.
    Attempt,
    /// The provider, by what it answered.
    Provider,
    /// The client, which left.
    Client,
}

impl Decider {
    /// Its name in the usage record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Metering => "metering",
            Self::Auth => "auth",
            Self::Route => "route",
            Self::Quota => "quota",
            Self::Guardrails => "guardrails",
            Self::Attempt => "attempt",
            Self::Provider => "provider",
            Self::Client => "client",
        }
    }
}
