//! Guardrails of everybody, a tenant, departments, owners and keys: the strictest of all that apply, and where they come from.

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
