use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use uuid::Uuid;
use weir_core::ledger::{RecordSubject, UsageRecord};

use crate::StoreError;

/// For how long it is believed for whom a key is.
const FRESH: Duration = Duration::from_secs(5);
/// For whom keys are. The label nearest to the key holds: its own, its owner's, its department's.
const SUBJECTS: &str = "SELECT k.id, coalesce(k.user_id, k.former_user_id) AS user_id,
        coalesce(k.service_account_id, k.former_service_account_id) AS service_account_id, d.id AS department_id,
        ARRAY(SELECT name || '=' || value FROM jsonb_each_text(
            coalesce(d.labels, '{}') || coalesce(u.labels, s.labels, '{}') || k.labels) AS label (name, value) ORDER BY 1) AS labels
    FROM api_keys k
    LEFT JOIN users u ON u.id = k.user_id
    LEFT JOIN service_accounts s ON s.id = k.service_account_id
    LEFT JOIN departments d ON d.id = coalesce(k.department_id, u.department_id, s.department_id, k.former_department_id)
    WHERE k.id = ANY($1)";
/// Keys kept at most: some megabytes.
const CAPACITY: usize = 100_000;

/// The tenants of keys that were found. A key never changes its tenant, and a deleted one keeps it, so that what is known
/// once holds for ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownKeys {
    tenants: Arc<Mutex<HashMap<Uuid, Uuid>>>,
    subjects: Arc<Mutex<HashMap<Uuid, (Instant, RecordSubject)>>>,
}

#[derive(sqlx::FromRow)]
struct SubjectRow {
    id: Uuid,
    user_id: Option<Uuid>,
    service_account_id: Option<Uuid>,
    department_id: Option<Uuid>,
    labels: Vec<String>,
}

impl KnownKeys {
    /// Notes in each record for whom its key is, as it was at most some seconds ago.
    pub(super) async fn note_subjects(&self, pool: &PgPool, records: &mut [UsageRecord]) -> Result<(), StoreError> {
        let now = Instant::now();
        let stale: HashSet<Uuid> = {
            let known = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
            let is_fresh = |key: &Uuid| known.get(key).is_some_and(|(since, _)| now.duration_since(*since) < FRESH);
            records.iter().map(|record| record.key_id).filter(|key| !is_fresh(key)).collect()
        };
        let rows: Vec<SubjectRow> = match stale.is_empty() {
            true => Vec::new(),
            false => {
                let stale: Vec<Uuid> = stale.into_iter().collect();
                sqlx::query_as(SUBJECTS).bind(stale).fetch_all(pool).await?
            }
        };
        let mut known = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + rows.len() > CAPACITY {
            known.clear();
        }
        for SubjectRow { id, user_id, service_account_id, department_id, labels } in rows {
            known.insert(id, (now, RecordSubject { user_id, service_account_id, department_id, labels }));
        }
        for record in records {
            if let Some((_, subject)) = known.get(&record.key_id) {
                record.subject.clone_from(subject);
            }
        }
        Ok(())
    }

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
