//! Writers wait for their turn in the process, before they take a connection.
//!
//! In the database all writers wait for one row ([`crate::commit`]). One of each process at a time is enough to keep it busy; the
//! others would hold connections that readers need, and do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::StoreError;

/// Writers that wait at most.
const MOST_WAITING: usize = 64;
/// How long one waits at most.
const LONGEST: Duration = Duration::from_secs(10);

/// The queue. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Writers {
    turn: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Default for Writers {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), waiting: Arc::default() }
    }
}

impl Writers {
    /// The next turn, which lasts until it is dropped.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let place = Place::take(&self.waiting)?;
        let turn = tokio::time::timeout(LONGEST, self.turn.clone().acquire_owned()).await;
        drop(place);
        // Nobody closes the semaphore.
        turn.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Busy)
    }
}

/// A place among those who wait, also for one who leaves early.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, StoreError> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING { Err(StoreError::Busy) } else { Ok(place) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
