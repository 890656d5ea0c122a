use std::collections::BTreeMap;
use std::ops::Range;

use weir_config::Action;
use weir_llm::Schema;
use weir_llm::sse::{Event, write_event};
use weir_llm::text::{StreamText, stream_texts, with_texts};

use super::events::Edited;
use super::shape::{self, Ends, Shape};
use super::template::Template;
use super::{path, refusal};
use crate::scan::{Direction, Profile};
use crate::stream::{Released, TextStream};

/// The most texts that may be open side by side in one stream: choices, blocks, tool calls.
const MOST_CHANNELS: usize = 1024;
/// How many bytes of events may be kept for them together.
const MOST_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// The texts of one stream, each running through a scanner of its own.
#[derive(Debug)]
pub(super) struct Deltas {
    profile: Profile,
    schema: Schema,
    channels: BTreeMap<Key, Channel>,
    /// What the next event probably looks like.
    template: Option<Template>,
}

/// Names a channel: the choice, block or tool call, and the field in it.
pub(super) type Key = (u32, u64);

/// One choice's text, one block, one tool call's arguments.
#[derive(Debug, Default)]
struct Channel {
    text: TextStream,
    /// The last event that brought text of this channel, kept while some of it is held: what is held may have to leave in an
    /// event of its own.
    last: String,
    /// Its name.
    last_name: String,
    /// Whether it is one that brings pieces.
    of_deltas: bool,
    /// Where the text stood in it.
    span: Range<usize>,
}

impl Deltas {
    pub(super) fn new(profile: Profile, schema: Schema) -> Self {
        Self { profile, schema, channels: BTreeMap::new(), template: None }
    }

    /// Edits one event. Nothing more is written once the stream is refused.
    pub(super) fn event(&mut self, event: &Event<'_>, edited: &mut Edited) {
        if edited.refused.is_some() {
            return;
        }
        if event.data.is_empty() {
            edited.bytes.extend_from_slice(event.raw);
            return;
        }
        if let Some(template) = &self.template
            && let Some((value, span)) = template.text(event.data)
        {
            let (key, of_deltas) = (template.key, template.of_deltas);
            let text = StreamText { channel: key.0, value, span, whole: false };
            return self.like_the_last(key, text, of_deltas, event, edited);
        }
        self.template = None;
        let Some(shape) = shape::read(self.schema, event) else {
            edited.refused = Some(refusal::response_not_inspectable("an event is malformed"));
            return;
        };
        match shape.ends {
            Ends::Everything => self.end_all(edited),
            Ends::Block(index) => self.end_block(index, edited),
            Ends::Nothing | Ends::Choices(_) => {}
        }
        let texts = self.texts(event.data, shape.of_deltas);
        self.end_choices(&shape.ends, &texts, edited);
        let spells = self.profile.edits(Direction::Output) && shape::has_probabilities(event.data);
        if let (Ends::Nothing, [(Some(key), text)], false) = (&shape.ends, texts.as_slice(), spells) {
            self.template = Template::of(event.data, &text.span, *key, shape.of_deltas);
        }
        let mut edits = Vec::new();
        for (key, text) in texts {
            let passed = match key {
                Some(key) => self.piece(key, &text, event, &shape, edited),
                None => self.whole(&text, edited),
            };
            if passed != text.value {
                edits.push((text.span, passed));
            }
        }
        self.check_kept(edited);
        if edited.refused.is_some() {
            return;
        }
        if edits.is_empty() && !spells {
            edited.bytes.extend_from_slice(event.raw);
        } else {
            let data = shape::without_probabilities(with_texts(event.data.as_bytes(), &edits));
            event.write_with_data(&as_text(data), &mut edited.bytes);
        }
    }

    /// Edits an event that brings one piece of text, as the last one did.
    fn like_the_last(&mut self, key: Key, text: StreamText, of_deltas: bool, event: &Event<'_>, edited: &mut Edited) {
        let shape = Shape { ends: Ends::Nothing, of_deltas };
        let passed = self.piece(key, &text, event, &shape, edited);
        self.check_kept(edited);
        if edited.refused.is_some() {
            return;
        }
        if passed == text.value {
            edited.bytes.extend_from_slice(event.raw);
        } else {
            let data = with_texts(event.data.as_bytes(), &[(text.span, passed)]);
            event.write_with_data(&as_text(data), &mut edited.bytes);
        }
    }

    /// Refuses a stream of which too much is kept.
    fn check_kept(&self, edited: &mut Edited) {
        if self.channels.values().map(|channel| channel.last.len()).sum::<usize>() > MOST_KEPT_BYTES {
            edited.refused = Some(refusal::response_not_inspectable("it has too many parts"));
        }
    }

    /// Lets go of everything that is held.
    pub(super) fn end_all(&mut self, edited: &mut Edited) {
        for mut channel in std::mem::take(&mut self.channels).into_values() {
            self.end(&mut channel, edited);
        }
    }

    /// Lets go of what is held of one block.
    fn end_block(&mut self, index: u32, edited: &mut Edited) {
        let ended: Vec<_> = self.channels.keys().filter(|(channel, _)| *channel == index).copied().collect();
        for key in ended {
            if let Some(mut channel) = self.channels.remove(&key) {
                self.end(&mut channel, edited);
            }
        }
    }

    /// The texts of an event's data, each with its channel; without one it is whole in itself.
    fn texts(&self, data: &str, of_deltas: bool) -> Vec<(Option<Key>, StreamText)> {
        let keyed = |text: StreamText| {
            let path = path::path(data, text.span.start);
            let piece = !text.whole && path::is_piece(self.schema, of_deltas, &path);
            (piece.then(|| (text.channel, path::key(&path))), text)
        };
        stream_texts(self.schema, data).into_iter().map(keyed).collect()
    }

    /// What may pass in the place of a piece of text.
    fn piece(&mut self, key: Key, text: &StreamText, event: &Event<'_>, shape: &Shape, edited: &mut Edited) -> String {
        if !self.channels.contains_key(&key) && self.channels.len() >= MOST_CHANNELS {
            edited.refused = Some(refusal::response_not_inspectable("it has too many parts"));
        }
        if edited.refused.is_some() {
            return String::new();
        }
        let channel = self.channels.entry(key).or_default();
        let mut passed = take(channel.text.push(&self.profile, Direction::Output, &text.value), edited);
        if shape.ends.include(event.data, &text.span) {
            passed += &take(channel.text.finish(&self.profile, Direction::Output), edited);
        }
        if channel.text.held() > 0 {
            channel.remember(event, shape.of_deltas, &text.span);
        }
        passed
    }

    /// What may pass in the place of a text that is whole in itself.
    fn whole(&self, text: &StreamText, edited: &mut Edited) -> String {
        let verdict = self.profile.apply(Direction::Output, &text.value);
        let blocked = verdict.action == Action::Block;
        take(Released { text: verdict.text.into_owned(), findings: verdict.findings, blocked }, edited)
    }

    /// Lets go of what is held of choices that end with an event which has no text of theirs.
    fn end_choices(&mut self, ends: &Ends, texts: &[(Option<Key>, StreamText)], edited: &mut Edited) {
        if !matches!(ends, Ends::Choices(_)) {
            return;
        }
        let goes_on = |key| texts.iter().any(|(other, _)| *other == Some(key));
        let ended: Vec<_> = self
            .channels
            .iter()
            .filter(|(key, channel)| {
                channel.text.held() > 0 && !goes_on(**key) && ends.include(&channel.last, &channel.span)
            })
            .map(|(key, _)| *key)
            .collect();
        for key in ended {
            if let Some(mut channel) = self.channels.remove(&key) {
                self.end(&mut channel, edited);
            }
        }
    }

    fn end(&self, channel: &mut Channel, edited: &mut Edited) {
        if channel.text.held() == 0 || edited.refused.is_some() {
            return;
        }
        let rest = take(channel.text.finish(&self.profile, Direction::Output), edited);
        if rest.is_empty() || edited.refused.is_some() {
            return;
        }
        let edits: Vec<_> = self
            .texts(&channel.last, channel.of_deltas)
            .into_iter()
            .map(|(key, text)| match key {
                Some(_) if text.span == channel.span => (text.span, rest.clone()),
                // It has passed already.
                Some(_) => (text.span, String::new()),
                None => (text.span, self.profile.apply(Direction::Output, &text.value).text.into_owned()),
            })
            .collect();
        let data = shape::continuation(self.schema, with_texts(channel.last.as_bytes(), &edits));
        let name = shape::continuation_name(self.schema, &channel.last_name);
        write_event(name, &as_text(data), &mut edited.bytes);
    }
}

impl Channel {
    fn remember(&mut self, event: &Event<'_>, of_deltas: bool, span: &Range<usize>) {
        self.last.clear();
        self.last.push_str(event.data);
        self.last_name.clear();
        self.last_name.push_str(event.event);
        self.of_deltas = of_deltas;
        self.span = span.clone();
    }
}

/// Edited JSON, which is UTF-8 as it was before.
fn as_text(json: Vec<u8>) -> String {
    String::from_utf8(json).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Takes the findings out of what was released, and the refusal if there is one.
fn take(released: Released, edited: &mut Edited) -> String {
    if released.blocked && edited.refused.is_none() {
        edited.refused = Some(refusal::blocked("The answer", &released.findings));
    }
    edited.findings.extend(released.findings);
    released.text
}
