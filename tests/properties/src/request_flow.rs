//! A request through the filters that edit it: guardrails, then the provider's.

use serde_json::Value;
use weir_config::Action;
use weir_llm::read_head;
use weir_llm::text::request_texts;

use crate::detectors::{rules, unredacted};
use crate::input::{anthropic, chat, choice, path, schema};
use crate::proxy::{CREDENTIAL, Proxy, UPSTREAM_MODEL};

/// The first byte chooses the schemas; the rest is a body.
///
/// A request that the route plugin would not have accepted does not get here. What was redacted is in no text that a model
/// reads, in whatever schema it is sent; the length that is announced is the length; a refusal is an error in the client's
/// schema that quotes no credential.
pub fn check(data: &[u8]) {
    let (bits, body) = choice(data);
    let (client, provider) = (schema(bits, 0), schema(bits, 1));
    let operation = chat(client);
    let Ok(head) = read_head(operation, path(client, body), body) else { return };
    let proxy = match Proxy::send(client, provider, rules(Action::Redact, Action::Redact), body) {
        Ok(proxy) => proxy,
        Err(reply) => {
            let written: Value = serde_json::from_slice(&reply.body).expect("a refusal is JSON");
            assert!(written["error"]["message"].is_string());
            assert_eq!(written["type"] == "error", client == anthropic());
            assert!((400..600).contains(&reply.status));
            assert!(!String::from_utf8_lossy(&reply.body).contains(CREDENTIAL));
            return;
        }
    };
    let sent = proxy.sent_body();
    assert_eq!(proxy.sent_header("content-length"), Some(sent.len().to_string()));
    let operation = self::chat(provider);
    let sent_head = read_head(operation, "", sent).expect("a good request is sent");
    assert_eq!((sent_head.model.as_str(), sent_head.stream), (UPSTREAM_MODEL, head.stream));
    for text in request_texts(operation, sent).expect("a request that can be read is sent").texts {
        assert!(unredacted(&text.value).is_empty(), "{:?} was sent", text.value);
    }
}
