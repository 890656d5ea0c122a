//! An Envoy for tests: its callbacks, its buffers, its attempts, in one process and without a socket.
//!
//! [`Hop`] is one filter and what Envoy holds for it. [`Envoy`] is one worker with `weir.chain` in its listener and
//! `weir.provider` in front of each provider:
//!
//! ```text
//! Request ─► listener's Hop ─► router: attempt 1, 2, … ─► attempt's Hop ─► Provider
//! Received ◄─ listener's Hop ◄─ router (status: retry?) ◄─ attempt's Hop ◄─ Answer
//! ```
//!
//! What it does was seen on a real Envoy; whatever is promised keeps a test there. It knows no rule of Weir's and no provider.

mod answer;
mod envoy;
mod hop;
mod received;
mod router;
mod services;

pub use answer::{Answer, End, Provider, Sent};
pub use envoy::{Callouts, Envoy, Request};
pub use hop::{Hop, Passed};
pub use received::{Ended, Received};
pub use router::Endpoint;
pub use services::{Served, Services, When};
