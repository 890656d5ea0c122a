//! Periods of calendars: where a day, a month, a year of a time zone begins and ends.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_config::Period;

/// A part of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalendarPeriod {
    /// A minute.
    Minute,
    /// An hour of the clock.
    Hour,
    /// From midnight to midnight.
    Day,
    /// Seven days, from Monday unless said otherwise.
    Week,
    /// A month.
    Month,
    /// Three months, from January, April, July and October.
    Quarter,
    /// Twelve months, from January.
    Year,
}

impl CalendarPeriod {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// The last day on which one may begin; `None`: that cannot be chosen.
    pub fn last_start_day(self) -> Option<u8> {
        match self {
            Self::Minute | Self::Hour | Self::Day => None,
            Self::Week => Some(7),
            // Every month has one.
            Self::Month | Self::Quarter | Self::Year => Some(28),
        }
    }
}

/// Periods that follow each other without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    period: CalendarPeriod,
    zone: Tz,
    start_day: u32,
}

impl Calendar {
    /// Of a time zone's IANA name, which was checked: one that is not known any more is UTC.
    pub fn new(period: CalendarPeriod, time_zone: &str, start_day: Option<u8>) -> Self {
        let zone = Tz::from_str(time_zone).unwrap_or(Tz::UTC);
        Self { period, zone, start_day: start_day.unwrap_or(1).max(1).into() }
    }

    /// The period that a moment is in. A day over which clocks are changed has 23 or 25 hours; one whose midnight is left out begins with
    /// its first moment, and one whose midnight comes twice begins with the first of them.
    pub fn period_at(&self, at: DateTime<Utc>) -> Period {
        match self.period {
            CalendarPeriod::Minute => self.of_clock(at, 60),
            CalendarPeriod::Hour => self.of_clock(at, 3600),
            CalendarPeriod::Day
            | CalendarPeriod::Week
            | CalendarPeriod::Month
            | CalendarPeriod::Quarter
            | CalendarPeriod::Year => self.of_days(at),
        }
    }

    fn of_clock(&self, at: DateTime<Utc>, seconds: i64) -> Period {
        let offset = i64::from(self.zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc());
        let now = at.timestamp();
        let start_s = now - (now + offset).rem_euclid(seconds);
        Period { start_s, end_s: start_s + seconds }
    }

    fn of_days(&self, at: DateTime<Utc>) -> Period {
        let today = at.with_timezone(&self.zone).date_naive();
        let first = self.first_day(today);
        let next = self.first_day_after(first);
        Period { start_s: self.beginning_of(first), end_s: self.beginning_of(next) }
    }

    /// The first day of the period that a day is in.
    fn first_day(&self, day: NaiveDate) -> NaiveDate {
        let months_back = |months: u32| {
            let of_month = |date: NaiveDate| date.with_day(self.start_day).unwrap_or(date);
            let begins = day.with_day(1).and_then(|first| first.checked_sub_months(Months::new(day.month0() % months)));
            let begins = of_month(begins.unwrap_or(day));
            if begins <= day { begins } else { begins.checked_sub_months(Months::new(months)).unwrap_or(begins) }
        };
        match self.period {
            CalendarPeriod::Minute | CalendarPeriod::Hour | CalendarPeriod::Day => day,
            CalendarPeriod::Week => {
                let since = (day.weekday().number_from_monday() + 7 - self.start_day) % 7;
                day.checked_sub_days(Days::new(since.into())).unwrap_or(day)
            }
            CalendarPeriod::Month => months_back(1),
            CalendarPeriod::Quarter => months_back(3),
            CalendarPeriod::Year => months_back(12),
        }
    }

    fn first_day_after(&self, first: NaiveDate) -> NaiveDate {
        let next = match self.period {
            CalendarPeriod::Minute | CalendarPeriod::Hour | CalendarPeriod::Day => first.checked_add_days(Days::new(1)),
            CalendarPeriod::Week => first.checked_add_days(Days::new(7)),
            CalendarPeriod::Month => first.checked_add_months(Months::new(1)),
            CalendarPeriod::Quarter => first.checked_add_months(Months::new(3)),
            CalendarPeriod::Year => first.checked_add_months(Months::new(12)),
        };
        next.unwrap_or(NaiveDate::MAX)
    }

    /// When a day begins, in Unix seconds.
    fn beginning_of(&self, day: NaiveDate) -> i64 {
        let mut local = day.and_time(chrono::NaiveTime::MIN);
        // Clocks leave out a whole day at most, and change at full minutes.
        for _ in 0..=25 * 60 {
            if let Some(found) = self.zone.from_local_datetime(&local).earliest() {
                return found.timestamp();
            }
            local = local.checked_add_signed(TimeDelta::minutes(1)).unwrap_or(local);
        }
        local.and_utc().timestamp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn check(period: CalendarPeriod, zone: &str, start_day: Option<u8>, now: &str, start: &str, end: &str) {
        let found = Calendar::new(period, zone, start_day).period_at(at(now));
        let text = |seconds| DateTime::from_timestamp(seconds, 0).unwrap().to_rfc3339();
        let expect = (at(start).to_rfc3339(), at(end).to_rfc3339());
        assert_eq!((text(found.start_s), text(found.end_s)), expect, "{period:?} {zone} {now}");
    }

    #[test]
    fn periods_of_a_calendar() {
        use CalendarPeriod::*;
        check(Minute, "UTC", None, "2026-03-29T00:59:59Z", "2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z");
        check(Hour, "Asia/Kolkata", None, "2026-03-29T00:31:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z");
        check(Day, "UTC", None, "2026-03-29T00:00:00Z", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z");
        check(Week, "UTC", None, "2026-11-30T12:00:00Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z");
        check(Week, "UTC", Some(7), "2026-11-30T12:00:00Z", "2026-11-29T00:00:00Z", "2026-12-06T00:00:00Z");
        check(Month, "UTC", None, "2026-02-28T23:59:59Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z");
        check(Month, "UTC", Some(28), "2026-03-01T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-28T00:00:00Z");
        check(Quarter, "UTC", None, "2026-11-30T00:00:00Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z");
        check(Quarter, "UTC", Some(15), "2026-10-14T00:00:00Z", "2026-07-15T00:00:00Z", "2026-10-15T00:00:00Z");
        check(Year, "UTC", None, "2026-11-30T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        check(Year, "UTC", Some(15), "2026-01-14T23:59:59Z", "2025-01-15T00:00:00Z", "2026-01-15T00:00:00Z");
    }

    #[test]
    fn days_over_which_clocks_are_changed() {
        use CalendarPeriod::*;
        let berlin = "Europe/Berlin";
        check(Day, berlin, None, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        check(Day, berlin, None, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        check(Month, berlin, None, "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z");
        // Midnight does not exist; it exists twice; a day does not exist.
        check(Day, "Asia/Beirut", None, "2024-03-31T12:00:00Z", "2024-03-30T22:00:00Z", "2024-03-31T21:00:00Z");
        check(Day, "America/Havana", None, "2025-11-02T12:00:00Z", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z");
        check(Day, "Pacific/Apia", None, "2011-12-30T09:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
    }

    #[test]
    fn each_moment_is_in_one_period_and_they_have_no_gap() {
        for zone in ["UTC", "Europe/Berlin", "Asia/Beirut", "America/Havana", "Pacific/Apia", "Africa/Cairo"] {
            for (period, day) in [
                (CalendarPeriod::Day, None),
                (CalendarPeriod::Week, Some(3)),
                (CalendarPeriod::Month, Some(28)),
                (CalendarPeriod::Quarter, None),
            ] {
                let calendar = Calendar::new(period, zone, day);
                let mut now = at("2011-01-01T00:00:00Z");
                let mut found = calendar.period_at(now);
                while now < at("2026-01-01T00:00:00Z") {
                    assert!((found.start_s..found.end_s).contains(&now.timestamp()), "{zone} {now}");
                    let last = DateTime::from_timestamp(found.end_s - 1, 0).unwrap();
                    assert_eq!(calendar.period_at(last), found, "{zone} {last}");
                    now = DateTime::from_timestamp(found.end_s, 0).unwrap();
                    let next = calendar.period_at(now);
                    assert_eq!(next.start_s, found.end_s, "{zone} {now}");
                    found = next;
                }
            }
        }
    }
}
