//! What callers ask about themselves: their limits, and what they have used. The control plane knows; nothing is kept here.

use prost::Message as _;
use weir_config::ControlPlane;
use weir_exchange::Principal;
use weir_host::{CallError, CallId, Host, HostError, Level, Message, Reply};
use weir_llm::error::ClientError;
use weir_llm::{Kind, query_of};
use weir_proto::dataplane::{OwnAbout, ReadOwnRequest, ReadOwnResponse};

/// What the operation is called that asks how much of limits is left: who may not ask it is not told in headers either.
pub(crate) const LIMITS_OPERATION: &str = "rate_limit";

/// Bytes of a query that are passed on.
const LONGEST_QUERY: usize = 1024;

/// gRPC's RESOURCE_EXHAUSTED: others are being answered.
const RESOURCE_EXHAUSTED: u32 = 8;

/// What is asked about, if a request is for this.
pub(crate) fn about(kind: Kind) -> Option<OwnAbout> {
    match kind {
        Kind::OwnLimits => Some(OwnAbout::Limits),
        Kind::OwnUsage => Some(OwnAbout::Usage),
        Kind::Chat
        | Kind::Embeddings
        | Kind::BatchEmbeddings
        | Kind::CountTokens
        | Kind::Moderation
        | Kind::ListModels
        | Kind::GetModel => None,
    }
}

/// Asks for it.
pub(crate) fn ask(
    host: &mut dyn Host,
    control_plane: &ControlPlane,
    principal: &Principal,
    about: OwnAbout,
) -> Result<CallId, HostError> {
    let path = host.header_text(Message::Request, ":path").unwrap_or_default();
    let request = ReadOwnRequest {
        tenant_id: principal.tenant_id.clone(),
        key_id: principal.key_id.clone(),
        about: about.into(),
        // What is longer is no query of ours, and is refused as one that is cut off.
        query: query_of(&path).chars().take(LONGEST_QUERY).collect(),
    };
    host.call(&control_plane.cluster, "ReadOwn", &request.encode_to_vec(), control_plane.timeout_ms)
}

/// What the client is answered, or why it is not.
pub(crate) fn answer(host: &mut dyn Host, answer: Result<&[u8], CallError>) -> Result<Reply, ClientError> {
    let read = match answer {
        Ok(bytes) => ReadOwnResponse::decode(bytes).map_err(|error| error.to_string()),
        Err(error) if error.status == RESOURCE_EXHAUSTED => {
            let message = "Others are being answered, or this caller is already. Try again in a second.";
            return Err(ClientError::new(429, "rate_limit_exceeded", message));
        }
        Err(error) => Err(error.to_string()),
    };
    match read {
        Ok(ReadOwnResponse { refusal, .. }) if !refusal.is_empty() => {
            Err(ClientError::new(400, "invalid_request", refusal))
        }
        Ok(ReadOwnResponse { json, .. }) => {
            let headers = vec![("content-type".into(), "application/json".into())];
            Ok(Reply { status: 200, headers, body: json, code: "own" })
        }
        Err(reason) => {
            host.log(Level::Warn, &format!("weir.quota: a caller could not be told what is theirs: {reason}"));
            Err(unavailable())
        }
    }
}

/// The control plane does not answer.
pub(crate) fn unavailable() -> ClientError {
    ClientError::new(503, "usage_unavailable", "Limits and usage cannot be read at the moment. Try again.")
}
