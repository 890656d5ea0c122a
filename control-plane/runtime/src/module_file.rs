//! The wasm module that is served to Envoys, looked at before anything is served.

use std::path::Path;

use anyhow::{Context as _, bail};
use wasmparser::{Parser, Payload};

/// What every proxy-wasm module of this ABI tells Envoy.
const ABI: &str = "proxy_abi_version_0_2_1";
/// Names of filters of Weir's; Envoys are configured with them.
const FILTERS: [&str; 2] = ["weir.chain", "weir.provider"];

/// Reads the module, and refuses what no Envoy could run as Weir's filters.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let module =
        std::fs::read(path).with_context(|| format!("the wasm module {shown} (WEIR_MODULE_FILE) cannot be read"))?;
    check(&module).with_context(|| format!("{shown} (WEIR_MODULE_FILE) is not Weir's wasm module"))?;
    Ok(module)
}

fn check(module: &[u8]) -> anyhow::Result<()> {
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(section) = payload.context("it is no WebAssembly")? {
            for export in section {
                exports.push(export.context("it is no WebAssembly")?.name);
            }
        }
    }
    if !exports.contains(&ABI) {
        bail!("it does not export {ABI}, so that it is no proxy-wasm module that Envoy knows");
    }
    let knows = |name: &str| module.windows(name.len()).any(|window| window == name.as_bytes());
    match FILTERS.into_iter().find(|name| !knows(name)) {
        Some(missing) => bail!("it does not know the filter {missing}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that exports one function of this name, with a custom section.
    fn module(export: &str, custom: &str) -> Vec<u8> {
        let section = |id: u8, content: &[u8]| [&[id, u8::try_from(content.len()).unwrap()][..], content].concat();
        let name = |name: &str| [&[u8::try_from(name.len()).unwrap()][..], name.as_bytes()].concat();
        [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &[1, 0x60, 0, 0]),
            section(3, &[1, 0]),
            section(7, &[&[1][..], &name(export), &[0, 0]].concat()),
            section(10, &[1, 2, 0, 0x0b]),
            section(0, &name(custom)),
        ]
        .concat()
    }

    #[test]
    fn only_weirs_own_module_will_do() {
        let check = |bytes: &[u8], expect: Option<&str>| {
            let found = check(bytes).map_err(|error| format!("{error:#}"));
            match expect {
                None => found.unwrap(),
                Some(expect) => assert!(found.as_ref().is_err_and(|error| error.contains(expect)), "{found:?}"),
            }
        };
        let own = module(ABI, "weir.chain weir.provider");
        check(&own, None);
        check(b"", Some("no WebAssembly"));
        check(b"<html>", Some("no WebAssembly"));
        check(&own[..own.len() - 1], Some("no WebAssembly"));
        check(&module("main", "weir.chain weir.provider"), Some("does not export proxy_abi"));
        check(&module(ABI, "weir.chain"), Some("does not know the filter weir.provider"));
    }
}
