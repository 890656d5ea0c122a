/// So many units in each window. Who is held to several is held to all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Names what is counted: leases are held of it, window by window.
    pub counter: String,
    /// What is counted.
    pub unit: Unit,
    /// The time in which it is.
    pub window: Window,
    /// Units in one window.
    pub amount: u64,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests that reached a provider, or that a guardrail refused.
    Requests,
}

impl Unit {
    /// Its name in the protocol and in the names of counters; also what people are told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
        }
    }

    /// The unit of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Requests].into_iter().find(|unit| unit.name() == name)
    }
}

/// Windows that follow each other on UTC boundaries: at multiples of their length since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    seconds: u32,
}

impl Window {
    /// Of so many seconds, at least one.
    pub fn of_seconds(seconds: u32) -> Self {
        Self { seconds: seconds.max(1) }
    }

    /// Its length.
    pub fn seconds(self) -> u32 {
        self.seconds
    }

    /// The one that a moment is in, in Unix seconds.
    pub fn period_at(self, now_s: i64) -> Period {
        let seconds = i64::from(self.seconds);
        let start_s = now_s.saturating_sub(now_s.rem_euclid(seconds));
        Period { start_s, end_s: start_s.saturating_add(seconds) }
    }
}

/// One of the times that a [`Window`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Unix time in seconds.
    pub start_s: i64,
    /// Unix time in seconds; the first second that is not in it.
    pub end_s: i64,
}

impl Period {
    /// Seconds until it ends, rounded up; 0 if it has. `now`: in microseconds since the Unix epoch.
    pub fn remaining_s(&self, now: u64) -> u64 {
        let end = u64::try_from(self.end_s).unwrap_or(0).saturating_mul(1_000_000);
        end.saturating_sub(now).div_ceil(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::{Unit, Window};

    #[test]
    fn windows_lie_on_utc_boundaries() {
        let check = |now: u64, seconds, start_s, remaining_s| {
            let period = Window::of_seconds(seconds).period_at((now / 1_000_000) as i64);
            assert_eq!((period.start_s, period.remaining_s(now)), (start_s, remaining_s), "{now} {seconds}");
        };
        check(0, 60, 0, 60);
        check(59_999_999, 60, 0, 1);
        check(60_000_000, 60, 60, 60);
        check(60_000_001, 60, 60, 60);
        check(1_700_000_000_500_000, 60, 1_699_999_980, 40);
        check(5_000_000, 0, 5, 1);
        assert_eq!(Window::of_seconds(60).period_at(0).remaining_s(60_000_000), 0);
        assert_eq!(Window::of_seconds(60).period_at(i64::MAX).end_s, i64::MAX);
    }

    #[test]
    fn a_unit_that_is_not_known_is_none() {
        assert_eq!(Unit::of_name(Unit::Requests.name()), Some(Unit::Requests));
        assert_eq!([Unit::of_name("Requests"), Unit::of_name(""), Unit::of_name("parsecs")], [None; 3]);
    }
}
