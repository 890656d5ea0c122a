//! Many objects at once, all or nothing.

use axum::http::Method;
use serde_json::{Value, json};
use weir_core::actor::Role;

use crate::app::{Answer, App, CREDENTIAL, Client, admin, app, id};

async fn apply(client: &Client, body: Value) -> Answer {
    client.send(Method::POST, &admin("apply"), &[], Some(body.to_string())).await
}

async fn dry_run(client: &Client, body: Value) -> Answer {
    client.send(Method::POST, &admin("apply?dry_run=true"), &[], Some(body.to_string())).await
}

fn object(kind: &str, name: &str, tenant: Option<&str>, spec: Value) -> Value {
    json!({"kind": kind, "name": name, "tenant": tenant, "spec": spec})
}

/// A tenant with one of everything, in an order in which nothing that is referred to is there yet.
fn whole(tenant: &str) -> Vec<Value> {
    let t = Some(tenant);
    vec![
        object("api_key", "app", t, json!({"guardrail_profile": "strict", "requests_per_minute": 5})),
        object("model", "gpt", t, json!({"pool": "fast"})),
        object("pool", "fast", t, json!({"members": [{"provider": "openai", "model": "gpt-4o"}]})),
        object(
            "provider",
            "openai",
            t,
            json!({"schema": "openai", "base_url": "https://api.openai.com", "credential": CREDENTIAL}),
        ),
        object("guardrail_profile", "strict", t, json!({"rules": [{"type": "EMAIL", "action": "block"}]})),
        json!({"kind": "tenant", "name": tenant, "spec": {"guardrail_profile": "strict"}}),
    ]
}

fn names(answer: &Answer, list: &str) -> Vec<String> {
    let of = |item: &Value| format!("{} {}", item["kind"].as_str().unwrap(), item["name"].as_str().unwrap());
    answer.json[list].as_array().unwrap().iter().map(of).collect()
}

async fn revision(app: &App) -> u64 {
    app.store.revision().await.unwrap()
}

#[tokio::test]
async fn a_set_is_brought_about_in_any_order_and_once() {
    let app = app().await;
    let platform = app.platform().await;
    let set = json!({"objects": whole("acme")});
    let before = revision(&app).await;

    let plan = dry_run(&platform, set.clone()).await.expect(200);
    assert_eq!(plan.json["created"].as_array().unwrap().len(), 6);
    assert_eq!(plan.json["revision"], Value::Null);
    assert!(!plan.text.contains("weir_"), "no key is shown of a plan: {}", plan.text);
    assert_eq!(revision(&app).await, before, "nothing was written");

    let done = apply(&platform, set.clone()).await.expect(200);
    assert_eq!(done.json["revision"], before + 1, "one revision");
    assert_eq!(
        names(&done, "created"),
        ["tenant acme", "guardrail_profile strict", "provider openai", "pool fast", "model gpt", "api_key app"]
    );
    assert_eq!((names(&done, "changed"), names(&done, "unchanged")), (vec![], vec![]));
    assert!(!done.text.contains(CREDENTIAL));
    let key = done.json["created"][5]["key"].as_str().unwrap();
    assert!(key.starts_with("weir_"));
    let tenant = platform.get("tenants").await.json["items"][0].clone();
    let profile = platform.get("guardrails/profiles?name=strict").await.json["items"][0].clone();
    assert_eq!((&tenant["guardrail_profile_id"], &profile["tenant_id"]), (&profile["id"], &tenant["id"]));
    let audit = platform.get("audit?limit=6").await.json["items"].clone();
    assert!(audit.as_array().unwrap().iter().all(|entry| entry["revision"] == before + 1));
    let snapshot = app.store.snapshot().await.unwrap();
    assert_eq!((snapshot.revision, snapshot.pools.len()), (before + 1, 1));

    let again = apply(&platform, set).await.expect(200);
    assert_eq!(names(&again, "unchanged").len(), 6, "{}", again.text);
    assert_eq!((&again.json["revision"], &again.json["diff"]), (&Value::Null, &json!([])));
    assert_eq!(revision(&app).await, before + 1);
}

#[tokio::test]
async fn what_differs_is_told_and_a_secret_that_is_left_out_stays() {
    let app = app().await;
    let platform = app.platform().await;
    apply(&platform, json!({"objects": whole("acme")})).await.expect(200);
    let before = revision(&app).await;
    let provider = json!({"schema": "openai", "base_url": "https://api.openai.com", "query": "a=b"});
    let pool = json!({"members": [{"provider": "openai", "model": "gpt-5"}]});
    let set = json!({"objects": [object("provider", "openai", Some("acme"), provider), object("pool", "fast", Some("acme"), pool)]});
    let done = apply(&platform, set).await.expect(200);
    assert_eq!(names(&done, "changed"), ["provider openai", "pool fast"]);
    assert_eq!(done.json["diff"][0]["changes"], json!([{"path": "query", "before": "", "after": "a=b"}]));
    assert_eq!(
        done.json["diff"][1]["changes"],
        json!([{"path": "members[0].model", "before": "gpt-4o", "after": "gpt-5"}])
    );
    let read = platform.get("providers?name=openai").await.json["items"][0].clone();
    assert_eq!((&read["has_credential"], &read["revision"]), (&json!(true), &json!(before + 1)));

    let spec =
        json!({"schema": "openai", "base_url": "https://api.openai.com", "query": "a=b", "credential": "sk-other"});
    let done =
        apply(&platform, json!({"objects": [object("provider", "openai", Some("acme"), spec)]})).await.expect(200);
    assert_eq!(done.json["diff"][0]["changes"][0]["path"], "credential");
    assert!(!done.text.contains("sk-other"));
}

#[tokio::test]
async fn a_tenant_that_is_there_may_get_a_profile_of_the_same_set() {
    let app = app().await;
    let platform = app.platform().await;
    platform.make("tenants", json!({"name": "acme"})).await;
    let done = apply(&platform, json!({"objects": whole("acme")})).await.expect(200);
    assert_eq!(names(&done, "changed"), ["tenant acme"], "{}", done.text);
    let profile = platform.get("guardrails/profiles?name=strict").await.json["items"][0]["id"].clone();
    assert_eq!(
        done.json["diff"][1]["changes"],
        json!([{"path": "guardrail_profile_id", "before": null, "after": profile}]),
        "{}",
        done.text
    );
    let audit = platform.get("audit?limit=6").await.json["items"].clone();
    let of_tenant = audit.as_array().unwrap().iter().find(|entry| entry["action"] == "tenant.update").unwrap();
    assert_eq!(
        (&of_tenant["resource_name"], &of_tenant["changes"]),
        (&json!("acme"), &done.json["diff"][1]["changes"])
    );
    assert!(!audit.to_string().contains(CREDENTIAL));
}

#[tokio::test]
async fn two_administrators_cannot_both_be_deleted() {
    let app = app().await;
    let platform = app.platform().await;
    let colleague = app.platform().await;
    let users = platform.get("users").await.json["items"].clone();
    let of = |client: &Client| {
        users.as_array().unwrap().iter().find(|user| user["email"] == client.token()).unwrap().clone()
    };
    let (first, second) = (of(&platform), of(&colleague));
    let delete = async |by: &Client, user: &Value| by.delete(&format!("users/{}", id(user)), &user["revision"]).await;
    let (one, other) = tokio::join!(delete(&platform, &second), delete(&colleague, &first));
    let done = [one, other].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1);
}

#[tokio::test]
async fn what_changes_nothing_is_not_committed() {
    let app = app().await;
    let platform = app.platform().await;
    apply(&platform, json!({"objects": whole("acme")})).await.expect(200);
    let before = revision(&app).await;
    let provider = platform.get("providers").await.json["items"][0].clone();
    let one = format!("providers/{}", id(&provider));
    let same = json!({"name": "openai", "credential": CREDENTIAL});
    let answer = platform.patch(&one, &provider["revision"], same).await.expect(200);
    assert_eq!((&answer.json, revision(&app).await), (&provider, before));
    // PUT has defaults for what is absent; nobody needs the id of what has a name.
    let body = json!({"name": "gpt", "pool": "fast"});
    let model = platform.get("models").await.json["items"][0].clone();
    let headers = [("if-match", format!("\"{}\"", model["revision"]))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = admin(&format!("models/{}", id(&model)));
    let answer = platform.send(Method::PUT, &path, &headers, Some(body.to_string())).await.expect(200);
    assert_eq!((&answer.json, revision(&app).await), (&model, before));
}

#[tokio::test]
async fn one_that_is_wrong_keeps_all_others_out() {
    let app = app().await;
    let platform = app.platform().await;
    let before = revision(&app).await;
    let check = async |object: Value, field: &str| {
        let mut objects = whole("acme");
        objects.push(object);
        apply(&platform, json!({"objects": objects})).await.problem(422, "invalid_fields").field(field);
        assert_eq!(revision(&app).await, before, "{field}");
    };
    let t = Some("acme");
    check(object("model", "m", t, json!({"pool": "none"})), "objects[6].spec.pool").await;
    check(object("model", "m", t, json!({"pool": 7})), "objects[6].spec.pool").await;
    check(object("model", "m", t, json!({})), "objects[6].spec.pool_id").await;
    check(object("model", "gpt", t, json!({"pool": "fast"})), "objects[6].name").await;
    check(object("model", "m", t, json!({"pool": "fast", "name": "n"})), "objects[6].spec").await;
    check(object("model", "m", Some("nobody"), json!({"pool": "fast"})), "objects[6].tenant").await;
    check(object("model", "m", None, json!({"pool": "fast"})), "objects[6].spec.pool").await;
    check(object("api_key", "k", None, json!({})), "objects[6].tenant").await;
    check(object("teapot", "t", None, json!({})), "objects[6].kind").await;
    check(
        object("pool", "p", t, json!({"members": [{"provider": "none", "model": "m"}]})),
        "objects[6].spec.members[0].provider",
    )
    .await;
    check(object("user", "a@b.example", t, json!({"role": "viewer", "password": "short"})), "objects[6].spec.password")
        .await;
}

#[tokio::test]
async fn what_is_managed_elsewhere_is_only_read_here() {
    let app = app().await;
    let platform = app.platform().await;
    let origin = json!({"kind": "file", "ref": "policies/acme.yaml"});
    let set = json!({"objects": whole("acme"), "origin": origin});
    apply(&platform, set.clone()).await.expect(200);
    let model = platform.get("models").await.json["items"][0].clone();
    assert_eq!(model["origin"], origin);
    let one = format!("models/{}", id(&model));
    let patch = json!({"name": "renamed"});
    let refused = platform.patch(&one, &model["revision"], patch).await.problem(409, "managed_elsewhere");
    assert!(refused.text.contains("policies/acme.yaml"), "{}", refused.text);
    platform.delete(&one, &model["revision"]).await.problem(409, "managed_elsewhere");
    // Neither by another set, unless that adopts it.
    let mut other = json!({"objects": whole("acme"), "origin": {"kind": "kubernetes", "ref": "prod"}});
    apply(&platform, other.clone()).await.problem(409, "managed_elsewhere");
    other["adopt"] = json!(true);
    let adopted = apply(&platform, other).await.expect(200);
    assert_eq!(names(&adopted, "changed").len(), 6, "{}", adopted.text);
    apply(&platform, set).await.problem(409, "managed_elsewhere");
}

#[tokio::test]
async fn what_a_set_no_longer_names_goes_if_it_says_so() {
    let app = app().await;
    let platform = app.platform().await;
    let origin = json!({"kind": "file", "ref": "a"});
    apply(&platform, json!({"objects": whole("acme"), "origin": origin})).await.expect(200);
    apply(&platform, json!({"objects": whole("other"), "origin": origin})).await.expect(200);
    let tenant = platform.get("tenants?name=acme").await.json["items"][0]["id"].clone();
    platform.make("api-keys", json!({"tenant_id": tenant, "name": "by hand"})).await;
    // All but the model, and the key: of kinds that it does not name, nothing goes.
    let mut fewer = whole("acme");
    fewer.retain(|object| object["kind"] != "model" && object["name"] != "app");
    fewer.push(object("model", "new", Some("acme"), json!({"pool": "fast"})));
    let mut set = json!({"objects": fewer, "origin": origin, "prune": true, "max_deleted": 0});
    apply(&platform, set.clone()).await.problem(409, "too_many_deletions");
    set["max_deleted"] = json!(1);
    let done = apply(&platform, set).await.expect(200);
    assert_eq!(names(&done, "deleted"), ["model gpt"]);
    let models = platform.get("models").await.json["items"].clone();
    let names: Vec<&str> = models.as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["gpt", "new"], "the other tenant's stays");
    assert_eq!(platform.get("api-keys").await.json["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_set_that_was_made_of_something_older_is_refused() {
    let app = app().await;
    let platform = app.platform().await;
    let done = apply(&platform, json!({"objects": whole("acme")})).await.expect(200);
    let base = done.json["revision"].as_u64().unwrap();
    let set = json!({"objects": whole("acme"), "base_revision": base});
    apply(&platform, set.clone()).await.expect(200);
    let model = platform.get("models").await.json["items"][0].clone();
    let pool = platform.get("pools").await.json["items"][0].clone();
    let patch = json!({"idle_timeout_ms": 7});
    platform.patch(&format!("pools/{}", id(&pool)), &pool["revision"], patch).await.expect(200);
    apply(&platform, set).await.problem(412, "stale");
    assert_eq!(platform.get("models").await.json["items"][0], model);
}

#[tokio::test]
async fn a_tenants_admin_applies_to_the_tenant_alone() {
    let app = app().await;
    let platform = app.platform().await;
    for tenant in ["acme", "other"] {
        apply(&platform, json!({"objects": whole(tenant)})).await.expect(200);
    }
    let tenant = platform.get("tenants?name=acme").await.json["items"][0].clone();
    let own = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    let model = |tenant: Option<&str>| json!({"objects": [object("model", "m", tenant, json!({"pool": "fast"}))]});
    apply(&own, model(Some("acme"))).await.expect(200);
    apply(&own, model(Some("other"))).await.problem(422, "invalid_fields").field("objects[0].tenant");
    apply(&own, model(None)).await.problem(404, "not_found");
    let viewer = app.user(Role::Viewer, Some(id(&tenant))).await;
    apply(&viewer, model(Some("acme"))).await.problem(403, "forbidden");
}
