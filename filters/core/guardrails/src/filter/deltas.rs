use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeBounds, RangeInclusive};
use std::rc::Rc;

use weir_config::Action;
use weir_llm::sse::{Event, write_event};
use weir_llm::text::{Ends, Role, StreamEvent, StreamText, Text, continuation, edited as with_edits};
use weir_llm::{Schema, Template};

use super::edit::{Edit, distinct_names};
use super::events::Edited;
use super::refusal;
use super::waiting::Waiting;
use crate::scan::{Direction, Finding, Profile};
use crate::stream::{Released, TextStream};
use weir_llm::steps;

/// The most texts that may be open side by side in one stream: choices, blocks, tool calls.
const MOST_CHANNELS: usize = 1024;
/// How many bytes of events may wait for a text that ended with what is likely half of a finding.
const MOST_BEHIND_A_HALF: usize = 64 * 1024;
/// How many bytes of events may be kept for them together.
const MOST_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// The texts of one stream, each running through a scanner of its own. Only the end of the stream ends scanning.
#[derive(Debug)]
pub(super) struct Deltas {
    profile: Profile,
    schema: Schema,
    channels: BTreeMap<Key, Channel>,
    /// Bytes of the events that channels keep.
    kept: usize,
    /// Events so far that were kept.
    origins: u64,
    /// What the next event probably looks like.
    like: Option<Like>,
    /// Events that follow the end of a choice whose text is not decided.
    waiting: Waiting,
    /// The last text of each run whose part is over.
    ended: BTreeMap<u64, Key>,
    /// The runs in which such a text likely ended with half of a finding: what follows waits, and the next text goes on there.
    halves: BTreeSet<u64>,
    /// Texts come once more when their parts are over.
    has_copies: bool,
    /// What was found in the pieces, by its name and action.
    found: BTreeMap<(&'static str, &'static str), usize>,
}

/// The choice, block or item, then the text in it.
type Key = (u64, u64);

/// One choice's text, one block, one tool call's arguments.
#[derive(Debug, Default)]
struct Channel {
    text: TextStream,
    run: u64,
    /// The event that brought what is held, which may have to leave in an event of its own, and where its text stood there.
    origin: Option<(Rc<Origin>, Range<usize>)>,
}

/// An event that brought text.
#[derive(Debug)]
pub(super) struct Origin {
    /// Later ones have a greater one.
    pub(super) number: u64,
    name: String,
    data: String,
    /// This event's bytes by the number of its texts.
    share: usize,
}

/// The last event that brought one piece of text and nothing else of note.
#[derive(Debug)]
struct Like {
    template: Template,
    key: Key,
    run: u64,
    origin: Rc<Origin>,
    span: Range<usize>,
}

impl Deltas {
    pub(super) fn new(profile: Profile, schema: Schema) -> Self {
        Self {
            profile,
            schema,
            channels: BTreeMap::new(),
            kept: 0,
            origins: 0,
            like: None,
            waiting: Waiting::default(),
            ended: BTreeMap::new(),
            halves: BTreeSet::new(),
            has_copies: false,
            found: BTreeMap::new(),
        }
    }

    /// Edits one event. Nothing more is written once the stream is refused.
    pub(super) fn event(&mut self, event: &Event<'_>, edited: &mut Edited) {
        if edited.refused.is_some() {
            return;
        }
        // A sign of life waits for nothing.
        if event.data.is_empty() {
            edited.bytes.extend_from_slice(event.raw);
            return;
        }
        match self.like.take() {
            Some(like) => {
                if !self.like_the_last(&like, event, edited) {
                    return self.other_than_the_last(event, edited);
                }
                self.like = Some(like);
            }
            None => self.other_than_the_last(event, edited),
        }
    }

    /// Edits an event that brings one piece of text, if it does so just as the last one did.
    fn like_the_last(&mut self, like: &Like, event: &Event<'_>, edited: &mut Edited) -> bool {
        let Some((value, span)) = like.template.string(event.data) else { return false };
        let goes_on = self.goes_on(like.key.0, like.run, &value);
        if !goes_on && !self.halves.is_empty() {
            // It waits.
            return false;
        }
        let passed = self.piece(like.key, like.run, Role::Piece, &value, edited);
        self.keep(like.key, &value, || (Rc::clone(&like.origin), like.span.clone()), edited);
        if edited.refused.is_some() {
            return true;
        }
        if goes_on {
            self.flush(edited);
        }
        if passed == value {
            edited.bytes.extend_from_slice(event.raw);
        } else {
            write(event, &[(span, passed)], &[], &mut edited.bytes);
        }
        true
    }

    fn other_than_the_last(&mut self, event: &Event<'_>, edited: &mut Edited) {
        let read = match StreamEvent::read(self.schema, event.data) {
            Ok(read) => read,
            Err(error) => {
                edited.refused = Some(refusal::response_not_inspectable(&error.message));
                return;
            }
        };
        match read.ends {
            Ends::Nothing => {}
            Ends::Part => self.end_part(read.part, edited),
            Ends::Stream => self.end_all(edited),
        }
        let is_more = |text: &StreamText| matches!(text.role, Role::Piece | Role::Whole);
        let goes_on = read.texts.iter().any(|it| is_more(it) && self.goes_on(it.part, it.run, &it.text.value));
        let origin = self.origin(event, read.texts.len());
        let gives_reason = read.parts.iter().any(|(_, gives_reason)| *gives_reason);
        let (mut edits, mut is_edited) = (Vec::new(), false);
        let mut copies = Vec::new();
        for StreamText { channel, run, part, role, text } in &read.texts {
            let passed = match role {
                Role::Piece | Role::Whole => {
                    let key = (*part, *channel);
                    let passed = self.piece(key, *run, *role, &text.value, edited);
                    self.keep(key, &text.value, || (Rc::clone(&origin), text.span.clone()), edited);
                    passed
                }
                Role::Closed => self.closed(text, edited),
                Role::Copy => self.copy(text, &mut copies, edited),
            };
            if edited.refused.is_some() {
                return;
            }
            is_edited |= passed != text.value;
            // What is held of an event that waits is put back into it.
            if passed != text.value || gives_reason || !self.halves.is_empty() {
                edits.push((text.span.clone(), passed));
            }
        }
        self.count_copies(copies, edited);
        distinct_names(read.texts.iter().map(|text| &text.text), &mut edits);
        let erased = if self.profile.edits(Direction::Output) { read.spellings.as_slice() } else { &[] };
        if let ([text], Ends::Nothing, true, false) =
            (read.texts.as_slice(), read.ends, erased.is_empty(), gives_reason)
            && text.role == Role::Piece
        {
            let span = text.text.span.clone();
            self.like = Template::of(event.data, &span).map(|template| Like {
                template,
                key: (text.part, text.channel),
                run: text.run,
                origin: Rc::clone(&origin),
                span,
            });
        }
        if goes_on {
            self.flush(edited);
        }
        self.over(&read);
        if self.waiting.takes(&read) {
            if !self.waiting.hold(event, origin.number, edits, erased) {
                edited.refused = Some(refusal::response_not_inspectable("too much follows its end"));
            }
            if !self.halves.is_empty() && self.waiting.bytes() > MOST_BEHIND_A_HALF {
                self.end_all(edited);
            }
        } else if !is_edited && erased.is_empty() {
            edited.bytes.extend_from_slice(event.raw);
        } else {
            write(event, &edits, erased, &mut edited.bytes);
        }
    }

    /// Whether this is more of a text for which events wait.
    fn goes_on(&self, part: u64, run: u64, value: &str) -> bool {
        !value.is_empty() && (self.waiting.has_part(part) || self.halves.contains(&run))
    }

    fn flush(&mut self, edited: &mut Edited) {
        self.halves.clear();
        self.waiting.flush(edited);
    }

    /// Notes which parts ended while some of their text is undecided: what follows waits with that.
    fn over(&mut self, read: &StreamEvent) {
        let over: BTreeSet<_> = read.parts.iter().filter(|(_, gives_reason)| *gives_reason).collect();
        for (part, _) in over {
            if !self.waiting.has_part(*part) && !self.held(of_part(*part)).is_empty() {
                self.waiting.add_part(*part);
            }
        }
    }

    fn origin(&mut self, event: &Event<'_>, texts: usize) -> Rc<Origin> {
        self.origins = self.origins.saturating_add(1);
        let share = event.data.len().checked_div(texts).unwrap_or(0).saturating_add(1);
        // Nobody refers to an event without texts.
        let data = if texts > 0 { event.data.to_owned() } else { String::new() };
        Rc::new(Origin { number: self.origins, name: event.event.to_owned(), data, share })
    }

    /// What may pass in the place of a piece of text.
    fn piece(&mut self, key: Key, run: u64, role: Role, value: &str, edited: &mut Edited) -> String {
        if !self.channels.contains_key(&key) {
            // A text begins with its first character.
            if value.is_empty() {
                return String::new();
            }
            self.read_on(key, run);
        }
        if !self.channels.contains_key(&key) && self.channels.len() >= MOST_CHANNELS {
            steps::count(self.channels.len());
            self.channels.retain(|_, channel| channel.text.held() > 0);
            if self.channels.len() >= MOST_CHANNELS {
                edited.refused = Some(refusal::response_not_inspectable("it has too many parts"));
                return String::new();
            }
        }
        let open = self.channels.entry(key).or_default();
        open.run = run;
        let released = match role {
            Role::Piece => open.text.push(&self.profile, Direction::Output, value),
            _ => open.text.push_whole(&self.profile, Direction::Output, value),
        };
        self.take(released, edited)
    }

    /// Lets a new text follow the last one of its run whose part is over.
    fn read_on(&mut self, key: Key, run: u64) {
        if let Some(mut channel) = self.ended.remove(&run).and_then(|ended| self.channels.remove(&ended)) {
            channel.text.begin_part();
            self.channels.insert(key, channel);
        }
    }

    /// Keeps the event of a piece as long as something is held, and refuses a stream of which too much is kept.
    fn keep(
        &mut self,
        key: Key,
        value: &str,
        origin: impl FnOnce() -> (Rc<Origin>, Range<usize>),
        edited: &mut Edited,
    ) {
        let Some(open) = self.channels.get_mut(&key) else { return };
        if open.text.held() == 0 {
            if let Some((old, _)) = open.origin.take() {
                self.kept = self.kept.saturating_sub(old.share);
            }
            return;
        }
        if value.is_empty() {
            return;
        }
        let new = origin();
        self.kept = self.kept.saturating_add(new.0.share);
        if let Some((old, _)) = open.origin.replace(new) {
            self.kept = self.kept.saturating_sub(old.share);
        }
        if self.kept > MOST_KEPT_BYTES {
            edited.refused = Some(refusal::response_not_inspectable("it has too many parts"));
        }
    }

    /// What may pass in the place of a name or a number.
    fn closed(&mut self, text: &Text, edited: &mut Edited) -> String {
        let verdict = self.profile.apply(Direction::Output, &text.value);
        let blocked = verdict.action == Action::Block;
        let text = self.restored(&verdict.text);
        let released = Released { text, findings: verdict.findings, blocked, ..Released::default() };
        self.take(released, edited)
    }

    /// What may pass in the place of a text that was streamed before.
    fn copy(&mut self, text: &Text, copies: &mut Vec<Finding>, edited: &mut Edited) -> String {
        let verdict = self.profile.apply(Direction::Output, &text.value);
        if verdict.action == Action::Block && edited.refused.is_none() {
            edited.refused = Some(refusal::blocked("The answer", &verdict.findings));
            edited.findings.extend(&verdict.findings);
        }
        self.has_copies |= !text.value.is_empty();
        let text = self.restored(&verdict.text);
        copies.extend(verdict.findings);
        text
    }

    fn restored(&self, text: &str) -> String {
        self.profile.originals().map_or_else(|| text.to_owned(), |originals| originals.restored(text))
    }

    /// What a copy has counts only as far as the pieces did not have it.
    fn count_copies(&mut self, copies: Vec<Finding>, edited: &mut Edited) {
        let mut seen: BTreeMap<_, usize> = BTreeMap::new();
        for finding in copies {
            let kind = (finding.finding.name(), finding.action_name());
            let seen = seen.entry(kind).or_default();
            *seen = seen.saturating_add(1);
            let found = self.found.entry(kind).or_default();
            if *seen > *found {
                *found = *seen;
                edited.findings.push(finding);
            }
        }
    }

    /// Takes the findings out of what was released, and the refusal if there is one.
    fn take(&mut self, released: Released, edited: &mut Edited) -> String {
        if released.blocked && edited.refused.is_none() {
            edited.refused = Some(refusal::blocked("The answer", &released.findings));
        }
        if released.crosses_parts && self.has_copies && edited.refused.is_none() {
            // The copy of either part has its half, and nothing tells where.
            edited.refused =
                Some(refusal::response_not_inspectable("what is to be replaced is split over two of its parts"));
        }
        for finding in &released.findings {
            let found = self.found.entry((finding.finding.name(), finding.action_name())).or_default();
            *found = found.saturating_add(1);
        }
        edited.findings.extend(released.findings);
        released.text
    }

    /// Lets go of everything that is held.
    pub(super) fn end_all(&mut self, edited: &mut Edited) {
        self.let_go(self.held(..), edited);
        self.flush(edited);
    }

    /// Lets go of what is held of one part, but for what is likely half of a finding.
    fn end_part(&mut self, part: u64, edited: &mut Edited) {
        let mut rests = Vec::new();
        for key in self.held(of_part(part)) {
            let Some(channel) = self.channels.get(&key) else { continue };
            if self.ended.len() >= MOST_CHANNELS {
                self.ended.clear();
            }
            self.ended.insert(channel.run, key);
            if channel.text.ends_with_half(&self.profile, Direction::Output) {
                self.halves.insert(channel.run);
                self.waiting.add_part(part);
            } else {
                rests.push(key);
            }
        }
        self.let_go(rests, edited);
    }

    /// The channels of which something is held.
    fn held(&self, keys: impl RangeBounds<Key>) -> Vec<Key> {
        let channels = self.channels.range(keys).inspect(|_| steps::count(1));
        channels.filter(|(_, channel)| channel.text.held() > 0).map(|(key, _)| *key).collect()
    }

    /// Lets go of what is held of some channels: in the event that brought it, if that still waits, else in one of its own.
    fn let_go(&mut self, channels: Vec<Key>, edited: &mut Edited) {
        let mut rests: BTreeMap<u64, (Rc<Origin>, Vec<Edit>)> = BTreeMap::new();
        for key in channels {
            let Some(channel) = self.channels.get_mut(&key) else { continue };
            let released = channel.text.let_go(&self.profile, Direction::Output);
            let origin = channel.origin.take();
            let rest = self.take(released, edited);
            let Some((origin, span)) = origin else { continue };
            self.kept = self.kept.saturating_sub(origin.share);
            if edited.refused.is_some() || rest.is_empty() || self.waiting.append(origin.number, &span, &rest) {
                continue;
            }
            rests.entry(origin.number).or_insert_with(|| (origin, Vec::new())).1.push((span, rest));
        }
        for (origin, rests) in rests.into_values() {
            if edited.refused.is_none() {
                self.write_rest(&origin, rests, edited);
            }
        }
    }

    /// Writes an event that brings the rests of texts of an earlier one, and nothing else that it brought.
    fn write_rest(&self, origin: &Origin, mut rests: Vec<Edit>, edited: &mut Edited) {
        rests.sort_unstable_by_key(|(span, _)| span.start);
        steps::count(origin.data.len());
        let Ok(read) = StreamEvent::read(self.schema, &origin.data) else { return };
        let mut rests = rests.into_iter().peekable();
        let edits: Vec<_> = read
            .texts
            .into_iter()
            .filter(|text| text.role != Role::Closed)
            .map(|text| match rests.next_if(|(span, _)| *span == text.text.span) {
                Some(rest) => rest,
                // It has passed already.
                None => (text.text.span, String::new()),
            })
            .collect();
        let (name, data) = continuation(self.schema, &origin.name, &origin.data, &edits);
        write_event(&name, &data, &mut edited.bytes);
    }
}

fn of_part(part: u64) -> RangeInclusive<Key> {
    (part, 0)..=(part, u64::MAX)
}

/// Appends an event with other texts.
pub(super) fn write(event: &Event<'_>, edits: &[Edit], erased: &[Range<usize>], out: &mut Vec<u8>) {
    let data = with_edits(event.data.as_bytes(), edits, erased);
    // Edited JSON is UTF-8 as it was before.
    let data = String::from_utf8(data).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    event.write_with_data(&data, out);
}
