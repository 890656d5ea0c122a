//! What a client has shown to say who it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest as _;
use weir_config::api_key::KeyForm;
use weir_exchange::WayIn;
use weir_proto::dataplane::{Peer, ResolveCredentialRequest};

use crate::credential::Token;
use crate::{Digest, Vouched};

/// What the bits of digests are changed by, so that no key has that of a token or a certificate, whatever it says.
const TOKEN: u8 = 0x55;
const PEER: u8 = 0xaa;

/// Something by which a client has shown who it is.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Names it in the cache: of a key its SHA-256.
    pub(crate) digest: Digest,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Key {
        /// Whether it has the form of Weir's.
        is_of_weirs: bool,
        /// Who can make it up.
        vouched: Vouched,
    },
    Token(Token),
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
        Self { digest, what: What::Key { is_of_weirs, vouched } }
    }

    /// The same claims that another issuer's keys have verified are another token.
    pub(crate) fn token(token: Token) -> Self {
        let digest = digest(TOKEN, [token.claims.as_bytes(), token.issuer_id.as_bytes()].into_iter());
        Self { digest, what: What::Token(token) }
    }

    pub(crate) fn workload(peer: Peer) -> Self {
        let parts = peer.uris.iter().chain(&peer.forwarded_uris).map(String::as_bytes);
        // How many of them are the connection's own tells the two lists apart.
        let number = [u8::try_from(peer.uris.len()).unwrap_or(u8::MAX)];
        let digest = digest(PEER, [number.as_slice()].into_iter().chain(parts));
        Self { digest, what: What::Workload(peer) }
    }

    /// Who can make it up. Of a token, who has issued it is read only here: most are known.
    pub(crate) fn vouched(&self) -> Vouched {
        match &self.what {
            What::Token(token) => Vouched::ByIssuer(issuer(&token.claims)),
            What::Key { vouched, .. } => *vouched,
            What::Workload(peer) if peer.uris.is_empty() => Vouched::ByNobody,
            What::Workload(_) => Vouched::ByChecksum,
        }
    }

    /// Whether it is a key of Weir's form.
    pub(crate) fn is_of_weirs(&self) -> bool {
        matches!(self.what, What::Key { is_of_weirs: true, .. })
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
            What::Token(Token { claims, issuer_id }) => {
                ResolveCredentialRequest { token_claims: claims.clone(), token_issuer_id: issuer_id.clone(), ..request }
            }
            What::Workload(peer) => ResolveCredentialRequest { peer: Some(peer.clone()), ..request },
        }
    }
}

/// Names the issuer of a token; one name for all where it cannot be told.
fn issuer(claims: &str) -> Digest {
    #[derive(serde::Deserialize)]
    struct Said {
        iss: String,
    }
    let bytes = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
    let said = serde_json::from_slice::<Said>(&bytes).map(|said| said.iss).unwrap_or_default();
    sha2::Sha256::digest(said.as_bytes()).into()
}

fn digest<'a>(bits: u8, parts: impl Iterator<Item = &'a [u8]>) -> Digest {
    let mut digest = sha2::Sha256::new();
    for part in parts {
        digest.update(part);
        digest.update(b"\0");
    }
    Digest::from(digest.finalize()).map(|byte| byte ^ bits)
}
