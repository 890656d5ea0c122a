//! What the plugins of one stream share.
//!
//! Each filter of the listener, and the upstream filter of each attempt, runs in a context of its own; all of them live in one
//! VM per worker. The first to see a stream makes its [`Exchange`] and writes its id into filter state and into a request
//! header; the others find it there. An exchange is a cache of what was parsed and decided: a filter that finds none does its own
//! work or refuses.
//!
//! The id begins with a number that the VM drew when it was born, so that a VM which crashed and was made anew never
//! mistakes a stream of its predecessor for one of its own.

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

mod answer;
mod answer_headers;
mod bodies;
mod principal;
mod rate_limit;
mod refuse;
mod settle;
mod table;
mod usage;
mod verdict;

pub use answer::{AnswerCheck, AnswerFilter, Checked};
pub use answer_headers::{AnswerHeaders, FINDINGS_HEADER};
pub use bodies::{Bodies, HeldBody};
pub use principal::{Catalog, CatalogModel, NamedProfile, Principal, RateLimit};
pub use rate_limit::{RateLimitStatus, duration};
pub use table::{ExchangeTable, Shared};
pub use usage::{Settlement, TokenSource, Usage};
pub use verdict::{Party, Step, Verdict};

use std::rc::Rc;

use uuid::Uuid;
use weir_host::{Headers, Micros};
use weir_llm::{Operation, RequestHead};

/// One request, its answer and what was decided about them.
#[derive(Debug)]
pub struct Exchange {
    /// Made by Weir; the id of the usage record and of the response header.
    pub request_id: Uuid,
    /// When the request's headers arrived.
    pub started: Micros,
    /// What the client asks for; `None` until its path was read, or if the path is none of ours.
    pub operation: Option<Operation>,
    /// Who is calling, once that is known.
    pub principal: Option<Rc<Principal>>,
    /// The models of the caller's tenant, once known.
    pub catalog: Option<Rc<Catalog>>,
    /// The request's body as the plugins left it, if it is short: a long one is read from the proxy where it is needed, so
    /// that there are no two copies of it while the stream lasts. Present once it was read whole, replaced when a guardrail
    /// edits it.
    pub body: Option<Rc<Vec<u8>>>,
    /// Bytes of that body, whether it is kept or not; 0 until it was read.
    pub body_length: usize,
    /// What routing and metering need of that body.
    pub head: Option<RequestHead>,
    /// The pool that serves it, once chosen.
    pub pool_id: Option<String>,
    /// The request headers as they were before the first attempt changed any.
    pub original_headers: Option<Rc<Headers>>,
    /// What is left of the limit that the caller will reach first, or has reached; `None` if none is known.
    pub rate_limit: Option<RateLimitStatus>,
    /// What checks the answer where it arrives.
    pub answer_filter: Option<Rc<dyn AnswerFilter>>,
    /// Attempts so far, in order; the last is the one that answers.
    pub attempts: Vec<Attempt>,
    /// What was used, as known so far.
    pub usage: Usage,
    /// When the first content reached the client's side.
    pub first_token: Option<Micros>,
    /// The provider's answer ended as its protocol says an answer ends.
    pub answer_complete: bool,
    /// Who refused or ended the stream, and why; `None`: nobody did. Where several attempts were made, it is about the last.
    pub verdict: Option<Verdict>,
    /// Findings as `(type, action, count)`.
    pub findings: Vec<(&'static str, &'static str, u32)>,
    /// The policy revision of the principal under which this stream runs; 0 until it is known.
    pub revision: u64,
}

/// One try at one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Deployment as the endpoint's metadata names it.
    pub deployment_id: String,
    /// The deployment's provider.
    pub provider_id: String,
    /// The provider's name.
    pub provider_name: String,
    /// The model's name there.
    pub upstream_model: String,
    /// The price that holds for it, kept here so that a change of policy during the stream changes nothing.
    pub price: Option<Rc<weir_config::Price>>,
    /// The provider's status; 0 until it answered.
    pub status: u16,
    /// When it began.
    pub started: Micros,
    /// When the head of the provider's answer came.
    pub answered: Option<Micros>,
    /// Its answer passes `answer_filter` on its way: the listener's own filter need not look at it.
    pub is_checked: bool,
    /// It has passed a good answer on, with status 200 and all of [`AnswerHeaders`]. The router takes such an answer for the
    /// request's.
    pub is_passed_on: bool,
}

/// The longest body that a VM keeps beside the proxy's own copy, in bytes.
const KEPT_BODY: usize = 64 * 1024;

impl Exchange {
    /// A stream of which nothing is known yet.
    pub fn new(request_id: Uuid, started: Micros) -> Self {
        Self {
            request_id,
            started,
            operation: None,
            principal: None,
            catalog: None,
            body: None,
            body_length: 0,
            head: None,
            pool_id: None,
            original_headers: None,
            rate_limit: None,
            answer_filter: None,
            attempts: Vec::new(),
            usage: Usage::default(),
            first_token: None,
            answer_complete: false,
            verdict: None,
            findings: Vec::new(),
            revision: 0,
        }
    }

    /// Decides that the stream is refused or ended.
    pub fn decide(&mut self, by: Party, code: &'static str) {
        self.verdict = Some(Verdict { by, code });
    }

    /// The same, unless somebody did so before.
    pub fn decide_if_first(&mut self, by: Party, code: &'static str) {
        if self.verdict.is_none() {
            self.decide(by, code);
        }
    }

    /// Whether the answer that the client gets is the last attempt's, as that passed it on.
    pub fn has_passed_on(&self) -> bool {
        self.verdict.is_none() && self.attempts.last().is_some_and(|attempt| attempt.is_passed_on)
    }

    /// Notes what the request's body is now.
    pub fn keep_body(&mut self, body: Rc<Vec<u8>>) {
        self.body_length = body.len();
        self.body = Some(body).filter(|body| body.len() <= KEPT_BODY);
    }

    /// Counts a finding.
    pub fn add_finding(&mut self, finding: &'static str, action: &'static str) {
        match self.findings.iter_mut().find(|(known, its_action, _)| *known == finding && *its_action == action) {
            Some((_, _, count)) => *count = count.saturating_add(1),
            None => self.findings.push((finding, action, 1)),
        }
    }
}
