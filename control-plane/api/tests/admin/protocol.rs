//! What holds for every request.

use axum::http::Method;
use serde_json::json;

use crate::app::app;

#[tokio::test]
async fn every_refusal_is_a_problem_document() {
    let app = app().await;
    let platform = app.platform().await;
    let long = format!("{{\"name\":\"{}\"}}", "a".repeat(1024 * 1024));
    let json = [("content-type", "application/json")];
    for (method, path, headers, body, status, code) in [
        (Method::GET, "/nowhere", &json, None, 404, "not_found"),
        (Method::GET, "/api/v1/admin/nowhere", &json, None, 404, "not_found"),
        (Method::GET, "/api/v1/admin/tenants/no-id", &json, None, 404, "not_found"),
        (Method::PUT, "/api/v1/admin/tenants", &json, None, 405, "method_not_allowed"),
        (Method::POST, "/api/v1/admin/tenants", &json, Some("{".into()), 400, "malformed_json"),
        (Method::POST, "/api/v1/admin/tenants", &json, Some(String::new()), 400, "malformed_json"),
        (Method::POST, "/api/v1/admin/tenants", &json, Some(long), 413, "body_too_large"),
        (
            Method::POST,
            "/api/v1/admin/tenants",
            &[("content-type", "text/plain")],
            Some("{}".into()),
            415,
            "unsupported_media_type",
        ),
        (Method::POST, "/api/v1/admin/tenants", &json, Some("[]".into()), 422, "invalid_fields"),
    ] {
        let answer = platform.send(method, path, headers, body).await.problem(status, code);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(answer.headers.contains_key("x-request-id"), "{path}");
    }
}

#[tokio::test]
async fn answers_carry_an_id_and_security_headers() {
    let app = app().await;
    let nobody = app.nobody();
    let id = async |given: &str| {
        let headers = [("x-request-id", given)];
        let answer = nobody.send(Method::GET, "/health", &headers, None).await.expect(200);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-frame-options"], "DENY");
        assert!(answer.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id("abc-1.2_3").await, "abc-1.2_3");
    assert_ne!(id("a b\"").await, "a b\"");
    assert_eq!(id(&"a".repeat(65)).await.len(), 36);
}

#[tokio::test]
async fn machines_and_people_find_their_way() {
    let app = app().await;
    let nobody = app.nobody();
    let get = async |path: &str| nobody.send(Method::GET, path, &[], None).await;
    assert_eq!(get("/ready").await.expect(200).text, "ready\n");
    assert_eq!(get("/metrics").await.expect(200).text, "weir_up 1\n");
    assert_eq!(get("/").await.expect(307).headers["location"], "/docs");
    assert!(get("/docs/").await.expect(200).text.contains("swagger"));
    let served = get("/api/v1/openapi.json").await.expect(200).json;
    let written: serde_json::Value = serde_json::from_str(&weir_api::openapi()).unwrap();
    assert_eq!(served, written);
    let platform = app.platform().await;
    let features = platform.get("features/status").await.expect(200).json;
    assert!(features["features"].as_array().unwrap().contains(&json!({"name": "api_keys", "status": "available"})));

    app.store.close().await;
    get("/ready").await.problem(503, "unavailable");
    get("/health").await.expect(200);
    platform.get("tenants").await.problem(503, "unavailable");
}

#[test]
fn the_document_that_is_checked_in_is_the_one_that_is_served() {
    assert!(
        weir_api::openapi() == include_str!("../../openapi.json"),
        "openapi.json is not up to date: run `make gen`"
    );
}
