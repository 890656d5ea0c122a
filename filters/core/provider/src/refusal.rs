use weir_host::Reply;
use weir_llm::Schema;
use weir_llm::error::{ClientError, RequestError};

/// An error as an answer in the client's schema.
pub(crate) fn reply(schema: Schema, error: &ClientError) -> Reply {
    Reply {
        status: error.status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: error.body(schema),
        code: error.code,
    }
}

/// [`reply`] in the place of an answer, which is paid for. Official clients would ask again by the status alone.
pub(crate) fn reply_to_answer(schema: Schema, error: &ClientError) -> Reply {
    let mut reply = reply(schema, error);
    reply.headers.push(("x-should-retry".into(), "false".into()));
    reply
}

/// The request is one that this provider cannot be asked.
pub(crate) fn bad_request(error: RequestError) -> ClientError {
    let refusal = ClientError::new(400, error.code, error.message);
    match error.param {
        Some(param) => refusal.with_param(param),
        None => refusal,
    }
}

/// Envoy chose an endpoint that this configuration does not know, or a credential is not where it should be.
pub(crate) fn unavailable(message: &str) -> ClientError {
    ClientError::new(503, "upstream_unavailable", message)
}

/// The provider's answer is not one.
pub(crate) fn invalid_response(message: &str) -> ClientError {
    ClientError::new(502, "upstream_invalid_response", message)
}
