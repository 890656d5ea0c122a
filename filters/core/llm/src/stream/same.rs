use std::ops::Range;

use super::{Delta, StreamOptions};
use crate::json::{span_in, unescaped, write_string};
use crate::operation::Schema;
use crate::sse::Event;

/// Passes events of the client's own schema.
#[derive(Debug)]
pub(super) struct Writer {
    schema: Schema,
    client_model: String,
    /// The same as a JSON string.
    client_model_json: String,
    client_wants_usage: bool,
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
        }
    }

    /// Appends the event as it came, but for the model's name; leaves out what the client did not ask for.
    pub(super) fn pass(&mut self, event: &Event<'_>, deltas: &[Delta<'_>], out: &mut Vec<u8>) {
        if self.schema == Schema::OpenAi && !self.client_wants_usage && is_usage_only(deltas) {
            return;
        }
        let Some(span) = self.model_span(event.data, deltas) else {
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
