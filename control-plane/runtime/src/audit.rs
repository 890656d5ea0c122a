//! The audit log: what is added a moment later, and whether it is as it was written.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use weir_core::actor::Actor;
use weir_core::audit_head::AuditHead;
use weir_dataplane::chain;
use weir_store::{AuditCheck, Store};

use crate::database::connect;
use crate::settings::DatabaseSettings;

/// How often what was refused and found becomes part of the log.
const EVERY: Duration = Duration::from_secs(60);

/// Adds what was refused and found, again and again.
pub(crate) async fn seal(store: Store) {
    loop {
        tokio::time::sleep(EVERY).await;
        match store.seal_audit(Utc::now()).await {
            Ok(()) => {}
            // That it is away is logged by who looks at it all the time, and what was not added now is later.
            Err(error) if error.is_away() => {}
            Err(error) => {
                let error = chain(&error);
                tracing::error!(error, "what was refused and found is not in the audit log yet");
            }
        }
    }
}

/// What the audit log has come to, signed, as one line of JSON.
pub async fn audit_head(settings: &DatabaseSettings) -> anyhow::Result<String> {
    let store = connect(settings).await?;
    let head = store.audit_head(&Actor::system(), Utc::now()).await;
    store.close().await;
    Ok(serde_json::to_string(&head?)?)
}

/// Whether the audit log is as it was written, also by a head that was kept in a file.
pub async fn verify_audit(settings: &DatabaseSettings, head: Option<&Path>) -> anyhow::Result<AuditCheck> {
    let kept = head.map(read_head).transpose()?;
    let store = connect(settings).await?;
    let check = store.verify_audit(&Actor::system(), kept).await;
    store.close().await;
    Ok(check?)
}

fn read_head(path: &Path) -> anyhow::Result<AuditHead> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?;
    serde_json::from_str(&text).with_context(|| format!("{shown} is no head of an audit log"))
}
