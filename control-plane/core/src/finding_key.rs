//! Keys for digests of what guardrails find: one for each tenant and week.

use chrono::{DateTime, Datelike, Days, TimeDelta, Utc};

/// A key that is begun sooner than this is told of ahead, so that gateways have it when its time begins.
const AHEAD: TimeDelta = TimeDelta::hours(1);

/// A tenant's key for digests of what its guardrails find in one week. Neither another tenant's nor that of another week follows from it.
#[derive(Clone, PartialEq, Eq)]
pub struct FindingKey {
    /// 32 bytes.
    pub key: [u8; 32],
    /// When it holds.
    pub week: Week,
}

impl std::fmt::Debug for FindingKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FindingKey").field("week", &self.week).finish_non_exhaustive()
    }
}

/// Seven days in UTC, from a Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// Its first day as a number: 20261130.
    pub id: u32,
    /// Unix time in seconds.
    pub start_s: i64,
    /// The first second that is not in it.
    pub end_s: i64,
}

impl Week {
    /// The week at hand, and the next if it begins soon.
    pub fn told_at(now: DateTime<Utc>) -> impl Iterator<Item = Self> {
        let (this, soon) = (Self::of(now), Self::of(now + AHEAD));
        [Some(this), Some(soon).filter(|soon| *soon != this)].into_iter().flatten()
    }

    fn of(at: DateTime<Utc>) -> Self {
        let today = at.date_naive();
        let monday = today - Days::new(u64::from(today.weekday().num_days_from_monday()));
        let start_s = monday.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
        let id = monday.year_ce().1 * 10_000 + monday.month() * 100 + monday.day();
        Self { id, start_s, end_s: start_s + TimeDelta::weeks(1).num_seconds() }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::Week;

    #[test]
    fn weeks_begin_on_mondays_and_the_next_is_told_an_hour_before() {
        let ids = |at: &str| -> Vec<u32> {
            let at: DateTime<Utc> = at.parse().unwrap();
            Week::told_at(at).map(|week| week.id).collect()
        };
        assert_eq!(ids("2026-11-30T00:00:00Z"), [20_261_130]);
        assert_eq!(ids("2026-12-06T22:59:59Z"), [20_261_130]);
        assert_eq!(ids("2026-12-06T23:00:00Z"), [20_261_130, 20_261_207]);
        assert_eq!(ids("2027-01-01T12:00:00Z"), [20_261_228], "a week of two years");
        let week = Week::told_at("2026-12-02T12:00:00Z".parse().unwrap()).next().unwrap();
        assert_eq!((week.start_s, week.end_s), (1_795_996_800, 1_796_601_600));
    }
}
