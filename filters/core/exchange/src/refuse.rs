use weir_host::Reply;
use weir_llm::Schema;
use weir_llm::error::ClientError;

use crate::Shared;

impl Shared {
    /// Refuses the stream, as a decision of whoever holds this handle, and makes the answer in the client's schema.
    pub fn refuse(&self, schema: Schema, error: &ClientError) -> Reply {
        self.write(|exchange| exchange.decide(self.party, error.code));
        Reply {
            status: error.status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: error.body(schema),
            code: error.code,
        }
    }

    /// [`Shared::refuse`] with the seconds after which trying again makes sense (RFC 9110, 10.2.3).
    pub fn refuse_for(&self, schema: Schema, error: &ClientError, retry_after_s: u64) -> Reply {
        let mut reply = self.refuse(schema, error);
        reply.headers.push(("retry-after".into(), retry_after_s.max(1).to_string()));
        reply
    }
}
