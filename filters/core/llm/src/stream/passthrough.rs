use std::borrow::Cow;
use std::ops::Range;

use super::{Delta, StreamOptions};
use crate::json::{span_in, unescaped, write_string};
use crate::schema::Schema;
use crate::sse::Event;
use crate::template::Template;

/// Passes events of the client's own schema.
#[derive(Debug)]
pub(super) struct Writer {
    schema: Schema,
    client_model: String,
    /// The same as a JSON string.
    client_model_json: String,
    client_wants_usage: bool,
    last: Option<Last>,
}

/// The last event that brought one piece of text and nothing else of note.
#[derive(Debug)]
struct Last {
    template: Template,
    /// What stands around its text as the client gets it, if that differs.
    written: Option<(String, String)>,
}

impl Writer {
    pub(super) fn new(schema: Schema, options: StreamOptions) -> Self {
        let mut json = Vec::new();
        write_string(&options.client_model, &mut json);
        Self {
            schema,
            client_model: options.client_model,
            client_model_json: String::from_utf8_lossy(&json).into_owned(),
            client_wants_usage: options.client_wants_usage,
            last: None,
        }
    }

    /// The model's name for the client.
    pub(super) fn client_model(&self) -> &str {
        &self.client_model
    }

    /// The text of an event that differs from the last one in nothing else. Text with escapes is left to be read.
    pub(super) fn text_like_the_last<'a>(&self, data: &'a str) -> Option<&'a str> {
        self.last.as_ref()?.template.text(data).filter(|text| !text.is_empty())
    }

    /// Appends an event of that kind.
    pub(super) fn pass_like_the_last(&self, event: &Event<'_>, text: &str, out: &mut Vec<u8>) {
        match self.last.as_ref().and_then(|last| last.written.as_ref()) {
            Some((before, after)) => event.write_with_data(&[before.as_str(), text, after.as_str()].concat(), out),
            None => out.extend_from_slice(event.raw),
        }
    }

    /// Keeps an event to compare the next one with, if it is one of text.
    fn remember(&mut self, data: &str, deltas: &[Delta<'_>], model: Option<&Range<usize>>) {
        self.last = Self::last(data, deltas, model, &self.client_model_json);
    }

    fn last(data: &str, deltas: &[Delta<'_>], model: Option<&Range<usize>>, name: &str) -> Option<Last> {
        let mut texts = deltas.iter().filter(|delta| !matches!(delta, Delta::Model(_)));
        let (Some(Delta::Text(Cow::Borrowed(text))), None) = (texts.next(), texts.next()) else { return None };
        let span = span_in(data.as_bytes(), text)?;
        let quoted = span.start.checked_sub(1)?..span.end.checked_add(1)?;
        let template = Template::of(data, &quoted)?;
        let (before, after) = template.around();
        let written = match model {
            None => None,
            Some(model) if model.end <= span.start => {
                let renamed = [data.get(..model.start)?, name, data.get(model.end..span.start)?].concat();
                Some((renamed, after.to_owned()))
            }
            Some(model) => {
                let renamed = [data.get(span.end..model.start)?, name, data.get(model.end..)?].concat();
                Some((before.to_owned(), renamed))
            }
        };
        Some(Last { template, written })
    }

    /// Appends the event as it came, but for the model's name; leaves out what the client did not ask for.
    pub(super) fn pass(&mut self, event: &Event<'_>, deltas: &[Delta<'_>], out: &mut Vec<u8>) {
        if self.schema.usage_is_opt_in() && !self.client_wants_usage && is_usage_only(deltas) {
            return;
        }
        let model = self.model_span(event.data, deltas);
        self.remember(event.data, deltas, model.as_ref());
        let Some(span) = model else {
            out.extend_from_slice(event.raw);
            return;
        };
        let mut data = String::with_capacity(event.data.len().saturating_add(self.client_model.len()));
        data.push_str(event.data.get(..span.start).unwrap_or_default());
        data.push_str(&self.client_model_json);
        data.push_str(event.data.get(span.end..).unwrap_or_default());
        event.write_with_data(&data, out);
    }

    /// Where the model's name stands, if it is another one than the client's.
    fn model_span(&self, data: &str, deltas: &[Delta<'_>]) -> Option<Range<usize>> {
        let named = deltas.iter().find_map(|delta| match delta {
            Delta::Model(model) => Some(*model),
            _ => None,
        });
        let model = named.filter(|model| !self.client_model.is_empty() && unescaped(model) != self.client_model)?;
        span_in(data.as_bytes(), model)
    }
}

/// The chunk that `stream_options.include_usage` adds.
fn is_usage_only(deltas: &[Delta<'_>]) -> bool {
    let only = deltas.iter().all(|delta| matches!(delta, Delta::Usage(_) | Delta::Model(_)));
    only && deltas.iter().any(|delta| matches!(delta, Delta::Usage(_)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::schema::Schema;
    use crate::sse::Framer;
    use crate::stream::{StreamOptions, StreamTranslator};

    /// One chunk: what it says, and what is around it.
    fn chunk() -> impl Strategy<Value = Value> {
        let text = prop_oneof![Just(String::new()), "[a-z ]{1,8}", "[\"\\\\\n\u{e9}x]{0,4}", ".{0,12}"];
        let model = prop_oneof![Just(None), Just(Some("gpt-4o-2024")), Just(Some("m"))];
        (text, model, 0..2_u32, prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
            |(text, model, index, refuses, first)| {
                let field = if refuses { "refusal" } else { "content" };
                let mut chunk = json!({"id": "c", "choices": [{"index": index, "delta": {field: text}}], "after": 1});
                if let Some(model) = model {
                    chunk["model"] = model.into();
                }
                if first {
                    chunk["choices"][0]["delta"]["role"] = "assistant".into();
                }
                chunk
            },
        )
    }

    proptest! {
        #[test]
        fn each_chunk_passes_as_it_came_but_for_the_models_name(chunks in prop::collection::vec(chunk(), 1..12)) {
            let options = StreamOptions {
                client_model: "m".into(),
                client_wants_usage: false,
                id: String::new(),
                created_unix_s: 0,
                tool_names: crate::chat::ToolNames::default(),
                echo: crate::chat::Echo::default(),
            };
            let mut translator = StreamTranslator::new(Schema::default(), Schema::default(), options);
            let mut out = Vec::new();
            let mut characters = 0;
            for chunk in &chunks {
                let progress = translator.push(format!("data: {chunk}\n\n").as_bytes(), &mut out);
                characters += progress.characters;
                prop_assert!(progress.error.is_none());
            }
            let mut passed: Vec<Value> = Vec::new();
            let read = Framer::default().push(&out, &mut |event| passed.push(serde_json::from_str(event.data).unwrap()));
            prop_assert!(read.is_ok());
            let mut said = 0;
            let expect: Vec<_> = chunks
                .into_iter()
                .map(|mut chunk| {
                    let delta = &chunk["choices"][0]["delta"];
                    let text = delta["content"].as_str().or(delta["refusal"].as_str()).unwrap_or_default();
                    said += u64::try_from(text.chars().count()).unwrap();
                    if chunk.get("model").is_some() {
                        chunk["model"] = "m".into();
                    }
                    chunk
                })
                .collect();
            prop_assert_eq!(passed, expect);
            prop_assert_eq!(characters, said);
        }
    }
}
