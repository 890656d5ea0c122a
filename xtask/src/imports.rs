//! What a wasm module may import: Envoy refuses the whole listener over one function that it lacks.

use anyhow::{Context, Result};
use wasmparser::{Parser, Payload};

/// The host functions of proxy-wasm ABI 0.2.1, each found to load on Envoy 1.40.
const PROXY: [&str; 39] = [
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_size",
    "proxy_get_header_map_value",
    "proxy_get_log_level",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

/// WASI functions that Envoys have offered for years. Envoy 1.40 offers all of preview 1 but `proc_raise`, most of it as
/// stubs; a module that needs no more than these also loads on older ones.
const WASI: [&str; 15] = [
    "args_get",
    "args_sizes_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_read",
    "fd_seek",
    "fd_write",
    "proc_exit",
    "random_get",
    "sched_yield",
];

/// The imports of `module` that are on no list, as `module.function`.
pub(crate) fn unknown(module: &[u8]) -> Result<Vec<String>> {
    let mut unknown = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::ImportSection(imports) = payload.context("not a wasm module")? else { continue };
        for import in imports.into_imports() {
            let import = import.context("not a wasm module")?;
            let known = match import.module {
                "env" => PROXY.contains(&import.name),
                "wasi_snapshot_preview1" => WASI.contains(&import.name),
                _ => false,
            };
            if !known {
                unknown.push(format!("{}.{}", import.module, import.name));
            }
        }
    }
    Ok(unknown)
}

#[cfg(test)]
mod tests {
    use super::unknown;

    /// A module with one imported function.
    fn module(from: &str, name: &str) -> Vec<u8> {
        let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        let import = [vec![1], text(from), text(name), vec![0, 0]].concat();
        let types = [1, 4, 1, 0x60, 0, 0];
        [b"\0asm\x01\0\0\0".as_slice(), &types, &[2, import.len() as u8], &import].concat()
    }

    #[test]
    fn an_import_that_envoy_lacks_is_named() {
        assert_eq!(unknown(&module("env", "proxy_log")).unwrap(), [""; 0]);
        assert_eq!(unknown(&module("wasi_snapshot_preview1", "random_get")).unwrap(), [""; 0]);
        assert_eq!(unknown(&module("env", "proxy_launch")).unwrap(), ["env.proxy_launch"]);
        assert_eq!(unknown(&module("wasi_unstable", "random_get")).unwrap(), ["wasi_unstable.random_get"]);
        assert!(unknown(b"not wasm").is_err());
    }
}
