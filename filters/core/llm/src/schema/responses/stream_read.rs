use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Ended, finish_of, seconds, write_outline};
use super::items::{BETWEEN_SUMMARIES, Of, read_item};
use super::{error, usage};
use crate::chat::{Echo, Part};
use crate::error::{ErrorParts, ProviderError};
use crate::json::string_of;
use crate::node::Node;
use crate::schema::StreamReader;
use crate::sse::write_event;
use crate::stream::Delta;

/// The most items and parts of an answer that are told apart.
const MOST_PARTS: usize = 20_000;

/// Reads events. A text is taken from its pieces; where a server sends none, from the first copy of the whole item.
#[derive(Debug)]
pub(super) struct Reader {
    /// Whether another schema is written from what is read.
    translated: bool,
    started: bool,
    /// The response's id, and when it began.
    response: Option<(String, i64)>,
    /// Of the last event.
    sequence_number: u32,
    items: Vec<Item>,
    /// Items by their ids, and by their places in the output. Some servers give an item another id in every event, and some give two
    /// items one place: the id counts where it is known.
    by_id: BTreeMap<String, usize>,
    by_place: BTreeMap<u32, usize>,
    called: bool,
    /// The ids of calls.
    call_ids: BTreeSet<String>,
    /// Of all items together.
    parts: usize,
}

/// What is known of an item of the answer.
#[derive(Debug, Default)]
struct Item {
    /// The parts of which pieces were read.
    said: BTreeSet<(Kind, u32)>,
    /// A piece of its summary was read.
    is_summarized: bool,
    /// A call of a function whose name was told.
    called: bool,
    /// Its copy was read.
    done: bool,
}

/// A kind of text in an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Content,
    Summary,
    Reasoning,
    Arguments,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output_index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content_index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    summary_index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sequence_number: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    created_at: Option<&'a RawValue>,
}

impl Reader {
    pub(super) fn new(translated: bool) -> Self {
        Self {
            translated,
            started: false,
            response: None,
            sequence_number: 0,
            items: Vec::new(),
            by_id: BTreeMap::new(),
            by_place: BTreeMap::new(),
            called: false,
            call_ids: BTreeSet::new(),
            parts: 0,
        }
    }
}

impl StreamReader for Reader {
    /// Events that are not known are passed over.
    fn read<'a>(&mut self, data: &'a str) -> Result<Vec<Delta<'a>>, ProviderError> {
        if data.trim() == "[DONE]" {
            return Ok(vec![Delta::End]);
        }
        let event: Event<'a> = crate::json::parse(data).map_err(|_| unreadable())?;
        let mut deltas = Vec::with_capacity(2);
        // One without a type is none of this API.
        let Some(kind) = event.kind.and_then(string_of) else { return Ok(deltas) };
        self.sequence_number = event.sequence_number.and_then(number).unwrap_or(self.sequence_number);
        match kind.as_ref() {
            "response.created" | "response.queued" | "response.in_progress" => self.start(&event, &mut deltas),
            "response.output_item.added" => self.item_added(&event, &mut deltas)?,
            "response.output_item.done" => self.item_done(&event, &mut deltas)?,
            "response.output_text.delta" => self.piece(&event, Kind::Content, Delta::Text, &mut deltas),
            "response.refusal.delta" => self.piece(&event, Kind::Content, Delta::Refusal, &mut deltas),
            "response.reasoning_text.delta" => self.piece(&event, Kind::Reasoning, Delta::Thinking, &mut deltas),
            "response.reasoning_summary_text.delta" => {
                self.piece(&event, Kind::Summary, Delta::Thinking, &mut deltas);
            }
            "response.function_call_arguments.delta" => self.arguments(&event, &mut deltas),
            "response.completed" | "response.incomplete" => self.end(&event, &mut deltas)?,
            FAILED => self.fail(&event, &mut deltas)?,
            "error" => deltas.push(Delta::Error(error::read(&value_of(data)?))),
            // What hosted tools do, sound and images.
            other if other.ends_with(".delta") || other.ends_with(".partial_image") => deltas.push(Delta::Opaque),
            _ => {}
        }
        if self.parts > MOST_PARTS {
            return Err(ProviderError::protocol("the provider's answer has too many parts"));
        }
        Ok(deltas)
    }

    /// The response that failed: the only end of a stream that some clients know.
    fn close_failed(&self, error: &ErrorParts<'_>, model: &str, out: &mut Vec<u8>) {
        let Some((id, created)) = &self.response else { return };
        let failed = Ended::Badly(error::in_response(error));
        let event = json!({
            "type": FAILED,
            "sequence_number": self.sequence_number.saturating_add(1),
            "response": write_outline(id, *created, model, failed, Vec::new(), None, &Echo::default()),
        });
        write_event(FAILED, &event.to_string(), out);
    }
}

/// The last event of a response that failed.
const FAILED: &str = "response.failed";

impl Reader {
    fn start<'a>(&mut self, event: &Event<'a>, deltas: &mut Vec<Delta<'a>>) {
        deltas.extend(model(event.response));
        if !std::mem::replace(&mut self.started, true) {
            self.response = event.response.and_then(named);
            deltas.push(Delta::Start);
        }
    }

    fn item_added<'a>(&mut self, event: &Event<'a>, deltas: &mut Vec<Delta<'a>>) -> Result<(), ProviderError> {
        let Some(raw) = event.item else { return Ok(()) };
        let item = value_of(raw.get())?;
        let id = item.get("id").and_then(Value::as_str);
        let index = match id.and_then(|id| self.by_id.get(id)) {
            Some(known) => *known,
            None => self.add(id, event.output_index.and_then(number)),
        };
        match item.get("type").and_then(Value::as_str) {
            Some("function_call") => {
                if let Some(call) = call_of(&item, index) {
                    self.begin_call(index, call, deltas);
                }
            }
            Some("message" | "reasoning") | None => {}
            Some(_) => deltas.push(Delta::Opaque),
        }
        Ok(())
    }

    fn item_done<'a>(&mut self, event: &Event<'a>, deltas: &mut Vec<Delta<'a>>) -> Result<(), ProviderError> {
        let Some(raw) = event.item else { return Ok(()) };
        let item = value_of(raw.get())?;
        let place = event.output_index.and_then(number);
        self.copy(&item, place, deltas)
    }

    /// Takes from the copy of an item what no piece has told.
    fn copy<'a>(&mut self, item: &Value, place: Option<u32>, deltas: &mut Vec<Delta<'a>>) -> Result<(), ProviderError> {
        let id = item.get("id").and_then(Value::as_str);
        let index = match self.find(id, place) {
            Some(index) => index,
            None => self.add(id, place),
        };
        let Some(known) = self.items.get_mut(index) else { return Ok(()) };
        if std::mem::replace(&mut known.done, true) {
            return Ok(());
        }
        let was_said = |kinds: &[Kind]| known.said.iter().any(|(kind, _)| kinds.contains(kind));
        match item.get("type").and_then(Value::as_str) {
            Some("function_call") => {
                let Some(call) = call_of(item, index) else { return Err(unreadable()) };
                let (key, arguments) = (call.key, call.arguments.clone());
                self.begin_call(index, call, deltas);
                let has_said = self.items.get(index).is_some_and(|item| item.said.contains(&(Kind::Arguments, 0)));
                if !has_said && !arguments.is_empty() {
                    deltas.push(Delta::Arguments { key, json: arguments.into() });
                }
                deltas.push(Delta::BlockEnd { key });
            }
            Some("message") if !was_said(&[Kind::Content]) => read_copy(item, deltas)?,
            Some("reasoning") if !was_said(&[Kind::Summary, Kind::Reasoning]) => read_copy(item, deltas)?,
            Some("message" | "reasoning") | None => {}
            Some(_) => deltas.push(Delta::Opaque),
        }
        Ok(())
    }

    fn begin_call<'a>(&mut self, index: usize, call: Call, deltas: &mut Vec<Delta<'a>>) {
        self.called = true;
        if let Some(item) = self.items.get_mut(index).filter(|item| !item.called) {
            item.called = true;
            // An id that stands twice is nobody's own: the writer makes one.
            let id = if self.call_ids.insert(call.id.clone()) { call.id } else { String::new() };
            deltas.push(Delta::ToolCall { key: call.key, id: id.into(), name: call.name.into() });
        }
    }

    fn piece<'a>(
        &mut self,
        event: &Event<'a>,
        kind: Kind,
        delta: fn(Cow<'a, str>) -> Delta<'a>,
        deltas: &mut Vec<Delta<'a>>,
    ) {
        let Some(text) = event.delta.and_then(string_of).filter(|text| !text.is_empty()) else { return };
        let part = [event.content_index, event.summary_index].into_iter().flatten().find_map(number).unwrap_or(0);
        let index = self.index_of(event);
        let Some(item) = self.items.get_mut(index) else { return };
        let is_first = item.said.insert((kind, part));
        self.parts = self.parts.saturating_add(usize::from(is_first));
        let follows = kind == Kind::Summary && std::mem::replace(&mut item.is_summarized, true);
        if self.translated && follows && is_first {
            deltas.push(Delta::Thinking(BETWEEN_SUMMARIES.into()));
        }
        deltas.push(delta(text));
    }

    /// Arguments of a call whose name is not known yet wait for the copy of the item.
    fn arguments<'a>(&mut self, event: &Event<'a>, deltas: &mut Vec<Delta<'a>>) {
        let Some(json) = event.delta.and_then(string_of).filter(|json| !json.is_empty()) else { return };
        let index = self.index_of(event);
        let Some(item) = self.items.get_mut(index).filter(|item| item.called) else { return };
        item.said.insert((Kind::Arguments, 0));
        deltas.push(Delta::Arguments { key: key_of(index), json });
    }

    fn end<'a>(&mut self, event: &Event<'a>, deltas: &mut Vec<Delta<'a>>) -> Result<(), ProviderError> {
        deltas.extend(model(event.response));
        let response = event.response.map(|raw| value_of(raw.get())).transpose()?.unwrap_or_default();
        let output = response.get("output").and_then(Value::as_array);
        for (place, item) in (0..).zip(output.into_iter().flatten()).filter(|(_, item)| !item.is_null()) {
            self.copy(item, Some(place), deltas)?;
        }
        deltas.extend(response.get("usage").and_then(usage::read).map(Delta::Usage));
        deltas.push(Delta::Finish { finish: finish_of(&response, self.called), stop_sequence: None });
        deltas.push(Delta::End);
        Ok(())
    }

    fn fail<'a>(&mut self, event: &Event<'a>, deltas: &mut Vec<Delta<'a>>) -> Result<(), ProviderError> {
        deltas.extend(model(event.response));
        let response = event.response.map(|raw| value_of(raw.get())).transpose()?.unwrap_or_default();
        deltas.extend(response.get("usage").and_then(usage::read).map(Delta::Usage));
        deltas.push(Delta::Error(error::read(&response)));
        Ok(())
    }

    /// The item that an event belongs to; a new one where none was announced.
    fn index_of(&mut self, event: &Event<'_>) -> usize {
        let id = event.item_id.and_then(string_of);
        let place = event.output_index.and_then(number);
        match self.find(id.as_deref(), place) {
            Some(index) => index,
            None => self.add(id.as_deref(), place),
        }
    }

    fn find(&self, id: Option<&str>, place: Option<u32>) -> Option<usize> {
        let by_id = id.and_then(|id| self.by_id.get(id));
        let by_place = || place.and_then(|place| self.by_place.get(&place));
        let last = || (id.is_none() && place.is_none()).then(|| self.items.len().checked_sub(1)).flatten();
        by_id.or_else(by_place).copied().or_else(last)
    }

    fn add(&mut self, id: Option<&str>, place: Option<u32>) -> usize {
        let index = self.items.len();
        self.items.push(Item::default());
        self.parts = self.parts.saturating_add(1);
        if let Some(id) = id {
            self.by_id.insert(id.to_owned(), index);
        }
        if let Some(place) = place {
            self.by_place.insert(place, index);
        }
        index
    }
}

/// A call, as its item has it.
struct Call {
    key: u32,
    id: String,
    name: String,
    arguments: String,
}

/// `None` while its name is not told.
fn call_of(item: &Value, index: usize) -> Option<Call> {
    let (_, parts) = read_item(&Node::root(item), Of::Answer, &mut Vec::new()).ok()?;
    let Some(Part::ToolCall(call)) = parts.into_iter().next() else { return None };
    (!call.name.is_empty()).then(|| Call {
        key: key_of(index),
        id: call.id,
        name: call.name,
        arguments: call.arguments,
    })
}

fn read_copy(item: &Value, deltas: &mut Vec<Delta<'_>>) -> Result<(), ProviderError> {
    let (_, parts) = read_item(&Node::root(item), Of::Answer, &mut Vec::new()).map_err(|_| unreadable())?;
    deltas.extend(parts.into_iter().filter_map(|part| match part {
        Part::Text(text) if !text.is_empty() => Some(Delta::Text(text.into())),
        Part::Refusal(text) if !text.is_empty() => Some(Delta::Refusal(text.into())),
        Part::Thinking { text, .. } if !text.is_empty() => Some(Delta::Thinking(text.into())),
        Part::Text(_) | Part::Refusal(_) | Part::Thinking { .. } | Part::RedactedThinking(_) => None,
        Part::Image(_)
        | Part::Document(_)
        | Part::Audio(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Unknown(_) => Some(Delta::Opaque),
    }));
    Ok(())
}

fn key_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn model<'a>(response: Option<&'a RawValue>) -> Option<Delta<'a>> {
    let named: Named<'a> = crate::json::parse(response?.get()).ok()?;
    named.model.map(|model| Delta::Model(model.get()))
}

fn named(response: &RawValue) -> Option<(String, i64)> {
    let named: Named<'_> = crate::json::parse(response.get()).ok()?;
    let created = named.created_at.and_then(|time| crate::json::parse(time.get()).ok()).unwrap_or_default();
    Some((string_of(named.id?)?.into_owned(), seconds(&created)))
}

fn number(value: &RawValue) -> Option<u32> {
    value.get().parse().ok()
}

fn value_of(json: &str) -> Result<Value, ProviderError> {
    crate::json::parse(json).map_err(|_| unreadable())
}

fn unreadable() -> ProviderError {
    ProviderError::protocol("the provider's stream has an event that cannot be read")
}
