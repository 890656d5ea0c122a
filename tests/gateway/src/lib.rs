//! The whole gateway in one process: clients of each schema, the plugins behind an emulated Envoy, the demo provider.
//!
//! A [`World`] is one tenant with one key. Its models are served by the provider that the end-to-end tests use, told to behave
//! in the same words, but without a socket between them: a request takes a millisecond, so that matrices of schemas, shapes and
//! hostile bodies cost nothing. What only a real Envoy can show stays in `tests/e2e`.

mod events;
mod provider;
mod world;

pub use events::{Event, check_error, check_error_body, events, is_last, said, said_in_event, said_in_stream};
pub use provider::Upstream;
pub use world::{SCHEMAS, World, ask, deployment, dollars, path_of};
