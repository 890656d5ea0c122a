use weir_host::Micros;

/// A fixed window on UTC boundaries: multiples of its length since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Unix time in seconds.
    pub start_s: i64,
    /// Unix time in seconds; the first second that is not in it.
    pub end_s: i64,
}

impl Window {
    /// The window of so many seconds that holds `now`.
    pub fn at(now: Micros, seconds: u32) -> Self {
        let now_s = i64::try_from(now / 1_000_000).unwrap_or(i64::MAX);
        let seconds = i64::from(seconds.max(1));
        let start_s = now_s.saturating_sub(now_s.rem_euclid(seconds));
        Self { start_s, end_s: start_s.saturating_add(seconds) }
    }

    /// Seconds until it ends, rounded up; 0 if it has.
    pub fn remaining_s(&self, now: Micros) -> u64 {
        let end = u64::try_from(self.end_s).unwrap_or(0).saturating_mul(1_000_000);
        end.saturating_sub(now).div_ceil(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn windows_lie_on_utc_boundaries() {
        let check = |now, seconds, start_s, remaining_s| {
            let window = Window::at(now, seconds);
            assert_eq!((window.start_s, window.remaining_s(now)), (start_s, remaining_s), "{now} {seconds}");
        };
        check(0, 60, 0, 60);
        check(59_999_999, 60, 0, 1);
        check(60_000_000, 60, 60, 60);
        check(60_000_001, 60, 60, 60);
        check(1_700_000_000_500_000, 60, 1_699_999_980, 40);
        check(5_000_000, 0, 5, 1);
        assert_eq!(Window::at(0, 60).remaining_s(60_000_000), 0);
    }
}
