use weir_config::Action;
use weir_exchange::{AnswerCheck, Checked};
use weir_llm::text;

use super::edit::Edits;
use super::events::EventEditor;
use super::known::Known;
use super::{Watch, edit, refusal};
use crate::scan::Direction;

/// Checks one answer, in the client's schema.
#[derive(Debug)]
pub(super) struct Check {
    known: Known,
    watch: Watch,
    /// Of a stream, from its first piece on.
    events: Option<Box<EventEditor>>,
}

impl Check {
    pub(super) fn new(known: Known, watch: Watch) -> Self {
        Self { known, watch, events: None }
    }
}

impl AnswerCheck for Check {
    fn whole(&mut self, body: &[u8]) -> Checked {
        let Ok(body_texts) = text::response_texts(self.watch.operation.schema(), self.watch.operation, body) else {
            // The provider has answered and will bill it, so the next one is not asked.
            let error = refusal::response_not_inspectable("it is no valid answer");
            self.known.decide(&error);
            return Checked::Unreadable(error);
        };
        let Edits { findings, texts: edits, .. } =
            edit::of_body(&self.watch.profile, Direction::Output, &body_texts.texts);
        self.known.record(&findings);
        if findings.iter().any(|finding| finding.action == Action::Block) {
            let error = refusal::blocked("The answer", &findings);
            self.known.decide(&error);
            return Checked::Refused(error);
        }
        match edits.is_empty() {
            true => Checked::Passes,
            false => Checked::Edited(text::edited(body, &edits, &body_texts.spellings)),
        }
    }

    fn piece(&mut self, piece: &[u8], end_of_stream: bool) -> Vec<u8> {
        let editor = self.events.get_or_insert_with(|| {
            Box::new(EventEditor::new(self.watch.profile.clone(), self.watch.operation.schema()))
        });
        let edited = editor.push(piece, end_of_stream);
        self.known.record(&edited.findings);
        if let Some(error) = &edited.refused {
            self.known.decide(error);
        }
        edited.bytes
    }

    fn has_ended(&self) -> bool {
        self.events.as_ref().is_some_and(|events| events.over)
    }
}
