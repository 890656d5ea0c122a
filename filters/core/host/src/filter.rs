use crate::{CallError, CallId, Host, HttpAnswer, HttpError, Reply};

/// What is to happen to the message after a callback.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// It goes on to the next filter.
    Continue,
    /// It is held here until a later callback lets it go.
    Pause,
    /// The stream ends with this answer; nothing is forwarded.
    Reply(Reply),
}

/// One filter's part in one stream. The proxy calls in the order of the methods below; a body comes in as many pieces as it
/// likes, the last with `end_of_stream`.
///
/// A filter may ask the control plane or an HTTP service while it holds the request, or the answer. While the callout is open,
/// every callback for that message must return [`Flow::Pause`]: the proxy lets a message go as soon as any one of them continues.
/// A client that leaves takes the filter with it, and nobody is told what is answered then; the proxy may go on asking until the
/// callout's deadline.
pub trait StreamFilter {
    /// The request's headers are here. `end_of_stream`: there is no body.
    fn on_request_headers(&mut self, _host: &mut dyn Host, _end_of_stream: bool) -> Flow {
        Flow::Continue
    }

    /// A piece of the request's body is here. `held` counts what the proxy holds of it: after pauses all that was held
    /// together with the new piece, else the new piece alone.
    fn on_request_body(&mut self, _host: &mut dyn Host, _held: usize, _end_of_stream: bool) -> Flow {
        Flow::Continue
    }

    /// The control plane answered. [`Flow::Continue`] resumes the message in whose callback it was asked, if this filter holds that.
    fn on_call(&mut self, _host: &mut dyn Host, _call: CallId, _answer: Result<&[u8], CallError>) -> Flow {
        Flow::Continue
    }

    /// An HTTP service answered, or will not. [`Flow::Continue`] as in [`StreamFilter::on_call`].
    fn on_http_answer(&mut self, _host: &mut dyn Host, _call: CallId, _answer: Result<&HttpAnswer, HttpError>) -> Flow {
        Flow::Pause
    }

    /// What this filter holds the request for may have come by now, for all the streams that wait for it at once; or a callout can be
    /// made that could not before. [`Flow::Continue`] resumes the request.
    fn on_wake(&mut self, _host: &mut dyn Host) -> Flow {
        Flow::Pause
    }

    /// The response's headers are here. `end_of_stream`: there is no body.
    fn on_response_headers(&mut self, _host: &mut dyn Host, _end_of_stream: bool) -> Flow {
        Flow::Continue
    }

    /// A piece of the response's body is here; `held` as in [`StreamFilter::on_request_body`].
    fn on_response_body(&mut self, _host: &mut dyn Host, _held: usize, _end_of_stream: bool) -> Flow {
        Flow::Continue
    }

    /// The stream is over, whoever ended it. Called once, for downstream filters only; no callout can be made from here.
    fn on_log(&mut self, _host: &mut dyn Host) {}
}
