//! Callers that are gone before they are answered.

use std::task::Poll;

use serde_json::json;
use weir_core::secret::sha256;

use crate::app::app;

/// A client that hangs up ends the look-up wherever it is. Its connection goes back to the pool, and whoever gets it next must
/// not find itself in the look-up's transaction.
#[tokio::test]
async fn a_look_up_that_is_given_up_spoils_nobody_elses_write() {
    let app = app().await;
    let platform = app.platform().await;
    let gateway = app.gateway(None).await;
    let digest = sha256("weir_invented");
    for most_polls in 0..40 {
        let mut look_up =
            Box::pin(app.store.resolve_credential(&gateway, &digest, None, &weir_config::FindingType::ALL));
        let mut polls = 0;
        // Given up when it is woken for the last time, so that each place where it waits is one where it ends.
        std::future::poll_fn(|context| {
            polls += 1;
            if polls > most_polls { Poll::Ready(()) } else { look_up.as_mut().poll(context).map(drop) }
        })
        .await;
        drop(look_up);
        platform.make("tenants", json!({"name": format!("tenant {most_polls}")})).await;
    }
}
