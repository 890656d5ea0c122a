use weir_config::Action;
use weir_host::Reply;
use weir_llm::Schema;
use weir_llm::error::ClientError;

use crate::scan::Finding;

/// Stable code: a guardrail refuses the text.
pub(super) const CONTENT_BLOCKED: &str = "content_blocked";
/// Stable code: no guardrail can decide.
const GUARDRAIL_UNAVAILABLE: &str = "guardrail_unavailable";
/// Stable code: a profile holds, and the request is none that can be read.
const REQUEST_NOT_INSPECTABLE: &str = "request_not_inspectable";
/// Stable code: a profile holds, and the answer is none that can be read.
const RESPONSE_NOT_INSPECTABLE: &str = "response_not_inspectable";

/// Says which types were found, never the text.
pub(super) fn blocked(what: &str, findings: &[Finding]) -> ClientError {
    let mut types: Vec<_> = findings
        .iter()
        .filter(|finding| finding.action == Action::Block)
        .map(|finding| finding.finding.name())
        .collect();
    types.sort_unstable();
    types.dedup();
    ClientError::new(
        400,
        CONTENT_BLOCKED,
        format!("{what} was blocked by a guardrail: it contains {}.", types.join(", ")),
    )
}

/// Says what a judge said, if it said anything.
pub(super) fn judged(what: &str, message: Option<String>) -> ClientError {
    let message = message.unwrap_or_else(|| format!("{what} was refused by a guardrail."));
    ClientError::new(400, CONTENT_BLOCKED, message)
}

/// A judge that has to agree did not say anything.
pub(super) fn unjudged(what: &str) -> ClientError {
    let message = format!("{what} cannot be checked: a guardrail that has to agree gave no judgement.");
    ClientError::new(503, GUARDRAIL_UNAVAILABLE, message)
}

pub(super) fn unavailable(why: &str) -> ClientError {
    ClientError::new(503, GUARDRAIL_UNAVAILABLE, format!("The request cannot be checked: {why}."))
}

pub(super) fn request_not_inspectable() -> ClientError {
    let message = "A guardrail profile holds for this key, and requests to this path cannot be checked.";
    ClientError::new(400, REQUEST_NOT_INSPECTABLE, message)
}

pub(super) fn request_has_unread() -> ClientError {
    let message = "A guardrail profile holds for this key that refuses what cannot be read: pictures, sound, tokens, and \
                   documents that are not text.";
    ClientError::new(400, REQUEST_NOT_INSPECTABLE, message)
}

pub(super) fn response_not_inspectable(why: &str) -> ClientError {
    let message = format!("A guardrail profile holds for this key, and the answer cannot be checked: {why}.");
    ClientError::new(502, RESPONSE_NOT_INSPECTABLE, message)
}

/// The header by which official clients decide whether they try again, before they look at the status.
pub(super) const SHOULD_RETRY: &str = "x-should-retry";
/// Its value beside the refusal of an answer: asking again costs the same once more, and gives the same.
pub(super) const NO: &str = "false";

/// [`reply`] in the place of an answer, which is paid for.
pub(super) fn reply_to_answer(error: &ClientError, schema: Schema) -> Reply {
    let mut reply = reply(error, schema);
    reply.headers.push((SHOULD_RETRY.into(), NO.into()));
    reply
}

pub(super) fn reply(error: &ClientError, schema: Schema) -> Reply {
    Reply {
        status: error.status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: error.body(schema),
        code: error.code,
    }
}
