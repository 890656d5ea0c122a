use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::PgPool;
use uuid::Uuid;

use crate::StoreError;

/// Keys kept at most: some megabytes.
const CAPACITY: usize = 100_000;

/// The tenants of keys that were found. A key never changes its tenant, and a deleted one keeps it, so that what is known
/// once holds for ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownKeys {
    tenants: Arc<Mutex<HashMap<Uuid, Uuid>>>,
}

impl KnownKeys {
    /// The tenant of each of these keys that there is.
    pub(super) async fn tenants(
        &self,
        pool: &PgPool,
        keys: impl Iterator<Item = Uuid>,
    ) -> Result<HashMap<Uuid, Uuid>, StoreError> {
        let mut found = HashMap::new();
        let mut unknown = HashSet::new();
        {
            let known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            let mut last = None;
            // Records of a key often come one after the other.
            for key in keys.filter(|key| last.replace(*key) != Some(*key)) {
                match known.get(&key) {
                    Some(tenant) => drop(found.insert(key, *tenant)),
                    None => drop(unknown.insert(key)),
                }
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as("SELECT id, tenant_id FROM api_keys WHERE id = ANY($1)")
            .bind(unknown.into_iter().collect::<Vec<_>>())
            .fetch_all(pool)
            .await?;
        let mut known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + rows.len() > CAPACITY {
            known.clear();
        }
        known.extend(rows.iter().copied().take(CAPACITY));
        found.extend(rows);
        Ok(found)
    }
}
