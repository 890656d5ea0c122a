use weir_exchange::{Decider, Exchange};

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
        if ending.status == 0 {
            return Self::ClientDisconnect;
        }
        if let Some(code) = exchange.refusal {
            return match (is_upstream(exchange, code), ending.status) {
                (true, ..400) => Self::UpstreamBroken,
                (true, _) => Self::Failed,
                (false, 500..) if !exchange.attempts.is_empty() => Self::Failed,
                (false, _) => Self::Refused,
            };
        }
        if client_left {
            return Self::ClientDisconnect;
        }
        if ending.status >= 400 {
            return Self::Failed;
        }
        match exchange.answer_complete || exchange.attempts.is_empty() {
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
        }
    }

    /// Who decided on the error; `None` on success.
    pub fn decider(self, exchange: &Exchange) -> Option<Decider> {
        match (self, exchange.refusal) {
            (Self::ClientDisconnect, _) => Some(Decider::Client),
            (_, Some(_)) => Some(exchange.refused_by),
            (Self::Complete, None) => None,
            (Self::UpstreamBroken, None) => Some(Decider::Provider),
            (Self::Refused | Self::Failed, None) => Some(Decider::Envoy),
        }
    }

    /// A stable error code, empty on success.
    pub fn error_code(self, exchange: &Exchange, ending: &Ending) -> &'static str {
        match (exchange.refusal, self) {
            (_, Self::ClientDisconnect) => "client_disconnect",
            (Some(code), _) => code,
            (None, Self::Complete) => "",
            (None, Self::UpstreamBroken) => "upstream_broken",
            (None, Self::Refused | Self::Failed) => match ending.status {
                // The proxy's own limits and missing routes, before any attempt.
                404 if exchange.attempts.is_empty() => "unknown_url",
                413 if exchange.attempts.is_empty() => "request_too_large",
                502 if exchange.attempts.last().is_some_and(|attempt| matches!(attempt.status, 401 | 403)) => {
                    "upstream_auth_failed"
                }
                503 => "upstream_unavailable",
                504 => "upstream_timeout",
                _ => "upstream_error",
            },
        }
    }
}

/// Whether it is the provider's error that `weir.provider` noted, not a decision of ours.
fn is_upstream(exchange: &Exchange, code: &str) -> bool {
    code.starts_with("upstream_") || exchange.attempts.last().is_some_and(|attempt| attempt.status >= 400)
}
