use crate::detect::Match;
use weir_config::{Action, FindingType};

/// The longest span of matches that overlap one another, in bytes. A longer chain becomes several findings, so that what a
/// stream holds back stays bounded.
pub(crate) const LONGEST_SPAN: usize = 1024;

/// Matches that overlap, as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// First byte.
    pub(crate) start: usize,
    /// Behind the last byte.
    pub(crate) end: usize,
    /// The type of the strictest match; of equally strict ones a secret, then the longest, then the surest, then the
    /// first.
    pub(crate) finding: FindingType,
    /// Who found it.
    pub(crate) detector: &'static str,
    /// How sure it is, in hundredths.
    pub(crate) score: u8,
    /// Its action.
    pub(crate) action: Action,
    /// The length of that match.
    length: usize,
}

/// Takes in matches in the order of their starts and merges those that overlap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Merger {
    open: Option<Span>,
}

impl Merger {
    /// Adds the next match; the span that it closes, if any.
    pub(crate) fn add(&mut self, found: Match, action: Action) -> Option<Span> {
        let length = found.end.saturating_sub(found.start);
        let Match { start, end, finding, detector, score } = found;
        let new = Span { start, end, finding, detector, score, action, length };
        let Some(open) = &mut self.open else {
            self.open = Some(new);
            return None;
        };
        if found.start >= open.end {
            return self.open.replace(new);
        }
        let end = open.end.max(found.end);
        if found.end > open.end && end.saturating_sub(open.start) > LONGEST_SPAN {
            let start = open.end;
            return self.open.replace(Span { start, ..new });
        }
        open.end = end;
        // Half of an address with a password in it looks like one of e-mail.
        let rank = |action, finding, length, score| (action, finding == FindingType::Secret, length, score);
        if rank(action, finding, length, score) > rank(open.action, open.finding, open.length, open.score) {
            *open = Span { start: open.start, end, ..new };
        }
        None
    }

    /// The span that is open, if a match that begins at `from` or later cannot join it.
    pub(crate) fn close_before(&mut self, from: usize) -> Option<Span> {
        self.open.take_if(|open| open.end <= from)
    }

    /// Where the open span begins.
    pub(crate) fn open_start(&self) -> Option<usize> {
        self.open.map(|open| open.start)
    }

    /// Moves the open span by so many bytes towards the beginning.
    pub(crate) fn shift(&mut self, by: usize) {
        if let Some(open) = &mut self.open {
            open.start = open.start.saturating_sub(by);
            open.end = open.end.saturating_sub(by);
        }
    }
}
