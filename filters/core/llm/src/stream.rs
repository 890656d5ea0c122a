//! A provider's stream in the client's schema.
//!
//! Events are read into [`Delta`]s, which say what happened without a schema. Between two schemas the client's events are
//! written from them. Within one schema the provider's events pass byte for byte and the deltas only tell what passed.

mod passthrough;

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use crate::chat::{Echo, Finish, ToolNames};
use crate::error::{ProviderError, error_of_event, error_of_json};
use crate::event_stream::EventStreamFramer;
use crate::schema::{Framing, Schema, StreamReader, StreamWriter};
use crate::sse::{Event, Framer};
use crate::usage::{Facts, Figure, Usage, characters_as_tokens, usage_of_response};

/// What the client's stream needs that the provider's does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamOptions {
    /// The model's name for the client; empty: the provider's name stays where the schema does.
    pub client_model: String,
    /// Whether the client asked for usage in its stream. Anthropic's streams always have it.
    pub client_wants_usage: bool,
    /// The id of the answer, where it is translated.
    pub id: String,
    /// When the answer began, in Unix seconds, where it is translated.
    pub created_unix_s: i64,
    /// What tools are called at the provider, where the request was translated.
    pub tool_names: ToolNames,
    /// What the answer repeats of its request, where it is translated.
    pub echo: Echo,
}

/// What one push has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// An event with content, or with the end of an answer, was seen: from here on the client has part of an answer.
    pub content: bool,
    /// The provider ended the stream with an error, or broke its protocol. What was written last is the error's event in the client's
    /// schema, written from what was read, never the provider's own bytes. A caller that has sent nothing yet may throw all of it away
    /// and try elsewhere.
    pub error: Option<ProviderError>,
    /// Usage as the events of this push have it: running totals, of which the last word holds.
    pub usage: Option<Usage>,
    /// What the events with figures say besides: that of the first, and of all others together.
    pub facts: Vec<Facts>,
    /// Of the whole stream so far: the last figure of its output is that of the whole answer, whose end is known and of which nothing
    /// came after the figure. One from before the first content is a placeholder.
    pub usage_is_final: bool,
    /// The provider's own last event was seen.
    pub complete: bool,
    /// Characters of output text in this push: content, reasoning, and the names and arguments of tool calls.
    pub characters: u64,
}

/// One thing that happened in a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta<'a> {
    /// The provider names the model: its JSON string, quotes included.
    Model(&'a str),
    /// The answer begins.
    Start,
    /// A sign of life.
    Ping,
    /// A piece of the answer's text.
    Text(Cow<'a, str>),
    /// A piece of the model's own words for declining.
    Refusal(Cow<'a, str>),
    /// A piece of reasoning.
    Thinking(Cow<'a, str>),
    /// Content that no other schema can say.
    Opaque,
    /// A tool call begins.
    ToolCall {
        /// Unique in the stream.
        key: u32,
        /// As the provider names it; empty if it does not.
        id: Cow<'a, str>,
        /// The tool.
        name: Cow<'a, str>,
    },
    /// A piece of a tool call's arguments.
    Arguments {
        /// Of the call.
        key: u32,
        /// The piece of JSON.
        json: Cow<'a, str>,
    },
    /// The provider says that a block has ended, which may be a tool call.
    BlockEnd {
        /// Of the call, if it is one.
        key: u32,
    },
    /// Why the answer ends.
    Finish {
        /// The reason.
        finish: Finish,
        /// The text of `stop` that ended it, where the provider says which.
        stop_sequence: Option<String>,
    },
    /// Running totals.
    Usage(Usage),
    /// The provider's own last event.
    End,
    /// The provider gives up.
    Error(ProviderError),
}

/// Takes out of a text of an error what no client may read; `None`: nothing of that stands there.
pub type Hide = Rc<dyn Fn(&str) -> Option<String>>;

/// What events of an error are called, in every schema and in none.
const ERROR: &str = "error";

#[derive(Default)]
struct Hiding(Option<Hide>);

impl fmt::Debug for Hiding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hiding")
    }
}

/// Translates one stream.
#[derive(Debug)]
pub struct StreamTranslator {
    framer: AnyFramer,
    session: Session,
}

impl StreamTranslator {
    /// A translator at the beginning of a stream.
    pub fn new(provider: Schema, client: Schema, options: StreamOptions) -> Self {
        let tool_names = options.tool_names.clone();
        let writer = match provider == client {
            true => Writer::Same(passthrough::Writer::new(client, options)),
            false => Writer::Other(client.stream_writer(options)),
        };
        let reader = provider.stream_reader(provider != client);
        Self {
            framer: match provider.framing() {
                Framing::ServerSentEvents => AnyFramer::ServerSentEvents(Framer::default()),
                Framing::EventStream => AnyFramer::EventStream(EventStreamFramer::default()),
            },
            session: Session {
                provider,
                client,
                reader,
                writer,
                content_seen: false,
                output_is_counted: false,
                says_usage: false,
                characters: 0,
                tool_names,
                hide: Hiding::default(),
                finish_seen: false,
                over: false,
                at_end: false,
            },
        }
    }

    /// The same translator, with each text of an error as `hide` makes it.
    #[must_use]
    pub fn hiding(mut self, hide: Hide) -> Self {
        self.session.hide = Hiding(Some(hide));
        self
    }

    /// Takes in bytes of the provider and appends what the client gets. After the last event, or an error, nothing more.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        let Self { framer, session } = self;
        let mut progress = session.progress();
        if session.over {
            return progress;
        }
        if let Err(error) = framer.push(bytes, &mut |event| session.event(event, &mut progress, out)) {
            session.fail(ProviderError::protocol(error), &mut progress, out);
        }
        progress
    }

    /// The upstream ended, cleanly as far as HTTP knows. A stream that gave the reason of its end is then complete, also
    /// without its last event, which some servers leave out; any other ends with an error event.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Progress {
        let Self { framer, session } = self;
        let mut progress = session.progress();
        if session.over {
            return progress;
        }
        session.at_end = true;
        if let Err(error) = framer.finish(&mut |event| session.event(event, &mut progress, out)) {
            session.fail(ProviderError::protocol(error), &mut progress, out);
        }
        if session.over {
            return progress;
        }
        if session.finish_seen {
            match session.write(&Delta::End, out) {
                Ok(()) => progress.complete = true,
                Err(error) => session.fail(error, &mut progress, out),
            }
            session.over = true;
        } else {
            let message = "the provider's stream ended before its answer did";
            session.fail(ProviderError::protocol(message), &mut progress, out);
        }
        progress
    }
}

/// What cuts the provider's stream into events. Why it cannot is said in words.
#[derive(Debug)]
enum AnyFramer {
    ServerSentEvents(Framer),
    EventStream(EventStreamFramer),
}

impl AnyFramer {
    fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event<'_>)) -> Result<(), String> {
        match self {
            Self::ServerSentEvents(framer) => framer.push(bytes, each).map_err(|error| error.to_string()),
            Self::EventStream(framer) => framer.push(bytes, each).map_err(|error| error.to_string()),
        }
    }

    fn finish(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<(), String> {
        match self {
            Self::ServerSentEvents(framer) => framer.finish(each).map_err(|error| error.to_string()),
            Self::EventStream(framer) => framer.finish().map_err(|error| error.to_string()),
        }
    }
}

#[derive(Debug)]
enum Writer {
    Same(passthrough::Writer),
    Other(Box<dyn StreamWriter>),
}

impl Writer {
    /// Fails on what the client's schema cannot say.
    fn write(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        match self {
            Self::Same(_) => Ok(()),
            Self::Other(writer) => writer.write(delta, out),
        }
    }
}

#[derive(Debug)]
struct Session {
    provider: Schema,
    client: Schema,
    reader: Box<dyn StreamReader>,
    writer: Writer,
    content_seen: bool,
    /// A figure of the output was said behind all content so far.
    output_is_counted: bool,
    /// Some figures were said.
    says_usage: bool,
    /// Of the output so far, where it is translated.
    characters: u64,
    tool_names: ToolNames,
    hide: Hiding,
    finish_seen: bool,
    /// The last event, or an error, has been written.
    over: bool,
    /// No byte follows: an event may lack its blank line.
    at_end: bool,
}

impl Session {
    /// Of a push that has shown nothing yet.
    fn progress(&self) -> Progress {
        Progress { usage_is_final: self.finish_seen && self.output_is_counted, ..Progress::default() }
    }

    fn event(&mut self, event: Event<'_>, progress: &mut Progress, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        if let Writer::Same(writer) = &self.writer
            && !self.at_end
            && let Some(text) = writer.text_like_the_last(event.data)
        {
            progress.content = true;
            progress.characters = progress.characters.saturating_add(characters(text));
            progress.usage_is_final = false;
            self.output_is_counted = false;
            return writer.pass_like_the_last(&event, text, out);
        }
        let deltas = match event.data {
            "" if event.raw.contains(&b':') => Ok(vec![Delta::Ping]),
            "" => Ok(Vec::new()),
            data => self.reader.read(data),
        };
        // What the schema's reader does not know may still be an error: servers have more shapes for it than the schema.
        let unknown = || error_by_name(self.provider, &event).or_else(|| error_of_event(self.provider, event.data));
        let says_nothing = |deltas: &[Delta<'_>]| deltas.iter().all(|delta| matches!(delta, Delta::Opaque));
        let mut deltas = match deltas {
            Ok(deltas) if deltas.is_empty() => unknown().map(Delta::Error).into_iter().collect(),
            Ok(deltas) if says_nothing(&deltas) && event.event == ERROR => {
                unknown().map_or(deltas, |error| vec![Delta::Error(error)])
            }
            Ok(deltas) => deltas,
            Err(error) => {
                let error = unknown().unwrap_or(error);
                // What it says it used is owed, whatever else is wrong with it.
                note_usage(usage_of_response(self.provider, event.data.as_bytes()).as_ref(), progress);
                progress.note(Facts::read(event.data));
                return self.fail(unknown().unwrap_or(error), progress, out);
            }
        };
        self.observe_usage(&deltas, progress);
        if deltas.iter().any(|delta| matches!(delta, Delta::Usage(_))) {
            progress.note(Facts::read(event.data));
        }
        if !self.tool_names.is_empty() {
            self.restore_tool_names(&mut deltas);
        }
        for delta in &deltas {
            if let Some(error) = self.observe(delta, progress) {
                return self.fail(error.in_event(event.data), progress, out);
            } else if let Err(error) = self.write(delta, out) {
                return self.fail(error, progress, out);
            }
        }
        if let Writer::Same(writer) = &mut self.writer {
            let start = out.len();
            writer.pass(&event, &deltas, out);
            // An event without anything that the model said may tell of an error, also where nobody knows its form.
            let is_said = |delta: &Delta<'_>| is_content(delta) && *delta != Delta::Opaque;
            let passed = out.get(start..).filter(|_| !deltas.iter().any(is_said));
            let passed = passed.and_then(|passed| std::str::from_utf8(passed).ok());
            if let Some(hidden) = self.hide.0.as_ref().and_then(|hide| hide(passed?)) {
                out.truncate(start);
                out.extend_from_slice(hidden.as_bytes());
            }
            if self.at_end && !event.raw.ends_with(b"\n\n") {
                out.extend_from_slice(b"\n\n");
            }
        }
    }

    /// Notes an event's figures, before anything of it can fail.
    fn observe_usage(&mut self, deltas: &[Delta<'_>], progress: &mut Progress) {
        let has_content = deltas.iter().any(is_content);
        let finishes = deltas.iter().any(|delta| matches!(delta, Delta::Finish { .. }));
        self.content_seen |= has_content;
        self.output_is_counted &= !has_content;
        for delta in deltas {
            if let Delta::Usage(usage) = delta {
                self.says_usage = true;
                note_usage(Some(usage), progress);
                self.output_is_counted |= usage.says_output() && (self.content_seen || self.finish_seen || finishes);
            }
        }
        progress.usage_is_final = (self.finish_seen || finishes) && self.output_is_counted;
    }

    /// Writes a delta for the client. A figure of the output from before the first content is a placeholder, and none behind the last
    /// content was not said at all: then the client reads what is recorded, an estimate.
    fn write(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) -> Result<(), ProviderError> {
        if matches!(self.writer, Writer::Same(_)) {
            return Ok(());
        }
        match delta {
            Delta::Usage(usage) if !self.content_seen && !self.output_is_counted => {
                self.writer.write(&Delta::Usage(usage.without_output()), out)
            }
            Delta::End if self.says_usage && !self.output_is_counted => {
                let estimate = characters_as_tokens(self.characters);
                self.writer.write(&Delta::Usage(Usage::default().with(Figure::Output, estimate)), out)?;
                self.writer.write(delta, out)
            }
            _ => self.writer.write(delta, out),
        }
    }

    /// Gives calls the client's names.
    fn restore_tool_names(&self, deltas: &mut [Delta<'_>]) {
        for delta in deltas {
            if let Delta::ToolCall { name, .. } = delta {
                *name = Cow::Owned(self.tool_names.client_name(name).to_owned());
            }
        }
    }

    /// Notes what a delta shows; answers the error that it is.
    fn observe(&mut self, delta: &Delta<'_>, progress: &mut Progress) -> Option<ProviderError> {
        let text = match delta {
            Delta::Text(text) | Delta::Refusal(text) | Delta::Thinking(text) => text,
            Delta::Arguments { json, .. } => json,
            Delta::ToolCall { name, .. } => name,
            Delta::Model(_) | Delta::Start | Delta::Ping | Delta::BlockEnd { .. } | Delta::Usage(_) => return None,
            Delta::Opaque => {
                progress.content = true;
                return None;
            }
            Delta::Finish { .. } => {
                self.finish_seen = true;
                progress.content = true;
                return None;
            }
            Delta::End if self.is_premature_end() => {
                return Some(ProviderError::protocol("the provider ended its stream without a reason"));
            }
            Delta::End => {
                self.over = true;
                progress.complete = self.finish_seen || self.provider.last_event_is_enough();
                progress.content |= progress.complete;
                return None;
            }
            Delta::Error(error) => return Some(error.clone()),
        };
        progress.content = true;
        let characters = characters(text);
        progress.characters = progress.characters.saturating_add(characters);
        self.characters = self.characters.saturating_add(characters);
        None
    }

    /// The last event before any reason of the end: what was said so far is no whole answer.
    fn is_premature_end(&self) -> bool {
        !self.finish_seen && !self.provider.last_event_is_enough() && !matches!(self.writer, Writer::Same(_))
    }

    fn fail(&mut self, error: ProviderError, progress: &mut Progress, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        self.over = true;
        let error = match &self.hide.0 {
            Some(hide) => error.hiding(hide.as_ref()),
            None => error,
        };
        let is_written = match &mut self.writer {
            Writer::Same(_) => false,
            Writer::Other(writer) => error.tell(self.client, |parts| writer.fail(parts, out)),
        };
        if !is_written {
            error.write_event(self.client, out);
        }
        if let Writer::Same(writer) = &self.writer {
            error.tell(self.client, |parts| self.reader.close_failed(parts, writer.client_model(), out));
        }
        progress.error = Some(error);
    }
}

/// The error of an event that is called one and says something, whatever that is.
fn error_by_name(provider: Schema, event: &Event<'_>) -> Option<ProviderError> {
    let data = event.data.trim();
    if event.event != ERROR || data.is_empty() || data == "[DONE]" {
        return None;
    }
    let value: Value = crate::json::parse(data).unwrap_or_else(|_| data.into());
    Some(error_of_json(provider, 200, value.get("error").unwrap_or(&value)))
}

impl Progress {
    /// Takes in what an event said besides its figures.
    pub fn note(&mut self, facts: Facts) {
        match self.facts.get_mut(1) {
            Some(last) => last.follow(facts),
            None => self.facts.push(facts),
        }
    }
}

fn note_usage(usage: Option<&Usage>, progress: &mut Progress) {
    if let Some(usage) = usage {
        progress.usage = Some(progress.usage.map_or(*usage, |known| known.followed_by(usage)));
    }
}

/// Whether a delta is part of what the model made.
fn is_content(delta: &Delta<'_>) -> bool {
    match delta {
        Delta::Text(_)
        | Delta::Refusal(_)
        | Delta::Thinking(_)
        | Delta::Opaque
        | Delta::ToolCall { .. }
        | Delta::Arguments { .. } => true,
        Delta::Model(_)
        | Delta::Start
        | Delta::Ping
        | Delta::BlockEnd { .. }
        | Delta::Finish { .. }
        | Delta::Usage(_)
        | Delta::End
        | Delta::Error(_) => false,
    }
}

fn characters(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
