//! What every target does with an input.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use libfuzzer_sys::Corpus;
pub use libfuzzer_sys::fuzz_target;
use weir_properties::Check;

/// Names the file of the one input that is ever changed. Without it, what reaches new code is kept and changed further.
///
/// Which inputs reach new code is not the same everywhere: hash maps have random seeds, and libraries choose their code by the
/// processor. A search that goes by it sees other inputs each time, one that changes a given input does not.
const ORIGIN: &str = "WEIR_FUZZ_ORIGIN";

struct Origin {
    bytes: Vec<u8>,
    is_kept: AtomicBool,
}

/// Checks an input, and says whether libFuzzer may go on from it.
pub fn judge(check: Check, input: &[u8]) -> Corpus {
    static ONLY: OnceLock<Option<Origin>> = OnceLock::new();
    check(input);
    let only = ONLY.get_or_init(|| {
        let file = PathBuf::from(std::env::var_os(ORIGIN)?);
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Some(Origin { bytes, is_kept: AtomicBool::new(false) })
    });
    match only {
        // Once: a change that gives the same bytes again is not to be gone on from.
        Some(origin) if origin.bytes != input || origin.is_kept.swap(true, Ordering::Relaxed) => Corpus::Reject,
        Some(_) | None => Corpus::Keep,
    }
}

/// A target for a check of `weir_properties`.
#[macro_export]
macro_rules! target {
    ($check:path) => {
        $crate::fuzz_target!(|input: &[u8]| -> libfuzzer_sys::Corpus { $crate::judge($check, input) });
    };
}
