//! Provider credentials at rest.
