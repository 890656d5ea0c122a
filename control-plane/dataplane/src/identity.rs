//! What a caller has shown.

use tonic::Status;
use uuid::Uuid;
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
    /// A token that Envoy has verified.
    Token {
        /// As they stand in it.
        claims: String,
        /// The issuer whose keys have verified it; `None`: Envoy's configuration is one that does not say.
        issuer_id: Option<Uuid>,
    },
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
            (digest, claims, None) if digest.is_empty() => {
                if claims.len() > LONGEST_CLAIMS {
                    return Err(Status::invalid_argument("token_claims is too long"));
                }
                let issuer_id = match request.token_issuer_id.as_str() {
                    "" => None,
                    id => Some(id.parse().map_err(|_| Status::invalid_argument("token_issuer_id must be a UUID"))?),
                };
                Ok(Self::Token { claims, issuer_id })
            }
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
