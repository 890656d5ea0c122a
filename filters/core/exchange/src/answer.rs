use std::fmt::Debug;

use weir_host::StreamFilter;

use crate::Shared;

/// The part of a filter that is about answers.
///
/// A filter of the listener leaves it in the exchange, and the filter of an attempt runs it where the answer arrives. There
/// the answer's headers and body are at hand already: a second filter that reads, holds and writes them costs the proxy as much
/// as the first. Where no attempt's filter finds the exchange, the listener's filter does the work itself.
pub trait AnswerFilter: Debug {
    /// Its part in one attempt of the stream that `shared` stands for. It sees the answer in the client's schema.
    fn attempt(&self, shared: Shared) -> Box<dyn StreamFilter>;
}
