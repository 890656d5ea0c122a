use std::collections::BTreeSet;
use std::ops::Range;

use weir_llm::sse::{Event, Framer};
use weir_llm::text::StreamEvent;

use super::deltas::write;
use super::edit::Edit;
use super::events::Edited;
use weir_llm::steps;

/// How many bytes of events may wait. What honestly follows the end of a choice is the end of others, and usage.
const MOST_WAITING_BYTES: usize = 1 << 20;

/// Events that wait: what told that a choice is over came while some of its text was undecided. A choice that is over may go on all
/// the same; until it does, or the stream ends, nothing tells the client that it is over.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    events: Vec<Held>,
    /// The choices that are over.
    parts: BTreeSet<u64>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    number: u64,
    raw: Vec<u8>,
    /// What stands in the place of each of its texts.
    edits: Vec<Edit>,
    erased: Vec<Range<usize>>,
}

impl Waiting {
    /// Whether this choice is over.
    pub(super) fn has_part(&self, part: u64) -> bool {
        self.parts.contains(&part)
    }

    /// Notes that a choice is over.
    pub(super) fn add_part(&mut self, part: u64) {
        self.parts.insert(part);
    }

    /// Of the events that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an event has to wait: it says nothing of a choice that goes on.
    pub(super) fn takes(&self, read: &StreamEvent) -> bool {
        !self.parts.is_empty() && read.parts.iter().all(|(part, _)| self.has_part(*part))
    }

    /// Has an event wait; false if there are too many.
    pub(super) fn hold(&mut self, event: &Event<'_>, number: u64, edits: Vec<Edit>, erased: &[Range<usize>]) -> bool {
        self.bytes = self.bytes.saturating_add(event.raw.len());
        self.events.push(Held { number, raw: event.raw.to_vec(), edits, erased: erased.to_vec() });
        self.bytes <= MOST_WAITING_BYTES
    }

    /// Adds the rest of a text to the event that brought it, if that waits.
    pub(super) fn append(&mut self, number: u64, span: &Range<usize>, rest: &str) -> bool {
        let Ok(at) = self.events.binary_search_by_key(&number, |held| held.number) else { return false };
        let edits = self.events.get_mut(at).map(|held| &mut held.edits);
        let Some((_, text)) = edits.and_then(|edits| {
            let at = edits.binary_search_by_key(&span.start, |(span, _)| span.start).ok()?;
            edits.get_mut(at)
        }) else {
            return false;
        };
        text.push_str(rest);
        true
    }

    /// Lets all of them go.
    pub(super) fn flush(&mut self, edited: &mut Edited) {
        let waited = std::mem::take(self);
        if edited.refused.is_some() {
            return;
        }
        for held in waited.events {
            steps::count(held.raw.len());
            if held.edits.is_empty() && held.erased.is_empty() {
                edited.bytes.extend_from_slice(&held.raw);
                continue;
            }
            let mut framer = Framer::default();
            let mut each = |event: Event<'_>| write(&event, &held.edits, &held.erased, &mut edited.bytes);
            // It was one event before.
            let _ = framer.push(&held.raw, &mut each).and_then(|()| framer.finish(&mut each));
        }
    }
}
