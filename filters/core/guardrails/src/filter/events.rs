use weir_llm::Schema;
use weir_llm::error::{ClientError, stream_event};
use weir_llm::sse::Framer;

use super::deltas::Deltas;
use super::refusal;
use crate::scan::{Finding, Profile};

/// Edits an event stream as it passes.
#[derive(Debug)]
pub(super) struct EventEditor {
    schema: Schema,
    framer: Framer,
    deltas: Deltas,
    /// The stream was ended by us: what still comes is swallowed.
    pub(super) over: bool,
}

/// What editing a piece of a stream gave.
#[derive(Debug, Default)]
pub(super) struct Edited {
    /// What goes on in its place.
    pub(super) bytes: Vec<u8>,
    /// What was found.
    pub(super) findings: Vec<Finding>,
    /// Why the stream ends here.
    pub(super) refused: Option<ClientError>,
}

impl EventEditor {
    pub(super) fn new(profile: Profile, schema: Schema) -> Self {
        Self { schema, framer: Framer::default(), deltas: Deltas::new(profile, schema), over: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8], end_of_stream: bool) -> Edited {
        let mut edited = Edited::default();
        if self.over {
            return edited;
        }
        let deltas = &mut self.deltas;
        let mut framed = self.framer.push(bytes, &mut |event| deltas.event(&event, &mut edited));
        if end_of_stream && framed.is_ok() {
            let before = edited.bytes.len();
            framed = self.framer.finish(&mut |event| deltas.event(&event, &mut edited));
            // It came without its empty line, and what is held may still follow it.
            if edited.bytes.len() > before {
                edited.bytes.extend_from_slice(b"\n\n");
            }
        }
        if framed.is_err() && edited.refused.is_none() {
            edited.refused = Some(refusal::response_not_inspectable("an event is too long"));
        }
        if end_of_stream {
            deltas.end_all(&mut edited);
        }
        if let Some(error) = &edited.refused {
            edited.bytes.extend_from_slice(&stream_event(self.schema, error));
            self.over = true;
        }
        edited
    }
}
