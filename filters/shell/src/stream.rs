use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types;
use weir_gateway::{Action, Stream};
use weir_host::{CallError, HttpAnswer, HttpError, MOST_HTTP_ANSWER_BYTES};

use crate::proxy::Proxy;
use crate::sys::{self, Buffer, Map};

/// One filter of one stream, driven by the SDK's callbacks.
pub(crate) struct StreamContext {
    pub(crate) stream: Stream,
    pub(crate) id: u32,
}

impl Context for StreamContext {
    fn on_grpc_call_response(&mut self, token_id: u32, status_code: u32, response_size: usize) {
        let answer = answer_of(status_code, response_size);
        self.stream.on_call(
            &mut Proxy::of(self.id),
            token_id,
            answer.as_ref().map(Vec::as_slice).map_err(Clone::clone),
        );
    }

    fn on_http_call_response(&mut self, token_id: u32, headers: usize, body_size: usize, _trailers: usize) {
        let answer = http_answer_of(headers, body_size);
        self.stream.on_http_answer(&mut Proxy::of(self.id), token_id, answer.as_ref().map_err(|error| *error));
    }
}

impl HttpContext for StreamContext {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> types::Action {
        #[cfg(feature = "crash-trigger")]
        crate::crash::if_asked();
        action(self.stream.on_request_headers(&mut Proxy::of(self.id), end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> types::Action {
        action(self.stream.on_request_body(&mut Proxy::of(self.id), size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> types::Action {
        action(self.stream.on_request_trailers(&mut Proxy::of(self.id)))
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> types::Action {
        action(self.stream.on_response_headers(&mut Proxy::of(self.id), end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> types::Action {
        action(self.stream.on_response_body(&mut Proxy::of(self.id), size, end_of_stream))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> types::Action {
        action(self.stream.on_response_trailers(&mut Proxy::of(self.id)))
    }

    fn on_log(&mut self) {
        self.stream.on_log(&mut Proxy::of(self.id));
    }
}

fn action(action: Action) -> types::Action {
    match action {
        Action::Continue => types::Action::Continue,
        Action::Pause => types::Action::Pause,
    }
}

/// The answer to a callout that Envoy tells of now.
pub(crate) fn answer_of(status: u32, size: usize) -> Result<Vec<u8>, CallError> {
    match status {
        0 => Ok(sys::buffer(Buffer::GrpcMessage, 0, size).unwrap_or_default()),
        status => Err(CallError { status }),
    }
}

/// What an HTTP service answered, of which Envoy tells now. An answer without headers is none: its connection broke.
pub(crate) fn http_answer_of(headers: usize, size: usize) -> Result<HttpAnswer, HttpError> {
    if headers == 0 {
        return Err(HttpError::Broken);
    }
    if size > MOST_HTTP_ANSWER_BYTES {
        return Err(HttpError::TooLong);
    }
    let status = sys::header(Map::HttpAnswer, ":status").and_then(|status| String::from_utf8(status).ok());
    let body = match size {
        0 => Vec::new(),
        size => sys::buffer(Buffer::HttpAnswer, 0, size).ok_or(HttpError::Broken)?,
    };
    Ok(HttpAnswer { status: status.and_then(|status| status.parse().ok()).unwrap_or_default(), body })
}
