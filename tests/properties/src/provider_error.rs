//! Error bodies of providers.

use serde_json::Value;
use weir_llm::error::read_provider_error;

use crate::input::{anthropic, openai};
use crate::input::{choice, schema, schemas};

/// The first byte chooses the schema and the status; the rest is the body.
///
/// Whatever a provider says, the client gets a short error in its own schema, with a status that is an error, and never the
/// provider's words about the operator's credential.
pub fn check(data: &[u8]) {
    let (bits, body) = choice(data);
    let statuses = [0, 200, 204, 301, 400, 401, 403, 404, 413, 418, 429, 500, 502, 503, 529, 599];
    let status = statuses[usize::from(bits >> 1) % statuses.len()];
    let error = read_provider_error(schema(bits, 0), status, body);
    if status >= 400 {
        assert_eq!(error.status, status, "the provider's status counts");
    }
    assert!((400..600).contains(&error.client_status()), "{}", error.client_status());
    assert!(error.message.chars().count() <= 500 && error.client_code().chars().count() <= 500);
    let secret = matches!(error.status, 401 | 403);
    if secret {
        assert_eq!((error.client_status(), error.client_code()), (502, "upstream_auth_failed"));
        assert_eq!(error.client_message(), "the provider refused the gateway's credential");
    }
    for client in schemas() {
        let written = error.to_client(client);
        assert!(written.len() <= 20_000, "{} bytes", written.len());
        let written: Value = serde_json::from_slice(&written).expect("an error is JSON");
        let inner = &written["error"];
        assert_eq!(inner["message"], error.client_message());
        assert_eq!(inner["code"], error.client_code());
        assert!(inner["type"].is_string());
        assert_eq!(written["type"] == "error", client == anthropic());
        if secret && client == openai() {
            assert!(inner["param"].is_null(), "the provider's words about a credential pass");
        }
    }
}
