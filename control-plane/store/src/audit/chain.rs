//! Whether the audit log is as it was written.

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_core::actor::Actor;
use weir_core::audit_head::{AuditHead, hex};
use weir_core::permission::Permission;
use weir_core::secret::sha256_bytes;

use crate::authorisation::authorise;
use crate::row::{signed, unsigned};
use crate::{Store, StoreError};

/// Entries that are read at a time.
const AT_ONCE: i64 = 2_000;
/// Faults that are told: a log that was written anew has one at every entry.
const MOST_FAULTS: usize = 100;
/// What the first entry follows.
const BEGINNING: [u8; 32] = [0; 32];

/// What came of checking the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheck {
    /// Entries that were looked at.
    pub entries: u64,
    /// The place of the last one that is not there any more because its time was over; 0: none is.
    pub dropped: u64,
    /// The place of the last entry; 0: there is none.
    pub last: u64,
    /// Heads of the database's that were compared, and the one that was given.
    pub heads: u64,
    /// What does not fit, in the order of the chain; at most 100. Empty: the log is whole, and as it was written.
    pub faults: Vec<AuditFault>,
}

/// Something in the audit log that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFault {
    /// Of which kind.
    pub kind: AuditFaultKind,
    /// The place where it shows.
    pub sequence: u64,
    /// The entry that stands there, if one does.
    pub entry_id: Option<Uuid>,
    /// What that says it is: action and time.
    pub entry: Option<String>,
}

/// Kinds of [`AuditFault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFaultKind {
    /// What the entry says, or the hash that the one before carries, is another than when it was written.
    Changed,
    /// Entries were taken away, from this place on to the next one that is there.
    Removed,
    /// Two entries claim this place: one was put in, or moved.
    Doubled,
    /// A signed head tells of an entry at this place, and there is none: the end was cut off.
    CutOff,
    /// A signed head tells another hash of this place: what stands up to there was written anew.
    Rewritten,
    /// A head at this place was signed by nobody who has one of the master keys.
    ForgedHead,
}

impl AuditFaultKind {
    /// As the API tells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Doubled => "doubled",
            Self::CutOff => "cut_off",
            Self::Rewritten => "rewritten",
            Self::ForgedHead => "forged_head",
        }
    }
}

impl fmt::Display for AuditFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            AuditFaultKind::Changed => {
                "does not follow from the entry before it: it was changed, or the hash of that one was"
            }
            AuditFaultKind::Removed => "is not there: entries were removed from here on",
            AuditFaultKind::Doubled => "stands there twice: an entry was put in or moved",
            AuditFaultKind::CutOff => "is not there, but a signed head tells of it: the end was cut off",
            AuditFaultKind::Rewritten => "is another than a signed head says: what stands up to here was written anew",
            AuditFaultKind::ForgedHead => "has a head that was not signed with any of these master keys",
        };
        write!(formatter, "entry {} {what}", self.sequence)?;
        if let (Some(id), Some(entry)) = (self.entry_id, &self.entry) {
            write!(formatter, " ({entry}, id {id})")?;
        }
        Ok(())
    }
}

impl Store {
    /// What the chain has come to, signed. For who sees everything.
    pub async fn audit_head(&self, actor: &Actor, now: DateTime<Utc>) -> Result<AuditHead, StoreError> {
        authorise(actor, Permission::AuditRead, None)?;
        let last: Option<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT sequence, hash FROM (
                 (SELECT sequence, hash FROM audit ORDER BY sequence DESC, id DESC LIMIT 1)
                 UNION ALL (SELECT sequence, hash FROM audit_heads ORDER BY sequence DESC LIMIT 1)) AS ends
             ORDER BY sequence DESC LIMIT 1",
        )
        .fetch_optional(&self.admin)
        .await?;
        let (sequence, hash) = last.unwrap_or((0, BEGINNING.to_vec()));
        self.signed_head(sequence, &hash, now, false)
    }

    pub(super) fn signed_head(
        &self,
        sequence: i64,
        hash: &[u8],
        now: DateTime<Utc>,
        dropped: bool,
    ) -> Result<AuditHead, StoreError> {
        // As Postgres keeps it.
        let at = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
        let head = self.encryption.sign_audit_head(unsigned(sequence)?, hash, at, dropped);
        head.ok_or(StoreError::Corrupt("an empty keyring"))
    }

    /// Reads the whole log and compares it with itself, with the heads that were signed, and with one that was kept elsewhere. For who sees
    /// everything.
    pub async fn verify_audit(&self, actor: &Actor, kept: Option<AuditHead>) -> Result<AuditCheck, StoreError> {
        authorise(actor, Permission::AuditRead, None)?;
        let mut heads: Vec<AuditHead> = sqlx::query_as("SELECT * FROM audit_heads ORDER BY sequence")
            .fetch_all(&self.admin)
            .await?
            .into_iter()
            .map(HeadRow::into_head)
            .collect::<Result<_, _>>()?;
        heads.extend(kept);
        let mut faults = Vec::new();
        heads.retain(|head| {
            let is_ours = self.encryption.has_signed(head);
            if !is_ours {
                faults.push(AuditFault::at(AuditFaultKind::ForgedHead, head.sequence));
            }
            is_ours
        });
        let compared = heads.len() as u64;
        let begin = heads.iter().filter(|head| head.dropped).max_by_key(|head| head.sequence).cloned();
        let dropped = begin.as_ref().map_or(0, |head| head.sequence);
        // What was dropped is no longer there to be compared.
        heads.retain(|head| head.sequence > dropped);
        heads.sort_by_key(|head| head.sequence);
        let mut walk = Walk {
            last: dropped,
            hash: begin.and_then(|head| weir_core::audit_head::from_hex(&head.hash)).unwrap_or(BEGINNING.to_vec()),
            heads: heads.into(),
            entries: 0,
            faults,
        };
        let mut after = (signed(dropped), Uuid::max());
        loop {
            let rows: Vec<Entry> = sqlx::query_as(
                "SELECT sequence, hash, id, at, actor_kind, actor_id, actor_email, actor_tenant_id, action, resource_type,
                     resource_id, resource_name, tenant_id, origin_kind, origin_ref, changes::text AS changes, revision, request_id,
                     client_address
                 FROM audit WHERE (sequence, id) > ($1, $2) ORDER BY sequence, id LIMIT $3",
            )
            .bind(after.0)
            .bind(after.1)
            .bind(AT_ONCE)
            .fetch_all(&self.admin)
            .await?;
            let Some(last) = rows.last() else { break };
            after = (last.sequence, last.id);
            for row in &rows {
                walk.take(row)?;
            }
        }
        walk.end();
        let Walk { last, entries, mut faults, .. } = walk;
        faults.sort_by_key(|fault| fault.sequence);
        faults.truncate(MOST_FAULTS);
        Ok(AuditCheck { entries, dropped, last, heads: compared, faults })
    }
}

/// How far the log was read.
struct Walk {
    last: u64,
    /// What the last entry says is its hash.
    hash: Vec<u8>,
    /// Of places that were not come to yet, in their order.
    heads: std::collections::VecDeque<AuditHead>,
    entries: u64,
    faults: Vec<AuditFault>,
}

impl Walk {
    fn take(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let sequence = unsigned(entry.sequence)?;
        self.entries += 1;
        if sequence == self.last {
            self.fault(AuditFault::of(AuditFaultKind::Doubled, entry, sequence));
            return Ok(());
        }
        if sequence > self.last.saturating_add(1) {
            self.fault(AuditFault::at(AuditFaultKind::Removed, self.last.saturating_add(1)));
        } else if entry.digest(&self.hash) != entry.hash {
            self.fault(AuditFault::of(AuditFaultKind::Changed, entry, sequence));
        }
        while let Some(head) = self.heads.pop_front_if(|head| head.sequence <= sequence) {
            if head.sequence == sequence && head.hash != hex(&entry.hash) {
                self.fault(AuditFault::of(AuditFaultKind::Rewritten, entry, sequence));
            }
        }
        self.last = sequence;
        self.hash.clone_from(&entry.hash);
        Ok(())
    }

    /// Heads that are left tell of entries beyond the last.
    fn end(&mut self) {
        if !self.heads.is_empty() {
            self.fault(AuditFault::at(AuditFaultKind::CutOff, self.last.saturating_add(1)));
        }
    }

    fn fault(&mut self, fault: AuditFault) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }
}

impl AuditFault {
    fn at(kind: AuditFaultKind, sequence: u64) -> Self {
        Self { kind, sequence, entry_id: None, entry: None }
    }

    fn of(kind: AuditFaultKind, entry: &Entry, sequence: u64) -> Self {
        let what = format!("{} at {}", entry.action, entry.at.to_rfc3339());
        Self { kind, sequence, entry_id: Some(entry.id), entry: Some(what) }
    }
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    sequence: i64,
    hash: Vec<u8>,
    at: DateTime<Utc>,
    dropped: bool,
    public_key: String,
    signature: String,
}

impl HeadRow {
    fn into_head(self) -> Result<AuditHead, StoreError> {
        let Self { sequence, hash, at, dropped, public_key, signature } = self;
        Ok(AuditHead { sequence: unsigned(sequence)?, hash: hex(&hash), at, dropped, public_key, signature })
    }
}

/// An entry as its hash says it.
#[derive(sqlx::FromRow)]
struct Entry {
    sequence: i64,
    hash: Vec<u8>,
    id: Uuid,
    at: DateTime<Utc>,
    actor_kind: String,
    actor_id: Uuid,
    actor_email: String,
    actor_tenant_id: Option<Uuid>,
    action: String,
    resource_type: String,
    resource_id: Uuid,
    resource_name: Option<String>,
    tenant_id: Option<Uuid>,
    origin_kind: String,
    origin_ref: Option<String>,
    changes: Option<String>,
    revision: i64,
    request_id: Option<String>,
    client_address: Option<String>,
}

impl Entry {
    /// The hash that it should have behind this one: as `audit_chain()` in migration 48 makes it.
    fn digest(&self, before: &[u8]) -> Vec<u8> {
        let id = |id: Uuid| Some(id.to_string());
        let text = |text: &str| Some(text.to_owned());
        let fields = [
            text(&self.sequence.to_string()),
            id(self.id),
            text(&self.at.timestamp_micros().to_string()),
            text(&self.actor_kind),
            id(self.actor_id),
            text(&self.actor_email),
            self.actor_tenant_id.and_then(id),
            text(&self.action),
            text(&self.resource_type),
            id(self.resource_id),
            self.resource_name.clone(),
            self.tenant_id.and_then(id),
            text(&self.origin_kind),
            self.origin_ref.clone(),
            self.changes.clone(),
            text(&self.revision.to_string()),
            self.request_id.clone(),
            self.client_address.clone(),
        ];
        let mut bytes = before.to_vec();
        for field in fields {
            match field {
                None => bytes.push(b'-'),
                Some(value) => bytes.extend_from_slice(format!("{}:{value}", value.len()).as_bytes()),
            }
        }
        sha256_bytes(&bytes).to_vec()
    }
}
