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
    writeln!(
        std::io::stderr(),
        "There is no administrator yet. Within {minutes} minutes make one at {scheme}://{http}/setup#token={token}"
    )?;
    Ok(())
}
