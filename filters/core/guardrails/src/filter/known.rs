use weir_config::Action;
use weir_exchange::{Exchange, Party, Request, Shared};
use weir_host::Flow;
use weir_llm::Schema;
use weir_llm::error::ClientError;

use super::refusal;
use crate::scan::Finding;

/// Stands among the findings where something could not be read.
const NOT_INSPECTED: &str = "NOT_INSPECTED";
/// So many are counted.
const MOST_UNREAD: u32 = 1000;

/// What is known of the stream, and where the guardrails' decisions become known: its exchange, if there is one.
#[derive(Clone, Debug)]
pub(super) struct Known(pub(super) Option<Shared>);

impl Known {
    pub(super) fn read<T>(&self, read: impl FnOnce(&Exchange) -> T) -> Option<T> {
        self.0.as_ref().and_then(|shared| shared.read(read))
    }

    fn write(&self, write: impl FnOnce(&mut Exchange)) {
        if let Some(shared) = &self.0 {
            shared.write(write);
        }
    }

    pub(super) fn prepare(&self, write: impl FnOnce(&mut Request)) {
        if let Some(shared) = &self.0 {
            shared.prepare(write);
        }
    }

    pub(super) fn record(&self, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        self.write(|exchange| {
            for finding in findings {
                exchange.add_finding(finding.finding.name(), finding.action_name());
                if let Some(digest) = finding.digest {
                    exchange.add_finding_digest(finding.finding.name(), digest);
                }
            }
        });
    }

    /// Records how many values of the request no guardrail can read.
    pub(super) fn record_unread(&self, values: u32) {
        self.write(|exchange| {
            for _ in 0..values.min(MOST_UNREAD) {
                exchange.add_finding(NOT_INSPECTED, Action::Flag.name());
            }
        });
    }

    /// Notes that a judge is asked.
    pub(super) fn is_judged(&self) {
        self.write(|exchange| exchange.is_judged = true);
    }

    /// Records what became of a judge.
    pub(super) fn record_judge(&self, finding: &'static str, action: Action) {
        self.write(|exchange| exchange.add_finding(finding, action.name()));
    }

    /// The answer does not go on as the attempt wrote it, nor when: the client is told anew what is known of it.
    pub(super) fn tell_anew(&self) {
        self.write(|exchange| {
            if let Some(attempt) = exchange.attempt_mut() {
                attempt.is_passed_on = false;
                attempt.first_content = None;
            }
        });
    }

    pub(super) fn refuse(&self, error: &ClientError, schema: Schema) -> Flow {
        self.decide(error);
        Flow::Reply(refusal::reply(error, schema))
    }

    /// [`Known::refuse`] for an answer.
    pub(super) fn refuse_answer(&self, error: &ClientError, schema: Schema) -> Flow {
        self.decide(error);
        Flow::Reply(refusal::reply_to_answer(error, schema))
    }

    pub(super) fn decide(&self, error: &ClientError) {
        self.write(|exchange| exchange.decide(Party::Guardrail, error.code));
    }
}
