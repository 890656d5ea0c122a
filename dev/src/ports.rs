//! Chooses the ports to listen on.

use std::collections::HashSet;
use std::io;
use std::net::TcpListener;

use anyhow::{Context, Result, bail};

use crate::settings::LOOPBACK;

/// Free ports are taken from here: below the range that the kernel gives to outgoing connections, so that none of those
/// takes the port between our looking and the part's binding.
pub(crate) const FREE: std::ops::Range<u16> = 20_000..32_000;
const ATTEMPTS: usize = 1_000;

/// Checks each wanted port, and finds one for each 0. `wanted` is the variable that sets it, and its value.
///
/// All of them stay bound until the last one is found, so no two are equal.
pub fn choose<const N: usize>(wanted: [(&str, u16); N]) -> Result<[u16; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    let mut given = HashSet::new();
    for (slot, (variable, port)) in ports.iter_mut().zip(wanted) {
        if port != 0 && !given.insert(port) {
            bail!("port {port} is asked for twice; set {variable} to another one, or to 0 for any free port");
        }
        let listener = if port == 0 { free(&wanted) } else { bind(variable, port) }?;
        *slot = listener.local_addr().context("no local address")?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

fn bind(variable: &str, port: u16) -> Result<TcpListener> {
    TcpListener::bind((LOOPBACK, port)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "port {port} is in use; stop what listens there, or set {variable} to another port (0: any free one)"
        ),
        _ => anyhow::Error::new(error).context(format!("cannot listen on port {port} ({variable})")),
    })
}

fn free(wanted: &[(&str, u16)]) -> Result<TcpListener> {
    for _ in 0..ATTEMPTS {
        let mut bytes = [0; 2];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("no random numbers"))?;
        let port = FREE.start + u16::from_ne_bytes(bytes) % (FREE.end - FREE.start);
        if wanted.iter().any(|(_, given)| *given == port) {
            continue;
        }
        if let Ok(listener) = TcpListener::bind((LOOPBACK, port)) {
            return Ok(listener);
        }
    }
    bail!("no free port between {} and {}", FREE.start, FREE.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_means_any_free_port_and_no_two_are_equal() {
        let ports = choose([("A", 0), ("B", 0), ("C", 0), ("D", 0)]).unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 4);
        assert!(ports.iter().all(|port| FREE.contains(port)));
    }

    #[test]
    fn a_port_in_use_is_refused_with_the_variable_that_sets_it() {
        let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = choose([("WEIR_GATEWAY_PORT", port)]).unwrap_err().to_string();
        assert!(error.contains("WEIR_GATEWAY_PORT") && error.contains(&port.to_string()), "{error}");
        let [free] = choose([("A", 0)]).unwrap();
        let error = choose([("A", free), ("WEIR_XDS_PORT", free)]).unwrap_err().to_string();
        assert!(error.contains("WEIR_XDS_PORT"), "{error}");
    }
}
