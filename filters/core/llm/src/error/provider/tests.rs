use serde_json::{Value, json};

use super::*;

fn named(name: &str) -> Schema {
    Schema::named(name).unwrap()
}

fn check(schema: Schema, status: u16, body: &str, expect: (u16, &str, &str)) {
    let error = read_provider_error(schema, status, body.as_bytes());
    let message = error.client_message(schema);
    assert_eq!((error.client_status(), error.client_code(), message.as_str()), expect, "{body}");
    for client in Schema::all() {
        let told: Value = serde_json::from_slice(&error.to_client(client)).unwrap();
        assert!(told["error"]["message"].is_string(), "{told}");
    }
}

fn told(provider: &str, client: &str, status: u16, body: &str) -> Value {
    let error = read_provider_error(named(provider), status, body.as_bytes());
    serde_json::from_slice(&error.to_client(named(client))).unwrap()
}

#[test]
fn any_answer_becomes_a_clear_error() {
    let (openai, anthropic) = (named("openai"), named("anthropic"));
    check(
        openai,
        400,
        r#"{"error":{"message":"bad tool","type":"invalid_request_error","param":"tools","code":null}}"#,
        (400, "invalid_request", "bad tool"),
    );
    check(
        openai,
        429,
        r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#,
        (429, "rate_limit_exceeded", "slow down"),
    );
    check(
        anthropic,
        529,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        (529, "upstream_unavailable", "Overloaded"),
    );
    check(openai, 400, r#"{"error":"plain"}"#, (400, "invalid_request", "plain"));
    check(openai, 400, r#"{"error":{"message":"x","code":1214}}"#, (400, "1214", "x"));
    // A code that only repeats the status, or that is no name, is none.
    check(openai, 400, r#"{"object":"error","message":"x","code":400}"#, (400, "invalid_request", "x"));
    check(openai, 400, r#"{"error":{"message":"x","code":"a b"}}"#, (400, "invalid_request", "x"));
    let plain = "the provider answered with status 503 and no message";
    for body in ["", "<html>busy</html>", "{\"error\":{\"mess", "[]", "{\"error\":null}", "{\"error\":{}}"] {
        check(openai, 503, body, (503, "upstream_unavailable", plain));
    }
}

#[test]
fn a_providers_words_reach_the_client_from_every_shape_with_what_stands_beside_them() {
    for (body, in_error, around) in [
        (
            r#"{"object":"error","message":"M","type":"t","code":400,"trace":"t"}"#,
            json!({"trace": "t", "type": "t"}),
            json!({}),
        ),
        (r#"[{"error":{"message":"M"}}]"#, json!({}), json!({})),
        (r#"{"detail":"M","trace":1.50}"#, json!({"trace": 1.50}), json!({})),
        (r#"{"message":"M","request_id":"r"}"#, json!({"request_id": "r"}), json!({})),
        (
            r#"{"error":{"message":"M","type":"t","metadata":{"a":[1]}},"id":"i"}"#,
            json!({"metadata": {"a": [1]}}),
            json!({"id": "i"}),
        ),
        ("M", json!({}), json!({})),
    ] {
        for status in [400, 422, 429, 500] {
            for client in ["openai", "anthropic"] {
                let told = told("openai", client, status, body);
                assert_eq!(told["error"]["message"], "M", "{body}");
                assert!(told["error"]["code"].is_string(), "{told}");
                assert_eq!(told["type"] == "error", client == "anthropic");
                for (place, beside) in [(&told["error"], &in_error), (&told, &around)] {
                    for (name, value) in beside.as_object().unwrap() {
                        assert_eq!(place.get(name) == Some(value), client == "openai", "{body}: {told}");
                    }
                }
            }
        }
    }
    let told =
        told("openai", "openai", 400, r#"{"error":{"message":"M","type":"t","metadata":{"a":[1]},"param":null}}"#);
    let error = json!({"message": "M", "type": "t", "param": null, "code": "invalid_request", "metadata": {"a": [1]}});
    assert_eq!(told["error"], error);
}

#[test]
fn what_is_the_operators_to_mend_is_a_502_without_the_providers_words() {
    let check = |status: u16, body: &str, code: &str| {
        let error = read_provider_error(named("openai"), status, body.as_bytes());
        assert_eq!((error.client_status(), error.client_code()), (502, code), "{status} {body}");
        for client in Schema::all() {
            let told = String::from_utf8(error.to_client(client)).unwrap().to_lowercase();
            for word in ["balance", "billing", "sk-abc", "quota", "gpt-real", "credits", "org-", "beside"] {
                assert!(!told.contains(word), "{told}");
            }
        }
    };
    let said = |message: &str, code: &str| {
        json!({"error": {"message": message, "code": code, "param": "sk-abc", "beside": "sk-abc"}, "beside": "billing"})
            .to_string()
    };
    check(401, &said("Incorrect API key provided: sk-abc", "invalid_api_key"), "upstream_auth_failed");
    check(403, &said("no access to sk-abc", ""), "upstream_auth_failed");
    check(400, &said("API key not valid: sk-abc", ""), "upstream_auth_failed");
    check(402, &said("Insufficient Balance", "x"), "upstream_unavailable");
    check(402, "", "upstream_unavailable");
    check(
        429,
        &said("You exceeded your current quota, check your billing", "insufficient_quota"),
        "upstream_unavailable",
    );
    check(400, &said("Your credit balance is too low", "x"), "upstream_unavailable");
    check(429, &said("hm", "billing_hard_limit_reached"), "upstream_unavailable");
    check(404, &said("The model `gpt-real` does not exist", "model_not_found"), "upstream_model_not_found");
    check(400, &said("gpt-real is gone", "model_not_found"), "upstream_model_not_found");
    check(404, "<html>nothing</html>", "upstream_unavailable");
    check(404, r#"{"detail":"Not Found"}"#, "upstream_unavailable");
    check(405, "", "upstream_unavailable");
}

#[test]
fn a_rate_limit_keeps_its_status_but_not_the_operators_account() {
    let body = r#"{"error":{"message":"Rate limit reached for gpt-4o in organization org-abc123. Visit platform.openai.com/account/rate-limits","type":"tokens","code":"rate_limit_exceeded","x":"org-abc123"}}"#;
    let error = read_provider_error(named("openai"), 429, body.as_bytes());
    assert_eq!((error.client_status(), error.client_code()), (429, "rate_limit_exceeded"));
    let told = String::from_utf8(error.to_client(named("openai"))).unwrap();
    assert!(!told.contains("org-abc123") && told.contains("busy"), "{told}");
}

#[test]
fn a_request_that_is_too_long_is_told_as_the_clients_schema_tells_it() {
    let long = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#;
    let openai = told("anthropic", "openai", 400, long);
    assert_eq!(openai["error"]["code"], "context_length_exceeded");
    assert_eq!(openai["error"]["message"], "prompt is too long: 9 tokens > 8 maximum");
    let long =
        r#"{"error":{"message":"This model's maximum context length is 8 tokens.","code":"context_length_exceeded"}}"#;
    let anthropic = told("openai", "anthropic", 400, long);
    assert_eq!(anthropic["error"]["message"], "prompt is too long: This model's maximum context length is 8 tokens.");
    assert_eq!(anthropic["error"]["type"], "invalid_request_error");
    let forbidden = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}"#;
    assert_eq!(told("anthropic", "openai", 400, forbidden)["error"]["code"], "content_policy_violation");
}

#[test]
fn an_error_under_a_good_status_is_told_by_its_type_or_code() {
    let check = |schema: &str, status: u16, body: &str, expect: u16| {
        assert_eq!(read_provider_error(named(schema), status, body.as_bytes()).client_status(), expect, "{body}");
    };
    check("anthropic", 200, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, 529);
    check("openai", 200, r#"{"error":{"message":"gone","type":"mystery"}}"#, 502);
    // A redirection is nobody's bad request.
    check("openai", 302, r#"{"error":{"message":"moved","type":"invalid_request_error"}}"#, 502);
    // Without an `error` it is no answer of the operation: the next provider is asked.
    check("openai", 200, r#"{"code":400,"msg":"bad"}"#, 502);
    check("openai", 200, r#"{"code":429,"msg":"slow"}"#, 429);
    check("openai", 200, r#"{"code":503,"msg":"busy"}"#, 503);
    check("openai", 200, r#"{"detail":"x"}"#, 502);
    for body in [
        r#"{"code":429,"msg":"sk-abc"}"#,
        r#"{"detail":"sk-abc is unknown"}"#,
        r#"{"code":503,"msg":"x","a":"sk-abc"}"#,
    ] {
        let told = told("openai", "openai", 200, body).to_string();
        assert!(!told.contains("sk-abc"), "{told}");
    }
    let body = r#"{"object":"error","message":"M","code":400}"#;
    assert_eq!(told("openai", "openai", 200, body)["error"]["message"], "M");
    let error = read_provider_error(named("openai"), 200, br#"{"code":401,"msg":"invalid api key sk-abc"}"#);
    assert_eq!((error.client_status(), error.client_code()), (502, "upstream_auth_failed"));
}

#[test]
fn texts_are_hidden_before_they_are_shortened() {
    let hide = |text: &str| text.contains("sk-12345678").then(|| text.replace("sk-12345678", "[removed]"));
    for message in ["sk-12345678", &format!("{}sk-12345678", "a".repeat(495))] {
        let body = json!({"error": {"message": message, "code": "sk-12345678", "param": "sk-12345678", "sk-12345678": ["sk-12345678"]},
            "beside": {"a": "sk-12345678"}});
        let escaped = body.to_string().replace("sk-", "\\u0073\\u006b-");
        let error = read_provider_error(named("openai"), 400, escaped.as_bytes()).hiding(&hide);
        let told = String::from_utf8(error.to_client(named("openai"))).unwrap();
        assert!(!told.contains("sk-1") && !told.contains("\\u0073") && told.contains("beside"), "{told}");
    }
}

#[test]
fn long_messages_are_shortened() {
    let body = format!(r#"{{"error":{{"message":"{0}","beside":"{0}"}}}}"#, "ä".repeat(5_000));
    let error = read_provider_error(named("openai"), 400, body.as_bytes());
    assert_eq!(error.client_message(named("openai")).chars().count(), 500);
    assert!(error.to_client(named("openai")).len() < 2_000);
}
