//! What gateways are answered: principals, catalogs, configuration.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;
use weir_core::actor::Role;
use weir_core::gateway::{CredentialStatus, Gateway, KnownCatalog, Resolved};
use weir_core::secret::sha256;

use crate::app::{App, app, furnish, id, pool_body, provider_body};

async fn resolve(app: &App, gateway: &Gateway, key: &Value) -> Resolved {
    app.store
        .resolve_credential(gateway, &sha256(key["key"].as_str().unwrap()), None, &weir_config::FindingType::ALL)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_key_is_active_until_it_is_revoked_deleted_or_expired() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let everywhere = app.gateway(None).await;
    let own = app.gateway(Some(id(&f.tenant))).await;
    let elsewhere = Gateway { tenant_id: Some(Uuid::now_v7()), ..own.clone() };

    for gateway in [&everywhere, &own] {
        let resolved = resolve(&app, gateway, &f.api_key).await;
        assert_eq!(resolved.status, CredentialStatus::Active);
        assert_eq!(resolved.revision, app.store.revision().await.unwrap());
        let principal = resolved.principal.unwrap();
        assert_eq!((principal.tenant_id, principal.key_id), (id(&f.tenant), id(&f.api_key)));
        let limit = &principal.limits[0];
        let counter = format!("key/{}/requests/60", principal.key_id);
        assert_eq!((limit.counter.as_str(), limit.amount, limit.window.seconds()), (counter.as_str(), 5, 60));
        assert_eq!(resolved.catalog.unwrap().models.unwrap()[0].pool_id, id(&f.pool));
    }
    let unknown = resolve(&app, &elsewhere, &f.api_key).await;
    assert_eq!((unknown.status, unknown.principal, unknown.catalog), (CredentialStatus::Unknown, None, None));
    let no_key = app
        .store
        .resolve_credential(&everywhere, &sha256("weir_invented"), None, &weir_config::FindingType::ALL)
        .await
        .unwrap();
    assert_eq!(no_key.status, CredentialStatus::Unknown);

    let expired = json!({"tenant_id": f.tenant["id"], "name": "old", "expires_at": "2020-01-01T00:00:00Z"});
    let expired = platform.make("api-keys", expired).await;
    assert_eq!(resolve(&app, &everywhere, &expired).await.status, CredentialStatus::Expired);
    let one = format!("api-keys/{}", id(&f.api_key));
    let revoked = platform.post(&format!("{one}/revoke"), Value::Null).await.expect(200).json;
    assert_eq!(resolve(&app, &everywhere, &f.api_key).await.status, CredentialStatus::Revoked);
    platform.delete(&one, &revoked["revision"]).await.expect(200);
    assert_eq!(resolve(&app, &everywhere, &f.api_key).await.status, CredentialStatus::Unknown);
}

#[tokio::test]
async fn the_stricter_of_the_tenants_and_the_keys_profile_holds_unless_the_platform_says_otherwise() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let gateway = app.gateway(None).await;
    let profile = async || resolve(&app, &gateway, &f.api_key).await.principal.unwrap().guardrail_profile;
    assert_eq!(profile().await, None);
    let tenant = format!("tenants/{}", id(&f.tenant));
    let all = json!({"guardrail_profile_id": weir_store::PROFILE_ALL});
    platform.patch(&tenant, &f.tenant["revision"], all).await.expect(200);
    let found = profile().await.unwrap();
    assert_eq!((found.id, found.profile.name.as_str()), (weir_store::PROFILE_ALL, "all"));
    assert_eq!(json!(found.profile.rules)[1], json!({"type": "EMAIL", "action": "redact", "direction": "both"}));
    let key = format!("api-keys/{}", id(&f.api_key));
    platform.patch(&key, &f.api_key["revision"], json!({"guardrail_profile_id": f.profile["id"]})).await.expect(200);
    let rule = |finding: &str, action: &str, direction: &str| json!({"type": finding, "action": action, "direction": direction});
    let cards = rule("CREDIT_CARD", "redact", "both");
    let found = profile().await.unwrap();
    let rules = json!(found.profile.rules);
    assert_eq!((&rules[0], &rules[1]), (&cards, &rule("EMAIL", "block", "both")));
    let others = weir_config::FindingType::ALL.iter().skip(2);
    for (index, finding) in others.enumerate() {
        assert_eq!(rules[index + 2], rule(finding.name(), "redact", "both"));
    }
    // A tenant's admin may not let pass what the tenant's profile stops.
    let own = format!("guardrails/profiles/{}", id(&f.profile));
    let admin = app.user(Role::TenantAdmin, Some(id(&f.tenant))).await;
    let rules = json!([rule("EMAIL", "allow", "both"), rule("CREDIT_CARD", "block", "output")]);
    admin.patch(&own, &f.profile["revision"], json!({"rules": rules})).await.expect(200);
    let expect = json!([
        rule("CREDIT_CARD", "redact", "input"),
        rule("CREDIT_CARD", "block", "output"),
        rule("EMAIL", "redact", "both")
    ]);
    assert_eq!(json!(profile().await.unwrap().profile.rules.get(..3)), expect);
    let loosen = json!({"keys_may_loosen_guardrails": true});
    let read = platform.get(&tenant).await.expect(200).json;
    admin.patch(&tenant, &read["revision"], loosen.clone()).await.problem(403, "forbidden");
    platform.patch(&tenant, &read["revision"], loosen).await.expect(200);
    let found = profile().await.unwrap();
    assert_eq!((found.id, json!(found.profile.rules)), (id(&f.profile), rules));
    // A key without a profile of its own has the tenant's.
    let read = platform.get(&key).await.expect(200).json;
    platform.patch(&key, &read["revision"], json!({"guardrail_profile_id": null})).await.expect(200);
    assert_eq!(profile().await.unwrap().id, weir_store::PROFILE_ALL);
}

#[tokio::test]
async fn a_catalog_is_the_tenants_models_before_the_platforms_and_nobody_elses() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let b = furnish(&platform, "b").await;
    let provider = platform.make("providers", provider_body(&Value::Null, "p")).await;
    let pool = platform.make("pools", pool_body(&Value::Null, "p", &provider)).await;
    for name in ["gpt", "claude"] {
        platform.make("models", json!({"name": name, "pool_id": pool["id"]})).await;
    }
    platform.make("models", json!({"tenant_id": b.tenant["id"], "name": "b-only", "pool_id": b.pool["id"]})).await;
    let gateway = app.gateway(None).await;
    let catalog = resolve(&app, &gateway, &a.api_key).await.catalog.unwrap();
    let found: Vec<_> = catalog
        .models
        .iter()
        .flatten()
        .map(|model| (model.name.as_str(), model.pool_id, model.owner.as_str()))
        .collect();
    assert_eq!(found, [("claude", id(&pool), "platform"), ("gpt", id(&a.pool), "a")]);
}

#[tokio::test]
async fn a_snapshot_holds_everything_of_one_revision() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    furnish(&platform, "b").await;
    let snapshot = app.store.snapshot().await.unwrap();
    assert_eq!(snapshot.revision, app.store.revision().await.unwrap());
    assert_eq!((snapshot.providers.len(), snapshot.pools.len()), (2, 2));
    let pool = snapshot.pools.iter().find(|pool| pool.id == id(&a.pool)).unwrap();
    assert_eq!(pool.tenant_id, Some(id(&a.tenant)));
    let member = &pool.members[0];
    assert_eq!((member.provider_id, member.model.as_str()), (id(&a.provider), "gpt-4o"));
    assert_eq!(json!(member.deployment_id), a.pool["members"][0]["id"]);
    let price = member.price.as_ref().unwrap();
    assert_eq!((price.cached_input_microusd_per_million, price.output_microusd_per_million), (2, 3));
    assert!(!format!("{snapshot:?}").contains(crate::app::CREDENTIAL));
}

#[tokio::test]
async fn a_deleted_gateways_token_is_refused() {
    let app = app().await;
    let platform = app.platform().await;
    let made = platform.make("gateways", json!({"name": "g"})).await;
    let token = sha256(made["token"].as_str().unwrap());
    assert_eq!(app.store.gateway_by_token(&token).await.unwrap().unwrap().gateway.id, id(&made));
    let shown = platform.get("gateways").await;
    assert!(shown.json["items"][0].get("token").is_none() && !shown.text.contains(made["token"].as_str().unwrap()));
    platform.delete(&format!("gateways/{}", id(&made)), &made["revision"]).await.expect(200);
    assert_eq!(app.store.gateway_by_token(&token).await.unwrap(), None);
}

#[tokio::test]
async fn a_catalog_is_sent_only_to_whoever_has_an_older_one() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, b) = (furnish(&platform, "a").await, furnish(&platform, "b").await);
    let gateway = app.gateway(None).await;
    // No control plane of the version before serves any more: for its sake a key's change would be one of its tenant.
    app.sql("UPDATE _sqlx_migrations SET installed_on = now() - interval '25 hours' WHERE version = 39").await;
    let digest = sha256(a.api_key["key"].as_str().unwrap());
    // The catalog's revision, and whether its models are in the answer.
    let ask = async |known: Option<KnownCatalog>| {
        let resolved =
            app.store.resolve_credential(&gateway, &digest, known, &weir_config::FindingType::ALL).await.unwrap();
        let catalog = resolved.catalog.unwrap();
        assert!(catalog.revision <= resolved.revision);
        (catalog.revision, catalog.models.is_some())
    };
    let known = |tenant: &Value, revision| Some(KnownCatalog { tenant_id: id(tenant), revision });
    let (revision, _) = ask(None).await;
    assert_eq!(ask(known(&a.tenant, revision)).await, (revision, false));
    assert_eq!(ask(known(&a.tenant, revision - 1)).await, (revision, true));
    assert_eq!(ask(known(&b.tenant, revision)).await, (revision, true), "of another tenant");

    // Neither another tenant's models nor anything else of one's own makes it another.
    let later =
        platform.make("models", json!({"tenant_id": b.tenant["id"], "name": "m2", "pool_id": b.pool["id"]})).await;
    platform.make("api-keys", json!({"tenant_id": a.tenant["id"], "name": "another"})).await;
    assert_eq!(ask(known(&a.tenant, revision)).await, (revision, false));
    let pool = platform
        .make(
            "pools",
            pool_body(&Value::Null, "p", &platform.make("providers", provider_body(&Value::Null, "p")).await),
        )
        .await;
    let platforms = platform.make("models", json!({"name": "everybody", "pool_id": pool["id"]})).await;
    let now = platforms["revision"].as_u64().unwrap();
    assert!(now > later["revision"].as_u64().unwrap());
    assert_eq!(ask(known(&a.tenant, revision)).await, (now, true));
    let model = format!("models/{}", id(&a.model));
    let deleted = platform.delete(&model, &a.model["revision"]).await.expect(200).json["revision"].as_u64().unwrap();
    assert_eq!(ask(known(&a.tenant, now)).await, (deleted, true));
    assert_eq!(ask(known(&a.tenant, deleted)).await, (deleted, false));
}

/// At 100,000 keys of 1,000 tenants with 10,000 models, a look-up touches some rows by their indexes.
#[tokio::test]
async fn a_look_up_reads_no_table_whole() {
    let app = app().await;
    for statement in [
        "INSERT INTO tenants (id, name, time_zone, revision)
         SELECT lpad(to_hex(n), 32, '0')::uuid, 'tenant-' || n, 'UTC', 1 FROM generate_series(1, 1000) n",
        "INSERT INTO catalog_revisions (owner_id, revision) SELECT id, 1 FROM tenants ON CONFLICT DO NOTHING",
        "INSERT INTO api_keys (id, tenant_id, name, key_sha256, key_hmac, prefix, revision)
         SELECT gen_random_uuid(), lpad(to_hex(1 + n % 1000), 32, '0')::uuid, 'key-' || n,
             CASE WHEN n % 2 = 1 THEN sha256(n::text::bytea) END, CASE WHEN n % 2 = 0 THEN sha256(n::text::bytea) END, 'weir_', 1
         FROM generate_series(1, 100000) n",
        "INSERT INTO pools (id, tenant_id, name, first_byte_timeout_ms, idle_timeout_ms, request_timeout_ms, revision)
         SELECT id, id, 'pool', 1, 1, 1, 1 FROM tenants WHERE name LIKE 'tenant-%'",
        "INSERT INTO models (id, tenant_id, name, pool_id, revision)
         SELECT gen_random_uuid(), id, 'model-' || n, id, 1 FROM tenants, generate_series(1, 10) n WHERE tenants.name LIKE 'tenant-%'",
        "ANALYZE",
    ] {
        app.sql(statement).await;
    }
    let gateway = app.gateway(None).await;
    let found =
        app.store.resolve_credential(&gateway, &sha256("77"), None, &weir_config::FindingType::ALL).await.unwrap();
    assert_eq!(found.catalog.unwrap().models.unwrap().len(), 10);

    let database = PgPool::connect(&app.database_url).await.unwrap();
    let statement = sqlx::AssertSqlSafe(format!("EXPLAIN (ANALYZE, BUFFERS) {}", weir_store::RESOLVE_CREDENTIAL));
    let query = sqlx::query_as(statement)
        .bind(vec![sha256("78").to_vec()])
        .bind(None::<Uuid>)
        .bind(None::<Uuid>)
        .bind(None::<i64>)
        .bind(sha256("77"));
    let plan: Vec<(String,)> = query.fetch_all(&database).await.unwrap();
    let plan = plan.into_iter().map(|(line,)| line).collect::<Vec<_>>().join("\n");
    for table in ["api_keys", "models", "tenants", "catalog_revisions"] {
        assert!(!plan.contains(&format!("Seq Scan on {table}")), "{plan}");
    }
    for index in ["api_keys_key_hmac_key", "api_keys_key_sha256_key"] {
        assert!(plan.contains(index), "{plan}");
    }
}

#[tokio::test]
async fn an_owners_policy_is_read_alone() {
    let app = app().await;
    let platform = app.platform().await;
    let (a, b) = (furnish(&platform, "a").await, furnish(&platform, "b").await);
    let own = platform.make("providers", provider_body(&Value::Null, "p")).await;
    let read = async |owners: Vec<Option<Uuid>>| {
        let snapshot = app.store.snapshot_of(owners).await.unwrap();
        assert_eq!(snapshot.revision, app.store.revision().await.unwrap());
        let pools: Vec<Uuid> = snapshot.pools.iter().map(|pool| pool.id).collect();
        let members = snapshot.pools.iter().map(|pool| pool.members.len()).sum::<usize>();
        (snapshot.providers.iter().map(|provider| provider.id).collect::<Vec<_>>(), pools, members)
    };
    assert_eq!(read(vec![Some(id(&a.tenant))]).await, (vec![id(&a.provider)], vec![id(&a.pool)], 1));
    assert_eq!(read(vec![None]).await, (vec![id(&own)], vec![], 0));
    assert_eq!(read(vec![]).await, (vec![], vec![], 0));
    let all = app.store.snapshot().await.unwrap();
    assert_eq!((all.providers.len(), all.pools.len()), (3, 2));
    assert_eq!(read(vec![None, Some(id(&a.tenant)), Some(id(&b.tenant))]).await.0.len(), 3);
}
