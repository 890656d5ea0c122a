//! What a caller has shown.

use tonic::Status;
use weir_core::gateway::Peer;
use weir_proto::dataplane::ResolveCredentialRequest;

/// Bytes of a token's claims at most.
const LONGEST_CLAIMS: usize = 64 * 1024;
/// URIs of one caller at most.
const MOST_URIS: usize = 64;

/// What a caller has shown.
pub(crate) enum Shown {
    /// SHA-256 of a key.
    Key(Vec<u8>),
    /// The claims of a token that Envoy has verified, as they stand in it.
    Token(String),
    /// Certificates, by the URIs in them.
    Peer(Peer),
}

impl Shown {
    /// Reads what a request asks about.
    pub(crate) fn of(request: ResolveCredentialRequest) -> Result<Self, Status> {
        match (request.key_sha256, request.token_claims, request.peer) {
            (digest, claims, None) if claims.is_empty() => match digest.len() {
                32 => Ok(Self::Key(digest)),
                _ => Err(Status::invalid_argument("key_sha256 must be 32 bytes")),
            },
            (digest, claims, None) if digest.is_empty() => match claims.len() <= LONGEST_CLAIMS {
                true => Ok(Self::Token(claims)),
                false => Err(Status::invalid_argument("token_claims is too long")),
            },
            (digest, claims, Some(peer)) if digest.is_empty() && claims.is_empty() => {
                match peer.uris.len() <= MOST_URIS && peer.forwarded_uris.len() <= MOST_URIS {
                    true => Ok(Self::Peer(Peer { uris: peer.uris, forwarded_uris: peer.forwarded_uris })),
                    false => Err(Status::invalid_argument("peer has too many URIs")),
                }
            }
            _ => Err(Status::invalid_argument("only one of key_sha256, token_claims and peer may be given")),
        }
    }
}
