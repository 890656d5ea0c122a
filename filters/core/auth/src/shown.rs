//! What a client has shown to say who it is.

use sha2::Digest as _;
use weir_config::api_key::KeyForm;
use weir_exchange::WayIn;
use weir_proto::dataplane::{Peer, ResolveCredentialRequest};

use crate::{Digest, Vouched};

/// What the bits of digests are changed by, so that no key has that of a token or a certificate, whatever it says.
const TOKEN: u8 = 0x55;
const PEER: u8 = 0xaa;

/// Something by which a client has shown who it is.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Names it in the cache: of a key its SHA-256.
    pub(crate) digest: Digest,
    /// Who can make it up.
    pub(crate) vouched: Vouched,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Key {
        /// Whether it has the form of Weir's.
        is_of_weirs: bool,
    },
    /// The claims of a token that the proxy has verified, as they stand in it.
    Token(String),
    Workload(Peer),
}

impl Shown {
    pub(crate) fn key(key: &[u8]) -> Self {
        let digest = sha2::Sha256::digest(key).into();
        let (vouched, is_of_weirs) = match KeyForm::of(key) {
            KeyForm::Checked => (Vouched::ByChecksum, true),
            KeyForm::Former | KeyForm::Invented => (Vouched::ByNobody, true),
            KeyForm::Foreign => (Vouched::ByNobody, false),
        };
        Self { digest, vouched, what: What::Key { is_of_weirs } }
    }

    pub(crate) fn token(claims: String) -> Self {
        let digest = digest(TOKEN, [claims.as_bytes()].into_iter());
        Self { digest, vouched: Vouched::ByIssuer, what: What::Token(claims) }
    }

    pub(crate) fn workload(peer: Peer) -> Self {
        let parts = peer.uris.iter().chain(&peer.forwarded_uris).map(String::as_bytes);
        // How many of them are the connection's own tells the two lists apart.
        let number = [u8::try_from(peer.uris.len()).unwrap_or(u8::MAX)];
        let digest = digest(PEER, [number.as_slice()].into_iter().chain(parts));
        let vouched = if peer.uris.is_empty() { Vouched::ByNobody } else { Vouched::ByChecksum };
        Self { digest, vouched, what: What::Workload(peer) }
    }

    /// Whether it is a key of Weir's form.
    pub(crate) fn is_of_weirs(&self) -> bool {
        matches!(self.what, What::Key { is_of_weirs: true })
    }

    /// In which way.
    pub(crate) fn way(&self) -> WayIn {
        match self.what {
            What::Key { .. } => WayIn::Key,
            What::Token(_) => WayIn::Token,
            What::Workload(_) => WayIn::Workload,
        }
    }

    /// Asks about it.
    pub(crate) fn ask(&self, request: ResolveCredentialRequest) -> ResolveCredentialRequest {
        match &self.what {
            What::Key { .. } => ResolveCredentialRequest { key_sha256: self.digest.to_vec(), ..request },
            What::Token(claims) => ResolveCredentialRequest { token_claims: claims.clone(), ..request },
            What::Workload(peer) => ResolveCredentialRequest { peer: Some(peer.clone()), ..request },
        }
    }
}

fn digest<'a>(bits: u8, parts: impl Iterator<Item = &'a [u8]>) -> Digest {
    let mut digest = sha2::Sha256::new();
    for part in parts {
        digest.update(part);
        digest.update(b"\0");
    }
    Digest::from(digest.finalize()).map(|byte| byte ^ bits)
}
