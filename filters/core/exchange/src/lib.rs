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
mod attempt;
mod attempt_budget;
mod bodies;
mod finding_key;
mod principal;
mod rate_limit;
mod refuse;
mod request;
mod settle;
mod table;
mod usage;
mod verdict;

pub use answer::{AnswerCheck, AnswerChecks, AnswerFilter, Checked};
pub use answer_headers::{AnswerHeaders, FINDINGS_HEADER};
pub use attempt::Attempt;
pub use attempt_budget::AttemptBudget;
pub use bodies::{Bodies, HeldBody};
pub use finding_key::{FindingDigest, FindingKey};
pub use principal::{Catalog, CatalogModel, DearestPrices, NamedProfile, Principal, WayIn};
pub use rate_limit::{BudgetStatus, RateLimitStatus, duration};
pub use request::{Body, Request};
pub use table::{ExchangeTable, Shared, WeakShared};
pub use usage::{Said, Settlement, TokenSource, Usage};
pub use verdict::{Party, Step, Verdict};

use std::cell::Cell;
use std::rc::Rc;

use uuid::Uuid;
use weir_host::{Headers, Micros};

/// One request, the attempts to have it answered, and what was decided about them.
#[derive(Debug)]
pub struct Exchange {
    request: Request,
    /// The request headers as they were before the first attempt changed any.
    pub original_headers: Option<Rc<Headers>>,
    /// Attempts so far, in order; the last is the one that answers.
    pub attempts: Vec<Attempt>,
    /// Who refused or ended the stream, and why; `None`: nobody did. Where several attempts were made, it is about the last.
    pub verdict: Option<Verdict>,
    /// Findings as `(type, action, count)`.
    pub findings: Vec<(&'static str, &'static str, u32)>,
    /// What was found, without its text: the first [`MOST_DIGESTS`] that differ.
    pub finding_digests: Vec<(&'static str, FindingDigest)>,
    /// Whether a judge was asked, which may cost.
    pub is_judged: bool,
    is_owed: Cell<bool>,
    ended: Option<Ended>,
}

const BY_POLICY: Verdict = Verdict { by: Party::Policy, code: ENDED_BY_POLICY };

/// Digests of findings that an exchange keeps.
pub const MOST_DIGESTS: usize = 16;

/// The code of a stream that an administrator ended.
pub const ENDED_BY_POLICY: &str = "ended_by_policy";

/// That an administrator ended a stream, and how far that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When this worker heard of it.
    pub at: Micros,
    /// When the client was told by an event; `None`: it was not.
    pub told_at: Option<Micros>,
}

impl Exchange {
    /// A stream of which nothing is known yet.
    pub fn new(request_id: Uuid, arrived: Micros) -> Self {
        Self {
            request: Request::new(request_id, arrived),
            original_headers: None,
            attempts: Vec::new(),
            verdict: None,
            findings: Vec::new(),
            finding_digests: Vec::new(),
            is_judged: false,
            is_owed: Cell::new(false),
            ended: None,
        }
    }

    /// What was asked for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The request, to be changed; `None` once an attempt has begun.
    pub fn prepare(&mut self) -> Option<&mut Request> {
        self.attempts.is_empty().then_some(&mut self.request)
    }

    /// Begins another attempt. What its predecessors said and were told is no part of its answer.
    pub fn begin_attempt(&mut self, attempt: Attempt) {
        self.verdict = self.ended.map(|_| BY_POLICY);
        self.attempts.push(attempt);
    }

    /// Who must have room for the next attempt, since the one before may be billed.
    pub fn budget_of_next_attempt(&self) -> Option<Rc<dyn AttemptBudget>> {
        self.attempt().filter(|attempt| attempt.may_be_billed())?;
        self.request.attempt_budget.clone()
    }

    /// The attempt that answers, if any was made.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The same, to be changed.
    pub fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        self.attempts.last_mut()
    }

    /// The request's body as it was last seen.
    pub fn body(&self) -> &Body {
        self.attempts.iter().rev().find_map(|attempt| attempt.body.as_ref()).unwrap_or(&self.request.body)
    }

    /// Whether something of the request may have reached a provider.
    pub fn has_reached_provider(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.is_sent)
    }

    /// Whether the answer is whole, as its protocol says.
    pub fn is_complete(&self) -> bool {
        self.attempt().is_some_and(|attempt| attempt.is_complete)
    }

    /// Whether the answer that the client gets is the last attempt's, as that passed it on.
    pub fn has_passed_on(&self) -> bool {
        self.verdict.is_none() && self.attempt().is_some_and(|attempt| attempt.is_passed_on)
    }

    /// Decides that the stream is refused or ended.
    pub fn decide(&mut self, by: Party, code: &'static str) {
        self.verdict = Some(self.ended.map_or(Verdict { by, code }, |_| BY_POLICY));
    }

    /// Ends the stream by an administrator's decision, which stands above what others decide. What is over stays as it is.
    pub fn end(&mut self, now: Micros) {
        if !self.is_complete() && self.ended.is_none() {
            self.ended = Some(Ended { at: now, told_at: None });
            self.verdict = Some(BY_POLICY);
        }
    }

    /// Whether an administrator has ended the stream.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// The client was told by an event that the stream has ended.
    pub fn told_end(&mut self, now: Micros) {
        if let Some(ended) = &mut self.ended {
            ended.told_at = Some(now);
        }
    }

    /// The same, unless somebody did so before.
    pub fn decide_if_first(&mut self, by: Party, code: &'static str) {
        if self.verdict.is_none() {
            self.decide(by, code);
        }
    }

    /// Notes whether the provider did work that it bills, also if it gave no figure: who keeps the record of a stream that is over decides
    /// that first, and limits are debited what the record says.
    pub fn note_owed(&self, is_owed: bool) {
        self.is_owed.set(is_owed);
    }

    /// See [`Exchange::note_owed`].
    pub fn is_owed(&self) -> bool {
        self.is_owed.get()
    }

    /// Counts a finding.
    pub fn add_finding(&mut self, finding: &'static str, action: &'static str) {
        match self.findings.iter_mut().find(|(known, its_action, _)| *known == finding && *its_action == action) {
            Some((_, _, count)) => *count = count.saturating_add(1),
            None => self.findings.push((finding, action, 1)),
        }
    }

    /// Keeps by what others know that they have found the same.
    pub fn add_finding_digest(&mut self, finding: &'static str, digest: FindingDigest) {
        let new = (finding, digest);
        if self.finding_digests.len() < MOST_DIGESTS && !self.finding_digests.contains(&new) {
            self.finding_digests.push(new);
        }
    }
}
