//! What providers say of themselves beyond where they are.

use serde_json::{Value, json};

use crate::app::{app, furnish, id, provider_body};

fn with(mut body: Value, more: Value) -> Value {
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_provider_and_a_member_may_say_what_they_take() {
    let app = app().await;
    let platform = app.platform().await;
    let said = json!({
        "preset": "vllm",
        "capabilities": {"stream_options": false, "max_tokens_field": "max_tokens", "system_role": "user",
            "structured_output": "json_object"},
        "authentication": {"header": "X-Key", "prefix": "Token "},
        "query": "api-version=2025-04-01&x=%20",
        "also_speaks": ["anthropic"],
    });
    let made = platform.make("providers", with(provider_body(&Value::Null, "p"), said.clone())).await;
    let read = platform.get(&format!("providers/{}", id(&made))).await.expect(200).json;
    for (field, value) in said.as_object().unwrap() {
        let value =
            if field == "authentication" { json!({"header": "x-key", "prefix": "Token "}) } else { value.clone() };
        assert_eq!((&made[field], &read[field]), (&value, &value), "{field}");
    }
    let member = json!({"provider_id": made["id"], "model": "m", "capabilities": {"tools": false, "images": null}});
    let pool = platform.make("pools", json!({"name": "p", "members": [member]})).await;
    assert_eq!(pool["members"][0]["capabilities"], json!({"tools": false}));

    let snapshot = app.store.snapshot().await.unwrap();
    let (provider, member) = (&snapshot.providers[0], &snapshot.pools[0].members[0]);
    let takes = provider.capabilities(member);
    // Of the provider, the member, and the kind of server.
    assert_eq!((takes.stream_options, takes.tools, takes.documents, takes.images), (false, false, false, true));
    assert_eq!(provider.credential_header(), ("x-key", "Token "));

    // What is absent stays, null takes it away.
    let one = format!("providers/{}", id(&made));
    let renamed = platform.patch(&one, &made["revision"], json!({"name": "renamed"})).await.expect(200).json;
    assert_eq!((&renamed["capabilities"], &renamed["preset"]), (&said["capabilities"], &said["preset"]));
    let nothing = json!({"preset": null, "capabilities": null, "authentication": null, "query": "", "also_speaks": []});
    let cleared = platform.patch(&one, &renamed["revision"], nothing).await.expect(200).json;
    for (field, value) in
        [("preset", Value::Null), ("capabilities", json!({})), ("authentication", Value::Null), ("query", json!(""))]
    {
        assert_eq!(cleared[field], value, "{field}");
    }
}

#[tokio::test]
async fn what_a_provider_says_is_checked_at_its_field() {
    let app = app().await;
    let platform = app.platform().await;
    for (wrong, field, reason) in [
        (json!({"schema": "smoke_signals"}), "schema", "openai, anthropic"),
        (json!({"also_speaks": ["openai", "smoke_signals"]}), "also_speaks[1]", "must be one of"),
        (json!({"also_speaks": ["anthropic", "anthropic"]}), "also_speaks[1]", "is there already"),
        (json!({"preset": "toaster"}), "preset", "vllm"),
        (json!({"preset": "anthropic"}), "preset", "speaks anthropic"),
        (json!({"preset": "azure_openai_dated"}), "query", "api-version"),
        (json!({"preset": "azure_openai_dated", "query": "x-api-version=1"}), "query", "api-version"),
        (json!({"capabilities": {"telepathy": true}}), "capabilities.telepathy", "is not known"),
        (json!({"capabilities": {"tools": 1}}), "capabilities.tools", "must be a boolean"),
        (json!({"capabilities": {"system_role": "king"}}), "capabilities.system_role", "`developer`"),
        (json!({"authentication": {"header": "x y"}}), "authentication.header", "name of a header"),
        (json!({"authentication": {"header": "Host"}}), "authentication.header", "must not be"),
        (json!({"authentication": {"header": "x-weir-pool"}}), "authentication.header", "must not be"),
        (json!({"authentication": {"header": "a", "prefix": "\r\nb: c"}}), "authentication.prefix", "visible"),
        (json!({"query": "?a=b"}), "query", "question mark"),
        (json!({"query": "a b"}), "query", "question mark"),
    ] {
        let refused = platform.post("providers", with(provider_body(&Value::Null, "p"), wrong.clone())).await;
        let refused = refused.problem(422, "invalid_fields").field(field);
        assert!(refused.text.contains(reason), "{wrong}: {}", refused.text);
    }
}

/// A row that a newer control plane wrote, beside this one or before a step back.
#[tokio::test]
async fn what_only_a_newer_control_plane_knows_is_left_aside() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "a").await;
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let said = json!({"telepathy": true, "structured_output": "grammar", "tools": false});
    sqlx::query("WITH members AS (UPDATE deployments SET capabilities = $1) UPDATE providers SET capabilities = $1, preset = 'new'")
        .bind(sqlx::types::Json(&said))
        .execute(&database)
        .await
        .unwrap();
    let read = platform.get(&format!("providers/{}", id(&f.provider))).await.expect(200).json;
    assert_eq!(read["capabilities"], json!({"tools": false}));
    let snapshot = app.store.snapshot().await.unwrap();
    assert_eq!((snapshot.providers.len(), snapshot.pools.len()), (1, 1));
    assert_eq!(snapshot.pools[0].members[0].capabilities.tools, Some(false));
    // A provider of a schema that this one does not know is left out, as one that cannot be read.
    sqlx::query("UPDATE providers SET schema = 'smoke_signals'").execute(&database).await.unwrap();
    let snapshot = app.store.snapshot().await.unwrap();
    assert_eq!((snapshot.providers.len(), snapshot.unreadable.len()), (0, 1));
    platform.get("providers").await.expect(200);
}
