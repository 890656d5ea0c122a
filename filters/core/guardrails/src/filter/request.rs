use std::rc::Rc;

use weir_config::{Action, Uninspectable};
use weir_exchange::Body;
use weir_host::{Flow, Host, Message};
use weir_llm::error::{ClientError, RequestError};
use weir_llm::{read_head, text};

use super::edit::{self, Edits};
use super::{GuardrailsStream, Request, Watch, refusal};
use crate::scan::Direction;

impl GuardrailsStream {
    /// Decides about a request that is here whole. [`Flow::Pause`]: its body is to be replaced, or judges are asked.
    pub(super) fn decide_request(&mut self, host: &mut dyn Host, watch: &Watch, body: &[u8]) -> Flow {
        let schema = watch.operation.schema();
        self.request = Request::Decided;
        let body_texts = match text::request_texts(watch.operation, body) {
            Ok(texts) => texts,
            Err(error) => return self.known.refuse(&invalid(error), schema),
        };
        let Edits { findings, texts: edits, originals } =
            edit::of_body(&watch.profile, Direction::Input, &body_texts.texts);
        let watch = Watch { profile: watch.profile.clone().restoring(originals), ..watch.clone() };
        self.offer(&watch);
        self.watch = Some(watch.clone());
        let watch = &watch;
        self.known.record(&findings);
        if body_texts.unread > 0 {
            match watch.profile.uninspectable() {
                Uninspectable::Allow => self.known.record_unread(body_texts.unread),
                Uninspectable::Refuse => return self.known.refuse(&refusal::request_has_unread(), schema),
            }
        }
        if findings.iter().any(|finding| finding.action == Action::Block) {
            return self.known.refuse(&refusal::blocked("The request", &findings), schema);
        }
        if edits.is_empty() {
            return self.judge_request(host, watch, body);
        }
        let edited = text::edited(body, &edits, &body_texts.spellings);
        // To ask for the path costs; few operations have the model in it.
        let path =
            watch.operation.streams().and_then(|_| host.header_text(Message::Request, ":path")).unwrap_or_default();
        let head = match read_head(watch.operation, &path, &edited) {
            Ok(head) => head,
            Err(error) => return self.known.refuse(&invalid(error), schema),
        };
        if host.set_header(Message::Request, "content-length", edited.len().to_string().as_bytes()).is_err() {
            return self.known.refuse(&refusal::unavailable("its length cannot be changed"), schema);
        }
        let edited = Rc::new(edited);
        self.known.prepare(|request| request.body = Body::new(Rc::clone(&edited), Some(head)));
        self.request = Request::Replacing(Rc::clone(&edited));
        match self.judge_request(host, watch, &edited) {
            reply @ Flow::Reply(_) => reply,
            Flow::Continue | Flow::Pause => Flow::Pause,
        }
    }

    /// The request is held whole: puts what replaces it in its place.
    pub(super) fn replace_request(&mut self, host: &mut dyn Host) -> Flow {
        let Request::Replacing(edited) = std::mem::replace(&mut self.request, Request::Decided) else {
            return Flow::Continue;
        };
        match (host.set_body(Message::Request, &edited), &self.watch) {
            (Err(_), Some(watch)) => {
                let schema = watch.operation.schema();
                self.known.refuse(&refusal::unavailable("its text cannot be replaced"), schema)
            }
            _ => Flow::Continue,
        }
    }
}

fn invalid(error: RequestError) -> ClientError {
    let refused = ClientError::new(400, "invalid_request", error.message);
    match error.param {
        Some(param) => refused.with_param(param),
        None => refused,
    }
}
