//! Tokens of gateways.

use axum::http::Method;
use serde_json::{Value, json};
use weir_core::secret::sha256;

use crate::app::{Answer, App, Client, admin, app, id};

/// Whether a token is accepted, and until when if that is said.
async fn accepted(app: &App, token: &Value) -> Option<Option<i64>> {
    let found = app.store.gateway_by_token(&sha256(token.as_str().unwrap())).await.unwrap()?;
    Some(found.valid_until.map(|until| (until - chrono::Utc::now()).num_seconds()))
}

async fn rotate(platform: &Client, gateway: &Value, body: Value) -> Answer {
    platform.post(&format!("gateways/{}/rotate", id(gateway)), body).await
}

#[tokio::test]
async fn a_former_token_is_accepted_until_its_end() {
    let app = app().await;
    let platform = app.platform().await;
    let first = platform.make("gateways", json!({"name": "g"})).await;
    assert_eq!(first["former_tokens_until"], Value::Null);

    let second = rotate(&platform, &first, json!({"overlap_seconds": 600})).await.expect(200).json;
    assert_ne!(first["token"], second["token"]);
    assert!(second["former_tokens_until"].is_string(), "{second}");
    assert!(second["revision"].as_u64() > first["revision"].as_u64());
    assert_eq!(accepted(&app, &second["token"]).await, Some(None));
    assert!(matches!(accepted(&app, &first["token"]).await, Some(Some(590..=600))));

    // A day unless it is said, and the end of the one before stays.
    let third = rotate(&platform, &first, json!({})).await.expect(200).json;
    assert!(matches!(accepted(&app, &second["token"]).await, Some(Some(86_390..=86_400))));
    assert!(matches!(accepted(&app, &first["token"]).await, Some(Some(580..=600))));
    app.sql("UPDATE former_gateway_tokens SET valid_until = now() WHERE valid_until < now() + interval '1 hour'").await;
    assert_eq!(accepted(&app, &first["token"]).await, None);
    app.store.maintain(chrono::Utc::now()).await.unwrap();
    assert_eq!(app.count("SELECT count(*) FROM former_gateway_tokens").await, 1);

    let last = rotate(&platform, &first, json!({"overlap_seconds": 0})).await.expect(200).json;
    for former in [&first, &second, &third] {
        assert_eq!(accepted(&app, &former["token"]).await, None);
    }
    assert_eq!((accepted(&app, &last["token"]).await, &last["former_tokens_until"]), (Some(None), &Value::Null));

    let gateway = platform.get(&format!("gateways/{}", id(&first))).await.expect(200).json;
    assert_eq!((&gateway["revision"], gateway.get("token")), (&last["revision"], None));
    let audit = platform.get("audit").await.expect(200);
    assert_eq!(audit.json["items"][0]["action"], "gateway.rotate");
    for one in [&first, &second, &third, &last] {
        assert!(!audit.text.contains(one["token"].as_str().unwrap()));
    }
    platform.delete(&format!("gateways/{}", id(&first)), &gateway["revision"]).await.expect(200);
    assert_eq!(accepted(&app, &last["token"]).await, None);
}

#[tokio::test]
async fn a_rotation_is_bounded_and_may_be_repeated() {
    let app = app().await;
    let platform = app.platform().await;
    let gateway = platform.make("gateways", json!({"name": "g"})).await;
    for wrong in [json!(-1), json!("1"), json!(2_592_001)] {
        let answer = rotate(&platform, &gateway, json!({"overlap_seconds": wrong})).await;
        answer.problem(422, "invalid_fields").field("overlap_seconds");
    }
    rotate(&platform, &gateway, json!({"overlap": 1})).await.problem(422, "invalid_fields").field("overlap");

    let path = admin(&format!("gateways/{}/rotate", id(&gateway)));
    let repeated = async || {
        let headers = [("idempotency-key", "again")];
        platform
            .send(Method::POST, &path, &headers, Some(json!({"overlap_seconds": 60}).to_string()))
            .await
            .expect(200)
            .json
    };
    assert_eq!(repeated().await["token"], repeated().await["token"]);
    assert_eq!(app.count("SELECT count(*) FROM former_gateway_tokens").await, 1);

    for _ in 0..4 {
        rotate(&platform, &gateway, json!({"overlap_seconds": 60})).await.expect(200);
    }
    let refused = rotate(&platform, &gateway, json!({"overlap_seconds": 60})).await;
    refused.problem(422, "invalid_fields").field("overlap_seconds");
    rotate(&platform, &gateway, json!({"overlap_seconds": 0})).await.expect(200);
    rotate(&platform, &gateway, json!({"overlap_seconds": 60})).await.expect(200);
}
