//! What every operation refuses, whatever it does: unknown fields, values of a wrong form, too much at once.

use axum::http::Method;
use serde_json::json;

use crate::app::{Answer, app, furnish};
use crate::operations::{operations, set};

/// What speaks of how the control plane is made, and helps only those who attack it.
const INTERNALS: [&str; 14] = [
    "u64",
    "u32",
    "i64",
    "struct ",
    "serde",
    "sqlx",
    "invalid type",
    "panicked",
    "UUID parsing",
    "digit found",
    "postgres",
    "SELECT ",
    "src/",
    "axum",
];

/// A refusal that is clear, and no fault.
#[track_caller]
fn check(what: &str, answer: &Answer) {
    assert!(answer.status.as_u16() < 500, "{what}: {}", answer.text);
    // A new secret is random, and may spell any of them.
    let random = ["key", "token", "prefix"].map(|field| answer.json[field].as_str().unwrap_or_default());
    let said =
        random.iter().filter(|text| !text.is_empty()).fold(answer.text.clone(), |said, text| said.replace(text, ""));
    for internal in INTERNALS {
        assert!(!said.contains(internal), "{what}: {}", answer.text);
    }
    if !answer.status.is_success() && !answer.status.is_redirection() {
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{what}");
        assert!(answer.json["code"].is_string() && answer.json["detail"].is_string(), "{what}: {}", answer.text);
    }
}

#[tokio::test]
async fn fields_that_are_not_the_callers_to_set_are_refused() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let gateway = platform.make("gateways", json!({"name": "g"})).await;
    let before = app.store.revision().await.unwrap();
    let assigned = [
        "id",
        "revision",
        "created_at",
        "updated_at",
        "has_credential",
        "prefix",
        "key",
        "token",
        "revoked_at",
        "password_hash",
        "credential_encrypted",
        "client_secret_encrypted",
        "key_hmac",
        "former_user_id",
        "made_by",
        "deleted_at",
        "origin",
        "origin_kind",
        "owner_disabled",
        "has_password",
        "tenant_id",
        "role",
        "owner_id",
        "unknown",
    ];
    for operation in operations().iter().filter(|operation| !operation.fields.is_empty()) {
        for field in assigned.into_iter().filter(|field| !operation.fields.contains_key(*field)) {
            let mut request = operation.request(&a, &gateway);
            if ["login", "sign_in"].contains(&operation.id.as_str()) {
                request.body = json!({"email": "a@b.example", "password": "p"});
            }
            if operation.id == "set_up" {
                request.body = json!({"token": "t", "email": "a@b.example", "password": "p"});
            }
            set(&mut request.body, field, json!("x"));
            let answer = operation.send(&platform, &request).await;
            assert_eq!(answer.status, 422, "{} {field}: {}", operation.id, answer.text);
            answer.problem(422, "invalid_fields").field(field);
        }
    }
    assert_eq!(app.store.revision().await.unwrap(), before, "nothing was written");
}

#[tokio::test]
async fn a_value_of_a_wrong_form_is_refused_clearly_and_is_no_fault() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let gateway = platform.make("gateways", json!({"name": "g"})).await;
    let wrong = [
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("\0"),
        json!("\u{fffd}\u{202e}"),
        json!("x".repeat(10_000)),
        json!("'; DROP TABLE users; --"),
        json!([]),
        json!([null]),
        json!({}),
    ];
    for operation in operations().iter().filter(|operation| !operation.fields.is_empty()) {
        for field in operation.fields.keys() {
            for value in &wrong {
                let mut request = operation.request(&a, &gateway);
                if ["login", "sign_in"].contains(&operation.id.as_str()) {
                    request.body = json!({"email": "a@b.example", "password": "p"});
                }
                // The request must stay refused: its revision is an old one.
                request.revision = json!(1);
                set(&mut request.body, field, value.clone());
                let what = format!("{} {field} {value:.40}", operation.id);
                let answer = operation.send(&platform, &request).await;
                check(&what, &answer);
                // What cannot be right anywhere is refused.
                let is_free_text = ["text", "email", "password"].contains(&field.as_str())
                    // A provider's query may be empty.
                    || field == "query" && value == "";
                if ["\0", ""].iter().any(|text| value == text) && !is_free_text {
                    assert!(answer.status.is_client_error(), "{what}: {}", answer.text);
                }
            }
        }
    }
}

#[tokio::test]
async fn every_list_is_capped_and_its_parameters_are_checked() {
    let app = app().await;
    let platform = app.platform().await;
    for operation in operations().iter().filter(|operation| operation.method == Method::GET) {
        let get = async |query: String| {
            let what = format!("{} ?{query}", operation.id);
            let request = operation.path.replace("{id}", &uuid::Uuid::now_v7().to_string());
            let answer = platform.send(Method::GET, &format!("{request}?{query}"), &[], None).await;
            check(&what, &answer);
            answer
        };
        // One answer that the store itself bounds.
        let is_capped = operation.query.iter().any(|name| name == "limit");
        let is_bounded = ["list_nodes", "list_own_sessions", "list_own_identities", "list_user_identities"]
            .contains(&operation.id.as_str());
        let (most, needs) = match operation.id.as_str() {
            "summarize_usage" => (1000, ""),
            "search" => (20, "q=x&"),
            _ => (200, ""),
        };
        assert_eq!(is_capped, most != 200 || operation.is_list() && !is_bounded, "{}", operation.id);
        if is_capped {
            for limit in ["0", &(most + 1).to_string(), "-1", "x", "", "1.5", "99999999999999999999"] {
                get(format!("{needs}limit={limit}")).await.problem(400, "invalid_query").field("limit");
            }
            get(format!("{needs}limit={most}")).await.expect(200);
            get(format!("{needs}unknown=1")).await.problem(400, "invalid_query").field("unknown");
        }
        for name in &operation.query {
            for value in ["", "%00", "%ff", "%F0%9F%98%80", "x".repeat(4_000).as_str(), "1&limit=2", "[]"] {
                get(format!("{name}={value}")).await;
            }
            let twice = get(format!("{name}=1&{name}=1")).await;
            assert_eq!(twice.status, 400, "{} {name}", operation.id);
        }
    }
}

#[tokio::test]
async fn other_methods_and_origins_get_nothing() {
    let app = app().await;
    let platform = app.platform().await;
    let methods =
        ["TRACE", "OPTIONS", "CONNECT", "PUT", "PROPFIND"].map(|name| Method::from_bytes(name.as_bytes()).unwrap());
    for operation in operations() {
        let path = operation.path.replace("{id}", &uuid::Uuid::now_v7().to_string());
        let has =
            |method: &&Method| operations().iter().any(|own| own.path == operation.path && own.method == **method);
        for method in methods.iter().filter(|method| !has(method)) {
            let headers = [("origin", "https://elsewhere.example"), ("access-control-request-method", "POST")];
            let answer = platform.send(method.clone(), &path, &headers, None).await;
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text);
            // What came is not sent back, and no other origin's script may read an answer.
            assert!(!answer.text.contains("elsewhere") && !answer.text.contains("Bearer"), "{}", answer.text);
            assert!(
                answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")),
                "{:?}",
                answer.headers
            );
        }
    }
}

#[tokio::test]
async fn a_session_is_shown_once_and_as_a_header() {
    let app = app().await;
    let platform = app.platform().await;
    let token = platform.token().to_owned();
    let nobody = app.nobody();
    let path = "/api/v1/admin/auth/me";
    let twice = [("authorization", format!("Bearer {token}")), ("authorization", "Bearer other".to_owned())];
    let twice: Vec<(&str, &str)> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
    nobody.send(Method::GET, path, &twice, None).await.problem(401, "unauthenticated");
    for headers in [
        [("cookie", format!("session={token}"))],
        [("authorization", format!("Basic {token}"))],
        [("authorization", token.clone())],
        [("x-api-key", token.clone())],
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        nobody.send(Method::GET, path, &headers, None).await.problem(401, "unauthenticated");
    }
    let query = format!("{path}?access_token={token}&authorization=Bearer%20{token}");
    nobody.send(Method::GET, &query, &[], None).await.problem(401, "unauthenticated");
    platform.get("auth/me").await.expect(200);
}
