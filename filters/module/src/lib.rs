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

/// A request makes some hundred small allocations; the allocator that comes with the target takes longer for each.
#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

proxy_wasm::main! {{
    weir_shell::start();
}}
