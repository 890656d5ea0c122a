//! Making, reading, changing and deleting each kind of resource, and what is refused.

use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{CREDENTIAL, admin, app, furnish, id, pool_body, provider_body};

#[tokio::test]
async fn each_resource_can_be_made_read_changed_and_deleted() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "furnished").await;
    let tenant_id = &f.tenant["id"];
    let rules = json!([{"type": "CREDIT_CARD", "action": "redact", "direction": "input"}]);
    for (path, body, patch) in [
        ("tenants", json!({"name": "new", "time_zone": "Europe/Berlin"}), json!({"time_zone": "Asia/Tokyo"})),
        (
            "users",
            json!({"tenant_id": tenant_id, "email": "x@weir.example", "role": "viewer", "password": "a long password"}),
            json!({"role": "tenant_admin"}),
        ),
        (
            "api-keys",
            json!({"tenant_id": tenant_id, "name": "new", "allowed_models": ["gpt"], "requests_per_minute": 5,
                "guardrail_profile_id": f.profile["id"], "expires_at": "2100-01-01T00:00:00Z"}),
            json!({"allowed_models": null, "requests_per_minute": null, "guardrail_profile_id": null, "expires_at": null}),
        ),
        (
            "providers",
            json!({"tenant_id": tenant_id, "name": "new", "schema": "anthropic", "base_url": "https://api.anthropic.com"}),
            json!({"schema": "openai", "base_url": "http://127.0.0.1:8080/prefix"}),
        ),
        ("pools", pool_body(tenant_id, "new", &f.provider), json!({"first_byte_timeout_ms": 5})),
        ("models", json!({"tenant_id": tenant_id, "name": "new", "pool_id": f.pool["id"]}), json!({"name": "newer"})),
        (
            "guardrails/profiles",
            json!({"tenant_id": tenant_id, "name": "new", "rules": rules, "uninspectable": "refuse"}),
            json!({"name": "newer", "uninspectable": "allow"}),
        ),
        (
            "service-tokens",
            json!({"tenant_id": tenant_id, "name": "new", "role": "viewer", "expires_at": "2100-01-01T00:00:00Z"}),
            json!({"role": "tenant_admin"}),
        ),
        (
            "departments",
            json!({"tenant_id": tenant_id, "name": "new", "parent_id": f.department["id"], "labels": {"cost": "7"},
                "guardrail_profile_id": f.profile["id"]}),
            json!({"parent_id": null, "guardrail_profile_id": null}),
        ),
        (
            "roles",
            json!({"tenant_id": tenant_id, "name": "new", "permissions": ["keys.read", "usage.read"]}),
            json!({"permissions": ["keys.read"]}),
        ),
        (
            "service-accounts",
            json!({"tenant_id": tenant_id, "name": "new", "department_id": f.department["id"], "environment": "staging",
                "labels": {"cost": "7"}, "guardrail_profile_id": f.profile["id"], "disabled": false}),
            json!({"disabled": true, "environment": null, "department_id": null}),
        ),
        (
            "sign-in-providers",
            json!({"tenant_id": tenant_id, "name": "new", "issuer": "https://login.example.com", "client_id": "weir",
                "rules": [{"group": "staff", "role": "viewer", "tenant_id": tenant_id, "grants": []}], "creates_users": true}),
            json!({"is_only_way_in": true, "claims": {"email": "email", "groups": "roles"}}),
        ),
        (
            "limits",
            json!({"tenant_id": tenant_id, "name": "new", "subject": {"kind": "user", "id": null, "value": null, "each": true}, "unit": "total_tokens",
                "window": {"kind": "sliding", "seconds": 60}, "amount": 1000, "action": "warn", "thresholds": [50, 90],
                "unreconciled_release_after_s": 3600}),
            json!({"amount": 2000, "thresholds": [], "unreconciled_release_after_s": null}),
        ),
        ("gateways", json!({"tenant_id": tenant_id, "name": "new"}), json!({"name": "newer"})),
    ] {
        let revision = app.store.revision().await.unwrap();
        let made = platform.post(path, body.clone()).await.expect(201);
        assert_eq!(made.json["revision"], revision + 1);
        assert_eq!(made.headers["etag"], format!("\"{}\"", revision + 1));
        let one = format!("{path}/{}", id(&made.json));
        assert_eq!(made.headers["location"], admin(&one));
        for (field, value) in body.as_object().unwrap() {
            if *field != "password" && *field != "members" {
                assert_eq!(made.json[field], *value, "{path} {field}");
            }
        }

        let read = platform.get(&one).await.expect(200);
        assert_eq!(read.headers["etag"], made.headers["etag"]);
        for (field, value) in read.json.as_object().unwrap() {
            assert_eq!(made.json[field], *value, "{path} {field}");
        }
        assert!(platform.get(path).await.expect(200).json["items"].as_array().unwrap().contains(&read.json), "{path}");

        platform
            .send(Method::PATCH, &admin(&one), &[], Some(patch.to_string()))
            .await
            .problem(428, "precondition_required");
        platform.patch(&one, &json!(revision), patch.clone()).await.problem(412, "stale");
        for wrong in ["17", "W/\"17\"", "\"x\"", "*", "\"1\", \"2\""] {
            let headers = [("if-match", wrong)];
            platform
                .send(Method::PATCH, &admin(&one), &headers, Some(patch.to_string()))
                .await
                .problem(400, "invalid_header");
        }
        let changed = platform.patch(&one, &made.json["revision"], patch.clone()).await.expect(200);
        assert_eq!(changed.json["revision"], revision + 2);
        for (field, value) in read.json.as_object().unwrap() {
            // What something else is called follows its id.
            let follows = ["guardrail_profile_name", "parent_name", "department_name"];
            if !["revision", "updated_at"].contains(&field.as_str()) && !follows.contains(&field.as_str()) {
                assert_eq!(changed.json[field], *patch.get(field).unwrap_or(value), "{path} {field}");
            }
        }
        assert_eq!(platform.get(&one).await.json, changed.json);

        platform.delete(&one, &made.json["revision"]).await.problem(412, "stale");
        let deleted = platform.delete(&one, &changed.json["revision"]).await.expect(200);
        assert_eq!(deleted.json, json!({"id": made.json["id"], "revision": revision + 3}));
        platform.get(&one).await.problem(404, "not_found");
        platform.delete(&one, &changed.json["revision"]).await.problem(404, "not_found");

        let audit = platform.get("audit?limit=3").await.expect(200);
        let actions: Vec<&str> = audit.json["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                assert_eq!(entry["resource_id"], made.json["id"]);
                entry["action"].as_str().unwrap().rsplit('.').next().unwrap()
            })
            .collect();
        assert_eq!(actions, ["delete", "update", "create"], "{path}");
    }
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "furnished").await;
    let t = &f.tenant["id"];
    let provider = |field: &str, value: Value| with(provider_body(t, "new"), field, value);
    let key = |field: &str, value: Value| with(json!({"tenant_id": t, "name": "k"}), field, value);
    let user = |field: &str, value: Value| {
        with(
            json!({"tenant_id": t, "email": "y@weir.example", "role": "viewer", "password": "a long password"}),
            field,
            value,
        )
    };
    let pool = |field: &str, value: Value| with(pool_body(t, "new", &f.provider), field, value);
    let nowhere = json!("00000000-0000-7000-8000-000000000000");
    for (path, body, field) in [
        ("tenants", json!({}), "name"),
        ("tenants", json!({"name": ""}), "name"),
        ("tenants", json!({"name": "new", "colour": 1}), "colour"),
        ("tenants", json!({"name": "new", "time_zone": "Mars/Olympus"}), "time_zone"),
        ("tenants", json!({"name": "new", "guardrail_profile_id": f.profile["id"]}), "guardrail_profile_id"),
        ("users", user("email", json!("nobody")), "email"),
        ("users", user("password", json!("too short")), "password"),
        ("users", user("role", json!("king")), "role"),
        ("users", user("role", json!("platform_admin")), "tenant_id"),
        ("users", user("tenant_id", Value::Null), "tenant_id"),
        ("users", user("tenant_id", nowhere.clone()), "tenant_id"),
        ("api-keys", key("tenant_id", nowhere.clone()), "tenant_id"),
        ("api-keys", key("tenant_id", Value::Null), "tenant_id"),
        ("api-keys", key("requests_per_minute", json!(0)), "requests_per_minute"),
        ("api-keys", key("requests_per_minute", json!(-1)), "requests_per_minute"),
        ("api-keys", key("allowed_models", json!(["a b"])), "allowed_models[0]"),
        ("api-keys", key("guardrail_profile_id", nowhere.clone()), "guardrail_profile_id"),
        ("api-keys", key("expires_at", json!("tomorrow")), "expires_at"),
        ("providers", provider("schema", json!("of_nobody")), "schema"),
        ("providers", provider("base_url", json!("api.openai.com")), "base_url"),
        ("providers", provider("credential", json!("sk-\n")), "credential"),
        ("providers", provider("name", json!("Bücher")), "name"),
        ("pools", pool("members", json!([])), "members"),
        ("pools", pool("members", json!([{"provider_id": nowhere, "model": "m"}])), "members[0].provider_id"),
        ("pools", pool("members", json!([{"provider_id": f.provider["id"], "model": ""}])), "members[0].model"),
        (
            "pools",
            pool("members", json!([{"provider_id": f.provider["id"], "model": "m", "price": {}}])),
            "members[0].price.input_microusd_per_million",
        ),
        ("pools", pool("idle_timeout_ms", json!(0)), "idle_timeout_ms"),
        ("models", json!({"tenant_id": t, "name": "new", "pool_id": nowhere}), "pool_id"),
        ("models", json!({"tenant_id": t, "name": "a b", "pool_id": f.pool["id"]}), "name"),
        ("guardrails/profiles", json!({"tenant_id": t, "name": "new", "rules": []}), "rules"),
        (
            "guardrails/profiles",
            json!({"tenant_id": t, "name": "new", "rules": [{"type": "SOUL", "action": "block"}]}),
            "rules[0].type",
        ),
        ("gateways", json!({"name": "g", "tenant_id": nowhere}), "tenant_id"),
    ] {
        platform.post(path, body).await.problem(422, "invalid_fields").field(field);
    }
    let one = format!("api-keys/{}", id(&f.api_key));
    let patch = json!({"tenant_id": t});
    platform.patch(&one, &f.api_key["revision"], patch).await.problem(422, "invalid_fields").field("tenant_id");
}

#[tokio::test]
async fn taken_names_are_refused_within_one_owner() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let t = &a.tenant["id"];
    for (path, body, field) in [
        ("tenants", json!({"name": "a"}), "name"),
        (
            "users",
            json!({"tenant_id": t, "email": "A@weir.EXAMPLE", "role": "viewer", "password": "a long password"}),
            "email",
        ),
        ("providers", provider_body(t, "openai"), "name"),
        ("pools", pool_body(t, "pool", &a.provider), "name"),
        ("models", json!({"tenant_id": t, "name": "gpt", "pool_id": a.pool["id"]}), "name"),
        ("guardrails/profiles", json!({"name": "all", "rules": [{"type": "EMAIL", "action": "flag"}]}), "name"),
    ] {
        platform.post(path, body).await.problem(409, "taken").field(field);
    }
    // Another owner may have the same names.
    furnish(&platform, "b").await;
    platform.make("providers", provider_body(&Value::Null, "openai")).await;
}

#[tokio::test]
async fn what_others_refer_to_is_not_deleted() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let key = format!("api-keys/{}", id(&f.api_key));
    let key_with_profile = platform
        .patch(&key, &f.api_key["revision"], json!({"guardrail_profile_id": f.profile["id"]}))
        .await
        .expect(200)
        .json;
    for (path, resource, by) in [
        ("providers", &f.provider, "pool pool"),
        ("pools", &f.pool, "model gpt"),
        ("guardrails/profiles", &f.profile, "API key app"),
        ("departments", &f.department, "service account bot"),
        ("tenants", &f.tenant, "service account bot"),
    ] {
        let answer =
            platform.delete(&format!("{path}/{}", id(resource)), &resource["revision"]).await.problem(409, "in_use");
        assert!(answer.text.contains(by), "{}", answer.text);
    }
    // In the right order all of it goes, the tenant too.
    for (path, resource) in [
        ("limits", &f.limit),
        ("models", &f.model),
        ("pools", &f.pool),
        ("providers", &f.provider),
        ("api-keys", &key_with_profile),
        ("guardrails/profiles", &f.profile),
        ("users", &f.user),
        ("service-tokens", &f.service_token),
        ("service-accounts", &f.service_account),
        ("departments", &f.department),
        ("roles", &f.role),
        ("sign-in-providers", &f.sign_in_provider),
        ("identity-rules", &f.identity_rule),
        ("token-issuers", &f.token_issuer),
        ("tenants", &f.tenant),
    ] {
        platform.delete(&format!("{path}/{}", id(resource)), &resource["revision"]).await.expect(200);
    }
}

#[tokio::test]
async fn the_profile_all_always_exists() {
    let app = app().await;
    let platform = app.platform().await;
    let profiles = platform.get("guardrails/profiles").await.expect(200).json;
    let all = &profiles["items"][0];
    assert_eq!(all["name"], "all");
    let types: Vec<&str> = all["rules"].as_array().unwrap().iter().map(|rule| rule["type"].as_str().unwrap()).collect();
    assert_eq!(types, weir_config::FindingType::ALL.map(weir_config::FindingType::name));
    let one = format!("guardrails/profiles/{}", id(all));
    platform.patch(&one, &all["revision"], json!({"name": "none"})).await.problem(403, "forbidden");
    platform.delete(&one, &all["revision"]).await.problem(403, "forbidden");

    let trial = json!({"text": "ä 4111 1111 1111 1111", "direction": "input"});
    let outcome = platform.post("guardrails/test", trial).await.expect(200).json;
    assert_eq!(outcome["action"], "redact");
    assert_eq!(outcome["text"], "ä [CREDIT_CARD]");
    let finding = &outcome["findings"][0];
    assert_eq!((&finding["type"], &finding["start"], &finding["end"]), (&json!("CREDIT_CARD"), &json!(2), &json!(21)));
    let trial = json!({"text": "x", "direction": "input", "profile": "no such"});
    platform.post("guardrails/test", trial).await.problem(422, "invalid_fields").field("profile");
}

#[tokio::test]
async fn a_key_is_shown_once_and_revoking_it_twice_is_one_change() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "a"})).await;
    let made = platform.make("api-keys", json!({"tenant_id": tenant["id"], "name": "app"})).await;
    let key = made["key"].as_str().unwrap();
    assert_eq!((key.len(), &key[..12]), (56, made["prefix"].as_str().unwrap()));
    let one = format!("api-keys/{}", id(&made));
    assert!(!platform.get(&one).await.text.contains(key));
    let revoked = platform.post(&format!("{one}/revoke"), Value::Null).await.expect(200).json;
    assert!(revoked["revoked_at"].is_string());
    assert_eq!(platform.post(&format!("{one}/revoke"), Value::Null).await.expect(200).json, revoked);
    assert_eq!(app.store.revision().await.unwrap(), revoked["revision"].as_u64().unwrap());
}

#[tokio::test]
async fn a_streams_first_content_may_take_90_s_unless_a_pool_says_otherwise() {
    let app = app().await;
    let f = furnish(&app.platform().await, "a").await;
    let times = ["first_byte_timeout_ms", "idle_timeout_ms", "request_timeout_ms"].map(|name| f.pool[name].clone());
    assert_eq!(times, [json!(90_000), json!(300_000), json!(600_000)]);
}

#[tokio::test]
async fn a_price_may_have_tiers_long_inputs_and_searches() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "a").await;
    let one = format!("pools/{}", id(&f.pool));
    let rates = |times: u64| {
        json!({"input_microusd_per_million": times, "cached_input_microusd_per_million": 0,
            "cache_write_microusd_per_million": null, "cache_write_1h_microusd_per_million": null,
            "output_microusd_per_million": 2 * times, "reasoning_microusd_per_million": null})
    };
    let long = |times| json!({"above_input_tokens": 200_000, "rates": rates(times)});
    let mut members = f.pool["members"].clone();
    members[0]["price"]["long_context"] = long(5);
    members[0]["price"]["tiers"] = json!([{"tier": "flex", "rates": rates(1)}, {"tier": "fast+geo_us", "rates": rates(9), "long_context": long(10)}]);
    members[0]["price"]["request_microusd"] = json!(3);
    members[0]["price"]["web_search_microusd"] = json!(10_000);
    let changed = platform.patch(&one, &f.pool["revision"], json!({"members": members})).await.expect(200).json;
    assert_eq!(changed["members"], members);
    assert_eq!(platform.get(&one).await.expect(200).json["members"], members);
    let price = app.store.snapshot().await.unwrap().pools[0].members[0].price.clone().unwrap();
    assert_eq!(price.version, format!("r{}", changed["revision"]), "another price has another version");
    let tokens = weir_config::Tokens { input: 300_000, ..Default::default() };
    let cost = |tier, web_searches| price.cost_picousd(weir_config::Used { tokens, tier, web_searches });
    assert_eq!(
        (cost("flex", 0), cost("fast+geo_us", 1)),
        (300_000 + 3_000_000, 3_000_000 + 3_000_000 + 10_000_000_000)
    );
    assert_eq!(cost("", 0), 1_500_000 + 3_000_000);
    let revision = &changed["revision"];
    for (path, value, field) in [
        ("/tiers/0/tier", json!("FLEX"), "members[0].price.tiers[0].tier"),
        ("/tiers/1/tier", json!("flex"), "members[0].price.tiers[1].tier"),
        (
            "/tiers/0/rates/input_microusd_per_million",
            json!(1_000_000_000_001_u64),
            "members[0].price.tiers[0].rates.input_microusd_per_million",
        ),
        ("/web_search_microusd", json!(1_000_000_001), "members[0].price.web_search_microusd"),
    ] {
        let mut odd = members.clone();
        *odd[0]["price"].pointer_mut(path).unwrap() = value;
        let refused = platform.patch(&one, revision, json!({"members": odd})).await;
        refused.problem(422, "invalid_fields").field(field);
    }
}

#[tokio::test]
async fn each_class_of_tokens_may_have_a_price() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "a").await;
    let names = ["cache_write", "cache_write_1h", "reasoning"].map(|name| format!("{name}_microusd_per_million"));
    let one = format!("pools/{}", id(&f.pool));
    for name in &names {
        assert_eq!(f.pool["members"][0]["price"][name], Value::Null);
    }
    let mut members = f.pool["members"].clone();
    for (value, name) in (7..).zip(&names) {
        members[0]["price"][name] = json!(value);
    }
    let changed = platform.patch(&one, &f.pool["revision"], json!({"members": members})).await.expect(200).json;
    assert_eq!(changed["members"], members);
    let price = app.store.snapshot().await.unwrap().pools[0].members[0].price.clone().unwrap();
    let classes = [
        price.cache_write_microusd_per_million,
        price.cache_write_1h_microusd_per_million,
        price.reasoning_microusd_per_million,
    ];
    assert_eq!(classes, [Some(7), Some(8), Some(9)]);
    assert_eq!(price.version, format!("r{}", changed["revision"]), "another price has another version");
    let dear = json!(1_000_000_000_001_u64);
    members[0]["price"][&names[2]] = dear;
    let refused = platform.patch(&one, &changed["revision"], json!({"members": members})).await;
    refused.problem(422, "invalid_fields").field(&format!("members[0].price.{}", names[2]));
}

#[tokio::test]
async fn a_pools_members_keep_their_ids_and_a_new_price_gets_a_new_version() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let one = format!("pools/{}", id(&f.pool));
    let first = f.pool["members"][0].clone();
    let second = json!({"provider_id": f.provider["id"], "model": "gpt-5"});
    let changed = platform.patch(&one, &f.pool["revision"], json!({"members": [second, first]})).await.expect(200).json;
    assert_eq!(changed["members"][1], first);
    assert_ne!(changed["members"][0]["id"], first["id"]);
    let version = async |member: usize| {
        let snapshot = app.store.snapshot().await.unwrap();
        snapshot.pools[0].members[member].price.as_ref().map(|price| price.version.clone())
    };
    let before = version(1).await;
    assert!(before.is_some());
    assert_eq!(version(0).await, None);

    let mut dearer = changed["members"].clone();
    dearer[1]["price"]["output_microusd_per_million"] = json!(4);
    let again = platform.patch(&one, &changed["revision"], json!({"members": dearer})).await.expect(200).json;
    assert_eq!(again["members"][1]["id"], first["id"]);
    assert_ne!(version(1).await, before);
}

#[tokio::test]
async fn a_providers_credential_is_kept_replaced_or_removed() {
    let app = app().await;
    let platform = app.platform().await;
    let made = platform.make("providers", provider_body(&Value::Null, "p")).await;
    assert_eq!((&made["has_credential"], &made["base_url"]), (&json!(true), &json!("https://api.openai.com/v1")));
    let one = format!("providers/{}", id(&made));
    let credential = async || {
        let snapshot = app.store.snapshot().await.unwrap();
        snapshot.providers[0].credential.as_ref().map(|it| secrecy::ExposeSecret::expose_secret(it).to_owned())
    };
    assert_eq!(credential().await.as_deref(), Some(CREDENTIAL));
    let mut revision = made["revision"].clone();
    for (patch, expect) in [
        (json!({"name": "renamed"}), Some(CREDENTIAL)),
        (json!({"credential": "sk-other"}), Some("sk-other")),
        (json!({"credential": null}), None),
    ] {
        let changed = platform.patch(&one, &revision, patch).await.expect(200).json;
        assert_eq!(credential().await.as_deref(), expect);
        assert_eq!(changed["has_credential"], expect.is_some());
        revision = changed["revision"].clone();
    }
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}
