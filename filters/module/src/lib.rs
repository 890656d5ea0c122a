//! `weir.wasm`: all plugins in one module, told apart by `root_id`.
#![expect(missing_docs, reason = "the SDK's macro makes a public function without a doc")]

proxy_wasm::main! {{
    weir_shell::start();
}}
