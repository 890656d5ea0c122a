use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::arguments_text;
use super::finish::{Reason, failed, reason_of};
use crate::chat::Finish;
use crate::error::{ProviderError, error_of_json};
use crate::json::string_of;
use crate::schema::{Schema, StreamReader};
use crate::stream::Delta;
use crate::usage::value_of;

/// An event: a whole answer that holds what is new. Leaves are read loosely: what is no string is no text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow, default)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, default)]
    prompt_feedback: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model_version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow, default)]
    index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(default)]
    thought: Option<bool>,
    #[serde(borrow, default)]
    function_call: Option<Call<'a>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
}

/// Reads events. A call comes whole in one of them. There is no last event: the stream ends when the provider has given the reason of its
/// answer's end and closes.
#[derive(Debug)]
pub(super) struct Reader {
    first_candidate_only: bool,
    started: bool,
    calls: u32,
}

impl Reader {
    pub(super) fn new(first_candidate_only: bool) -> Self {
        Self { first_candidate_only, started: false, calls: 0 }
    }

    fn read_part<'a>(&mut self, part: &Part<'a>, deltas: &mut Vec<Delta<'a>>) -> Result<(), ProviderError> {
        if let Some(call) = &part.function_call {
            return self.read_call(call, deltas);
        }
        let Some(text) = part.text.and_then(string_of) else {
            deltas.push(Delta::Opaque);
            return Ok(());
        };
        if !text.is_empty() {
            let is_thought = part.thought == Some(true);
            deltas.push(if is_thought { Delta::Thinking(text) } else { Delta::Text(text) });
        }
        Ok(())
    }

    fn read_call<'a>(&mut self, call: &Call<'a>, deltas: &mut Vec<Delta<'a>>) -> Result<(), ProviderError> {
        let name = call.name.and_then(string_of).filter(|name| !name.is_empty()).ok_or_else(malformed)?;
        let key = self.calls;
        self.calls = self.calls.saturating_add(1);
        deltas.push(Delta::ToolCall { key, id: call.id.and_then(string_of).unwrap_or_default(), name });
        deltas.extend(arguments_text(call.args).map(|json| Delta::Arguments { key, json: json.into() }));
        deltas.push(Delta::BlockEnd { key });
        Ok(())
    }

    fn read_candidate<'a>(
        &mut self,
        candidate: &Candidate<'a>,
        deltas: &mut Vec<Delta<'a>>,
    ) -> Result<(), ProviderError> {
        let is_first = candidate.index.is_none_or(|index| matches!(index.get(), "0" | "null"));
        if self.first_candidate_only && !is_first {
            return Ok(());
        }
        for part in candidate.content.iter().filter_map(|content| content.parts.as_ref()).flatten() {
            self.read_part(part, deltas)?;
        }
        let word = candidate.finish_reason.and_then(string_of).unwrap_or_default();
        match reason_of(&word) {
            Reason::Failed => deltas.push(Delta::Error(failed(&word))),
            reason => deltas.extend(reason.finish(self.calls > 0).map(finish)),
        }
        Ok(())
    }
}

impl StreamReader for Reader {
    fn read<'a>(&mut self, data: &'a str) -> Result<Vec<Delta<'a>>, ProviderError> {
        let event: Event<'a> = crate::json::parse(data).map_err(|_| malformed())?;
        let mut deltas = Vec::with_capacity(4);
        if let Some(error) = event.error.filter(|error| error.get() != "null") {
            let error = crate::json::parse(error.get()).unwrap_or(Value::Null);
            deltas.push(Delta::Error(error_of_json(Schema(&super::Gemini), 200, &error)));
            return Ok(deltas);
        }
        let says_something = event.candidates.is_some() || event.prompt_feedback.is_some();
        if says_something && !std::mem::replace(&mut self.started, true) {
            deltas.push(Delta::Start);
        }
        deltas.extend(
            event.model_version.filter(|model| model.get().starts_with('"')).map(|model| Delta::Model(model.get())),
        );
        let usage =
            event.usage_metadata.and_then(|usage| super::usage::read(&value_of(usage.get())?)).map(Delta::Usage);
        for candidate in event.candidates.iter().flatten() {
            self.read_candidate(candidate, &mut deltas)?;
        }
        // A prompt that the provider blocked has no candidate.
        if event.candidates.as_ref().is_none_or(Vec::is_empty) && event.prompt_feedback.is_some_and(is_blocked) {
            deltas.push(finish(Finish::ContentFilter));
        }
        deltas.extend(usage);
        Ok(deltas)
    }
}

fn finish<'a>(finish: Finish) -> Delta<'a> {
    Delta::Finish { finish, stop_sequence: None }
}

fn is_blocked(feedback: &RawValue) -> bool {
    crate::json::parse::<Value>(feedback.get())
        .is_ok_and(|feedback| feedback.get("blockReason").is_some_and(|reason| !reason.is_null()))
}

fn malformed() -> ProviderError {
    ProviderError::protocol("the provider's stream has an event that cannot be read")
}
