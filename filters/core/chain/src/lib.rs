//! Several filters as one.
//!
//! Each filter of a proxy's chain costs it a context, an entry into the VM for every callback, and its own look at the
//! headers. [`Chain`] is one filter to the proxy and drives a list of them as the proxy would: requests pass them in their
//! order, responses in the reverse one; a message waits at the filter that holds it, and the next filter sees headers before
//! the body. A filter that the request did not reach sees nothing of the response.
//!
//! It knows no filter and decides nothing.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable
    )
)]

mod host;
mod passage;
#[cfg(test)]
mod tests;

use weir_host::{CallError, CallId, Flow, Host, HttpAnswer, HttpError, Message, StreamFilter};

use host::StageHost;
use passage::Passage;

/// One stream's filters, in the order in which requests pass them.
pub struct Chain {
    stages: Vec<Box<dyn StreamFilter>>,
    /// How many the request reached.
    reached: usize,
    request: Passage,
    response: Passage,
    /// Callouts without an answer.
    open: Vec<Callout>,
}

/// Who waits for the answer to a callout.
#[derive(Clone, Copy)]
struct Callout {
    id: CallId,
    /// The message on whose way it was made, and the filter by its place on that way.
    of: Message,
    index: usize,
}

impl Chain {
    /// Of these filters.
    pub fn new(stages: Vec<Box<dyn StreamFilter>>) -> Self {
        Self { stages, reached: 0, request: Passage::default(), response: Passage::default(), open: Vec::new() }
    }

    /// Runs `callback` for the filter that is the `index`th on this message's way. `None`: there is no such filter.
    fn stage(
        &mut self,
        of: Message,
        index: usize,
        callback: impl FnOnce(&mut dyn StreamFilter) -> Flow,
    ) -> Option<Flow> {
        let number = match of {
            Message::Request => {
                self.reached = self.reached.max(index.saturating_add(1)).min(self.stages.len());
                index
            }
            Message::Response => self.reached.checked_sub(index.saturating_add(1))?,
        };
        self.stages.get_mut(number).map(|stage| callback(stage.as_mut()))
    }

    fn passage(&mut self, of: Message) -> &mut Passage {
        match of {
            Message::Request => &mut self.request,
            Message::Response => &mut self.response,
        }
    }

    /// Hands the headers to the filters from `first` on, until one of them holds or answers.
    fn headers(&mut self, host: &mut StageHost<'_>, of: Message, first: usize) -> Flow {
        let end_of_stream = self.passage(of).ends_with_headers;
        let mut index = first;
        self.passage(of).headers_go_on();
        loop {
            let flow = self.stage(of, index, |stage| match of {
                Message::Request => stage.on_request_headers(host, end_of_stream),
                Message::Response => stage.on_response_headers(host, end_of_stream),
            });
            self.note_callouts(host, of, index);
            match flow {
                None => {
                    self.passage(of).headers_through();
                    return Flow::Continue;
                }
                Some(Flow::Continue) => index = index.saturating_add(1),
                Some(Flow::Pause) => {
                    self.passage(of).hold_headers(index);
                    return Flow::Pause;
                }
                Some(reply @ Flow::Reply(_)) => return reply,
            }
        }
    }

    /// Hands what is held of the body to the filters from `first` on. It overtakes no headers: where those were held, they
    /// go on first.
    fn body(&mut self, host: &mut StageHost<'_>, of: Message, first: usize) -> Flow {
        let end_of_stream = self.passage(of).is_whole;
        let mut index = first;
        loop {
            let held = self.passage(of).held;
            let flow = self.stage(of, index, |stage| match of {
                Message::Request => stage.on_request_body(host, held, end_of_stream),
                Message::Response => stage.on_response_body(host, held, end_of_stream),
            });
            if let Some(length) = host.replaced(of) {
                self.passage(of).held = length;
            }
            self.note_callouts(host, of, index);
            match flow {
                None => {
                    self.passage(of).let_go();
                    return Flow::Continue;
                }
                Some(Flow::Pause) => {
                    self.passage(of).hold_body(index);
                    return Flow::Pause;
                }
                Some(reply @ Flow::Reply(_)) => return reply,
                Some(Flow::Continue) => {
                    let next = index.saturating_add(1);
                    if self.passage(of).holds_headers_at(index)
                        && let reply @ Flow::Reply(_) = self.headers(host, of, next)
                    {
                        return reply;
                    }
                    index = next;
                }
            }
        }
    }

    fn begin(&mut self, host: &mut dyn Host, of: Message, end_of_stream: bool) -> Flow {
        *self.passage(of) = Passage::begun(end_of_stream);
        self.headers(&mut StageHost::new(host), of, 0)
    }

    fn receive(&mut self, host: &mut dyn Host, of: Message, held: usize, end_of_stream: bool) -> Flow {
        self.passage(of).receive(held, end_of_stream);
        let flow = self.body(&mut StageHost::new(host), of, 0);
        if flow == Flow::Continue {
            self.passage(of).held = 0;
        }
        flow
    }

    fn note_callouts(&mut self, host: &mut StageHost<'_>, of: Message, index: usize) {
        self.open.extend(host.made().into_iter().map(|id| Callout { id, of, index }));
    }

    /// Tells the filter that made this callout what came of it. Nobody else's, and none that was answered already, changes anything;
    /// nor does that of a request to which an answer is on its way.
    fn answered(
        &mut self,
        host: &mut dyn Host,
        call: CallId,
        tell: impl FnOnce(&mut dyn StreamFilter, &mut StageHost<'_>) -> Flow,
    ) -> Flow {
        let Some(found) = self.open.iter().position(|open| open.id == call) else { return Flow::Pause };
        let Callout { of, index, .. } = self.open.swap_remove(found);
        self.go_on(host, of, index, tell)
    }

    /// Tells a filter; if it holds the message and lets it go, the rest of the chain follows at once.
    fn go_on(
        &mut self,
        host: &mut dyn Host,
        of: Message,
        index: usize,
        tell: impl FnOnce(&mut dyn StreamFilter, &mut StageHost<'_>) -> Flow,
    ) -> Flow {
        if of == Message::Request && self.response.has_begun {
            return Flow::Pause;
        }
        let host = &mut StageHost::new(host);
        let flow = self.stage(of, index, |stage| tell(stage, host));
        if let Some(length) = host.replaced(of) {
            self.passage(of).held = length;
        }
        self.note_callouts(host, of, index);
        match flow {
            Some(Flow::Continue) if self.passage(of).held_at() == Some(index) => {}
            Some(reply @ Flow::Reply(_)) => return reply,
            Some(Flow::Continue | Flow::Pause) | None => return Flow::Pause,
        }
        let next = index.saturating_add(1);
        if self.passage(of).holds_headers_at(index) {
            match self.headers(host, of, next) {
                reply @ Flow::Reply(_) => return reply,
                Flow::Pause if !self.passage(of).has_body => return Flow::Pause,
                Flow::Pause | Flow::Continue => {}
            }
        }
        let flow = match self.passage(of).has_body {
            true => self.body(host, of, next),
            false => Flow::Continue,
        };
        if flow == Flow::Continue {
            self.passage(of).let_go();
            self.passage(of).held = 0;
        }
        flow
    }
}

impl StreamFilter for Chain {
    fn on_request_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        self.begin(host, Message::Request, end_of_stream)
    }

    fn on_request_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        self.receive(host, Message::Request, held, end_of_stream)
    }

    /// The answer is for the filter that asked. When that lets go what it holds, the rest of the chain follows at once: the proxy does
    /// not call again for what it already holds.
    fn on_call(&mut self, host: &mut dyn Host, call: CallId, answer: Result<&[u8], CallError>) -> Flow {
        self.answered(host, call, |stage, host| stage.on_call(host, call, answer))
    }

    /// As for an answer of the control plane's.
    fn on_http_answer(&mut self, host: &mut dyn Host, call: CallId, answer: Result<&HttpAnswer, HttpError>) -> Flow {
        self.answered(host, call, |stage, host| stage.on_http_answer(host, call, answer))
    }

    /// For the filter that holds the request.
    fn on_wake(&mut self, host: &mut dyn Host) -> Flow {
        let Some(index) = self.request.held_at() else { return Flow::Pause };
        self.go_on(host, Message::Request, index, |stage, host| stage.on_wake(host))
    }

    fn on_response_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        self.begin(host, Message::Response, end_of_stream)
    }

    fn on_response_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        self.receive(host, Message::Response, held, end_of_stream)
    }

    fn on_log(&mut self, host: &mut dyn Host) {
        let host = &mut StageHost::new(host);
        for stage in self.stages.iter_mut().take(self.reached) {
            stage.on_log(host);
        }
    }
}
