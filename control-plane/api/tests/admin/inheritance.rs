//! Guardrails and limits of everybody, a tenant, departments, owners and keys: which hold, and where they come from.

use serde_json::{Value, json};
use weir_config::{Action, FindingType};
use weir_core::secret::sha256;

use crate::app::{App, Client, app, id};

/// What a gateway is told of a key's guardrails: the action for each type of finding.
async fn told(app: &App, key: &Value) -> Vec<(FindingType, Action)> {
    let gateway = app.gateway(None).await;
    let digest = sha256(key["key"].as_str().unwrap());
    let resolved = app.store.resolve_credential(&gateway, &digest, None, &FindingType::ALL).await.unwrap();
    let profile = resolved.principal.unwrap().guardrail_profile;
    let rules = profile.map(|profile| profile.profile.rules).unwrap_or_default();
    rules.into_iter().map(|rule| (rule.finding, rule.action)).collect()
}

async fn profile(platform: &Client, tenant_id: &Value, name: &str, rules: Value) -> Value {
    let body = json!({"tenant_id": tenant_id, "name": name, "rules": rules});
    platform.make("guardrails/profiles", body).await
}

#[tokio::test]
async fn the_strictest_of_all_that_apply_holds_and_each_says_where_it_comes_from() {
    let app = app().await;
    let platform = app.platform().await;
    let everybodys =
        json!({"name": "everybody", "for_everybody": true, "rules": [{"type": "EMAIL", "action": "flag"}]});
    let everybodys = platform.make("guardrails/profiles", everybodys).await;
    let tenant = platform.make("tenants", json!({"name": "acme"})).await;
    let tenant_id = &tenant["id"];
    let rule = |kind: &str, action: &str| json!([{"type": kind, "action": action}]);
    let of_tenant = profile(&platform, tenant_id, "tenant", rule("IBAN", "flag")).await;
    let of_top = profile(&platform, tenant_id, "top", rule("EMAIL", "redact")).await;
    let of_user = profile(&platform, tenant_id, "user", rule("PHONE", "flag")).await;
    let of_key = profile(&platform, tenant_id, "key", rule("EMAIL", "allow")).await;
    let path = format!("tenants/{}", id(&tenant));
    let tenant = platform
        .patch(&path, &tenant["revision"], json!({"guardrail_profile_id": of_tenant["id"]}))
        .await
        .expect(200)
        .json;
    let top = json!({"tenant_id": tenant_id, "name": "top", "guardrail_profile_id": of_top["id"]});
    let top = platform.make("departments", top).await;
    let low =
        platform.make("departments", json!({"tenant_id": tenant_id, "name": "low", "parent_id": top["id"]})).await;
    let user = json!({"tenant_id": tenant_id, "email": "u@weir.example", "role": "user", "password": "a long password",
        "department_id": low["id"], "guardrail_profile_id": of_user["id"]});
    let user = platform.make("users", user).await;
    let key = json!({"tenant_id": tenant_id, "name": "k", "user_id": user["id"], "guardrail_profile_id": of_key["id"]});
    let key = platform.make("api-keys", key).await;

    let expect =
        [(FindingType::Email, Action::Redact), (FindingType::Phone, Action::Flag), (FindingType::Iban, Action::Flag)];
    let sorted = |mut rules: Vec<(FindingType, Action)>| {
        rules.sort_by_key(|(finding, _)| finding.name());
        rules
    };
    assert_eq!(sorted(told(&app, &key).await), sorted(expect.to_vec()));
    let effective = platform.get(&format!("api-keys/{}/effective", id(&key))).await.expect(200).json;
    let sources: Vec<(&str, &str)> = effective["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| (source["kind"].as_str().unwrap(), source["profile_name"].as_str().unwrap()))
        .collect();
    let all =
        [("platform", "everybody"), ("tenant", "tenant"), ("department", "top"), ("user", "user"), ("api_key", "key")];
    assert_eq!(sources, all);
    assert_eq!(effective["sources"][2]["name"], "top");
    assert_eq!(effective["rules"].as_array().unwrap().len(), 3);
    for (path, count) in [("departments/low", 3), ("departments/top", 3), ("users/u@weir.example", 4)] {
        let effective = platform.get(&format!("{path}/effective")).await.expect(200).json;
        assert_eq!(effective["sources"].as_array().unwrap().len(), count, "{path}");
    }

    // Where keys may loosen, a key's own takes the place of the tenant's, and of no other.
    let patch = json!({"keys_may_loosen_guardrails": true});
    platform.patch(&path, &tenant["revision"], patch).await.expect(200);
    assert_eq!(sorted(told(&app, &key).await), sorted(expect[..2].to_vec()));
    // Moved, a department takes what it holds elsewhere along.
    platform.patch("departments/low", &low["revision"], json!({"parent_id": null})).await.expect(200);
    assert_eq!(
        sorted(told(&app, &key).await),
        sorted(vec![(FindingType::Email, Action::Flag), (FindingType::Phone, Action::Flag)])
    );
    let path = format!("guardrails/profiles/{}", id(&everybodys));
    platform.patch(&path, &everybodys["revision"], json!({"for_everybody": false})).await.expect(200);
    assert_eq!(
        sorted(told(&app, &key).await),
        sorted(vec![(FindingType::Email, Action::Allow), (FindingType::Phone, Action::Flag)])
    );
    let own = format!("guardrails/profiles/{}", id(&of_key));
    platform
        .patch(&own, &of_key["revision"], json!({"for_everybody": true}))
        .await
        .problem(422, "invalid_fields")
        .field("for_everybody");
}

#[tokio::test]
async fn all_limits_that_hold_are_told_with_what_they_are_on() {
    let app = app().await;
    let platform = app.platform().await;
    let tenant = platform.make("tenants", json!({"name": "acme"})).await;
    let tenant_id = &tenant["id"];
    let make = |path: &'static str, mut body: Value| {
        body["tenant_id"] = tenant_id.clone();
        let platform = &platform;
        async move { platform.make(path, body).await }
    };
    let top = make("departments", json!({"name": "top", "labels": {"cost": "7"}})).await;
    let low = make("departments", json!({"name": "low", "parent_id": top["id"]})).await;
    let user =
        json!({"email": "u@weir.example", "role": "user", "password": "a long password", "department_id": low["id"]});
    let user = make("users", user).await;
    let key = make("api-keys", json!({"name": "k", "user_id": user["id"]})).await;
    let limit = |name: &str, subject: Value| {
        json!({"name": name, "subject": subject, "unit": "requests", "window": {"kind": "calendar", "period": "day"}, "amount": 10,
            "action": "refuse"})
    };
    platform.make("limits", limit("everybody", json!({"kind": "platform"}))).await;
    for (name, subject) in [
        ("tenant", json!({"kind": "tenant", "id": tenant_id})),
        ("departments", json!({"kind": "department", "each": true})),
        ("top", json!({"kind": "department", "id": top["id"]})),
        ("users", json!({"kind": "user", "each": true})),
        ("keys", json!({"kind": "api_key", "each": true})),
        ("cost", json!({"kind": "label", "value": "cost=7"})),
        ("accounts", json!({"kind": "service_account", "each": true})),
    ] {
        make("limits", limit(name, subject)).await;
    }

    let limits = |path: String| {
        let platform = &platform;
        async move {
            let effective = platform.get(&format!("{path}/effective")).await.expect(200).json;
            let limits = effective["limits"].as_array().unwrap().clone();
            let told =
                |limit: &Value| (limit["limit_name"].clone(), limit["name"].clone(), limit["subject_id"].clone());
            limits.iter().map(told).collect::<Vec<_>>()
        }
    };
    let row = |name: &str, subject: Value, subject_id: &Value| (json!(name), subject, subject_id.clone());
    let none = Value::Null;
    let of_low = vec![
        row("everybody", none.clone(), &none),
        row("tenant", none.clone(), &none),
        row("cost", json!("cost"), &none),
        row("departments", json!("low"), &low["id"]),
        row("departments", json!("top"), &top["id"]),
        row("top", json!("top"), &none),
    ];
    let sorted = |mut rows: Vec<(Value, Value, Value)>| {
        rows.sort_by_key(|(name, subject, _)| (name.to_string(), subject.to_string()));
        rows
    };
    let of_all_keys = row("keys", none.clone(), &none);
    let expect = [of_low.clone(), vec![of_all_keys]].concat();
    assert_eq!(sorted(limits(format!("departments/{}", id(&low))).await), sorted(expect));
    let of_user = row("users", none.clone(), &user["id"]);
    let expect = [of_low, vec![of_user, row("keys", none.clone(), &key["id"])]].concat();
    let found = limits(format!("api-keys/{}", id(&key))).await;
    assert_eq!(found.first(), expect.first(), "the widest first");
    assert_eq!(sorted(found), sorted(expect));
    // What is told is what the state of a limit is asked with.
    let users = platform.get("limits?name=users").await.expect(200).json["items"][0].clone();
    let state = format!("limits/{}/state?subject_id={}", id(&users), id(&user));
    assert_eq!(platform.get(&state).await.expect(200).json["remaining"], 10);
}
