/// Who decided that a request has an error, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whose decision it is.
    pub by: Party,
    /// A stable code, for example `model_not_found`.
    pub code: &'static str,
}

/// One of those who have a part in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Party {
    /// The client, which left.
    Client,
    /// The gateway, at this step.
    Gateway(Step),
    /// A guardrail.
    Guardrail,
    /// An administrator, who ended what was under way.
    Policy,
    /// The provider, by what it answered, or by breaking off its answer.
    Provider,
    /// Envoy and the connections: limits, routes, time-outs, a provider that cannot be reached.
    #[default]
    Network,
}

/// Where in the gateway something is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Metering, which has no room for another record.
    Metering,
    /// Who checks the key.
    Auth,
    /// Who finds the model and its pool.
    Route,
    /// A limit of the caller's.
    Quota,
    /// Who prepares an attempt: the request cannot be said to this provider, or the provider's credential is not there.
    Attempt,
}

impl Party {
    /// Its name in the usage record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway(Step::Metering) => "metering",
            Self::Gateway(Step::Auth) => "auth",
            Self::Gateway(Step::Route) => "route",
            Self::Gateway(Step::Quota) => "quota",
            Self::Gateway(Step::Attempt) => "attempt",
            Self::Guardrail => "guardrails",
            Self::Policy => "policy",
            Self::Provider => "provider",
            Self::Network => "envoy",
        }
    }
}
