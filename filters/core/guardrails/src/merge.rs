use crate::consequence::Consequence;
use crate::detect::Match;
use weir_config::FindingType;

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
    /// The place of an administrator's rule among those of the profile.
    pub(crate) rule: Option<u16>,
    /// What becomes of it.
    pub(crate) consequence: Consequence,
    /// The length of that match.
    length: usize,
}

/// Takes in matches in the order of their starts and merges those that overlap. What is only told of never changes what is done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Merger {
    acting: Lane,
    shadow: Lane,
}

/// Matches that may be merged with one another.
#[derive(Clone, Debug, Default)]
struct Lane(Option<Span>);

impl Merger {
    /// Adds the next match; the span that it closes, if any.
    pub(crate) fn add(&mut self, found: Match, consequence: Consequence) -> Option<Span> {
        let lane = if consequence.is_shadow() { &mut self.shadow } else { &mut self.acting };
        lane.add(found, consequence)
    }

    /// The spans that are open, if a match that begins at `from` or later cannot join them.
    pub(crate) fn close_before(&mut self, from: usize) -> impl Iterator<Item = Span> + use<> {
        let close = |lane: &mut Lane| lane.0.take_if(|open| open.end <= from);
        [close(&mut self.acting), close(&mut self.shadow)].into_iter().flatten()
    }

    /// Where the open span begins of which something will be done.
    pub(crate) fn open_start(&self) -> Option<usize> {
        self.acting.0.map(|open| open.start)
    }

    /// Moves the open spans by so many bytes towards the beginning.
    pub(crate) fn shift(&mut self, by: usize) {
        for open in [&mut self.acting.0, &mut self.shadow.0].into_iter().flatten() {
            open.start = open.start.saturating_sub(by);
            open.end = open.end.saturating_sub(by);
        }
    }
}

impl Lane {
    fn add(&mut self, found: Match, consequence: Consequence) -> Option<Span> {
        let length = found.end.saturating_sub(found.start);
        let Match { start, end, finding, detector, score, rule } = found;
        let new = Span { start, end, finding, detector, score, rule, consequence, length };
        let Some(open) = &mut self.0 else {
            self.0 = Some(new);
            return None;
        };
        if found.start >= open.end {
            return self.0.replace(new);
        }
        let end = open.end.max(found.end);
        if found.end > open.end && end.saturating_sub(open.start) > LONGEST_SPAN {
            let start = open.end;
            return self.0.replace(Span { start, ..new });
        }
        open.end = end;
        if new.rank() > open.rank() {
            *open = Span { start: open.start, end, ..new };
        }
        None
    }
}

impl Span {
    /// Half of an address with a password in it looks like one of e-mail.
    fn rank(&self) -> impl Ord + use<> {
        let Consequence { action, would, form } = self.consequence;
        (action, would, self.finding == FindingType::Secret, self.length, self.score, form)
    }
}
