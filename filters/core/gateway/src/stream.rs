use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use weir_host::{CallError, CallId, Flow, HttpAnswer, HttpError, Level, Reply, StreamFilter, StreamHost};

use crate::Worker;
use crate::plugin::{Plugin, refusing};

/// What a proxy does with the message after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes on to the next filter, with all that was held of it.
    Continue,
    /// It is held.
    Pause,
}

/// One filter of one stream, driven by a proxy's callbacks.
///
/// `held` counts what the proxy holds of a body, as in [`StreamFilter::on_request_body`].
#[derive(Debug)]
pub struct Stream(Rc<RefCell<Driven>>);

/// The filter, and how far the stream has come.
pub(crate) struct Driven {
    /// What makes the filter; none if it was given.
    plugin: Option<(Rc<Worker>, Plugin)>,
    /// Made by the first callback: only then does the stream have its state.
    filter: Option<Box<dyn StreamFilter>>,
    /// The last request callback paused, and nothing has let the request go since.
    request_paused: bool,
    /// The same of the response.
    response_paused: bool,
    /// The response's headers are here: what is let go from now on is the answer.
    response_begun: bool,
    /// What the proxy holds of the bodies, for the callback that trailers stand for.
    request_held: usize,
    response_held: usize,
    /// The response's headers went on to the next filter: the client may have them.
    response_started: bool,
    /// This filter answered in the provider's place. An answer given on the request's way passes its own response callbacks
    /// like any other; it is not answered once more.
    replied: bool,
}

impl fmt::Debug for Driven {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Driven").field("replied", &self.replied).finish_non_exhaustive()
    }
}

impl From<Box<dyn StreamFilter>> for Stream {
    /// Of a filter that was made by itself.
    fn from(filter: Box<dyn StreamFilter>) -> Self {
        Self::of(None, Some(filter))
    }
}

impl Stream {
    pub(crate) fn new(worker: Rc<Worker>, plugin: Plugin) -> Self {
        Self::of(Some((worker, plugin)), None)
    }

    fn of(plugin: Option<(Rc<Worker>, Plugin)>, filter: Option<Box<dyn StreamFilter>>) -> Self {
        Self(Rc::new(RefCell::new(Driven {
            plugin,
            filter,
            request_paused: false,
            response_paused: false,
            response_begun: false,
            request_held: 0,
            response_held: 0,
            response_started: false,
            replied: false,
        })))
    }

    #[cfg(test)]
    pub(crate) fn driven(&self) -> Rc<RefCell<Driven>> {
        Rc::clone(&self.0)
    }

    /// The request's headers are here.
    pub fn on_request_headers(&mut self, host: &mut dyn StreamHost, end_of_stream: bool) -> Action {
        let action =
            self.drive(|driven| driven.request(host, |filter, host| filter.on_request_headers(host, end_of_stream)));
        if action == Action::Pause {
            self.await_lease(host);
        }
        action
    }

    /// A piece of the request's body is here.
    pub fn on_request_body(&mut self, host: &mut dyn StreamHost, held: usize, end_of_stream: bool) -> Action {
        let action = self.drive(|driven| {
            driven.request_held = held;
            let action = driven.request(host, |filter, host| filter.on_request_body(host, held, end_of_stream));
            if action == Action::Continue {
                driven.request_held = 0;
            }
            action
        });
        if action == Action::Pause {
            self.await_lease(host);
        }
        action
    }

    /// The request ends with trailers.
    pub fn on_request_trailers(&mut self, host: &mut dyn StreamHost) -> Action {
        let action = self.drive(|driven| {
            let held = driven.request_held;
            driven.request(host, |filter, host| filter.on_request_body(host, held, true))
        });
        if action == Action::Pause {
            self.await_lease(host);
        }
        action
    }

    /// The answer's headers are here.
    pub fn on_response_headers(&mut self, host: &mut dyn StreamHost, end_of_stream: bool) -> Action {
        self.drive(|driven| {
            driven.response_begun = true;
            driven.response(host, |filter, host| filter.on_response_headers(host, end_of_stream))
        })
    }

    /// A piece of the answer's body is here.
    pub fn on_response_body(&mut self, host: &mut dyn StreamHost, held: usize, end_of_stream: bool) -> Action {
        self.drive(|driven| {
            driven.response_held = held;
            let action = driven.response(host, |filter, host| filter.on_response_body(host, held, end_of_stream));
            if action == Action::Continue {
                driven.response_held = 0;
            }
            action
        })
    }

    /// The answer ends with trailers.
    pub fn on_response_trailers(&mut self, host: &mut dyn StreamHost) -> Action {
        self.drive(|driven| {
            let held = driven.response_held;
            driven.response(host, |filter, host| filter.on_response_body(host, held, true))
        })
    }

    /// A callout of this stream was answered. That for a lease is for all streams that wait for it.
    pub fn on_call(&mut self, host: &mut dyn StreamHost, call: CallId, answer: Result<&[u8], CallError>) {
        if let Some((worker, _)) = self.drive_for(|driven| driven.plugin.clone()).flatten()
            && worker.leases.awaits(call)
        {
            return worker.leased(host, call, answer);
        }
        self.drive_for(|driven| driven.on_call(host, call, answer));
        // A filter behind that which asked may hold the request now.
        self.await_lease(host);
    }

    /// An HTTP service answered a callout of this stream, or will not.
    pub fn on_http_answer(&mut self, host: &mut dyn StreamHost, call: CallId, answer: Result<&HttpAnswer, HttpError>) {
        self.drive_for(|driven| driven.on_http_answer(host, call, answer));
        self.await_lease(host);
    }

    /// What this stream holds its request for may have come, or can be asked for now.
    pub fn on_wake(&mut self, host: &mut dyn StreamHost) {
        self.drive_for(|driven| driven.on_wake(host));
    }

    /// The stream is over.
    pub fn on_log(&mut self, host: &mut dyn StreamHost) {
        self.drive_for(|driven| {
            driven.filter(host).on_log(host);
            if let Some((worker, _)) = &driven.plugin {
                worker.gone(host.stream());
            }
        });
    }

    /// A request that is held may wait for a lease, and has to be found when it comes.
    fn await_lease(&self, host: &dyn StreamHost) {
        if let Some(Some((worker, _))) = self.drive_for(|driven| driven.plugin.clone()) {
            worker.await_lease(host.stream(), &self.0);
        }
    }

    fn drive(&self, act: impl FnOnce(&mut Driven) -> Action) -> Action {
        self.drive_for(act).unwrap_or(Action::Pause)
    }

    /// `None` if it is being driven, which a proxy does not do twice at a time.
    fn drive_for<T>(&self, act: impl FnOnce(&mut Driven) -> T) -> Option<T> {
        self.0.try_borrow_mut().ok().map(|mut driven| act(&mut driven))
    }
}

impl Driven {
    /// What it waits for may have come.
    pub(crate) fn on_wake(&mut self, host: &mut dyn StreamHost) {
        self.go_on(host, |filter, host| filter.on_wake(host));
    }

    /// As [`StreamFilter::on_call`].
    pub(crate) fn on_call(&mut self, host: &mut dyn StreamHost, call: CallId, answer: Result<&[u8], CallError>) {
        self.go_on(host, |filter, host| filter.on_call(host, call, answer));
    }

    /// As [`StreamFilter::on_http_answer`].
    pub(crate) fn on_http_answer(
        &mut self,
        host: &mut dyn StreamHost,
        call: CallId,
        answer: Result<&HttpAnswer, HttpError>,
    ) {
        self.go_on(host, |filter, host| filter.on_http_answer(host, call, answer));
    }

    /// Somebody holds the request, or the answer.
    pub(crate) fn is_held(&self) -> bool {
        !self.replied && if self.response_begun { self.response_paused } else { self.request_paused }
    }

    /// Lets the message that is on its way go, if its filter does.
    fn go_on(
        &mut self,
        host: &mut dyn StreamHost,
        callback: impl FnOnce(&mut dyn StreamFilter, &mut dyn StreamHost) -> Flow,
    ) {
        if self.replied {
            return;
        }
        match callback(self.filter(host), host) {
            Flow::Continue if self.is_held() => self.resume(host),
            Flow::Continue | Flow::Pause => {}
            Flow::Reply(reply) => self.reply(host, &reply),
        }
    }

    fn resume(&mut self, host: &mut dyn StreamHost) {
        let resumed = if self.response_begun {
            self.response_paused = false;
            self.response_started = true;
            self.response_held = 0;
            host.resume_response()
        } else {
            self.request_paused = false;
            self.request_held = 0;
            host.resume_request()
        };
        if resumed.is_err() {
            host.log(Level::Error, "weir: the proxy refused to let a held message go");
        }
    }

    fn filter(&mut self, host: &mut dyn StreamHost) -> &mut dyn StreamFilter {
        let plugin = &self.plugin;
        let filter = self.filter.get_or_insert_with(|| match plugin {
            Some((worker, plugin)) => plugin.stream(worker, host),
            None => refusing(),
        });
        filter.as_mut()
    }

    fn request(
        &mut self,
        host: &mut dyn StreamHost,
        callback: impl FnOnce(&mut dyn StreamFilter, &mut dyn StreamHost) -> Flow,
    ) -> Action {
        if self.replied {
            return Action::Pause;
        }
        let flow = callback(self.filter(host), host);
        self.request_paused = flow != Flow::Continue;
        match flow {
            Flow::Continue => Action::Continue,
            Flow::Pause => Action::Pause,
            Flow::Reply(reply) => {
                self.reply(host, &reply);
                Action::Pause
            }
        }
    }

    fn response(
        &mut self,
        host: &mut dyn StreamHost,
        callback: impl FnOnce(&mut dyn StreamFilter, &mut dyn StreamHost) -> Flow,
    ) -> Action {
        let flow = callback(self.filter(host), host);
        self.response_paused = flow == Flow::Pause;
        match flow {
            Flow::Pause => Action::Pause,
            Flow::Reply(reply) if !self.replied => {
                self.reply(host, &reply);
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
    fn reply(&mut self, host: &mut dyn StreamHost, reply: &Reply) {
        self.replied = true;
        let done = if self.response_started {
            host.reset()
        } else {
            // The prefix tells our replies from the proxy's own in access logs and in its configuration.
            host.reply(reply, &format!("weir.{}", reply.code))
        };
        if done.is_err() {
            host.log(Level::Error, "weir: the proxy refused to end a stream with an answer of ours");
        }
    }
}
