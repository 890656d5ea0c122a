//! Who may do what: every operation of the OpenAPI document, for everybody who must not.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use weir_core::actor::Role;

use crate::app::{Client, app, furnish, id, pool_body, provider_body};
use crate::operations::operations;

/// The statuses that others than the owner's admin get for what belongs to tenant A.
struct Row {
    operation: &'static str,
    /// Without a session.
    nobody: u16,
    /// A viewer of A.
    viewer: u16,
    /// An admin of tenant B.
    other: u16,
}

const fn row(operation: &'static str, viewer: u16, other: u16) -> Row {
    Row { operation, nobody: 401, viewer, other }
}

const TABLE: &[Row] = &[
    // 422: it gets as far as reading the body.
    Row { operation: "login", nobody: 422, viewer: 422, other: 422 },
    Row { operation: "sign_in", nobody: 422, viewer: 422, other: 422 },
    Row { operation: "setup_status", nobody: 200, viewer: 200, other: 200 },
    Row { operation: "set_up", nobody: 422, viewer: 422, other: 422 },
    Row { operation: "sign_in_choices", nobody: 200, viewer: 200, other: 200 },
    // Without a browser's `Origin`.
    Row { operation: "start_sign_in", nobody: 403, viewer: 403, other: 403 },
    // To the page that says that it belongs to no sign-in.
    Row { operation: "finish_sign_in", nobody: 303, viewer: 303, other: 303 },
    // Without a form.
    Row { operation: "end_provider_sessions", nobody: 415, viewer: 415, other: 415 },
    Row { operation: "look_at_password_link", nobody: 422, viewer: 422, other: 422 },
    Row { operation: "set_password", nobody: 422, viewer: 422, other: 422 },
    row("break_glass_sign_ins", 404, 404),
    row("make_password_link", 403, 404),
    row("check_sign_in_provider", 403, 404),
    row("me", 200, 200),
    row("own_access", 200, 200),
    row("list_own_sessions", 200, 200),
    row("end_own_session", 404, 404),
    row("list_own_identities", 200, 200),
    row("delete_own_identity", 404, 404),
    row("list_user_identities", 200, 404),
    row("delete_user_identity", 403, 404),
    row("feature_status", 200, 200),
    row("search_catalogue_models", 200, 200),
    row("stream_events", 200, 200),
    // Neither does B learn that there is such a tenant.
    row("apply", 403, 422),
    row("export", 200, 200),
    row("revert", 403, 404),
    // Their own.
    row("list_tenants", 200, 200),
    row("create_tenant", 404, 404),
    row("get_tenant", 200, 404),
    row("update_tenant", 403, 404),
    row("replace_tenant", 403, 404),
    row("delete_tenant", 403, 404),
    row("list_service_tokens", 200, 200),
    row("create_service_token", 403, 404),
    row("get_service_token", 200, 404),
    row("update_service_token", 403, 404),
    row("replace_service_token", 403, 404),
    row("delete_service_token", 403, 404),
    row("revoke_service_token", 403, 404),
    row("list_sign_in_providers", 200, 200),
    row("create_sign_in_provider", 403, 404),
    row("get_sign_in_provider", 200, 404),
    row("update_sign_in_provider", 403, 404),
    row("replace_sign_in_provider", 403, 404),
    row("delete_sign_in_provider", 403, 404),
    row("list_token_issuers", 200, 200),
    row("create_token_issuer", 403, 404),
    row("get_token_issuer", 200, 404),
    row("update_token_issuer", 403, 404),
    row("replace_token_issuer", 403, 404),
    row("delete_token_issuer", 403, 404),
    row("list_identity_rules", 200, 200),
    row("create_identity_rule", 403, 404),
    row("get_identity_rule", 200, 404),
    row("update_identity_rule", 403, 404),
    row("replace_identity_rule", 403, 404),
    row("delete_identity_rule", 403, 404),
    row("list_discovered", 200, 200),
    row("assign_discovered", 403, 404),
    row("list_users", 200, 200),
    row("create_user", 403, 404),
    row("get_user", 200, 404),
    row("update_user", 403, 404),
    row("replace_user", 403, 404),
    row("delete_user", 403, 404),
    row("list_departments", 200, 200),
    row("create_department", 403, 404),
    row("get_department", 200, 404),
    row("update_department", 403, 404),
    row("replace_department", 403, 404),
    row("delete_department", 403, 404),
    row("list_service_accounts", 200, 200),
    row("create_service_account", 403, 404),
    row("get_service_account", 200, 404),
    row("update_service_account", 403, 404),
    row("replace_service_account", 403, 404),
    row("delete_service_account", 403, 404),
    row("list_roles", 200, 200),
    row("create_role", 403, 404),
    row("get_role", 200, 404),
    row("update_role", 403, 404),
    row("replace_role", 403, 404),
    row("delete_role", 403, 404),
    row("list_api_keys", 200, 200),
    row("create_api_key", 403, 404),
    row("get_api_key", 200, 404),
    row("update_api_key", 403, 404),
    row("replace_api_key", 403, 404),
    row("delete_api_key", 403, 404),
    row("revoke_api_key", 403, 404),
    row("get_api_key_statistics", 200, 404),
    row("get_ended_streams_of_api_key", 200, 404),
    row("get_effective_of_department", 200, 404),
    row("get_effective_of_user", 200, 404),
    row("get_effective_of_service_account", 200, 404),
    row("get_effective_of_api_key", 200, 404),
    row("list_limits", 200, 200),
    row("create_limit", 403, 404),
    row("get_limit", 200, 404),
    row("get_limit_state", 200, 404),
    row("list_limit_states", 200, 200),
    row("list_limit_events", 200, 200),
    row("try_limit", 403, 404),
    row("raise_limit", 403, 404),
    row("end_raise_of_limit", 403, 404),
    row("release_limit", 403, 404),
    row("reset_limit", 403, 404),
    row("adjust_limit", 403, 404),
    row("update_limit", 403, 404),
    row("replace_limit", 403, 404),
    row("delete_limit", 403, 404),
    row("list_providers", 200, 200),
    row("create_provider", 403, 404),
    row("get_provider", 200, 404),
    row("update_provider", 403, 404),
    row("replace_provider", 403, 404),
    row("delete_provider", 403, 404),
    row("check_provider", 403, 404),
    row("check_provider_draft", 403, 404),
    row("list_pools", 200, 200),
    row("create_pool", 403, 404),
    row("get_pool", 200, 404),
    row("get_price_history_of_pool", 200, 404),
    row("update_pool", 403, 404),
    row("replace_pool", 403, 404),
    row("delete_pool", 403, 404),
    row("list_models", 200, 200),
    row("create_model", 403, 404),
    row("get_model", 200, 404),
    row("update_model", 403, 404),
    row("replace_model", 403, 404),
    row("delete_model", 403, 404),
    row("list_profiles", 200, 200),
    row("create_profile", 403, 404),
    row("get_profile", 200, 404),
    row("update_profile", 403, 404),
    row("replace_profile", 403, 404),
    row("delete_profile", 403, 404),
    // B does not even learn that A's profile exists: the profile is a wrong field.
    row("test_guardrails", 200, 422),
    row("playground", 200, 200),
    // It gets as far as the app's key, which alone decides.
    row("send_playground_request", 400, 400),
    row("list_nodes", 404, 404),
    row("list_usage", 200, 200),
    row("get_usage", 404, 404),
    row("summarize_usage", 200, 200),
    row("export_usage", 200, 200),
    // 400: without `q`.
    row("search", 400, 400),
    row("list_audit", 200, 200),
    row("export_audit", 200, 200),
    // What holds for the whole log is for who sees all of it.
    row("verify_audit", 404, 404),
    row("audit_head", 404, 404),
    row("list_gateways", 404, 404),
    row("create_gateway", 404, 404),
    row("get_gateway", 404, 404),
    row("update_gateway", 404, 404),
    row("replace_gateway", 404, 404),
    row("delete_gateway", 404, 404),
    row("rotate_gateway", 404, 404),
    row("list_currency_rates", 404, 404),
    row("create_currency_rate", 404, 404),
    row("get_currency_rate", 404, 404),
    row("update_currency_rate", 404, 404),
    row("replace_currency_rate", 404, 404),
    row("delete_currency_rate", 404, 404),
    // Ends the sessions, so it comes last.
    row("logout", 204, 204),
];

#[tokio::test]
async fn nobody_gets_at_what_is_not_theirs() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let b = furnish(&platform, "b").await;
    let gateway = platform.make("gateways", json!({"name": "g"})).await;
    let viewer = app.user(Role::Viewer, Some(id(&a.tenant))).await;
    let other = app.user(Role::TenantAdmin, Some(id(&b.tenant))).await;
    let before = app.store.revision().await.unwrap();

    let operations = operations();
    let known: BTreeSet<&str> = TABLE.iter().map(|row| row.operation).collect();
    let documented: BTreeSet<&str> = operations.iter().map(|operation| operation.id.as_str()).collect();
    assert_eq!(known, documented, "every operation needs a row in this table");

    for row in TABLE {
        let operation = operations.iter().find(|operation| operation.id == row.operation).unwrap();
        let request = operation.request(&a, &gateway);
        for (name, caller, expect) in [
            ("nobody", &app.nobody(), row.nobody),
            ("a viewer", &viewer, row.viewer),
            ("another tenant", &other, row.other),
            ("an invented session", &app.nobody().with_token("weirs_invented"), row.nobody),
        ] {
            let answer = operation.send(caller, &request).await;
            assert_eq!(answer.status.as_u16(), expect, "{name}: {} {}", row.operation, answer.text);
            if name == "another tenant" {
                for foreign in [
                    &a.tenant,
                    &a.api_key,
                    &a.provider,
                    &a.pool,
                    &a.model,
                    &a.profile,
                    &a.user,
                    &a.service_token,
                    &a.department,
                    &a.role,
                    &a.service_account,
                ] {
                    assert!(
                        !answer.text.contains(foreign["id"].as_str().unwrap()),
                        "{}: {}",
                        row.operation,
                        answer.text
                    );
                }
            }
        }
    }
    assert_eq!(app.store.revision().await.unwrap(), before, "nothing was written");
}

#[tokio::test]
async fn the_platforms_rows_are_hidden_from_tenants_but_for_models_and_profiles() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let admin = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    let provider = platform.make("providers", provider_body(&Value::Null, "openai")).await;
    let pool = platform.make("pools", pool_body(&Value::Null, "pool", &provider)).await;
    let model = platform.make("models", json!({"name": "gpt", "pool_id": pool["id"]})).await;
    let rules = json!([{"type": "EMAIL", "action": "flag"}]);
    let profile = platform.make("guardrails/profiles", json!({"name": "p", "rules": rules})).await;

    for (path, resource, readable) in [
        ("providers", &provider, false),
        ("pools", &pool, false),
        ("models", &model, true),
        ("guardrails/profiles", &profile, true),
    ] {
        let one = format!("{path}/{}", resource["id"].as_str().unwrap());
        assert_eq!(admin.get(&one).await.status.as_u16(), if readable { 200 } else { 404 }, "{one}");
        let list = admin.get(path).await.expect(200);
        assert_eq!(list.text.contains(resource["id"].as_str().unwrap()), readable, "{path}");
        admin.patch(&one, &resource["revision"], json!({"name": "mine"})).await.problem(404, "not_found");
        admin.delete(&one, &resource["revision"]).await.problem(404, "not_found");
    }
    admin.post("providers", provider_body(&Value::Null, "mine")).await.problem(404, "not_found");
    // A tenant's pool cannot use the platform's provider, nor its model the platform's pool.
    admin
        .post("pools", pool_body(&tenant["id"], "mine", &provider))
        .await
        .problem(422, "invalid_fields")
        .field("members[0].provider_id");
    let model = json!({"tenant_id": tenant["id"], "name": "mine", "pool_id": pool["id"]});
    admin.post("models", model).await.problem(422, "invalid_fields").field("pool_id");
}

#[tokio::test]
async fn a_tenants_admin_writes_what_is_the_tenants_and_makes_no_platform_admins() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let admin = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    let provider = admin.make("providers", provider_body(&tenant["id"], "openai")).await;
    let pool = admin.make("pools", pool_body(&tenant["id"], "pool", &provider)).await;
    admin.make("models", json!({"tenant_id": tenant["id"], "name": "gpt", "pool_id": pool["id"]})).await;
    let key = admin.make("api-keys", json!({"tenant_id": tenant["id"], "name": "app"})).await;
    admin.post(&format!("api-keys/{}/revoke", id(&key)), Value::Null).await.expect(200);
    let user = |role: &str, tenant_id: &Value| {
        json!({"email": format!("{role}@weir.example"), "role": role,
        "tenant_id": tenant_id, "password": "a long password"})
    };
    let viewer = admin.make("users", user("viewer", &tenant["id"])).await;
    admin.post("users", user("platform_admin", &Value::Null)).await.problem(404, "not_found");
    admin.post("users", user("platform_admin", &tenant["id"])).await.problem(422, "invalid_fields").field("tenant_id");
    admin
        .patch(&format!("users/{}", id(&viewer)), &viewer["revision"], json!({"role": "platform_admin"}))
        .await
        .problem(422, "invalid_fields")
        .field("tenant_id");
}

#[tokio::test]
async fn only_a_platform_admin_leads_a_tenants_provider_into_the_operators_network() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let admin = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    let body = |name: &str, url: &str| {
        let mut body = provider_body(&tenant["id"], name);
        body["base_url"] = json!(url);
        body
    };
    let outside = admin.make("providers", body("outside", "https://api.openai.com")).await;
    let path = format!("providers/{}", id(&outside));
    let before = app.store.revision().await.unwrap();
    for url in [
        "http://127.0.0.1:8080",
        "http://169.254.169.254",
        "http://10.1.2.3",
        "http://0.0.0.0",
        "http://224.0.0.1",
        "http://[::1]",
        "http://[fe80::1]",
        "http://[::ffff:127.0.0.1]",
        "http://localhost:5432",
        "http://a.LOCALHOST",
        "http://localhost.localdomain",
        "http://vllm.models.svc",
        "http://wiki.corp",
        "http://nas.lan:8000/v1",
        "http://printer.home.arpa",
        "http://x.internal",
    ] {
        let moved = json!({"base_url": url, "credential": "another"});
        for refused in
            [admin.post("providers", body("x", url)).await, admin.patch(&path, &outside["revision"], moved).await]
        {
            let refused = refused.problem(422, "invalid_fields").field("base_url");
            assert!(refused.text.contains("must not lead to"), "{url}: {}", refused.text);
        }
    }
    assert_eq!(app.store.revision().await.unwrap(), before, "nothing was written");

    // What the operator allows, everybody may.
    for (name, url) in [("allowed", "https://vllm.allowed.internal/v1"), ("address", "http://10.7.7.7:8000")] {
        admin.make("providers", body(name, url)).await;
    }
    // What a platform admin has set, the tenant's admin may keep but not lead elsewhere.
    let inside = platform.make("providers", body("inside", "http://127.0.0.1:8080")).await;
    let path = format!("providers/{}", id(&inside));
    let renamed = admin.patch(&path, &inside["revision"], json!({"name": "renamed"})).await.expect(200).json;
    let moved = json!({"base_url": "http://127.0.0.1:8081", "credential": "another"});
    admin.patch(&path, &renamed["revision"], moved.clone()).await.problem(422, "invalid_fields").field("base_url");
    platform.patch(&path, &renamed["revision"], moved).await.expect(200);
}

#[tokio::test]
async fn a_tenants_users_do_not_learn_who_administers_the_platform() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let admin = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    admin.make("api-keys", json!({"tenant_id": tenant["id"], "name": "own"})).await;
    let actors = async |reader: &Client| -> Vec<(String, Value, Value)> {
        let entries = reader.get(&format!("audit?tenant_id={}", id(&tenant))).await.expect(200).json;
        let one = |entry: &Value| {
            (
                entry["action"].as_str().unwrap().to_owned(),
                entry["actor"]["id"].clone(),
                entry["actor"]["email"].clone(),
            )
        };
        entries["items"].as_array().unwrap().iter().map(one).collect()
    };
    let all = actors(&platform).await;
    assert!(all.iter().all(|(_, id, email)| id.is_string() && email.is_string()), "{all:?}");
    let seen = actors(&admin).await;
    assert_eq!(seen.len(), all.len());
    for (shown, known) in seen.into_iter().zip(all) {
        if known.0 == "api_key.create" || known.0 == "session.create" {
            assert_eq!(shown, known);
        } else {
            assert_eq!(shown, (known.0, Value::Null, Value::Null));
        }
    }
}

#[tokio::test]
async fn who_may_not_write_does_not_wait_for_those_who_do() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let b = furnish(&platform, "b").await;
    let viewer = app.user(Role::Viewer, Some(id(&a.tenant))).await;
    let other = app.user(Role::TenantAdmin, Some(id(&b.tenant))).await;
    let database = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    let mut writer = database.begin().await.unwrap();
    sqlx::query("UPDATE policy_revision SET revision = revision + 1").execute(&mut *writer).await.unwrap();

    let answers = async {
        for (caller, status, code) in [(&viewer, 403, "forbidden"), (&other, 404, "not_found")] {
            for (path, resource) in [
                ("api-keys", &a.api_key),
                ("providers", &a.provider),
                ("pools", &a.pool),
                ("models", &a.model),
                ("guardrails/profiles", &a.profile),
                ("users", &a.user),
            ] {
                let path = format!("{path}/{}", id(resource));
                let patch = if path.starts_with("users") { json!({"role": "viewer"}) } else { json!({"name": "x"}) };
                caller.patch(&path, &resource["revision"], patch).await.problem(status, code);
                caller.delete(&path, &resource["revision"]).await.problem(status, code);
            }
            caller.post(&format!("api-keys/{}/revoke", id(&a.api_key)), Value::Null).await.problem(status, code);
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), answers).await.expect("nobody waits for the writer");
}
