//! What belongs to another tenant can be neither named in a body nor found by a filter.

use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;
use weir_core::actor::Role;
use weir_core::ledger::{UsageRecord, UsageSource};

use crate::app::{Furnished, app, furnish, id};
use crate::operations::{operations, set};

/// What becomes of a request by an admin of tenant B that names something of A in a field: the status, and the field that
/// the refusal names, if it names one. Each field of each body that holds an id needs a row.
const TABLE: &[(&str, &str, u16, Option<&str>)] = &[
    // Not even that there is such a tenant.
    ("create_api_key", "tenant_id", 404, None),
    ("check_provider_draft", "tenant_id", 404, None),
    ("create_gateway", "tenant_id", 404, None),
    ("create_model", "tenant_id", 404, None),
    ("create_pool", "tenant_id", 404, None),
    ("create_profile", "tenant_id", 404, None),
    ("create_provider", "tenant_id", 404, None),
    ("create_service_token", "tenant_id", 404, None),
    ("create_sign_in_provider", "tenant_id", 404, None),
    ("check_sign_in_provider", "tenant_id", 404, None),
    ("create_limit", "tenant_id", 404, None),
    ("create_user", "tenant_id", 404, None),
    ("create_role", "tenant_id", 404, None),
    ("create_department", "tenant_id", 404, None),
    ("create_service_account", "tenant_id", 404, None),
    ("create_token_issuer", "tenant_id", 404, None),
    ("create_identity_rule", "tenant_id", 404, None),
    ("create_currency_rate", "tenant_id", 404, None),
    // As if they did not exist.
    ("create_api_key", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("update_api_key", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("replace_api_key", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("create_api_key", "user_id", 422, Some("user_id")),
    ("create_api_key", "service_account_id", 422, Some("service_account_id")),
    ("create_api_key", "department_id", 422, Some("department_id")),
    ("create_department", "parent_id", 422, Some("parent_id")),
    ("create_department", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("create_service_account", "department_id", 422, Some("department_id")),
    ("create_service_account", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("create_user", "department_id", 422, Some("department_id")),
    ("create_user", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("update_api_key", "user_id", 422, Some("user_id")),
    ("update_api_key", "service_account_id", 422, Some("service_account_id")),
    ("update_api_key", "department_id", 422, Some("department_id")),
    ("update_department", "parent_id", 422, Some("parent_id")),
    ("update_department", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("update_service_account", "department_id", 422, Some("department_id")),
    ("update_service_account", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("update_user", "department_id", 422, Some("department_id")),
    ("update_user", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("replace_api_key", "user_id", 422, Some("user_id")),
    ("replace_api_key", "service_account_id", 422, Some("service_account_id")),
    ("replace_api_key", "department_id", 422, Some("department_id")),
    ("replace_department", "parent_id", 422, Some("parent_id")),
    ("replace_department", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("replace_service_account", "department_id", 422, Some("department_id")),
    ("replace_service_account", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("replace_user", "department_id", 422, Some("department_id")),
    ("replace_user", "guardrail_profile_id", 422, Some("guardrail_profile_id")),
    ("create_user", "grants[0].custom_role_id", 422, Some("grants[0].custom_role_id")),
    ("create_user", "grants[0].department_id", 422, Some("grants[0].department_id")),
    ("update_user", "grants[0].custom_role_id", 422, Some("grants[0].custom_role_id")),
    ("update_user", "grants[0].department_id", 422, Some("grants[0].department_id")),
    ("replace_user", "grants[0].custom_role_id", 422, Some("grants[0].custom_role_id")),
    ("replace_user", "grants[0].department_id", 422, Some("grants[0].department_id")),
    ("create_model", "pool_id", 422, Some("pool_id")),
    ("update_model", "pool_id", 422, Some("pool_id")),
    ("replace_model", "pool_id", 422, Some("pool_id")),
    ("create_pool", "members[0].provider_id", 422, Some("members[0].provider_id")),
    ("update_pool", "members[0].provider_id", 422, Some("members[0].provider_id")),
    ("replace_pool", "members[0].provider_id", 422, Some("members[0].provider_id")),
    ("create_sign_in_provider", "rules[0].tenant_id", 422, Some("rules[0].tenant_id")),
    ("update_sign_in_provider", "rules[0].tenant_id", 422, Some("rules[0].tenant_id")),
    ("replace_sign_in_provider", "rules[0].tenant_id", 422, Some("rules[0].tenant_id")),
    ("create_sign_in_provider", "rules[0].grants[0].custom_role_id", 422, Some("rules[0].grants[0].custom_role_id")),
    // Without a role it is refused whatever the department: with one, in `access`.
    ("create_sign_in_provider", "rules[0].grants[0].department_id", 422, Some("rules[0].grants[0].role")),
    ("update_sign_in_provider", "rules[0].grants[0].custom_role_id", 422, Some("rules[0].grants[0].custom_role_id")),
    ("update_sign_in_provider", "rules[0].grants[0].department_id", 422, Some("rules[0].grants[0].role")),
    ("replace_sign_in_provider", "rules[0].grants[0].custom_role_id", 422, Some("rules[0].grants[0].custom_role_id")),
    ("replace_sign_in_provider", "rules[0].grants[0].department_id", 422, Some("rules[0].grants[0].role")),
    ("create_limit", "subject.id", 422, Some("subject.id")),
    ("update_limit", "subject.id", 422, Some("subject.id")),
    ("replace_limit", "subject.id", 422, Some("subject.id")),
    ("create_limit", "fall_over_pool_id", 422, Some("fall_over_pool_id")),
    ("update_limit", "fall_over_pool_id", 422, Some("fall_over_pool_id")),
    ("replace_limit", "fall_over_pool_id", 422, Some("fall_over_pool_id")),
    ("create_identity_rule", "token_issuer_id", 422, Some("token_issuer_id")),
    ("create_identity_rule", "department_id", 422, Some("department_id")),
    ("create_identity_rule", "service_account_id", 422, Some("service_account_id")),
    ("update_identity_rule", "token_issuer_id", 422, Some("token_issuer_id")),
    ("update_identity_rule", "department_id", 422, Some("department_id")),
    ("update_identity_rule", "service_account_id", 422, Some("service_account_id")),
    ("replace_identity_rule", "token_issuer_id", 422, Some("token_issuer_id")),
    ("replace_identity_rule", "department_id", 422, Some("department_id")),
    ("replace_identity_rule", "service_account_id", 422, Some("service_account_id")),
    ("create_identity_rule", "claim_grants[0].grant.custom_role_id", 422, Some("claim_grants[0].grant.custom_role_id")),
    ("create_identity_rule", "claim_grants[0].grant.department_id", 422, Some("claim_grants[0].grant.department_id")),
    ("update_identity_rule", "claim_grants[0].grant.custom_role_id", 422, Some("claim_grants[0].grant.custom_role_id")),
    ("update_identity_rule", "claim_grants[0].grant.department_id", 422, Some("claim_grants[0].grant.department_id")),
    (
        "replace_identity_rule",
        "claim_grants[0].grant.custom_role_id",
        422,
        Some("claim_grants[0].grant.custom_role_id"),
    ),
    ("replace_identity_rule", "claim_grants[0].grant.department_id", 422, Some("claim_grants[0].grant.department_id")),
    ("assign_discovered", "tenant_id", 404, None),
    ("assign_discovered", "service_account_id", 404, None),
    ("assign_discovered", "department_id", 404, None),
    ("test_guardrails", "profile", 422, Some("profile")),
    ("try_limit", "tenant_id", 404, None),
    // Nothing is written, and only the tenant's own records are looked at.
    ("try_limit", "limit.subject.id", 200, None),
    ("try_limit", "limit.fall_over_pool_id", 422, Some("fall_over_pool_id")),
    // Only the platform writes tenants.
    ("create_tenant", "guardrail_profile_id", 404, None),
    ("update_tenant", "guardrail_profile_id", 403, None),
    ("replace_tenant", "guardrail_profile_id", 403, None),
    // Is not looked at; the provider that it comes with is refused.
    ("create_pool", "members[0].id", 422, Some("members[0].provider_id")),
    ("update_pool", "members[0].id", 422, Some("members[0].provider_id")),
    ("replace_pool", "members[0].id", 422, Some("members[0].provider_id")),
    ("update_model", "name", 200, None),
];

/// The thing of a tenant's that a field names.
fn named<'a>(field: &str, of: &'a Furnished) -> &'a Value {
    match field.rsplit('.').next().unwrap() {
        "tenant_id" => &of.tenant["id"],
        "guardrail_profile_id" | "profile" => &of.profile["id"],
        "department_id" | "parent_id" => &of.department["id"],
        "user_id" => &of.user["id"],
        "custom_role_id" => &of.role["id"],
        "service_account_id" => &of.service_account["id"],
        "pool_id" | "fall_over_pool_id" => &of.pool["id"],
        "token_issuer_id" => &of.token_issuer["id"],
        "provider_id" => &of.provider["id"],
        "id" => &of.pool["members"][0]["id"],
        // A name is nobody's alone.
        "name" => &of.model["name"],
        other => panic!("{other} names nothing"),
    }
}

#[tokio::test]
async fn what_is_anothers_cannot_be_referred_to() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let b = furnish(&platform, "b").await;
    let gateway = platform.make("gateways", json!({"name": "g"})).await;
    let admin = app.user(Role::TenantAdmin, Some(id(&b.tenant))).await;
    let operations = operations();

    for operation in &operations {
        for (field, schema) in &operation.fields {
            let is_id = schema["format"] == "uuid" || field == "profile";
            let has_row = TABLE.iter().any(|row| row.0 == operation.id && row.1 == field.as_str());
            assert!(!is_id || has_row, "{} {field} needs a row in this table", operation.id);
        }
    }
    for &(name, field, status, refused) in TABLE {
        let operation = operations.iter().find(|operation| operation.id == name).expect(name);
        assert!(operation.fields.contains_key(field), "{name} has no {field}");
        let mut request = operation.request(&b, &gateway);
        if field.starts_with("members[0]") {
            request.body["members"] = json!([{"provider_id": a.provider["id"], "model": "gpt-4o"}]);
        }
        if field.starts_with("claim_grants[0]") {
            let role = field.ends_with("department_id").then_some("viewer");
            let granted = json!({"claim": {"path": "team", "equals": "research"}, "grant": {"role": role}});
            request.body["person"] = json!({"claim": "email"});
            request.body["claim_grants"] = json!([granted]);
        }
        set(&mut request.body, field, named(field, &a).clone());
        let foreign = operation.send(&admin, &request).await.expect(status);
        if let Some(refused) = refused {
            let foreign = foreign.field(refused);
            // What does not exist at all is refused in the same words.
            if field == refused {
                set(&mut request.body, field, json!(Uuid::now_v7()));
                assert_eq!(operation.send(&admin, &request).await.json, foreign.json, "{name} {field}");
            }
        }
    }
}

#[tokio::test]
async fn a_list_never_shows_what_is_anothers_whatever_it_is_filtered_by() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let b = furnish(&platform, "b").await;
    let gateway = app.gateway(None).await;
    let records = [&a, &b].map(record);
    app.store.record_usage(&gateway, records.to_vec()).await.unwrap();
    let viewer = app.user(Role::Viewer, Some(id(&b.tenant))).await;
    let mut of_a =
        [&a.tenant, &a.api_key, &a.provider, &a.pool, &a.model, &a.profile, &a.user, &a.service_token].map(id).to_vec();
    of_a.extend([&a.department, &a.role, &a.service_account, &a.sign_in_provider, &a.limit].map(id));
    of_a.extend([&a.token_issuer, &a.identity_rule].map(id));

    for operation in operations().iter().filter(|operation| operation.is_list()) {
        // The cursor of a part that shows only A.
        let first = platform
            .get(&format!("{}?limit=1", operation.path.trim_start_matches("/api/v1/admin/")))
            .await
            .json["next_cursor"]
            .clone();
        let mut queries = vec![String::new(), "limit=200".to_owned()];
        for parameter in &operation.query {
            queries.push(match parameter.as_str() {
                "limit" => "limit=1".to_owned(),
                "cursor" => first.as_str().map(|cursor| format!("cursor={cursor}")).unwrap_or_default(),
                "tenant_id" => format!("tenant_id={}", id(&a.tenant)),
                "key_id" => format!("key_id={}", id(&a.api_key)),
                "request_id" => format!("request_id={}", records[0].request_id),
                "model" => "model=gpt".to_owned(),
                "name" => "name=gpt".to_owned(),
                "q" => "q=P".to_owned(),
                "sort" => "sort=-name".to_owned(),
                "state" => "state=active".to_owned(),
                "owner" => "owner=platform".to_owned(),
                "department_id" => format!("department_id={}", id(&a.department)),
                "parent_id" => format!("parent_id={}", id(&a.department)),
                "user_id" => format!("user_id={}", id(&a.user)),
                "service_account_id" => format!("service_account_id={}", id(&a.service_account)),
                "environment" => "environment=production".to_owned(),
                "label" => "label=team".to_owned(),
                "unused_for_days" => "unused_for_days=1".to_owned(),
                "action" => "action=model.create".to_owned(),
                "actor" => "actor=weir".to_owned(),
                "resource_type" => "resource_type=model".to_owned(),
                "resource_id" => format!("resource_id={}", id(&a.model)),
                "from" => "from=2020-01-01T00:00:00Z".to_owned(),
                "since" => "since=2020-01-01T00:00:00Z".to_owned(),
                "limit_id" => format!("limit_id={}", id(&a.limit)),
                "subject_id" => format!("subject_id={}", id(&a.user)),
                "subject_kind" => "subject_kind=tenant".to_owned(),
                "kind" => "kind=limit_reached".to_owned(),
                "unit" => "unit=requests".to_owned(),
                "to" => "to=2100-01-01T00:00:00Z".to_owned(),
                other => panic!("how does {other} of {} filter?", operation.id),
            });
        }
        for query in queries {
            let mut request = operation.request(&b, &Value::Null);
            request.query = query;
            let answer = operation.send(&viewer, &request).await;
            assert!([200, 404].contains(&answer.status.as_u16()), "{}", answer.text);
            let foreign = of_a.iter().map(Uuid::to_string).chain([records[0].request_id.to_string()]);
            for foreign in foreign.chain(["\"a@weir.example".into()]) {
                assert!(!answer.text.contains(&foreign), "{} ?{}: {}", operation.id, request.query, answer.text);
            }
            if request.query.contains(&id(&a.tenant).to_string()) && answer.status == 200 {
                assert_eq!(answer.json["items"], json!([]), "{}", operation.id);
            }
        }
    }
}

pub(crate) fn record(of: &Furnished) -> UsageRecord {
    UsageRecord {
        request_id: Uuid::now_v7(),
        started_at: Utc::now(),
        tenant_id: id(&of.tenant),
        key_id: id(&of.api_key),
        operation: "chat.completions".into(),
        model: "gpt".into(),
        provider_id: Some(id(&of.provider)),
        deployment_id: None,
        upstream_model: "gpt-4o".into(),
        input_tokens: 10,
        cached_input_tokens: 4,
        cache_write_tokens: 2,
        cache_write_1h_tokens: 3,
        output_tokens: 20,
        reasoning_tokens: 5,
        input_source: UsageSource::Provider,
        cached_input_source: UsageSource::Provider,
        cache_write_source: UsageSource::Provider,
        output_source: UsageSource::Provider,
        reasoning_source: UsageSource::Provider,
        cost_picousd: 123_000_000,
        price_version: String::new(),
        latency_us: 1,
        time_to_first_token_us: None,
        status: 200,
        error_code: String::new(),
        outcome: "complete".into(),
        streamed: false,
        attempts: 1,
        guardrail_findings: vec![],
        revision: 1,
        doubtful: vec![],
        pool_id: Some(id(&of.pool)),
        attempt_details: vec![],
        decided_by: String::new(),
        said: Default::default(),
        subject: Default::default(),
    }
}
