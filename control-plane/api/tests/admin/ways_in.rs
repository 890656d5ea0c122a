//! Who comes by a token or a certificate: whom they stand for, and what is made of it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;
use weir_core::actor::Role;
use weir_core::change::ChangeKind;
use weir_core::gateway::{CredentialStatus, Gateway, Peer, Principal, Resolved};
use weir_core::ways_in::{WayMode, WaysIn};

use weir_store::Refused;

use crate::app::{App, Client, Furnished, app, furnish, id};

const ADDRESS: &str = "f@weir.example";

/// What a token of the tenant's issuer says, as it stands in it.
fn claims(subject: &str) -> String {
    let claims = json!({"iss": "https://f.example.com", "aud": "weir", "sub": subject, "team": "research",
        "email": subject, "exp": 4_102_444_800_i64});
    URL_SAFE_NO_PAD.encode(claims.to_string())
}

async fn by_token(app: &App, gateway: &Gateway, subject: &str) -> Resolved {
    let identified = app.store.resolve_token(gateway, &claims(subject), None, None, &[]).await.unwrap();
    app.store.note_discovered(gateway, &identified, &Refused::default()).await.unwrap();
    identified.resolved
}

/// The row among the keys of somebody who comes by a token.
async fn key(app: &App, gateway: &Gateway, subject: &str) -> Principal {
    by_token(app, gateway, subject).await.principal.expect("somebody who is known")
}

async fn change(platform: &Client, path: &str, one: &Value, fields: Value) -> Value {
    let path = format!("{path}/{}", id(one));
    let read = platform.get(&path).await.expect(200).json;
    platform.patch(&path, &read["revision"], fields).await.expect(200).json
}

fn persons(creates: bool) -> Value {
    json!({"person": {"claim": "email", "creates": creates, "role": "user"}})
}

async fn started() -> (App, Client, Furnished, Gateway) {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let gateway = app.gateway(None).await;
    (app, platform, f, gateway)
}

#[tokio::test]
async fn a_certificate_that_a_proxy_forwards_counts_only_where_the_gateway_says_so() {
    let (app, platform, f, gateway) = started().await;
    let rule = json!({"tenant_id": f.tenant["id"], "name": "pods", "workload": {"trust_domain": "example.org"}});
    platform.make("identity-rules", rule).await;
    let uris = vec!["spiffe://example.org/a".to_owned()];
    let check = async |trusted_hops: u8, trusts_forwarded_certificates: bool, peer: Peer, expect| {
        let gateway = Gateway { trusted_hops, trusts_forwarded_certificates, ..gateway.clone() };
        let found = app.store.resolve_workload(&gateway, &peer, None, &[]).await.unwrap();
        assert_eq!(found.resolved.status, expect, "{trusted_hops} {trusts_forwarded_certificates} {peer:?}");
    };
    let forwarded = || Peer { uris: Vec::new(), forwarded_uris: uris.clone() };
    let own = || Peer { uris: uris.clone(), forwarded_uris: Vec::new() };
    check(1, false, forwarded(), CredentialStatus::Unknown).await;
    check(1, true, forwarded(), CredentialStatus::Active).await;
    check(0, false, forwarded(), CredentialStatus::Unknown).await;
    check(0, false, own(), CredentialStatus::Active).await;
    check(1, false, own(), CredentialStatus::Unknown).await;
    let hops = json!({"name": "hops", "trusted_hops": 1});
    assert_eq!(platform.make("gateways", hops).await["trusts_forwarded_certificates"], false);
    let none = json!({"name": "none", "trusts_forwarded_certificates": true});
    platform.post("gateways", none).await.expect(422).field("trusts_forwarded_certificates");
}

#[tokio::test]
async fn who_comes_by_a_rule_stays_revoked_whatever_is_deleted_or_replaced() {
    let (app, platform, f, gateway) = started().await;
    let row = key(&app, &gateway, ADDRESS).await.key_id;
    let path = format!("api-keys/{row}");
    let revoked = platform.post(&format!("{path}/revoke"), Value::Null).await.expect(200).json;
    platform.delete(&path, &revoked["revision"]).await.problem(409, "in_use");
    assert_eq!(by_token(&app, &gateway, ADDRESS).await.status, CredentialStatus::Revoked);
    change(&platform, "identity-rules", &f.identity_rule, persons(false)).await;
    assert_eq!(by_token(&app, &gateway, ADDRESS).await.status, CredentialStatus::Revoked);
}

#[tokio::test]
async fn of_the_users_of_a_rule_those_stay_disabled_who_were() {
    let (app, platform, f, gateway) = started().await;
    let rule = &f.identity_rule;
    change(&platform, "identity-rules", rule, persons(true)).await;
    for (who, disabled) in [("a@weir.example", true), ("b@weir.example", false)] {
        let row = key(&app, &gateway, who).await.key_id;
        change(&platform, "api-keys", &json!({"id": row}), json!({"disabled": disabled})).await;
    }
    change(&platform, "identity-rules", rule, json!({"person": null})).await;
    assert_eq!(by_token(&app, &gateway, "b@weir.example").await.status, CredentialStatus::Disabled, "one row for all");
    let all = platform.get("api-keys?state=disabled").await.expect(200).json["items"][0].clone();
    change(&platform, "api-keys", &all, json!({"disabled": false})).await;
    change(&platform, "identity-rules", rule, persons(true)).await;
    assert_eq!(by_token(&app, &gateway, "a@weir.example").await.status, CredentialStatus::Disabled);
    assert_eq!(by_token(&app, &gateway, "b@weir.example").await.status, CredentialStatus::Active);
}

#[tokio::test]
async fn whose_streams_a_deleted_rule_ends_is_told_again() {
    let (app, platform, f, gateway) = started().await;
    let row = key(&app, &gateway, ADDRESS).await.key_id;
    let path = format!("identity-rules/{}", id(&f.identity_rule));
    let read = platform.get(&path).await.expect(200).json;
    platform.delete(&format!("{path}?streams=end"), &read["revision"]).await.expect(200);
    assert_eq!(app.store.ended_keys(None).await.unwrap(), [row]);
}

#[tokio::test]
async fn what_is_refused_makes_nothing() {
    let (app, platform, f, gateway) = started().await;
    change(&platform, "identity-rules", &f.identity_rule, persons(true)).await;
    let refused = WaysIn { token: WayMode::Refused, workload: WayMode::Refused, ..WaysIn::default() };
    let closed = Gateway { ways_in: refused, ..gateway.clone() };
    let made = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM api_keys) + (SELECT count(*) FROM discovered_callers)";
    let before = app.count(made).await;
    let check = async |gateway: &Gateway, subject: &str| {
        assert_eq!(by_token(&app, gateway, subject).await.status, CredentialStatus::WayRefused);
        assert_eq!(app.count(made).await, before);
    };
    check(&closed, "new@weir.example").await;
    let peer = Peer { uris: vec!["spiffe://nobody.example/a".into()], forwarded_uris: Vec::new() };
    let found = app.store.resolve_workload(&closed, &peer, None, &[]).await.unwrap();
    assert_eq!(found.resolved.status, CredentialStatus::WayRefused);
    change(&platform, "tenants", &f.tenant, json!({"ways_in": {"token": "refused"}})).await;
    check(&gateway, "new@weir.example").await;
}

#[tokio::test]
async fn usage_of_a_rules_callers_stays_their_users_when_the_rule_is_gone() {
    let (app, platform, f, gateway) = started().await;
    change(&platform, "identity-rules", &f.identity_rule, persons(false)).await;
    key(&app, &gateway, ADDRESS).await;
    change(&platform, "users", &f.user, json!({"department_id": f.department["id"]})).await;
    let path = format!("identity-rules/{}", id(&f.identity_rule));
    let read = platform.get(&path).await.expect(200).json;
    platform.delete(&path, &read["revision"]).await.expect(200);
    let kept = app.count(
        "SELECT count(*) FROM api_keys key JOIN users owner ON owner.id = key.former_user_id
        WHERE key.deleted_at IS NOT NULL AND key.former_department_id = owner.department_id AND key.user_id IS NULL",
    );
    assert_eq!(kept.await, 1);
}

#[tokio::test]
async fn tokens_make_a_bounded_number_of_users_a_minute() {
    let (app, platform, f, gateway) = started().await;
    change(&platform, "identity-rules", &f.identity_rule, persons(true)).await;
    for number in 0..100 {
        key(&app, &gateway, &format!("{number}@made.example")).await;
    }
    assert_eq!(by_token(&app, &gateway, "100@made.example").await.status, CredentialStatus::NoUser);
    assert_eq!(by_token(&app, &gateway, ADDRESS).await.status, CredentialStatus::Active, "who is there is known");
    app.sql("UPDATE api_keys SET created_at = created_at - interval '2 minutes'").await;
    assert_eq!(by_token(&app, &gateway, "100@made.example").await.status, CredentialStatus::Active);
}

#[tokio::test]
async fn whom_a_rule_for_people_did_not_know_is_known_once_assigned() {
    let (app, platform, f, gateway) = started().await;
    change(&platform, "identity-rules", &f.identity_rule, persons(false)).await;
    let subject = "x".repeat(2048);
    let found = by_token(&app, &gateway, &subject).await;
    assert_eq!(found.status, CredentialStatus::NoUser);
    let listed = platform.get("discovered").await.expect(200).json["items"][0].clone();
    assert_eq!((&listed["reason"], &listed["subject"]), (&json!("no_user"), &json!(subject)));
    let path = format!("discovered/{}/assign", id(&listed));
    assert_eq!(platform.make(&path, json!({"name": "one"})).await["position"], 999);
    assert_eq!(by_token(&app, &gateway, &subject).await.status, CredentialStatus::Active);
}

#[tokio::test]
async fn discovered_callers_tell_some_of_the_models_that_they_ask_for() {
    let (app, platform, _f, gateway) = started().await;
    let claims = json!({"iss": "https://f.example.com", "aud": "weir", "sub": "x", "team": "none"});
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let identified = app.store.resolve_token(&gateway, &claims, None, None, &[]).await.unwrap();
    assert_eq!(identified.resolved.status, CredentialStatus::NoRule);
    let note = async |requests, models: &[&str]| {
        let refused = Refused { requests, models: models.iter().map(|model| (*model).to_owned()).collect() };
        app.store.note_discovered(&gateway, &identified, &refused).await.unwrap();
        let listed = platform.get("discovered").await.expect(200).json["items"][0].clone();
        (listed["requests"].clone(), listed["models"].clone())
    };
    assert_eq!(note(0, &[]).await, (json!(1), json!([])));
    assert_eq!(note(3, &["gpt", "claude"]).await, (json!(5), json!(["gpt", "claude"])));
    assert_eq!(note(0, &["a", "gpt", "no\0text"]).await.1, json!(["gpt", "claude", "a"]));
    let many: Vec<String> = (0..30).map(|number| format!("m{number}")).collect();
    let (_, models) = note(0, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!((models.as_array().unwrap().len(), &models[0]), (20, &json!("gpt")), "bounded");
}

#[tokio::test]
async fn gateways_are_told_the_ways_in_of_a_model() {
    let (app, platform, f, gateway) = started().await;
    let told = async || {
        let resolved = by_token(&app, &gateway, ADDRESS).await;
        let models = resolved.catalog.expect("a catalog").models.expect("models");
        models.iter().find(|model| model.name == "gpt").expect("the model").ways_in
    };
    assert_eq!(told().await, WaysIn::default());
    let changed = change(&platform, "models", &f.model, json!({"ways_in": {"token": "required"}})).await;
    assert_eq!(changed["ways_in"], json!({"key": "allowed", "token": "required", "workload": "allowed"}));
    assert_eq!(told().await, WaysIn { token: WayMode::Required, ..WaysIn::default() });
}

#[tokio::test]
async fn labels_of_a_user_come_from_claims() {
    let (app, platform, f, gateway) = started().await;
    let mut fields = persons(false);
    fields["labels"] = json!({"source": "token"});
    fields["label_claims"] = json!({"team": "team", "cost-center": "org.cost"});
    change(&platform, "identity-rules", &f.identity_rule, fields.clone()).await;
    let labels = async |extra: Value| {
        let mut claims = json!({"iss": "https://f.example.com", "aud": "weir", "sub": "x", "team": "research",
            "email": ADDRESS, "exp": 4_102_444_800_i64});
        claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let identified = app.store.resolve_token(&gateway, &claims, None, None, &[]).await.unwrap();
        let key_id = identified.resolved.principal.expect("somebody who is known").key_id;
        platform.get(&format!("api-keys/{key_id}")).await.expect(200).json["labels"].clone()
    };
    assert_eq!(labels(json!({})).await, json!({"source": "token", "team": "research"}));
    let said = json!({"org": {"cost": "4711"}});
    assert_eq!(labels(said).await, json!({"source": "token", "team": "research", "cost-center": "4711"}));
    for odd in [json!({"org": {"cost": "a\nb"}}), json!({"org": {"cost": ["4711"]}}), json!({"org": {"cost": ""}})] {
        assert_eq!(labels(odd.clone()).await, json!({"source": "token", "team": "research"}), "{odd}");
    }
    let path = format!("identity-rules/{}", id(&f.identity_rule));
    let revision = platform.get(&path).await.expect(200).json["revision"].clone();
    let wrong = [json!({"a b": "team"}), json!({"a": "..team"}), json!({"a": ""})];
    for wrong in wrong {
        let answer = platform.patch(&path, &revision, json!({"label_claims": wrong})).await;
        answer.problem(422, "invalid_fields").field("label_claims");
    }
    let answer = platform.patch(&path, &revision, json!({"person": null})).await;
    answer.problem(422, "invalid_fields").field("label_claims");
}

/// What a user may do besides, after a request with a token that says these claims.
async fn grants_after(app: &App, gateway: &Gateway, platform: &Client, email: &str, extra: Value) -> Value {
    let mut claims = json!({"iss": "https://f.example.com", "aud": "weir", "sub": "x", "team": "research", "email": email,
        "exp": 4_102_444_800_i64});
    claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let identified = app.store.resolve_token(gateway, &claims, None, None, &[]).await.unwrap();
    assert_eq!(identified.resolved.status, CredentialStatus::Active, "{extra}");
    platform.get(&format!("users?q={email}")).await.expect(200).json["items"][0]["grants"].clone()
}

#[tokio::test]
async fn grants_of_a_user_come_from_claims_and_go_with_them() {
    let (app, platform, f, gateway) = started().await;
    let grant = |role: &str| json!({"role": role, "custom_role_id": null, "department_id": f.department["id"]});
    let claim = |group: &str| json!({"path": "groups", "contains": group});
    let mut fields = persons(true);
    fields["claim_grants"] = json!([{"claim": claim("leads"), "grant": grant("manager")},
        {"claim": claim("chiefs"), "grant": grant("manager")}, {"claim": claim("readers"), "grant": grant("viewer")}]);
    change(&platform, "identity-rules", &f.identity_rule, fields.clone()).await;
    let after = |email: &'static str, extra: Value| grants_after(&app, &gateway, &platform, email, extra);
    let both = json!(["leads", "chiefs", "readers"]);
    let who = "new@made.example";
    assert_eq!(after(who, json!({"groups": both, "iat": 1000})).await, json!([grant("manager"), grant("viewer")]));
    assert_eq!(after(who, json!({"groups": ["readers"], "iat": 1001})).await, json!([grant("viewer")]));
    assert_eq!(after(who, json!({"groups": both, "iat": 1000})).await, json!([grant("viewer")]), "an old token");
    assert_eq!(after(who, json!({"groups": both})).await, json!([grant("viewer")]), "a token of no time");
    assert_eq!(after(who, json!({"iat": 1002})).await, json!([]), "the claim is gone");
    fields["claim_grants"] = json!([{"claim": {"path": "team", "equals": "research"}, "grant": grant("user")}]);
    change(&platform, "identity-rules", &f.identity_rule, fields).await;
    assert_eq!(after(who, json!({"iat": 1002})).await, json!([grant("user")]), "the rule says something else");
    assert_eq!(after("timeless@made.example", json!({})).await, json!([]));
    assert_eq!(after(ADDRESS, json!({"iat": 1002})).await, json!([]), "whom the rule has not made");
    let connect = "INSERT INTO user_identities (provider_id, issuer, subject, user_id)
        SELECT p.id, p.issuer, 's', u.id FROM sign_in_providers p, users u WHERE u.email = 'new@made.example'";
    app.sql(connect).await;
    let left = after(who, json!({"iat": 1003, "team": "research", "groups": both})).await;
    assert_eq!(left, json!([grant("user")]), "what a sign-in provider says counts");
}

#[tokio::test]
async fn nobody_writes_a_rule_whose_claims_give_more_than_they_have() {
    let (app, platform, f, _) = started().await;
    let permissions =
        json!(["identity.read", "identity.write", "users.read", "users.write", "keys.read", "departments.read"]);
    let role = platform
        .make("roles", json!({"tenant_id": f.tenant["id"], "name": "keeper", "permissions": permissions}))
        .await;
    let keeper = app.granted(id(&f.tenant), json!([{"custom_role_id": role["id"]}])).await;
    let rule = |name: &str, grant: Value| {
        json!({"tenant_id": f.tenant["id"], "name": name, "token_issuer_id": f.token_issuer["id"], "person": {"claim": "email"},
            "claim_grants": [{"claim": {"path": "a", "equals": "b"}, "grant": grant}]})
    };
    let refused = |name: &str, grant: Value| keeper.post("identity-rules", rule(name, grant));
    refused("admin", json!({"role": "admin"})).await.problem(403, "forbidden");
    refused("audit", json!({"custom_role_id": f.role["id"]})).await.problem(403, "forbidden");
    keeper.make("identity-rules", rule("own", json!({"custom_role_id": role["id"]}))).await;
    let theirs = platform.make("identity-rules", rule("platform's", json!({"role": "admin"}))).await;
    let path = format!("identity-rules/{}", id(&theirs));
    keeper.patch(&path, &theirs["revision"], json!({"position": 1})).await.problem(403, "forbidden");
    let other = furnish(&platform, "g").await;
    for (field, value) in [("department_id", &other.department["id"]), ("custom_role_id", &other.role["id"])] {
        let mut grant = json!({field: value});
        if field == "department_id" {
            grant["role"] = json!("viewer");
        }
        let answer = platform.post("identity-rules", rule("elsewhere", grant)).await;
        answer.problem(422, "invalid_fields").field(&format!("claim_grants[0].grant.{field}"));
    }
    let path = format!("roles/{}", id(&role));
    let revision = platform.get(&path).await.expect(200).json["revision"].clone();
    platform.delete(&path, &revision).await.problem(409, "in_use");
}

#[tokio::test]
async fn nobody_writes_an_issuer_whose_tokens_give_more_than_they_have() {
    let (app, platform, f, _) = started().await;
    let permissions = json!(["identity.read", "identity.write"]);
    let role = platform
        .make("roles", json!({"tenant_id": f.tenant["id"], "name": "keeper", "permissions": permissions}))
        .await;
    let keeper = app.granted(id(&f.tenant), json!([{"custom_role_id": role["id"]}])).await;
    let admin = app.user(Role::TenantAdmin, Some(id(&f.tenant))).await;
    let issuer = format!("token-issuers/{}", id(&f.token_issuer));
    let write = async |who: &Client, fields: Value| {
        let revision = platform.get(&issuer).await.expect(200).json["revision"].clone();
        who.patch(&issuer, &revision, fields).await
    };
    let rule = json!({"tenant_id": f.tenant["id"], "name": "leads", "token_issuer_id": f.token_issuer["id"],
        "person": {"claim": "email"}});
    let rule = platform.make("identity-rules", rule).await;
    let grants = |grant: Value| json!({"claim_grants": [{"claim": {"path": "a", "equals": "b"}, "grant": grant}]});
    write(&keeper, json!({"audiences": ["before"]})).await.expect(200);
    change(&platform, "identity-rules", &rule, grants(json!({"custom_role_id": role["id"]}))).await;
    write(&keeper, json!({"audiences": ["own"]})).await.expect(200);
    change(&platform, "identity-rules", &rule, grants(json!({"role": "admin"}))).await;
    let theirs = [
        json!({"audiences": ["other"]}),
        json!({"issuer": "https://other.example.com"}),
        json!({"jwks_url": null, "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}}),
    ];
    for fields in theirs {
        write(&keeper, fields.clone()).await.problem(403, "forbidden");
        write(&admin, fields).await.expect(200);
    }
}

#[tokio::test]
async fn a_service_token_gives_nobody_rights_by_claims() {
    let (app, platform, f, _) = started().await;
    let token = json!({"name": "t", "role": "platform_admin", "expires_at": "2026-12-24T00:00:00Z"});
    let token = platform.post("service-tokens", token).await.expect(201).json["token"].as_str().unwrap().to_owned();
    let machine = app.nobody().with_token(&token);
    let rule = |name: &str, grants: Value| {
        json!({"tenant_id": f.tenant["id"], "name": name, "token_issuer_id": f.token_issuer["id"], "person": {"claim": "email"},
            "claim_grants": grants})
    };
    let grants = json!([{"claim": {"path": "a", "equals": "b"}, "grant": {"role": "viewer"}}]);
    machine.post("identity-rules", rule("theirs", grants.clone())).await.problem(403, "forbidden");
    let made = machine.make("identity-rules", rule("theirs", json!([]))).await;
    let issuer = change(&machine, "token-issuers", &f.token_issuer, json!({"audiences": ["other"]})).await;
    let path = format!("identity-rules/{}", id(&made));
    machine.patch(&path, &made["revision"], json!({"claim_grants": grants})).await.problem(403, "forbidden");
    platform.patch(&path, &made["revision"], json!({"claim_grants": grants})).await.expect(200);
    let path = format!("token-issuers/{}", id(&issuer));
    machine.patch(&path, &issuer["revision"], json!({"audiences": ["weir"]})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn gateways_forget_a_user_whose_address_changes() {
    let (app, platform, f, _) = started().await;
    let since = app.store.revision().await.unwrap();
    change(&platform, "users", &f.user, json!({"email": "other@weir.example"})).await;
    let told = app.store.changes_since(since).await.unwrap();
    assert_eq!(told[0].kind, ChangeKind::Tenant { tenant_id: id(&f.tenant) });
}

#[tokio::test]
async fn a_token_that_was_verified_by_the_keys_of_another_owner_of_the_name_is_nobodys() {
    let (app, platform, _f, gateway) = started().await;
    let issuer = platform.get("token-issuers").await.expect(200).json["items"][0].clone();
    let by = async |issuer_id: Uuid| {
        let identified = app.store.resolve_token(&gateway, &claims(ADDRESS), Some(issuer_id), None, &[]).await.unwrap();
        identified.resolved.status
    };
    assert_eq!(by(id(&issuer)).await, CredentialStatus::Active);
    assert_eq!(by(Uuid::now_v7()).await, CredentialStatus::NoRule);
}
