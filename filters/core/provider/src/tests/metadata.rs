//! What an endpoint says of its deployment, by a control plane that is older or newer than the module.

use super::{Attempt, client, exchange};

const CHAT: &str = r#"{"messages":[{"role":"user","content":"hi"}],"model":"chat"}"#;
/// As the first control plane wrote it whose modules read it tolerantly.
const OLDER: &str = include_str!("metadata/older.json");
/// With fields and capabilities that this module has never heard of, all of which it can do without.
const NEWER: &str = include_str!("metadata/newer.json");

fn refusal(metadata: &str) -> String {
    let Err(reply) = Attempt::send(client("/v1/chat/completions", &[]), Some(exchange()), metadata, CHAT) else {
        panic!("was sent")
    };
    assert_eq!((reply.status, reply.code), (503, "upstream_unavailable"));
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    body["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn older_and_newer_metadata_are_understood() {
    for metadata in [OLDER, NEWER] {
        let sent = Attempt::send(client("/v1/chat/completions", &[]), Some(exchange()), metadata, CHAT).unwrap();
        assert_eq!(sent.request_header(":path").as_deref(), Some("/openai/v1/chat/completions?api-version=1"));
        assert_eq!(sent.request_header("authorization").as_deref(), Some("Bearer secret-one"));
        assert_eq!(sent.sent_body(), CHAT.replace("\"chat\"", "\"gpt-real\""));
    }
}

#[test]
fn what_must_be_understood_and_is_not_is_named() {
    let with = |from: &str, to: &str| {
        let metadata = NEWER.replace(from, to);
        assert_ne!(metadata, NEWER);
        refusal(&metadata)
    };
    let requires = with(r#""requires": []"#, r#""requires": ["telepathy"]"#);
    assert!(requires.contains("telepathy") && requires.contains("too old"), "{requires}");
    let schema = with(r#""schema": "openai""#, r#""schema": "smoke-signals""#);
    assert!(schema.contains("smoke-signals") && schema.contains("too old"), "{schema}");
    for (field, known) in
        [("system_role", "developer"), ("max_tokens_field", "max_tokens"), ("structured_output", "json_object")]
    {
        let message = with(&format!(r#""{field}": "{known}""#), &format!(r#""{field}": "by-smoke""#));
        assert!(message.contains(&format!("capabilities.{field}")) && message.contains("by-smoke"), "{message}");
    }
}
