//! What holds whatever bytes come: one check for each parser that reads bytes from outside.
//!
//! A check takes bytes, gives them to the code as it is shipped, and panics if something that must hold does not. Three
//! callers share it: the fuzz targets in `fuzz/`, which invent bytes and look at which of them reach new code;
//! `tests/corpus.rs`, which replays the bytes that are kept in `fuzz/corpus/`; and the property tests beside it, which make
//! streams and requests of the kinds that providers and clients really send.

pub mod config;
pub mod custom_rules;
pub mod dataplane;
pub mod detectors;
pub mod input;
pub mod provider_error;
pub mod proxy;
pub mod request_flow;
pub mod request_head;
pub mod request_headers;
pub mod request_translation;
pub mod response_translation;
pub mod samples;
pub mod sse;
pub mod stream_flow;
pub mod text;

/// A check: panics if something does not hold for these bytes.
pub type Check = fn(&[u8]);

/// Every check by the name of its fuzz target and of its folder in `fuzz/corpus/`.
pub const CHECKS: &[(&str, Check)] = &[
    ("base_url", config::check_base_url),
    ("configuration", config::check),
    ("custom_rules", custom_rules::check),
    ("dataplane", dataplane::check),
    ("detectors", detectors::check),
    ("provider_error", provider_error::check),
    ("request_flow", request_flow::check),
    ("request_head", request_head::check),
    ("request_headers", request_headers::check),
    ("request_translation", request_translation::check),
    ("response_translation", response_translation::check),
    ("sse", sse::check),
    ("stream_flow", stream_flow::check),
    ("text", text::check),
];
