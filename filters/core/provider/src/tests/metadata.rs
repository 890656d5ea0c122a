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

/// A price takes the place of another while requests are under way: each attempt has what held when it began.
#[test]
fn the_price_is_that_of_the_attempts_beginning() {
    let price = |version: &str| {
        serde_json::json!({"version": version, "input_microusd_per_million": 1, "cached_input_microusd_per_million": 1,
            "output_microusd_per_million": 1})
    };
    let mut metadata: serde_json::Value = serde_json::from_str(OLDER).unwrap();
    metadata["price"] = price("now");
    metadata["next_prices"] = serde_json::json!([{"from_us": 6_000_000, "price": price("next")}]);
    let exchange = exchange();
    let versions = |now| {
        let mut host = client("/v1/chat/completions", &[]);
        host.now = now;
        let mut sent = Attempt::send(host, Some(exchange.clone()), &metadata.to_string(), CHAT).unwrap();
        // It goes on beyond the change.
        sent.host.now = 7_000_000;
        sent.begin_answer(&[(":status", "200"), ("content-type", "application/json")]);
        exchange.read(|exchange| {
            exchange.attempts.iter().map(|one| one.price.as_ref().unwrap().version.clone()).collect::<Vec<_>>()
        })
    };
    assert_eq!(versions(5_999_999).unwrap(), ["now"]);
    assert_eq!(versions(6_000_000).unwrap(), ["now", "next"]);
}
