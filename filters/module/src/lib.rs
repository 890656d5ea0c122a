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

proxy_wasm::main! {{
    weir_shell::start();
}}
