use std::io::Write as _;
use std::net::SocketAddr;

use chrono::{TimeDelta, Utc};
use secrecy::ExposeSecret as _;
use weir_core::secret::{SecretKind, generate, sha256};
use weir_store::Store;

/// How long the token holds.
const TIME: TimeDelta = TimeDelta::hours(1);

/// While nobody administers the platform, prints where the first administrator can be made, with the token that it takes.
///
/// To standard error itself and not by the log, which may be kept and shared; the token stands behind `#`, so that a browser sends it
/// to no server but in the request that uses it.
pub(crate) async fn offer(store: &Store, scheme: &str, http: SocketAddr) -> anyhow::Result<()> {
    if !store.needs_setup().await? {
        return Ok(());
    }
    let token = generate(SecretKind::SetupToken)?;
    store.allow_setup(&sha256(token.expose_secret()), Utc::now() + TIME).await?;
    let (token, minutes) = (token.expose_secret(), TIME.num_minutes());
    let http = reachable(http);
    writeln!(
        std::io::stderr(),
        "There is no administrator yet. Within {minutes} minutes make one at {scheme}://{http}/setup#token={token}"
    )?;
    Ok(())
}

/// An address that a browser can open. One that stands for every address of the machine, as in a container, is none: such a port is reached
/// by the name of this machine, or forwarded to the reader's own.
fn reachable(http: SocketAddr) -> String {
    if http.ip().is_unspecified() { format!("localhost:{}", http.port()) } else { http.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_can_open_what_is_printed() {
        for (bound, told) in [
            ("0.0.0.0:18081", "localhost:18081"),
            ("[::]:18081", "localhost:18081"),
            ("10.0.0.7:8080", "10.0.0.7:8080"),
            ("[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()), told);
        }
    }
}
