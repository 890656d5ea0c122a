//! Error bodies of providers.

use serde_json::Value;
use weir_llm::error::{About, read_provider_error};

use crate::input::{anthropic, choice, schema, schemas};

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
    assert!(error.client_code().chars().count() <= 200);
    let is_operators = matches!(error.about(), About::Credential | About::Account | About::Model | About::Address);
    if is_operators {
        assert!(error.client_status() >= 500, "the next provider is not asked");
    }
    if matches!(status, 401 | 403) {
        assert_eq!((error.client_status(), error.client_code()), (502, "upstream_auth_failed"));
    }
    for client in schemas() {
        let written = error.to_client(client);
        assert!(written.len() <= 40_000, "{} bytes", written.len());
        let written: Value = serde_json::from_slice(&written).expect("an error is JSON");
        let (inner, message) = (&written["error"], error.client_message(client));
        assert!(message.chars().count() <= 500);
        assert_eq!(inner["message"], message);
        if client.name() == "gemini" {
            assert_eq!(inner["code"], error.client_status());
            assert_eq!(inner["details"][0]["reason"], error.client_code());
            assert!(inner["status"].is_string());
            assert!(!is_operators || inner["details"].as_array().is_some_and(|details| details.len() == 1));
            continue;
        }
        assert_eq!(inner["code"], error.client_code());
        assert!(inner["type"].is_string());
        assert_eq!(written["type"] == "error", client == anthropic());
        if is_operators {
            let ours = if client == anthropic() { 3 } else { 4 };
            assert_eq!(inner.as_object().map(|fields| fields.len()), Some(ours), "the provider's words pass");
            assert!(inner["param"].is_null(), "the provider's words pass");
        }
    }
}
