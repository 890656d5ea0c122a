use weir_config::Action;
use weir_exchange::{Exchange, Party, Shared};
use weir_host::{Flow, Host, Message};
use weir_llm::Schema;
use weir_llm::error::ClientError;

use super::{FINDINGS_HEADER, refusal};
use crate::scan::Finding;

/// What is told among the findings where something could not be read.
const NOT_INSPECTED: &str = "NOT_INSPECTED";
/// So many are counted.
const MOST_UNREAD: u32 = 1000;

/// The stream's exchange, for what others must know of the guardrails' decisions.
#[derive(Clone, Debug)]
pub(super) struct Notes(pub(super) Option<Shared>);

impl Notes {
    pub(super) fn read<T>(&self, read: impl FnOnce(&Exchange) -> T) -> Option<T> {
        self.0.as_ref().and_then(|shared| shared.read(read))
    }

    pub(super) fn write(&self, write: impl FnOnce(&mut Exchange)) {
        if let Some(shared) = &self.0 {
            shared.write(write);
        }
    }

    pub(super) fn record(&self, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        self.write(|exchange| {
            for finding in findings {
                exchange.add_finding(finding.finding.name(), finding.action.name());
            }
        });
    }

    /// Notes how many values of the request no guardrail can read.
    pub(super) fn record_unread(&self, values: u32) {
        self.write(|exchange| {
            for _ in 0..values.min(MOST_UNREAD) {
                exchange.add_finding(NOT_INSPECTED, Action::Flag.name());
            }
        });
    }

    pub(super) fn refuse(&self, error: &ClientError, schema: Schema) -> Flow {
        self.refusal(error);
        Flow::Reply(refusal::reply(error, schema))
    }

    pub(super) fn refusal(&self, error: &ClientError) {
        self.write(|exchange| exchange.decide(Party::Guardrail, error.code));
    }

    /// What was found so far, as the client is told; `None`: nothing was.
    pub(super) fn findings(&self) -> Option<String> {
        let told = self.read(|exchange| {
            let told: Vec<_> = exchange
                .findings
                .iter()
                .map(|(finding, action, count)| format!("{finding}:{action}={count}"))
                .collect();
            told.join(", ")
        });
        told.filter(|told| !told.is_empty())
    }

    /// Tells the client what was found so far; what a provider says under that name is removed.
    pub(super) fn tell_findings(&self, host: &mut dyn Host) {
        match self.findings() {
            // A response whose headers are out of reach cannot be told anything more.
            Some(told) => _ = host.set_header(Message::Response, FINDINGS_HEADER, told.as_bytes()),
            None => host.remove_header(Message::Response, FINDINGS_HEADER),
        }
    }
}
