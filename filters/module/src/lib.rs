//! `weir.wasm`: all plugins in one module, told apart by `root_id`.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable
    )
)]
#![expect(missing_docs, reason = "the SDK's macro makes a public function without a doc")]

#[cfg(target_family = "wasm")]
use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};
#[cfg(target_family = "wasm")]
use weir_memory::{Region, ShortPieces};

/// As much as some two hundred requests at once take; a VM has only those pages of it that were ever used.
#[cfg(target_family = "wasm")]
static REGION: Region<1_048_576> = Region::new();

/// A request makes more than a hundred small allocations; the allocator that comes with the target takes longer for each.
#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "a global allocator must know that there is one thread")]
#[global_allocator]
// SAFETY: a VM of Envoy's has one thread, and its signal handlers run none of the module's code.
static ALLOCATOR: ShortPieces<WasmDynamicTalc> = unsafe { ShortPieces::new(&REGION, new_wasm_dynamic_allocator()) };

proxy_wasm::main! {{
    weir_shell::start();
}}
