//! Rules about the shape of this repository, each a test in `tests/`.
