//! A fake LLM provider: for `make run` where no real one is configured, and for the tests.
//!
//! It speaks OpenAI's two wire formats, Anthropic's and Gemini's on one port, in plain text or under TLS, says in every answer that it is no
//! model, echoes the last thing it was told (so that a test sees what a policy changed), and gives equal answers to equal requests.
//! Requests below `/s/{id}` follow a scenario and are recorded; see [`Behaviour`]. It must not know Weir: it sees what
//! a real provider would see.

mod answer;
mod anthropic;
mod api;
mod bedrock;
mod deliver;
mod embeddings;
mod gemini;
mod listen;
mod moderations;
mod openai;
mod responses;
mod sample;
mod scenario;
mod server;

pub use answer::Usage;
pub(crate) use answer::fnv1a as stable_hash;
pub use listen::{Listen, accept};
pub use scenario::{Behaviour, Finished, NewScenario, Received};
pub use server::answer_unconnected;
