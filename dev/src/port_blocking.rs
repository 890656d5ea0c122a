//! Ports that no browser connects to, and no `fetch` of Node, Deno or Bun either: nothing that such a client shall reach
//! may listen there.

/// Every "bad port" of the Fetch standard, section "Port blocking" (<https://fetch.spec.whatwg.org/#port-blocking>), but for 0,
/// on which nobody listens.
const BAD_PORTS: [u16; 82] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
    540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
    6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Whether browsers and `fetch` refuse to connect to this port, whoever listens there.
pub fn is_blocked(port: u16) -> bool {
    BAD_PORTS.contains(&port)
}

/// Reads a port that browsers and `fetch` can reach.
///
/// # Errors
/// What is no port, or a port that they refuse.
pub(crate) fn reachable(text: &str) -> Result<u16, String> {
    let port = text.parse().map_err(|_| "a port is a number from 0 to 65535".to_owned())?;
    if is_blocked(port) {
        return Err(format!(
            "browsers and Node's fetch refuse to connect to port {port} (https://fetch.spec.whatwg.org/#port-blocking); \
             choose another one, or 0 for any free port"
        ));
    }
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_ports_are_refused_and_others_read() {
        for port in BAD_PORTS {
            let refused = reachable(&port.to_string()).unwrap_err();
            assert!(refused.contains(&format!("port {port} ")), "{refused}");
        }
        for (text, expect) in [("0", 0), ("80", 80), ("8080", 8080), ("10081", 10081), ("65535", 65535)] {
            assert_eq!(reachable(text), Ok(expect));
        }
        for wrong in ["", "65536", "-1", "http"] {
            assert!(reachable(wrong).is_err(), "{wrong}");
        }
    }
}
