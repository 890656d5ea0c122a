use weir_exchange::{ENDED_BY_POLICY, Exchange, Party, Step, Verdict};

/// How a stream ended, as the proxy tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// HTTP status sent to the client; 0 if it left before one was sent.
    pub status: u16,
    /// The proxy's `response.code_details`.
    pub details: String,
    /// The proxy's `response.flags`.
    pub flags: u64,
}

/// How a request came out, as the usage record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer reached the client.
    Complete,
    /// A filter refused it.
    Refused,
    /// It was answered with an error.
    Failed,
    /// The client left.
    ClientDisconnect,
    /// The provider broke off its answer.
    UpstreamBroken,
    /// An administrator ended it.
    EndedByPolicy,
}

/// `DownstreamConnectionTermination` (`DC`) in Envoy's response flags.
const CLIENT_CLOSED: u64 = 0x4000;

/// Beginnings of `response.code_details` that say that the client left: its connection closed, or its HTTP/2 stream was
/// reset by it.
const CLIENT_LEFT: [&str; 3] = ["downstream_remote_disconnect", "downstream_local_disconnect", "http2.remote_"];

impl Outcome {
    /// Tells how a request came out.
    pub fn of(exchange: &Exchange, ending: &Ending) -> Self {
        let client_left = ending.flags & CLIENT_CLOSED != 0
            || CLIENT_LEFT.iter().any(|beginning| ending.details.starts_with(beginning));
        if exchange.ended().is_some() {
            return Self::EndedByPolicy;
        }
        if ending.status == 0 {
            return Self::ClientDisconnect;
        }
        if let Some(verdict) = exchange.verdict {
            return match (verdict.by, ending.status) {
                (Party::Provider, ..400) => Self::UpstreamBroken,
                // An attempt that could not be made, and an answer that no guardrail can read.
                (Party::Gateway(Step::Attempt), 500..) => Self::Failed,
                (Party::Guardrail, 500..) if !exchange.attempts.is_empty() => Self::Failed,
                (Party::Gateway(_) | Party::Guardrail, _) => Self::Refused,
                (Party::Provider | Party::Network, _) => Self::Failed,
                (Party::Client, _) => Self::ClientDisconnect,
                (Party::Policy, _) => Self::EndedByPolicy,
            };
        }
        if client_left {
            return Self::ClientDisconnect;
        }
        if ending.status >= 400 {
            return Self::Failed;
        }
        match exchange.attempt().is_none_or(|attempt| attempt.is_complete) {
            true => Self::Complete,
            false => Self::UpstreamBroken,
        }
    }

    /// Its name in the usage record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::ClientDisconnect => "client_disconnect",
            Self::UpstreamBroken => "upstream_broken",
            Self::EndedByPolicy => ENDED_BY_POLICY,
        }
    }

    /// Whether a provider that gave no figure did work all the same. One that a client did not wait for did, and one whose answer no
    /// guardrail let pass.
    pub(crate) fn is_owed(self, exchange: &Exchange) -> bool {
        let Some(attempt) = exchange.attempt() else { return false };
        let has_answered = matches!(attempt.status, 200..300);
        match self {
            Self::Failed => has_answered && exchange.verdict.is_some_and(|verdict| verdict.by == Party::Guardrail),
            // Whoever did not wait for the answer left the provider at work.
            Self::ClientDisconnect | Self::EndedByPolicy => has_answered || attempt.status == 0,
            Self::Complete | Self::Refused | Self::UpstreamBroken => has_answered,
        }
    }

    /// Who decided on the error, and its code; `None` on success.
    pub fn verdict(self, exchange: &Exchange, ending: &Ending) -> Option<Verdict> {
        let verdict = |by, code| Some(Verdict { by, code });
        match (exchange.verdict, self) {
            (_, Self::ClientDisconnect) => verdict(Party::Client, "client_disconnect"),
            (Some(decided), _) => Some(decided),
            (None, Self::Complete) => None,
            (None, Self::EndedByPolicy) => verdict(Party::Policy, ENDED_BY_POLICY),
            (None, Self::UpstreamBroken) => verdict(Party::Provider, "upstream_broken"),
            (None, Self::Refused | Self::Failed) => verdict(Party::Network, code_of_status(exchange, ending.status)),
        }
    }
}

/// The code of an error that no filter has decided on.
fn code_of_status(exchange: &Exchange, status: u16) -> &'static str {
    match status {
        // The proxy's own limits and missing routes, before any attempt.
        404 if exchange.attempts.is_empty() => "unknown_url",
        413 if exchange.attempts.is_empty() => "request_too_large",
        502 if exchange.attempt().is_some_and(|attempt| matches!(attempt.status, 401 | 403)) => "upstream_auth_failed",
        503 => "upstream_unavailable",
        504 => "upstream_timeout",
        _ => "upstream_error",
    }
}
