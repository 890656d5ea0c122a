use std::rc::Rc;

use uuid::Uuid;
use weir_host::Micros;
use weir_llm::{Operation, RequestHead};

use crate::{AnswerFilter, AttemptBudget, BudgetStatus, Catalog, Principal, RateLimitStatus, WayIn};

/// What a client asks for, and what holds for it. The filters of the listener find that out one after the other; once an attempt has
/// begun nothing of it changes.
#[derive(Debug)]
pub struct Request {
    /// Made by Weir; the id of the usage record and of the response header.
    pub id: Uuid,
    /// When the request's headers arrived.
    pub arrived: Micros,
    /// What the client asks for; `None` until its path was read, or if the path is none of ours.
    pub operation: Option<Operation>,
    /// Who is calling, once that is known.
    pub principal: Option<Rc<Principal>>,
    /// The ways in which the client has shown that it is the caller, or of the caller's tenant; those that were looked at.
    pub ways_shown: Vec<WayIn>,
    /// The models of the caller's tenant, once known.
    pub catalog: Option<Rc<Catalog>>,
    /// The body as the filters left it.
    pub body: Body,
    /// The pool that serves it, once chosen.
    pub pool_id: Option<String>,
    /// What is left of the limit that the caller will reach first, or has reached; `None` if none is known.
    pub rate_limit: Option<RateLimitStatus>,
    /// The same of limits of tokens.
    pub token_limit: Option<RateLimitStatus>,
    /// The same of budgets; `None` also where the caller did not ask for it.
    pub budget: Option<BudgetStatus>,
    /// What checks the answer where it arrives, in this order.
    pub answer_filters: Vec<Rc<dyn AnswerFilter>>,
    /// Who must have room for a further attempt; `None`: nobody.
    pub attempt_budget: Option<Rc<dyn AttemptBudget>>,
}

/// A request's body. Empty until it was read whole.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Its bytes, if it is short: a long one is read from the proxy where it is needed, so that there are no two copies of it while
    /// the stream lasts.
    pub bytes: Option<Rc<Vec<u8>>>,
    /// How many they are, whether they are kept or not.
    pub length: usize,
    /// What routing and metering need of it.
    pub head: Option<RequestHead>,
    /// What it is estimated at, in tokens, if it was counted. A short body is counted only if it must be.
    pub input_tokens: Option<u64>,
}

/// The longest body that a VM keeps beside the proxy's own copy, in bytes.
const KEPT_BODY: usize = 64 * 1024;

impl Request {
    /// One of which nothing is known yet.
    pub(crate) fn new(id: Uuid, arrived: Micros) -> Self {
        Self {
            id,
            arrived,
            operation: None,
            principal: None,
            ways_shown: Vec::new(),
            catalog: None,
            body: Body::default(),
            pool_id: None,
            rate_limit: None,
            token_limit: None,
            budget: None,
            answer_filters: Vec::new(),
            attempt_budget: None,
        }
    }

    /// The policy revision under which it runs; 0 until it is known.
    pub fn revision(&self) -> u64 {
        self.principal.as_ref().map_or(0, |principal| principal.revision)
    }
}

impl Body {
    /// Of these bytes.
    pub fn new(bytes: Rc<Vec<u8>>, head: Option<RequestHead>) -> Self {
        let length = bytes.len();
        Self { bytes: Some(bytes).filter(|_| length <= KEPT_BODY), length, head, input_tokens: None }
    }

    /// Whether it asks for a stream.
    pub fn asks_for_stream(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.stream)
    }
}
