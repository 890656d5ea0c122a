use std::mem::take;

use weir_host::fake::{FakeHost, FakeHttpCall};
use weir_host::{CallId, HttpAnswer, HttpError};

use crate::hop::{Hop, Passed};

/// What becomes of a question to an HTTP service.
#[derive(Clone, Debug)]
pub struct Served {
    /// What the service answers, or the proxy in its place.
    pub answer: Result<HttpAnswer, HttpError>,
    /// When.
    pub when: When,
    /// How often the filter is told.
    pub times: usize,
}

/// When a service's answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before anything else.
    AtOnce,
    /// After so many more pieces of the message.
    AfterPieces(usize),
    /// When nothing more comes of the client or the provider. Those asked last are answered first.
    AtRest,
    /// When the stream is over.
    AfterEnd,
    /// Not at all: it hangs, and the client leaves.
    Never,
}

/// Answers questions to HTTP services.
pub type Services = Box<dyn FnMut(&FakeHttpCall) -> Served>;

impl Served {
    /// With this status and body, at once.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { answer: Ok(HttpAnswer { status, body: body.into() }), when: When::AtOnce, times: 1 }
    }

    /// No answer comes.
    pub fn failing(error: HttpError) -> Self {
        Self { answer: Err(error), when: When::AtOnce, times: 1 }
    }

    /// The same at another time.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// The filter is told twice.
    #[must_use]
    pub fn twice(mut self) -> Self {
        self.times = 2;
        self
    }
}

/// The questions that one stream has open.
#[derive(Debug, Default)]
pub(crate) struct Asked(Vec<(CallId, Served)>);

impl Asked {
    /// Takes in what was asked, and answers what is due: `pieces` tells whether one more piece has come.
    pub(crate) fn answer_due(
        &mut self,
        host: &mut FakeHost,
        hop: &mut Hop,
        services: &mut Services,
        piece: bool,
    ) -> Vec<Passed> {
        for (_, served) in self.0.iter_mut().filter(|_| piece) {
            if let When::AfterPieces(left) = &mut served.when {
                *left = left.saturating_sub(1);
            }
        }
        self.answer(host, hop, services, &|when| matches!(when, When::AtOnce | When::AfterPieces(0)))
    }

    /// Nothing else comes.
    pub(crate) fn answer_rest(&mut self, host: &mut FakeHost, hop: &mut Hop, services: &mut Services) -> Vec<Passed> {
        self.0.reverse();
        self.answer(host, hop, services, &|when| !matches!(when, When::AfterEnd | When::Never))
    }

    /// The stream is over.
    pub(crate) fn answer_late(&mut self, host: &mut FakeHost, hop: &mut Hop, services: &mut Services) {
        self.answer(host, hop, services, &|when| when == When::AfterEnd);
    }

    fn answer(
        &mut self,
        host: &mut FakeHost,
        hop: &mut Hop,
        services: &mut Services,
        is_due: &dyn Fn(When) -> bool,
    ) -> Vec<Passed> {
        let mut passed = Vec::new();
        loop {
            self.0.extend(take(&mut host.http_calls).iter().map(|call| (call.id, services(call))));
            let Some(place) = self.0.iter().position(|(_, served)| is_due(served.when)) else { return passed };
            let (id, served) = self.0.remove(place);
            for _ in 0..served.times {
                passed.push(hop.http_answer(host, id, served.answer.as_ref().map_err(|error| *error)));
            }
        }
    }
}
