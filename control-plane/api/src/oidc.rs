//! OpenID Connect, from the side of whoever relies on an issuer: its discovery document and keys ([`Issuers`]), the exchange of a code
//! ([`exchange`]) and what its tokens must say ([`token`]).
//!
//! Every question goes by [`crate::probe`]: a tenant's issuer, and whatever endpoints its document names, obey the address rules of the
//! tenants' model providers. None of an issuer's own words is passed on.

mod exchange;
mod issuer;
pub(crate) mod token;

pub(crate) use exchange::{Grant, exchange, form, random};
pub(crate) use issuer::{Asking, Issuers, Keys, discover};

use std::sync::Arc;

use crate::probe::Failure;

/// What went wrong with an issuer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// It cannot be asked.
    #[error("{what}: {}", said(.failure))]
    Unreachable { what: &'static str, failure: Failure },
    /// It refuses.
    #[error("{what}: it answers with status {status}")]
    Status { what: &'static str, status: u16 },
    /// Its answer is no JSON of the right form.
    #[error("{what}: the answer is not what OpenID Connect says it must be")]
    Malformed { what: &'static str },
    /// The document is another issuer's.
    #[error("the discovery document says that its issuer is {0}; set exactly that")]
    OtherIssuer(String),
    /// An endpoint that cannot be asked.
    #[error("the discovery document names an endpoint ({0}) that is no URL, or is without TLS")]
    Endpoint(&'static str),
    /// What it cannot do.
    #[error("the discovery document says that it does not support {0}")]
    Unsupported(&'static str),
    /// What went wrong for another who asked at the same time, or a moment before.
    #[error("{0}")]
    Shared(Arc<OidcError>),
    /// A token that does not hold.
    #[error("the token: {0}")]
    Token(#[from] token::TokenError),
}

impl OidcError {
    /// The fixed word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Unreachable { failure: Failure::Inside(_), .. } => "destination",
            Self::Unreachable { .. } => "unreachable",
            Self::Status { .. } => "status",
            Self::Malformed { .. } => "malformed",
            Self::OtherIssuer(_) => "issuer",
            Self::Endpoint(_) => "endpoint",
            Self::Unsupported(_) => "unsupported",
            Self::Shared(error) => error.word(),
            Self::Token(_) => "token",
        }
    }
}

fn said(failure: &Failure) -> String {
    match failure {
        Failure::Dns(why) => format!("the host's name cannot be resolved ({why})"),
        Failure::Inside(what) => format!("the host's name leads to {what}; only a platform admin may have that asked"),
        Failure::Connect(why) => format!("nobody takes the connection ({why})"),
        Failure::Tls(why) => format!("the TLS connection cannot be made ({why})"),
        Failure::Http(why) => format!("what the server sends is no HTTP, or breaks off ({why})"),
        Failure::TooSlow(what) => format!("it took too long ({what})"),
        Failure::TooLong => "the answer is too long".into(),
    }
}
