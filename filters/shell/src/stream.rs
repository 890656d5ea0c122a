use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use weir_host::{Base, CallError, Flow, Level, Reply, StreamFilter};

use crate::plugin::Plugin;
use crate::proxy::Proxy;
use crate::sys::{self, Buffer, Stream};

/// One filter of one stream, driven by the SDK's callbacks.
pub(crate) struct StreamContext {
    plugin: Plugin,
    filter: Option<Box<dyn StreamFilter>>,
    /// The last request callback paused, and nothing has let the request go since.
    request_paused: bool,
    /// What the proxy holds of the bodies, for the callback that trailers stand for.
    request_held: usize,
    response_held: usize,
    /// The response's headers went on to the next filter: the client may have them.
    response_started: bool,
    /// This filter answered in the provider's place. An answer given on the request's way passes its own response callbacks
    /// like any other; it is not answered once more.
    replied: bool,
}

impl StreamContext {
    pub(crate) fn new(plugin: Plugin) -> Self {
        Self {
            plugin,
            filter: None,
            request_paused: false,
            request_held: 0,
            response_held: 0,
            response_started: false,
            replied: false,
        }
    }

    /// Runs one callback. The filter is made by the first of them: only then does the stream have its state.
    fn drive(&mut self, callback: impl FnOnce(&mut dyn StreamFilter, &mut Proxy) -> Flow) -> Flow {
        self.drive_with(Proxy::default(), callback)
    }

    fn drive_with(
        &mut self,
        mut proxy: Proxy,
        callback: impl FnOnce(&mut dyn StreamFilter, &mut Proxy) -> Flow,
    ) -> Flow {
        let plugin = &self.plugin;
        let filter = self.filter.get_or_insert_with(|| plugin.stream(&mut proxy));
        callback(filter.as_mut(), &mut proxy)
    }

    fn request(&mut self, callback: impl FnOnce(&mut dyn StreamFilter, &mut Proxy) -> Flow) -> Action {
        if self.replied {
            return Action::Pause;
        }
        let flow = self.drive(callback);
        self.request_paused = flow != Flow::Continue;
        match flow {
            Flow::Continue => Action::Continue,
            Flow::Pause => Action::Pause,
            Flow::Reply(reply) => {
                self.reply(&reply);
                Action::Pause
            }
        }
    }

    fn response(&mut self, callback: impl FnOnce(&mut dyn StreamFilter, &mut Proxy) -> Flow) -> Action {
        let flow = self.drive(callback);
        self.answered(flow)
    }

    fn answered(&mut self, flow: Flow) -> Action {
        match flow {
            Flow::Pause => Action::Pause,
            Flow::Reply(reply) if !self.replied => {
                self.reply(&reply);
                Action::Pause
            }
            Flow::Continue | Flow::Reply(_) => {
                self.response_started = true;
                Action::Continue
            }
        }
    }

    /// Answers in the provider's place. Once the answer's headers have left there is no other answer to give: the stream is
    /// broken off, so that the client cannot take what it got for the whole.
    fn reply(&mut self, reply: &Reply) {
        self.replied = true;
        let done = if self.response_started {
            sys::reset(Stream::Response)
        } else {
            // The prefix tells our replies from Envoy's own in access logs and in its configuration.
            sys::reply(reply.status, &format!("weir.{}", reply.code), &reply.headers, &reply.body)
        };
        if done.is_err() {
            Proxy::default().log(Level::Error, "weir: Envoy refused to end a stream with an answer of ours");
        }
    }
}

impl Context for StreamContext {
    fn on_grpc_call_response(&mut self, token_id: u32, status_code: u32, response_size: usize) {
        if self.replied {
            return;
        }
        let answer = answer_of(status_code, response_size);
        let answer = answer.as_ref().map(Vec::as_slice).map_err(Clone::clone);
        match self.drive(|filter, host| filter.on_call(host, token_id, answer)) {
            Flow::Continue if self.request_paused => {
                self.request_paused = false;
                if sys::resume(Stream::Request).is_err() {
                    Proxy::default().log(Level::Error, "weir: Envoy refused to let a held request go");
                }
            }
            Flow::Continue | Flow::Pause => {}
            Flow::Reply(reply) => self.reply(&reply),
        }
    }
}

impl HttpContext for StreamContext {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        #[cfg(feature = "crash-trigger")]
        crate::crash::if_asked();
        self.request(|filter, host| filter.on_request_headers(host, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.request_held = size;
        let action = self.request(|filter, host| filter.on_request_body(host, size, end_of_stream));
        if action == Action::Continue {
            self.request_held = 0;
        }
        action
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let held = self.request_held;
        self.request(|filter, host| filter.on_request_body(host, held, true))
    }

    fn on_http_response_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        let proxy = Proxy { response_headers: Some(count) };
        let flow = self.drive_with(proxy, |filter, host| filter.on_response_headers(host, end_of_stream));
        self.answered(flow)
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.response_held = size;
        let action = self.response(|filter, host| filter.on_response_body(host, size, end_of_stream));
        if action == Action::Continue {
            self.response_held = 0;
        }
        action
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        let held = self.response_held;
        self.response(|filter, host| filter.on_response_body(host, held, true))
    }

    fn on_log(&mut self) {
        self.drive(|filter, host| {
            filter.on_log(host);
            Flow::Continue
        });
    }
}

/// The answer to a callout that Envoy tells of now.
pub(crate) fn answer_of(status: u32, size: usize) -> Result<Vec<u8>, CallError> {
    match status {
        0 => Ok(sys::buffer(Buffer::GrpcMessage, 0, size).unwrap_or_default()),
        status => Err(CallError { status }),
    }
}
