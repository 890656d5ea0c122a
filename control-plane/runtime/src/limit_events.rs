//! What becomes of limits, noted again and again.

use std::time::Duration;

use chrono::Utc;
use weir_dataplane::chain;
use weir_store::Store;

/// How often it is looked which thresholds were passed by what was used.
const EVERY: Duration = Duration::from_secs(10);
/// How many times it is looked so until all limits are looked at, since some may have changed.
const ALL_EVERY: u32 = 6;

/// Notes which limits are reached and which thresholds were passed.
pub(crate) async fn note(store: Store) {
    let mut noted_until = None;
    for round in (0..ALL_EVERY).cycle() {
        tokio::time::sleep(EVERY).await;
        let now = Utc::now();
        match store.note_limit_events(noted_until.filter(|_| round > 0), now).await {
            Ok(()) => noted_until = Some(now),
            // That it is away is logged by who looks at it all the time, and what was not noted now is later.
            Err(error) if error.is_away() => {}
            Err(error) => {
                let error = chain(&error);
                tracing::error!(error, "what became of limits is not noted yet");
            }
        }
    }
}
