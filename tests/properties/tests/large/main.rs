//! The time of a processor grows with the bytes and no faster, for large inputs of each kind that a parser or a guardrail meets.
//!
//! `tests/linear.rs` counts what the code says that it goes through and what it allocates. This sees what nobody counts, too: a search
//! from the start for each finding, a list that is gone through for each event, bytes that are moved for each piece. Time is that of the
//! thread alone. A machine that is busy makes single runs slower, never quicker, so that the shortest of several runs counts.

mod bodies;
mod streams;
mod texts;
mod work;
