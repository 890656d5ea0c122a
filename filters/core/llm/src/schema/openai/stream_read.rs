use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::finish_of;
use super::usage;
use crate::error::{ProviderError, error_of_json};
use crate::json::string_of;
use crate::schema::{Schema, StreamReader};
use crate::stream::Delta;
use crate::usage::value_of;

/// Reads chunks. Leaves are read loosely, since compatible servers differ in them: what is no string is no text.
#[derive(Debug)]
pub(super) struct Reader {
    /// Where another schema follows, which has one answer only, all choices but the first are left out.
    first_choice_only: bool,
    started: bool,
    /// Tool calls whose beginning was seen: some servers repeat id and name in every chunk.
    calls: BTreeSet<u32>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    delta: Option<ChoiceDelta<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ChoiceDelta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow, default)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl Reader {
    pub(super) fn new(first_choice_only: bool) -> Self {
        Self { first_choice_only, started: false, calls: BTreeSet::new() }
    }
}

impl StreamReader for Reader {
    fn read<'a>(&mut self, data: &'a str) -> Result<Vec<Delta<'a>>, ProviderError> {
        if data.trim() == "[DONE]" {
            return Ok(vec![Delta::End]);
        }
        let chunk: Chunk<'a> = serde_json::from_str(data)
            .map_err(|_| ProviderError::protocol("the provider's stream has an event that is no chunk"))?;
        if let Some(error) = chunk.error {
            let error = serde_json::from_str(error.get()).unwrap_or_default();
            return Ok(vec![Delta::Error(error_of_json(Schema(&super::OpenAi), 200, &error))]);
        }
        let mut deltas = Vec::with_capacity(4);
        deltas.extend(chunk.model.map(|model| Delta::Model(model.get())));
        let choices = chunk.choices.unwrap_or_default();
        if !self.started && !choices.is_empty() {
            self.started = true;
            deltas.push(Delta::Start);
        }
        for choice in choices {
            if choice.index == 0 || !self.first_choice_only {
                self.read_choice(choice, &mut deltas);
            }
        }
        if let Some(usage) = chunk.usage.and_then(|raw| usage::read(&value_of(raw.get())?)) {
            deltas.push(Delta::Usage(usage));
        }
        Ok(deltas)
    }
}

impl Reader {
    fn read_choice<'a>(&mut self, choice: Choice<'a>, deltas: &mut Vec<Delta<'a>>) {
        if let Some(delta) = choice.delta {
            deltas.extend(text(delta.reasoning_content.or(delta.reasoning)).map(Delta::Thinking));
            deltas.extend(text(delta.content).map(Delta::Text));
            deltas.extend(text(delta.refusal).map(Delta::Refusal));
            let shapes_of_others = [delta.content, delta.reasoning].into_iter().flatten();
            if shapes_of_others.chain(delta.function_call).chain(delta.audio).any(|raw| !raw.get().starts_with('"')) {
                deltas.push(Delta::Opaque);
            }
            for call in delta.tool_calls.unwrap_or_default() {
                self.read_call(call, deltas);
            }
        }
        if let Some(reason) = choice.finish_reason.and_then(string_of) {
            let finish = finish_of(Some(&reason), !self.calls.is_empty());
            deltas.push(Delta::Finish { finish, stop_sequence: None });
        }
    }

    fn read_call<'a>(&mut self, call: ToolCall<'a>, deltas: &mut Vec<Delta<'a>>) {
        let key = call.index;
        let (name, arguments) = call.function.map_or((None, None), |function| (function.name, function.arguments));
        if self.calls.insert(key) {
            deltas.push(Delta::ToolCall {
                key,
                id: call.id.and_then(string_of).unwrap_or_default(),
                name: name.and_then(string_of).unwrap_or_default(),
            });
        }
        deltas.extend(text(arguments).map(|json| Delta::Arguments { key, json }));
    }
}

/// A string that is not empty.
fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    value.and_then(string_of).filter(|text| !text.is_empty())
}
