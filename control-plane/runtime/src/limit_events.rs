//! What becomes of limits, noted again and again.

use std::time::Duration;

use chrono::Utc;
use weir_dataplane::chain;
use weir_store::Store;

/// How often it is looked which thresholds were passed.
const EVERY: Duration = Duration::from_secs(10);

/// Notes which limits are reached and which thresholds were passed.
pub(crate) async fn note(store: Store) {
    loop {
        tokio::time::sleep(EVERY).await;
        match store.note_limit_events(Utc::now()).await {
            Ok(()) => {}
            // That it is away is logged by who looks at it all the time, and what was not noted now is later.
            Err(error) if error.is_away() => {}
            Err(error) => {
                let error = chain(&error);
                tracing::error!(error, "what became of limits is not noted yet");
            }
        }
    }
}
