use weir_config::{Unit, Window};
use weir_exchange::duration;
use weir_host::Micros;
use weir_llm::error::ClientError;

use crate::counter::Reserved;
use crate::reservation::Part;

/// Seconds beyond which no client waits within one call.
const LONGEST_WAIT_S: u64 = 60;

/// What a client is told that a limit refuses.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: ClientError,
    /// When trying again makes sense; `None`: never.
    pub(crate) retry_after_s: Option<u64>,
    /// Whether that is soon enough to wait for it.
    pub(crate) helps_to_wait: bool,
}

impl Refusal {
    pub(crate) fn of(part: &Part, now: Micros) -> Self {
        let limit = &part.limit;
        let amount = limit.unit.describe(limit.amount);
        let period = period(&limit.window);
        let whose = match (limit.name.as_str(), limit.subject.as_str()) {
            ("", "") => format!("({})", limit.counter),
            (name, subject) => format!("({name}, of the {subject})"),
        };
        let refusal = |message: String, retry_after_s: Option<u64>| Self {
            error: match limit.unit {
                Unit::Money => ClientError::new(429, "insufficient_quota", message),
                Unit::Requests
                | Unit::InputTokens
                | Unit::OutputTokens
                | Unit::TotalTokens
                | Unit::ConcurrentRequests => ClientError::new(429, "rate_limit_exceeded", message),
            },
            retry_after_s,
            helps_to_wait: retry_after_s.is_some_and(|seconds| seconds <= LONGEST_WAIT_S),
        };
        if part.never_fits() {
            let units = limit.unit.describe(part.units);
            return refusal(format!("This request may take {units}, and the limit is {amount}{period} {whose}."), None);
        }
        // Where others may give back what they hold, waiting for the window's end is not needed.
        let retry_after_s = match part.reserved {
            Reserved::Exhausted { pending: true } => Some(1),
            Reserved::Exhausted { pending: false } | Reserved::Lacking | Reserved::Units { .. } => {
                part.period.ends().then(|| part.period.remaining_s(now).max(1))
            }
        };
        let then = match retry_after_s {
            None => String::new(),
            Some(seconds) if seconds > LONGEST_WAIT_S => format!(" It resets at {}.", time(part.period.end_s)),
            Some(seconds) => format!(" Try again in {}.", duration(seconds)),
        };
        refusal(format!("The limit of {amount}{period} is used up {whose}.{then}"), retry_after_s)
    }
}

/// A window, for people.
fn period(window: &Window) -> String {
    match window {
        Window::Fixed { seconds } => format!(" in {}", duration((*seconds).into())),
        Window::Sliding { seconds, .. } => format!(" in any {}", duration((*seconds).into())),
        Window::Calendar { name, .. } => format!(" a {name}"),
        Window::Always => String::new(),
    }
}

/// Unix seconds as RFC 3339 writes them, in UTC.
fn time(unix_s: i64) -> String {
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    // Days since 1 March of the year 0, in eras of 400 years.
    let shifted = days.saturating_add(719_468);
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era.saturating_mul(400) + i64::from(month <= 2);
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_read_as_people_write_them() {
        for (unix_s, expect) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_996_799, "2026-11-29T23:59:59Z"),
            (1_798_761_600, "2027-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(unix_s), expect);
        }
    }
}
