//! How much work was done, so that a test can tell whether it grows with what it is done on.
//!
//! What every parser and every guardrail goes by counts the bytes, fields, texts or findings that it passes. Together with the bytes that
//! are allocated, which an allocator counts, that is what `tests/properties/tests/linear.rs` compares for inputs that grow; what nobody
//! counts shows in the time that `tests/properties/tests/large/` takes. Counted in debug builds only.

#[cfg(debug_assertions)]
use std::cell::Cell;

#[cfg(debug_assertions)]
thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Notes that so many bytes, fields, texts or findings were gone through.
#[inline]
pub fn count(steps: usize) {
    #[cfg(debug_assertions)]
    STEPS.with(|counted| counted.set(counted.get().saturating_add(u64::try_from(steps).unwrap_or(u64::MAX))));
    #[cfg(not(debug_assertions))]
    let _ = steps;
}

/// What this thread has counted.
#[cfg(debug_assertions)]
pub fn counted() -> u64 {
    STEPS.with(Cell::get)
}
