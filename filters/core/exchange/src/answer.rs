use std::fmt::Debug;
use std::rc::Rc;

use weir_llm::error::ClientError;

use crate::Shared;

/// Has answers checked where they arrive, in the filter of an attempt, which has them at hand: a second filter that reads, holds and
/// writes them costs the proxy as much as the first. Where no attempt's filter finds the exchange, the listener's filter that left
/// this does the work itself.
pub trait AnswerFilter: Debug {
    /// The check of one attempt's answer, of the stream that `shared` stands for.
    fn check(&self, shared: Shared) -> Box<dyn AnswerCheck>;
}

/// Checks one answer, which the client has not seen, in the client's schema.
pub trait AnswerCheck: Debug {
    /// Decides about a whole answer.
    fn whole(&mut self, body: &[u8]) -> Checked;
    /// What goes on in the place of a piece of a stream; nothing more once the check has ended the stream.
    fn piece(&mut self, piece: &[u8], end_of_stream: bool) -> Vec<u8>;
    /// Whether the check has ended the stream, with an error as its last event.
    fn has_ended(&self) -> bool;
}

/// The checks of one attempt's answer, in their order: each sees what those before it let go on, and what one of them refuses is
/// refused.
#[derive(Debug)]
pub struct AnswerChecks {
    checks: Vec<Box<dyn AnswerCheck>>,
    has_ended: bool,
}

impl AnswerChecks {
    /// Those of these filters; `None`: nothing is checked.
    pub fn of(filters: &[Rc<dyn AnswerFilter>], shared: &Shared) -> Option<Self> {
        let checks: Vec<_> = filters.iter().map(|filter| filter.check(shared.clone())).collect();
        (!checks.is_empty()).then_some(Self { checks, has_ended: false })
    }

    /// Decides about a whole answer.
    pub fn whole(&mut self, body: &[u8]) -> Checked {
        let mut edited: Option<Vec<u8>> = None;
        for check in &mut self.checks {
            match check.whole(edited.as_deref().unwrap_or(body)) {
                Checked::Passes => {}
                Checked::Edited(body) => edited = Some(body),
                checked @ (Checked::Refused(_) | Checked::Unreadable(_)) => return checked,
            }
        }
        edited.map_or(Checked::Passes, Checked::Edited)
    }

    /// What goes on in the place of a piece of a stream; nothing more once a check has ended the stream.
    pub fn piece(&mut self, mut piece: Vec<u8>, mut end_of_stream: bool) -> Vec<u8> {
        if self.has_ended {
            return Vec::new();
        }
        for check in &mut self.checks {
            piece = check.piece(&piece, end_of_stream);
            self.has_ended |= check.has_ended();
            // What those behind it hold goes before the error that it has written.
            end_of_stream |= self.has_ended;
        }
        piece
    }
}

/// What is to become of a whole answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Checked {
    /// It passes as it is.
    Passes,
    /// This passes in its place.
    Edited(Vec<u8>),
    /// The client gets this error in its place.
    Refused(ClientError),
    /// Nobody can tell: the request ends with this error, whatever its status, and no other provider is asked.
    Unreadable(ClientError),
}
