use std::fmt::Debug;

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
