//! The engine for text that arrives in pieces.
//!
//! A [`TextStream`] lets go of everything that is decided and holds back what is not: the last characters, as long as they
//! could be the beginning of something that is looked for. Whatever the pieces, the text let go and the findings together are
//! those of the whole text.

use std::ops::Range;

use weir_config::Action;

use crate::consequence::Consequence;
use crate::detect::{self, CONTEXT, LONGEST_MATCH, Match};
use crate::json_text::JsonText;
use crate::merge::{LONGEST_SPAN, Merger};
use crate::restore::{self, Restorer};
use crate::scan::{Direction, Finding, Profile, Rules, write_edited};
use crate::view::{Form, View, WIDEST};

/// The most bytes that a stream ever holds back: a span of merged findings that is still growing, and one more match.
/// Ordinary text holds back the last word or number only.
pub const MOST_HELD: usize = (LONGEST_SPAN + 2 * LONGEST_MATCH * WIDEST + restore::LONGEST) / LOOKS * (LOOKS + 1);

/// What is held is looked at again when it has grown by the so-manieth part of itself: however small the pieces, no byte is looked at
/// much more often than this.
const LOOKS: usize = 32;

/// So many digits at the end of a text may be half of a number. Fewer end the names of tools.
const DIGITS_OF_HALF_A_NUMBER: usize = 4;

/// One text in pieces: one choice, one content block, one tool call.
#[derive(Clone, Debug, Default)]
pub struct TextStream {
    /// What decides about the held text, then the held text.
    buffer: String,
    /// Characters without width right before the buffer.
    hidden: u8,
    /// Where the held text begins.
    held: usize,
    /// Matches that begin before it are decided. It stands before the held text where undecided text was let go.
    decided: usize,
    /// Bytes of the whole text before the buffer.
    offset: usize,
    /// Where what was told ends of which nothing is done: a match that begins before it is not told again.
    told: usize,
    merger: Merger,
    /// Where the part begins that is at hand, if what stands before it is still known: what it has for itself is found whatever stands
    /// there.
    part: Option<usize>,
    /// Where what was let go ends, if the text is JSON.
    json: JsonText,
    /// What restores what was replaced in the request.
    restorer: Restorer,
    /// The buffer up to which it was looked at.
    looked: usize,
    blocked: bool,
}

/// What may go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Released {
    /// Edited as the findings demand.
    pub text: String,
    /// Decided just now; their places are those in the whole text before any edit.
    pub findings: Vec<Finding>,
    /// A finding that blocks was decided: the stream is over, and nothing more is let go.
    pub blocked: bool,
    /// A finding that is replaced began in the part before the one at hand.
    pub crosses_parts: bool,
}

impl TextStream {
    /// Adds a piece.
    pub fn push(&mut self, profile: &Profile, direction: Direction, piece: &str) -> Released {
        self.buffer.push_str(piece);
        if !self.blocked && self.buffer.len().saturating_sub(self.looked) < self.held() / LOOKS {
            return Released::default();
        }
        self.advance(profile, direction, false)
    }

    /// Ends the text: everything held is decided. A new text may begin after it.
    pub fn finish(&mut self, profile: &Profile, direction: Direction) -> Released {
        let released = self.advance(profile, direction, true);
        let blocked = self.blocked;
        *self = Self { blocked, ..Self::default() };
        released
    }

    /// Lets go of everything that is held, as if the text ended here. What was not decided stays known: if the text goes on after
    /// all, a finding that began in what was let go is still found, and what of it comes now is replaced.
    pub fn let_go(&mut self, profile: &Profile, direction: Direction) -> Released {
        self.advance(profile, direction, true)
    }

    /// Goes on in another part, which a reader may read on from this one: what began here is found if it ends there.
    pub fn begin_part(&mut self) {
        self.part = Some(self.buffer.len());
        self.json = JsonText::default();
        self.restorer.begin_part();
    }

    /// Adds a text that is whole in itself, as far as anybody knows. It is let go at once, unless it ends with what is likely half of
    /// a finding.
    pub fn push_whole(&mut self, profile: &Profile, direction: Direction, text: &str) -> Released {
        let mut released = self.push(profile, direction, text);
        if self.held() > 0 && !self.ends_with_half(profile, direction) {
            let rest = self.let_go(profile, direction);
            released.text.push_str(&rest.text);
            released.findings.extend(rest.findings);
            released.blocked |= rest.blocked;
            released.crosses_parts |= rest.crosses_parts;
        }
        released
    }

    /// Whether the text ends with what is likely half of a finding, part of which may have been let go.
    pub fn ends_with_half(&self, profile: &Profile, direction: Direction) -> bool {
        let rules = profile.rules(direction);
        let bytes = self.buffer.as_bytes();
        let rest = bytes.get(self.undecided(rules)..).unwrap_or_default();
        let is_suspicious = rules.has_sign(rest) || detect::digits(rest) >= DIGITS_OF_HALF_A_NUMBER;
        let acts = |found: &(Match, Consequence)| found.1.acts();
        is_suspicious && !self.matches(rules, self.decided..bytes.len()).iter().any(acts)
    }

    /// Bytes held back.
    pub fn held(&self) -> usize {
        self.buffer.len().saturating_sub(self.held).saturating_add(self.restorer.held())
    }

    fn advance(&mut self, profile: &Profile, direction: Direction, at_end: bool) -> Released {
        if self.blocked {
            self.buffer.clear();
            self.held = 0;
            return Released { blocked: true, ..Released::default() };
        }
        let part = self.part;
        let rules = profile.rules(direction);
        let bytes = self.buffer.as_bytes();
        let undecided = self.undecided(rules);
        let decided = if at_end { bytes.len() } else { undecided };
        let found = self.matches(rules, self.decided..decided);
        let mut findings = Vec::new();
        for (found, consequence) in found {
            if found.start < self.told && !consequence.acts() {
                continue;
            }
            findings.extend(self.merger.add(found, consequence).as_ref().map(Finding::of));
        }
        let closed = self.merger.close_before(if at_end { usize::MAX } else { decided });
        findings.extend(closed.map(|span| Finding::of(&span)));
        findings.sort_by_key(|finding| (finding.start, finding.would));
        if let Some(index) = findings.iter().position(|finding| finding.action == Action::Block) {
            findings.truncate(index.saturating_add(1));
            self.blocked = true;
        }
        let mut until = self.merger.open_start().map_or(decided, |start| start.min(decided));
        if let Some(block) = findings.last().filter(|_| self.blocked) {
            until = block.start;
        }
        let until = until.max(self.held);
        // What was told is not told again. What is only told must not hide the beginning of what is acted upon.
        let end_of = |acts: bool| {
            let of_these = findings.iter().filter(|finding| (finding.action >= Action::Redact) == acts);
            of_these.map(|finding| finding.end).max().unwrap_or(0)
        };
        let (found_until, told) = (end_of(true), end_of(false));
        profile.digest(direction, &self.buffer, &mut findings);
        let mut text = String::new();
        let passed = findings.len().saturating_sub(usize::from(self.blocked));
        let passed = findings.get(..passed).unwrap_or_default();
        write_edited(&self.buffer, self.held..until, passed, &mut self.json, &mut text);
        if let Some(originals) = profile.originals() {
            let edited = std::mem::take(&mut text);
            self.restorer.push(originals, &edited, &mut text);
            if at_end || self.blocked {
                self.restorer.finish(&mut text);
            }
        }
        let crosses = |finding: &Finding| part.is_some_and(|part| (finding.start..finding.end).contains(&part));
        let crosses_parts =
            passed.iter().any(|it| it.action >= Action::Redact && part != Some(it.start) && crosses(it));
        for finding in &mut findings {
            finding.start = finding.start.saturating_add(self.offset);
            finding.end = finding.end.saturating_add(self.offset);
        }
        self.decided = if at_end { undecided.max(found_until) } else { undecided };
        if at_end {
            self.told = self.told.max(told);
        }
        self.forget_before(until);
        Released { text, findings, blocked: self.blocked, crosses_parts }
    }

    /// What is not decided before more text is here, of all or of the part at hand.
    fn undecided(&self, rules: &Rules) -> usize {
        let bytes = self.buffer.as_bytes();
        let of_all = rules.undecided(bytes, self.hidden, self.decided);
        let Some((start, part)) = self.part.and_then(|start| Some((start, bytes.get(start..)?))) else { return of_all };
        of_all.min(start.saturating_add(rules.undecided(part, 0, self.decided.saturating_sub(start))))
    }

    /// The matches that begin in `starts`, of all and of the part at hand.
    fn matches(&self, rules: &Rules, starts: Range<usize>) -> Vec<(Match, Consequence)> {
        let bytes = self.buffer.as_bytes();
        let mut found = Vec::new();
        rules.matches(bytes, self.hidden, starts.clone(), &mut found);
        let Some((start, part)) = self.part.and_then(|start| Some((start, bytes.get(start..)?))) else { return found };
        let mut of_part = Vec::new();
        rules.matches(part, 0, starts.start.saturating_sub(start)..starts.end.saturating_sub(start), &mut of_part);
        found.extend(of_part.into_iter().map(|(one, consequence)| {
            let (from, to) = (one.start.saturating_add(start), one.end.saturating_add(start));
            (Match { start: from, end: to, ..one }, consequence)
        }));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Drops what was let go, but for the bytes that decide about what follows.
    fn forget_before(&mut self, until: usize) {
        // What decides is counted as it is read.
        let view = View::of(self.buffer.as_bytes(), self.hidden, Form::Plain);
        let mut drop = view.start(view.place(until.min(self.decided)).saturating_sub(CONTEXT)).min(until);
        while !self.buffer.is_char_boundary(drop) {
            drop = drop.saturating_sub(1);
        }
        if drop == 0 {
            self.looked = self.buffer.len();
            self.held = until;
            return;
        }
        let dropped = self.buffer.as_bytes().get(..drop).unwrap_or_default();
        self.hidden = View::of(dropped, self.hidden, Form::Plain).hidden();
        self.buffer.drain(..drop);
        self.looked = self.buffer.len();
        self.held = until.saturating_sub(drop);
        self.decided = self.decided.saturating_sub(drop);
        self.told = self.told.saturating_sub(drop);
        self.part = self.part.and_then(|start| start.checked_sub(drop));
        self.offset = self.offset.saturating_add(drop);
        self.merger.shift(drop);
    }
}
