//! Which keys issuers of tokens serve, so that Envoys forget what they verified by one that is gone.
//!
//! An Envoy that remembers a token as verified does not look at the issuer's keys again until the token ends. So it remembers only where
//! the control plane reads the keys as well, and is told to forget (by another configuration of its filter) when one of them is gone.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;
use weir_core::actor::Actor;

use crate::resource::TOKEN_ISSUER;
use crate::{Store, StoreError};

/// Seconds after which keys are read again, at most.
const MOST_BETWEEN_S: i32 = 300;
/// Seconds after which it is tried again to read keys that could not be.
const AGAIN_S: i32 = 30;
/// Of how many readings in a row that fail it is still relied on the last that did not.
const FAILURES: i32 = 3;
/// Withdrawals within [`COUNTED`] after which nothing is remembered any more for the rest of that time: each costs every Envoy a fetch of all
/// issuers' keys.
const MOST_WITHDRAWALS: i32 = 5;
const COUNTED: TimeDelta = TimeDelta::hours(1);
/// Characters of a failure that are kept.
const LONGEST_FAILURE: usize = 500;

/// An issuer whose keys are to be read.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct IssuerToRead {
    /// Its id.
    pub id: Uuid,
    /// To whom it belongs; `None`: to the platform.
    pub tenant_id: Option<Uuid>,
    /// Where its keys are.
    pub jwks_url: String,
}

/// What is known of an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Known {
    digests: Vec<String>,
    read_at: Option<DateTime<Utc>>,
    failure: Option<String>,
    is_watched: bool,
    withdrawals: i64,
    again_at: Option<DateTime<Utc>>,
    counted_since: DateTime<Utc>,
    counted: i32,
    /// Of the issuer.
    keys_kept_seconds: i32,
}

impl Known {
    /// Seconds between two readings.
    fn between_s(&self) -> i32 {
        self.keys_kept_seconds.min(MOST_BETWEEN_S)
    }

    /// What is known after a reading.
    fn after(&self, read: Result<&[String], &str>, now: DateTime<Utc>) -> Self {
        let mut known = self.clone();
        let digests = match read {
            Ok(digests) => digests,
            Err(failure) => {
                known.failure = Some(failure.chars().take(LONGEST_FAILURE).collect());
                let relied_on = TimeDelta::seconds(i64::from(FAILURES * self.between_s().max(AGAIN_S)));
                known.is_watched &= self.read_at.is_some_and(|at| now - at < relied_on);
                return known;
            }
        };
        if now - self.counted_since >= COUNTED {
            (known.counted_since, known.counted) = (now, 0);
        }
        if self.digests.iter().any(|digest| !digests.contains(digest)) {
            known.withdrawals += 1;
            known.counted += 1;
            known.again_at = Some(now + TimeDelta::seconds(i64::from(self.between_s())));
        } else if self.again_at.is_some_and(|at| at <= now) {
            known.withdrawals += 1;
            known.again_at = None;
        }
        known.is_watched = known.counted <= MOST_WITHDRAWALS;
        known.failure = None;
        known.digests = digests.to_vec();
        known.read_at = Some(now);
        known
    }

    /// What the change after a reading is called in the audit log; `None`: Envoys need not be told of it.
    fn verb(&self, before: &Self) -> Option<&'static str> {
        match (before.is_watched, self.is_watched) {
            (false, true) => Some("watch_keys"),
            (true, false) => Some("unwatch_keys"),
            (true, true) if self.withdrawals > before.withdrawals => Some("withdraw_keys"),
            (true, true) | (false, false) => None,
        }
    }
}

impl Store {
    /// Issuers whose keys are to be read now, at most `most`, and no owner's but a quarter of them. No other control plane is given the same ones.
    pub async fn issuers_to_read(&self, most: u8) -> Result<Vec<IssuerToRead>, StoreError> {
        self.unless_away()?;
        sqlx::query(
            "INSERT INTO token_issuer_keys (token_issuer_id) SELECT id FROM token_issuers WHERE jwks_url IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM token_issuer_keys known WHERE known.token_issuer_id = token_issuers.id)
             ON CONFLICT DO NOTHING",
        )
        .execute(&self.pool)
        .await?;
        let due = sqlx::query_as(
            "UPDATE token_issuer_keys keys SET next_at = now() + make_interval(secs => least(issuer.keys_kept_seconds, $2))
             FROM token_issuers issuer
             WHERE issuer.id = keys.token_issuer_id AND issuer.jwks_url IS NOT NULL AND keys.token_issuer_id IN (
                 SELECT due.token_issuer_id FROM token_issuer_keys due JOIN (
                     SELECT waiting.token_issuer_id AS id,
                         row_number() OVER (PARTITION BY owned.owner_id ORDER BY waiting.next_at) AS place
                     FROM token_issuer_keys waiting JOIN token_issuers owned ON owned.id = waiting.token_issuer_id
                     WHERE waiting.next_at <= now()
                 ) placed ON placed.id = due.token_issuer_id
                 WHERE placed.place <= ($1 + 3) / 4 AND due.next_at <= now() ORDER BY due.next_at LIMIT $1
                 FOR UPDATE OF due SKIP LOCKED)
             RETURNING issuer.id, issuer.tenant_id, issuer.jwks_url",
        );
        Ok(due.bind(i16::from(most)).bind(MOST_BETWEEN_S).fetch_all(&self.pool).await?)
    }

    /// Issuers whose keys were not read for so long that what Envoys remember of their tokens is no longer relied on, at most `most`.
    pub async fn issuers_unread(&self, most: u8) -> Result<Vec<IssuerToRead>, StoreError> {
        let unread = sqlx::query_as(
            "SELECT issuer.id, issuer.tenant_id, issuer.jwks_url
             FROM token_issuer_keys keys JOIN token_issuers issuer ON issuer.id = keys.token_issuer_id
             WHERE keys.is_watched AND issuer.jwks_url IS NOT NULL
                 AND keys.read_at < now() - make_interval(secs => $2 * greatest(least(issuer.keys_kept_seconds, $3), $4))
             ORDER BY keys.read_at LIMIT $1",
        );
        let unread = unread.bind(i16::from(most)).bind(FAILURES).bind(MOST_BETWEEN_S).bind(AGAIN_S);
        Ok(unread.fetch_all(&self.pool).await?)
    }

    /// Notes which keys an issuer serves, by their digests, or why that cannot be known. Envoys are told where that changes what they may
    /// remember.
    pub async fn note_issuer_keys(
        &self,
        issuer: &IssuerToRead,
        read: Result<&[String], &str>,
    ) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        let Some(before) = known(&mut connection, issuer).await? else { return Ok(()) };
        let after = before.after(read, Utc::now());
        if after.verb(&before).is_none() {
            return keep(&mut connection, issuer, &after).await;
        }
        drop(connection);
        let system = Actor::system();
        let mut write = self.begin(&system).await?;
        // It may have been written meanwhile.
        let Some(before) = known(write.connection(), issuer).await? else { return Ok(()) };
        let after = before.after(read, Utc::now());
        let Some(verb) = after.verb(&before) else { return Ok(()) };
        keep(write.connection(), issuer, &after).await?;
        let stored = write.current(TOKEN_ISSUER, issuer.id).await?;
        write.note(TOKEN_ISSUER, verb, &stored, Vec::new());
        write.commit().await?;
        Ok(())
    }
}

/// `None`: the issuer is gone, or its keys are somewhere else now.
async fn known(connection: &mut PgConnection, issuer: &IssuerToRead) -> Result<Option<Known>, StoreError> {
    let known = sqlx::query_as(
        "SELECT keys.digests, keys.read_at, keys.failure, keys.is_watched, keys.withdrawals, keys.again_at, keys.counted_since,
             keys.counted, issuer.keys_kept_seconds
         FROM token_issuer_keys keys JOIN token_issuers issuer ON issuer.id = keys.token_issuer_id
         WHERE issuer.id = $1 AND issuer.jwks_url = $2",
    );
    Ok(known.bind(issuer.id).bind(&issuer.jwks_url).fetch_optional(connection).await?)
}

async fn keep(connection: &mut PgConnection, issuer: &IssuerToRead, known: &Known) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE token_issuer_keys SET digests = $2, read_at = $3, failure = $4, is_watched = $5, withdrawals = $6, again_at = $7,
             counted_since = $8, counted = $9,
             next_at = CASE WHEN $4 IS NULL THEN next_at ELSE least(next_at, now() + make_interval(secs => $10)) END
         WHERE token_issuer_id = $1",
    )
    .bind(issuer.id)
    .bind(&known.digests)
    .bind(known.read_at)
    .bind(&known.failure)
    .bind(known.is_watched)
    .bind(known.withdrawals)
    .bind(known.again_at)
    .bind(known.counted_since)
    .bind(known.counted)
    .bind(AGAIN_S)
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread() -> Known {
        Known {
            digests: Vec::new(),
            read_at: None,
            failure: None,
            is_watched: false,
            withdrawals: 0,
            again_at: None,
            counted_since: Utc::now(),
            counted: 0,
            keys_kept_seconds: 60,
        }
    }

    fn keys(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_key_that_is_gone_is_forgotten_twice_and_one_that_is_new_is_none_of_that() {
        let mut known = unread();
        let mut now = known.counted_since;
        let mut read = |names: &[&str]| {
            now += TimeDelta::seconds(60);
            let after = known.after(Ok(&keys(names)), now);
            let verb = after.verb(&known);
            known = after;
            verb
        };
        assert_eq!(read(&["a"]), Some("watch_keys"));
        assert_eq!(read(&["a", "b"]), None);
        assert_eq!(read(&["b"]), Some("withdraw_keys"));
        assert_eq!(read(&["b"]), Some("withdraw_keys"), "by then no server has the former keys");
        assert_eq!(read(&["b"]), None);
    }

    #[test]
    fn without_keys_nothing_is_remembered_for_long() {
        let known = unread();
        assert!(!known.after(Err("away"), known.counted_since).is_watched);
        let read = known.after(Ok(&keys(&["a"])), known.counted_since);
        let after = |seconds| read.after(Err("away"), known.counted_since + TimeDelta::seconds(seconds));
        assert!(after(120).is_watched);
        assert_eq!(after(120).failure.as_deref(), Some("away"));
        assert_eq!(after(180).verb(&read), Some("unwatch_keys"));
        let back = after(180).after(Ok(&keys(&["b"])), known.counted_since + TimeDelta::seconds(240));
        assert_eq!((back.is_watched, back.failure), (true, None));
    }

    #[test]
    fn keys_that_change_all_the_time_are_not_watched_for_the_rest_of_the_hour() {
        let begin = unread();
        let mut known = begin.after(Ok(&keys(&["0"])), begin.counted_since);
        let mut told = 0;
        for round in 1..=59 {
            let now = begin.counted_since + TimeDelta::minutes(round);
            let after = known.after(Ok(&keys(&[&round.to_string()])), now);
            told += usize::from(after.verb(&known).is_some());
            known = after;
        }
        assert_eq!((told, known.is_watched), (6, false), "five times that keys are gone, and that nobody watches");
        let hour = begin.counted_since + COUNTED;
        assert!(known.after(Ok(&known.digests.clone()), hour).is_watched);
    }
}
