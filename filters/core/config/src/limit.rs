use std::sync::Arc;

/// So many units in each window. Who is held to several is held to all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Names what is counted: leases are held of it, window by window.
    pub counter: String,
    /// What is counted.
    pub unit: Unit,
    /// The time in which it is.
    pub window: Window,
    /// Units in one window; `u64::MAX`: at least so many.
    pub amount: u64,
    /// What becomes of a request for which there is no room.
    pub action: LimitAction,
    /// Which requests it holds for.
    pub models: LimitedModels,
    /// For people: what it is called, and whose it is, for example `department Research`. Empty: one of a key's own.
    pub name: String,
    /// See `name`.
    pub subject: String,
    /// Whether callers may be told what is left of it: it counts requests of no other tenant.
    pub is_told: bool,
}

impl Limit {
    /// One that holds for all requests and refuses those for which there is no room.
    pub fn new(counter: impl Into<String>, unit: Unit, window: Window, amount: u64) -> Self {
        Self {
            counter: counter.into(),
            unit,
            window,
            amount,
            action: LimitAction::Refuse,
            models: LimitedModels::All,
            name: String::new(),
            subject: String::new(),
            is_told: true,
        }
    }

    /// What it counts a request for a model in; `None`: it does not hold for that.
    pub fn counter_of(&self, model: &str) -> Option<String> {
        match &self.models {
            LimitedModels::All => Some(self.counter.clone()),
            LimitedModels::One(one) => (one == model).then(|| self.counter.clone()),
            LimitedModels::Each => Some(format!("{}/{model}", self.counter)),
        }
    }
}

/// What becomes of a request for which a limit has no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitAction {
    /// It is refused.
    Refuse,
    /// It goes on: its units are counted all the same.
    Warn,
    /// This pool serves it.
    FallOver(String),
}

/// The models for which a limit holds, by the names that clients ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitedModels {
    /// All.
    All,
    /// One.
    One(String),
    /// All, each with a counter of its own.
    Each,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// Requests that reached a provider, or that a guardrail refused.
    Requests,
    /// Tokens of the input.
    InputTokens,
    /// Tokens of the output.
    OutputTokens,
    /// Both.
    TotalTokens,
    /// Requests under way at the same time.
    ConcurrentRequests,
    /// Money, in pico-dollars: a price in micro-dollars for a million tokens is one in pico-dollars for each.
    Money,
}

impl Unit {
    const ALL: [Self; 6] = [
        Self::Requests,
        Self::InputTokens,
        Self::OutputTokens,
        Self::TotalTokens,
        Self::ConcurrentRequests,
        Self::Money,
    ];

    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::TotalTokens => "total_tokens",
            Self::ConcurrentRequests => "concurrent_requests",
            Self::Money => "cost_picousd",
        }
    }

    /// The unit of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }

    /// So many of them, for people.
    pub fn describe(self, units: u64) -> String {
        match self {
            Self::Requests => format!("{units} requests"),
            Self::InputTokens => format!("{units} input tokens"),
            Self::OutputTokens => format!("{units} output tokens"),
            Self::TotalTokens => format!("{units} tokens"),
            Self::ConcurrentRequests => format!("{units} requests at the same time"),
            Self::Money => {
                let cents = units.div_ceil(10_000_000_000);
                format!("${}.{:02}", cents / 100, cents % 100)
            }
        }
    }
}

/// The times in which a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// On UTC boundaries: at multiples of so many seconds since the Unix epoch.
    Fixed {
        /// At least one.
        seconds: u32,
    },
    /// Periods that follow each other, the one at hand first.
    Calendar {
        /// What they are called: `day`.
        name: Arc<str>,
        /// At least one.
        periods: Arc<[Period]>,
    },
    /// The last so many seconds, counted in parts on UTC boundaries. Leases are of parts.
    Sliding {
        /// At least one.
        seconds: u32,
        /// Of one part, at least one.
        part_seconds: u32,
    },
    /// One, which never ends.
    Always,
}

impl Window {
    /// Of so many seconds, at least one.
    pub fn of_seconds(seconds: u32) -> Self {
        Self::Fixed { seconds: seconds.max(1) }
    }

    /// Its length, where that does not change; else 0.
    pub fn seconds(&self) -> u32 {
        match self {
            Self::Fixed { seconds } | Self::Sliding { seconds, .. } => *seconds,
            Self::Calendar { .. } | Self::Always => 0,
        }
    }

    /// The one that a moment is in, in Unix seconds. Beyond the periods of a calendar that are known, it is one as long as the last.
    pub fn period_at(&self, now_s: i64) -> Period {
        match self {
            Self::Fixed { seconds } => part_at(now_s, *seconds),
            Self::Sliding { part_seconds, .. } => part_at(now_s, *part_seconds),
            Self::Calendar { periods, .. } => {
                let found = periods.iter().find(|period| now_s < period.end_s).or(periods.last());
                let period = found.copied().unwrap_or(Period { start_s: 0, end_s: i64::MAX });
                let length = period.end_s.saturating_sub(period.start_s).max(1);
                let beyond = now_s.saturating_sub(period.start_s).max(0) / length;
                let start_s = period.start_s.saturating_add(beyond.saturating_mul(length));
                Period { start_s, end_s: start_s.saturating_add(length) }
            }
            Self::Always => Period { start_s: 0, end_s: i64::MAX },
        }
    }
}

fn part_at(now_s: i64, seconds: u32) -> Period {
    let seconds = i64::from(seconds.max(1));
    let start_s = now_s.saturating_sub(now_s.rem_euclid(seconds));
    Period { start_s, end_s: start_s.saturating_add(seconds) }
}

/// One of the times that a [`Window`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Unix time in seconds.
    pub start_s: i64,
    /// Unix time in seconds; the first second that is not in it. `i64::MAX`: it does not end.
    pub end_s: i64,
}

impl Period {
    /// Seconds until it ends, rounded up; 0 if it has. `now`: in microseconds since the Unix epoch.
    pub fn remaining_s(&self, now: u64) -> u64 {
        let end = u64::try_from(self.end_s).unwrap_or(0).saturating_mul(1_000_000);
        end.saturating_sub(now).div_ceil(1_000_000)
    }

    /// Whether it ends at all.
    pub fn ends(&self) -> bool {
        self.end_s != i64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::{Limit, LimitedModels, Period, Unit, Window};

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
    fn periods_are_those_that_were_said() {
        let periods = [Period { start_s: 100, end_s: 200 }, Period { start_s: 200, end_s: 350 }];
        let window = Window::Calendar { name: "day".into(), periods: periods.into() };
        let check = |now, start_s, end_s| assert_eq!(window.period_at(now), Period { start_s, end_s }, "{now}");
        check(100, 100, 200);
        check(199, 100, 200);
        check(200, 200, 350);
        check(349, 200, 350);
        // By a clock that is slow, and by one that has run on.
        check(50, 100, 200);
        check(350, 350, 500);
        check(5000, 5000, 5150);
        let sliding = Window::Sliding { seconds: 60, part_seconds: 5 };
        assert_eq!(sliding.period_at(64), Period { start_s: 60, end_s: 65 });
        assert_eq!(Window::Always.period_at(7), Period { start_s: 0, end_s: i64::MAX });
    }

    #[test]
    fn a_unit_that_is_not_known_is_none() {
        for unit in Unit::ALL {
            assert_eq!(Unit::of_name(unit.name()), Some(unit));
        }
        assert_eq!([Unit::of_name("Requests"), Unit::of_name(""), Unit::of_name("parsecs")], [None; 3]);
    }

    #[test]
    fn money_is_told_in_cents_rounded_up() {
        assert_eq!(Unit::Money.describe(1), "$0.01");
        assert_eq!(Unit::Money.describe(1_000_000_000_000), "$1.00");
        assert_eq!(Unit::Money.describe(12_340_000_000_001), "$12.35");
    }

    #[test]
    fn a_model_is_counted_where_it_belongs() {
        let of = |models| Limit { models, ..Limit::new("l", Unit::Requests, Window::Always, 1) };
        assert_eq!(of(LimitedModels::All).counter_of("gpt").as_deref(), Some("l"));
        assert_eq!(of(LimitedModels::One("gpt".into())).counter_of("gpt").as_deref(), Some("l"));
        assert_eq!(of(LimitedModels::One("gpt".into())).counter_of("gpt-4"), None);
        assert_eq!(of(LimitedModels::Each).counter_of("gpt").as_deref(), Some("l/gpt"));
    }
}
