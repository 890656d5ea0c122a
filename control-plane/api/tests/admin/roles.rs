//! Roles, their permissions and their scopes: what each operation takes, whom it is given to, and that nobody gives more than they have.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use weir_api::Requirement;
use weir_core::actor::{Actor, Grant, GrantScope, GrantedRole, Role};
use weir_core::permission::BuiltInRole;

use crate::app::{App, Client, Furnished, app, furnish, id};
use crate::operations::operations;

#[test]
fn every_operation_says_what_it_takes() {
    for (operation, requirement) in weir_api::requirements() {
        assert!(requirement.is_some(), "{operation} needs a row in control-plane/api/src/authorisation.rs");
    }
    for operation in operations() {
        assert!(weir_api::requirements().iter().any(|(id, _)| *id == operation.id), "{}", operation.id);
    }
    let document = include_str!("../../../../docs/roles.md");
    assert!(document == weir_api::roles(), "docs/roles.md is out of date: run `make gen`");
}

#[tokio::test]
async fn each_operation_is_refused_to_every_role_that_lacks_its_permission() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let gateway = platform.make("gateways", json!({"name": "g"})).await;
    let tenant_id = id(&a.tenant);
    let before = app.store.revision().await.unwrap();
    let mut refused = 0;
    for (role, department) in BuiltInRole::ALL.into_iter().flat_map(|role| [(role, None), (role, Some(&a.department))])
    {
        let grants = json!([{"role": role, "department_id": department.map(|department| &department["id"])}]);
        let caller = app.granted(tenant_id, grants).await;
        let scope = match department {
            None => GrantScope::Tenant(tenant_id),
            Some(department) => GrantScope::Department { tenant_id, department_id: id(department) },
        };
        let grant = Grant { role: GrantedRole::BuiltIn(role), scope };
        let actor =
            Actor { grants: vec![grant], ..Actor::user(uuid::Uuid::now_v7(), "x".into(), Role::User, Some(tenant_id)) };
        for operation in operations() {
            let Some(Requirement::Has(permission)) = weir_api::requirement(&operation.id) else { continue };
            if actor.holds(permission) {
                continue;
            }
            refused += 1;
            let answer = operation.send(&caller, &operation.request(&a, &gateway)).await;
            let expect = if permission.is_platforms() { vec![403, 404] } else { vec![403] };
            assert!(
                expect.contains(&answer.status.as_u16()),
                "{role:?} {department:?} {}: {}",
                operation.id,
                answer.text
            );
        }
    }
    assert!(refused > 150, "{refused}");
    // But for the eight who asked.
    assert_eq!(app.store.revision().await.unwrap(), before + 8, "nothing was written");
}

/// A tenant with two departments, one of them with one beneath it, and a key in each.
struct Tree {
    of: Furnished,
    laboratory: Value,
    sales: Value,
    keys: Vec<Value>,
}

async fn tree(platform: &Client) -> Tree {
    let of = furnish(platform, "acme").await;
    let tenant_id = &of.tenant["id"];
    let laboratory = json!({"tenant_id": tenant_id, "name": "laboratory", "parent": "research"});
    let laboratory = platform.make("departments", laboratory).await;
    let sales = platform.make("departments", json!({"tenant_id": tenant_id, "name": "sales"})).await;
    let mut keys = Vec::new();
    for department in [&of.department, &laboratory, &sales] {
        let body = json!({"tenant_id": tenant_id, "name": department["name"], "department_id": department["id"]});
        keys.push(platform.make("api-keys", body).await);
    }
    Tree { of, laboratory, sales, keys }
}

async fn names(client: &Client, path: &str) -> Vec<String> {
    let items = client.get(path).await.expect(200).json["items"].clone();
    let name = |item: &Value| item.get("name").unwrap_or(&item["email"]).as_str().unwrap().to_owned();
    items.as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn a_manager_of_a_department_sees_and_manages_that_part_of_the_tree_only() {
    let app = app().await;
    let platform = app.platform().await;
    let tree = tree(&platform).await;
    let tenant_id = &tree.of.tenant["id"];
    let grants = json!([{"role": "manager", "department_id": tree.of.department["id"]}]);
    let manager = app.granted(id(&tree.of.tenant), grants).await;
    assert_eq!(names(&manager, "departments").await, ["research", "laboratory"]);
    assert_eq!(names(&manager, "api-keys").await, ["research", "laboratory"]);
    assert_eq!(names(&manager, "service-accounts").await, ["bot"]);
    // Themselves alone, as nobody else is of the department.
    assert_eq!(names(&manager, "users").await, [manager.token()]);
    assert_eq!(names(&manager, "models").await, ["gpt"]);
    manager.get("audit").await.problem(403, "forbidden");
    // Which is what they are told of it.
    let access = manager.get("auth/access").await.expect(200).json;
    let whole = json!({"kind": "tenant", "id": tenant_id, "name": tree.of.tenant["name"]});
    let part = json!({"kind": "department", "id": tree.of.department["id"], "name": "research"});
    let none = json!({"custom_role_id": null, "custom_role_name": null});
    let held = |role: &str, scope: &Value| {
        let mut held = none.clone();
        held["role"] = json!(role);
        held["scope"] = scope.clone();
        held
    };
    assert_eq!(access["roles"], json!([held("user", &whole), held("manager", &part)]));
    let reach = |permission: &str| {
        let all = access["permissions"].as_array().unwrap();
        all.iter().find(|held| held["permission"] == permission).map(|held| held["scopes"].clone())
    };
    assert_eq!(reach("departments.read"), Some(json!([part])));
    assert_eq!(reach("keys.read"), Some(json!([part, {"kind": "own", "id": null, "name": null}])));
    assert_eq!(reach("models.read"), Some(json!([whole])));
    assert_eq!(reach("audit.read"), None);
    let [_, beneath, elsewhere] = &tree.keys[..] else { panic!("three keys") };
    let path = format!("api-keys/{}", id(elsewhere));
    manager.get(&path).await.problem(404, "not_found");
    manager.patch(&path, &elsewhere["revision"], json!({"name": "x"})).await.problem(404, "not_found");
    manager.post(&format!("{path}/revoke"), Value::Null).await.problem(404, "not_found");
    let found = manager.get("search?q=sales").await.expect(200);
    assert!(!found.text.contains("sales"), "{}", found.text);

    // Neither made elsewhere nor moved there, nor taken from there.
    let key = |department: &Value| json!({"tenant_id": tenant_id, "name": "new", "department_id": department["id"]});
    manager.post("api-keys", key(&tree.sales)).await.problem(403, "forbidden");
    manager.post("api-keys", json!({"tenant_id": tenant_id, "name": "new"})).await.problem(403, "forbidden");
    manager.make("api-keys", key(&tree.laboratory)).await;
    let path = format!("api-keys/{}", id(beneath));
    let moved = json!({"department_id": tree.sales["id"]});
    manager.patch(&path, &beneath["revision"], moved).await.problem(403, "forbidden");
    let under = |parent: &Value| json!({"tenant_id": tenant_id, "name": "new", "parent_id": parent["id"]});
    manager.post("departments", under(&tree.sales)).await.problem(403, "forbidden");
    manager.post("departments", under(&Value::Null)).await.problem(403, "forbidden");
    manager.make("departments", under(&tree.laboratory)).await;
    let object = |name: &str| json!({"objects": [{"kind": "api_key", "name": name, "tenant": "acme", "spec": {"department": "research"}}]});
    manager.post("apply?dry_run=false", object("sales")).await.problem(403, "forbidden");
    manager.post("apply?dry_run=false", object("applied")).await.expect(200);
    // What is shared is not theirs to write.
    let path = format!("models/{}", id(&tree.of.model));
    manager.patch(&path, &tree.of.model["revision"], json!({"name": "x"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_user_has_keys_of_their_own() {
    let app = app().await;
    let platform = app.platform().await;
    let tree = tree(&platform).await;
    let tenant_id = &tree.of.tenant["id"];
    let user = app.granted(id(&tree.of.tenant), json!([])).await;
    let me = user.get("auth/me").await.expect(200).json;
    assert_eq!(names(&user, "users").await, [user.token()]);
    assert!(names(&user, "api-keys").await.is_empty());
    user.post("api-keys", json!({"tenant_id": tenant_id, "name": "mine"})).await.problem(403, "forbidden");
    let body = json!({"tenant_id": tenant_id, "name": "mine", "user_id": me["id"]});
    let mine = user.make("api-keys", body).await;
    assert_eq!(names(&user, "api-keys").await, ["mine"]);
    let path = format!("api-keys/{}", id(&mine));
    let given = json!({"user_id": tree.of.user["id"]});
    user.patch(&path, &mine["revision"], given).await.problem(403, "forbidden");
    user.post(&format!("{path}/revoke"), Value::Null).await.expect(200);
    assert_eq!(names(&user, "models").await, ["gpt"]);
    user.get("departments").await.problem(403, "forbidden");
    // Not even their own rights.
    let own = format!("users/{}", me["id"].as_str().unwrap());
    let revision = user.get(&own).await.expect(200).json["revision"].clone();
    user.patch(&own, &revision, json!({"role": "tenant_admin"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn one_sees_the_usage_of_what_one_sees() {
    let app = app().await;
    let platform = app.platform().await;
    let tree = tree(&platform).await;
    let tenant_id = id(&tree.of.tenant);
    let gateway = app.gateway(None).await;
    let mut records = Vec::new();
    for (key, cost) in tree.keys.iter().zip([1, 10, 100]) {
        let of = Furnished { api_key: key.clone(), ..tree.of.clone() };
        records
            .push(weir_core::ledger::UsageRecord { cost_picousd: cost * 1_000_000, ..crate::references::record(&of) });
    }
    let elsewhere = records[2].request_id;
    app.store.record_usage(&gateway, records).await.unwrap();
    let of_research = json!([{"role": "manager", "department_id": tree.of.department["id"]}]);
    let of_sales = json!([{"role": "viewer", "department_id": tree.sales["id"]}]);
    for (grants, requests, cost) in [
        (of_research, 2, 0.000011),
        (of_sales, 1, 0.0001),
        (json!([{"role": "viewer"}]), 3, 0.000111),
        (json!([]), 0, 0.0),
    ] {
        let reader = app.granted(tenant_id, grants.clone()).await;
        let list = reader.get("usage").await.expect(200).json;
        assert_eq!(list["items"].as_array().unwrap().len(), requests, "{grants}");
        let [from, to] = [-1, 1].map(|days| (Utc::now() + TimeDelta::days(days)).format("%Y-%m-%dT00:00:00Z"));
        let sums = reader.get(&format!("usage/summary?from={from}&to={to}")).await.expect(200).json;
        assert_eq!(sums["totals"]["requests"], requests, "{grants}");
        assert_eq!(sums["totals"]["cost_usd"].as_str().unwrap().parse::<f64>().unwrap(), cost, "{grants}");
        let status = if requests == 3 || requests == 1 { 200 } else { 404 };
        assert_eq!(reader.get(&format!("usage/{elsewhere}")).await.status.as_u16(), status, "{grants}");
    }
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let app = app().await;
    let platform = app.platform().await;
    let tree = tree(&platform).await;
    let (tenant_id, research, sales) = (&tree.of.tenant["id"], &tree.of.department["id"], &tree.sales["id"]);
    let keeper = json!({"tenant_id": tenant_id, "name": "keeper",
        "permissions": ["roles.read", "roles.write", "users.read", "users.write"]});
    let keeper = platform.make("roles", keeper).await;
    let holder = app.granted(id(&tree.of.tenant), json!([{"custom_role_id": keeper["id"]}])).await;

    // A role that would give itself more.
    let path = format!("roles/{}", id(&keeper));
    let more = json!({"permissions": ["roles.read", "roles.write", "users.read", "users.write", "audit.read"]});
    holder.patch(&path, &keeper["revision"], more).await.problem(403, "forbidden");
    let another = json!({"tenant_id": tenant_id, "name": "another", "permissions": ["audit.read"]});
    holder.post("roles", another).await.problem(403, "forbidden");
    let less = json!({"tenant_id": tenant_id, "name": "less", "permissions": ["users.read"]});
    holder.make("roles", less).await;
    let me = holder.get("auth/me").await.expect(200).json;
    let own = format!("users/{}", me["id"].as_str().unwrap());
    let revision = holder.get(&own).await.expect(200).json["revision"].clone();
    for patch in [
        json!({"role": "tenant_admin"}),
        json!({"role": "viewer"}),
        json!({"grants": [{"role": "manager"}]}),
        json!({"grants": [{"custom_role": "auditor"}]}),
        json!({"grants": [{"role": "viewer", "department_id": research}]}),
    ] {
        holder.patch(&own, &revision, patch).await.problem(403, "forbidden");
    }
    // Whoever has more is not taken over by a new password either, and not shut out.
    let admin = json!({"tenant_id": tenant_id, "email": "admin@weir.example", "role": "tenant_admin",
        "password": "a long password"});
    let admin = platform.make("users", admin).await;
    let path = format!("users/{}", id(&admin));
    for patch in [json!({"password": "another long password"}), json!({"disabled": true})] {
        holder.patch(&path, &admin["revision"], patch).await.problem(403, "forbidden");
    }
    holder.delete(&path, &admin["revision"]).await.problem(403, "forbidden");

    // Within a department: what one has there, and beneath.
    let manager = app.granted(id(&tree.of.tenant), json!([{"role": "manager", "department_id": research}])).await;
    let person = |name: &str, grants: Value| {
        json!({"tenant_id": tenant_id, "email": format!("{name}@weir.example"), "role": "user",
            "department_id": research, "password": "a long password", "grants": grants})
    };
    for (name, grants) in [
        ("one", json!([])),
        ("two", json!([{"role": "manager", "department_id": research}])),
        ("three", json!([{"role": "viewer", "department_id": tree.laboratory["id"]}])),
    ] {
        manager.make("users", person(name, grants)).await;
    }
    for grants in
        [json!([{"role": "manager"}]), json!([{"role": "manager", "department_id": sales}]), json!([{"role": "admin"}])]
    {
        manager.post("users", person("four", grants)).await.problem(403, "forbidden");
    }
    let viewer = json!({"tenant_id": tenant_id, "email": "five@weir.example", "role": "viewer",
        "department_id": research, "password": "a long password"});
    manager.post("users", viewer).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_role_or_department_that_a_sign_in_providers_rule_gives_is_in_use() {
    let app: App = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let provider = format!("sign-in-providers/{}", id(&f.sign_in_provider));
    let rule = |grant: Value| json!({"rules": [{"group": "g", "role": "user", "tenant_id": f.tenant["id"], "grants": [grant]}]});
    let made = json!({"tenant_id": f.tenant["id"], "name": "Empty"});
    let department = platform.make("departments", made).await;
    let of_department = json!({"role": "viewer", "department_id": department["id"]});
    let of_role = json!({"custom_role_id": f.role["id"]});
    let (department_path, role_path) = (format!("departments/{}", id(&department)), format!("roles/{}", id(&f.role)));
    for (path, revision, grant) in
        [(&department_path, &department["revision"], of_department), (&role_path, &f.role["revision"], of_role)]
    {
        let before = platform.get(&provider).await.expect(200).json["revision"].clone();
        platform.patch(&provider, &before, rule(grant)).await.expect(200);
        let refused = platform.delete(path, revision).await.problem(409, "in_use");
        assert!(refused.text.contains("Company"), "it names who uses it: {}", refused.text);
    }
    let before = platform.get(&provider).await.expect(200).json["revision"].clone();
    platform.patch(&provider, &before, json!({"rules": [], "creates_users": false})).await.expect(200);
    platform.delete(&department_path, &department["revision"]).await.expect(200);
    platform.delete(&role_path, &f.role["revision"]).await.expect(200);
}

#[tokio::test]
async fn a_role_that_is_granted_is_in_use_and_a_change_of_it_holds_at_once() {
    let app: App = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let auditor = app.granted(id(&f.tenant), json!([{"custom_role_id": f.role["id"]}])).await;
    auditor.get("audit").await.expect(200);
    platform.delete("roles/auditor", &f.role["revision"]).await.problem(409, "in_use");
    let changed = json!({"permissions": ["usage.read"]});
    platform.patch("roles/auditor", &f.role["revision"], changed).await.expect(200);
    auditor.get("audit").await.problem(403, "forbidden");
    let wrong = json!({"tenant_id": f.tenant["id"], "name": "x", "permissions": ["nodes.read"]});
    platform.post("roles", wrong).await.problem(422, "invalid_fields").field("permissions");
    let wrong = json!({"name": "x", "permissions": ["fly"]});
    platform.post("roles", wrong).await.expect(422);
    // Departments that grants name are in use, too.
    let manager = json!([{"role": "manager", "department_id": f.department["id"]}]);
    let path = format!("users/{}", id(&f.user));
    platform.patch(&path, &f.user["revision"], json!({"grants": manager})).await.expect(200);
    let bot = format!("service-accounts/{}", id(&f.service_account));
    platform.delete(&bot, &f.service_account["revision"]).await.expect(200);
    let refused = platform.delete("departments/research", &f.department["revision"]).await.problem(409, "in_use");
    assert!(refused.text.contains("f@weir.example"), "{}", refused.text);
}

#[tokio::test]
async fn limits_and_guardrails_are_not_lifted_by_those_they_are_for() {
    let app = app().await;
    let platform = app.platform().await;
    let tree = tree(&platform).await;
    let (tenant_id, research) = (&tree.of.tenant["id"], &tree.of.department["id"]);
    let user = app.granted(id(&tree.of.tenant), json!([])).await;
    let me = user.get("auth/me").await.expect(200).json;
    let key = json!({"tenant_id": tenant_id, "name": "mine", "user_id": me["id"], "disabled": true,
        "guardrail_profile_id": tree.of.profile["id"], "requests_per_minute": 5, "source_cidrs": ["10.0.0.0/8"],
        "allowed_models": ["gpt"], "allowed_operations": ["embeddings"], "expires_at": "2100-01-01T00:00:00Z"});
    user.post("api-keys", key.clone()).await.problem(403, "forbidden");
    let mut mine = platform.make("api-keys", key).await;
    let path = format!("api-keys/{}", id(&mine));
    for loosened in [
        json!({"disabled": false}),
        json!({"guardrail_profile_id": null}),
        json!({"guardrail_profile_id": weir_store::PROFILE_ALL}),
        json!({"requests_per_minute": null}),
        json!({"requests_per_minute": 6}),
        json!({"source_cidrs": ["0.0.0.0/0"]}),
        json!({"source_cidrs": null}),
        json!({"allowed_models": null}),
        json!({"allowed_operations": ["embeddings", "messages"]}),
        json!({"expires_at": "2100-01-02T00:00:00Z"}),
        json!({"expires_at": null}),
    ] {
        let answer = user.patch(&path, &mine["revision"], loosened.clone()).await;
        assert_eq!(answer.status.as_u16(), 403, "{loosened}: {}", answer.text);
    }
    for tightened in [json!({"requests_per_minute": 4, "allowed_models": []}), json!({"name": "renamed"})] {
        mine = user.patch(&path, &mine["revision"], tightened).await.expect(200).json;
    }

    // Nor by whoever manages a department: of it, of its keys, or by moving it from under what holds for it.
    let manager = app.granted(id(&tree.of.tenant), json!([{"role": "manager", "department_id": research}])).await;
    let strict = json!({"guardrail_profile_id": tree.of.profile["id"]});
    let top = platform.make("departments", json!({"tenant_id": tenant_id, "name": "top"})).await;
    let mut patch = strict.clone();
    patch["parent_id"] = top["id"].clone();
    let department =
        platform.patch("departments/research", &tree.of.department["revision"], patch).await.expect(200).json;
    for lifted in [
        json!({"guardrail_profile_id": null}),
        json!({"parent_id": null}),
        json!({"parent_id": tree.sales["id"]}),
        json!({"parent_id": tree.laboratory["id"]}),
    ] {
        let answer = manager.patch("departments/research", &department["revision"], lifted.clone()).await;
        assert!([403, 422].contains(&answer.status.as_u16()), "{lifted}: {}", answer.text);
    }
    let key = platform.patch("api-keys/laboratory", &tree.keys[1]["revision"], strict).await.expect(200).json;
    let lifted = json!({"guardrail_profile_id": null});
    manager.patch("api-keys/laboratory", &key["revision"], lifted).await.problem(403, "forbidden");
    let limited = json!({"requests_per_minute": 1});
    let key = manager.patch("api-keys/laboratory", &key["revision"], limited).await.expect(200).json;
    let free = json!({"requests_per_minute": null});
    manager.patch("api-keys/laboratory", &key["revision"], free).await.expect(200);
    // Within what they manage they move.
    let under = json!({"tenant_id": tenant_id, "name": "within", "parent_id": research});
    let within = manager.make("departments", under).await;
    let deeper = json!({"parent_id": tree.laboratory["id"]});
    manager.patch("departments/within", &within["revision"], deeper).await.expect(200);
}

#[tokio::test]
async fn whoever_lets_somebody_in_may_do_for_them_what_they_may_do_themselves() {
    let app = app().await;
    let platform = app.platform().await;
    let f = furnish(&platform, "f").await;
    let role = json!({"tenant_id": f.tenant["id"], "name": "people", "permissions": ["users.read", "users.write"]});
    let role = platform.make("roles", role).await;
    let holder = app.granted(id(&f.tenant), json!([{"custom_role_id": role["id"]}])).await;
    let plain = json!({"tenant_id": f.tenant["id"], "email": "plain@weir.example", "role": "user"});
    let plain = platform.make("users", plain).await;
    let path = format!("users/{}", id(&plain));
    holder.post(&format!("{path}/password-link"), Value::Null).await.problem(403, "forbidden");
    let password = json!({"password": "a long password"});
    holder.patch(&path, &plain["revision"], password.clone()).await.problem(403, "forbidden");
    holder.patch(&path, &plain["revision"], json!({"labels": {"a": "b"}})).await.expect(200);
    let manager = app.granted(id(&f.tenant), json!([{"role": "manager"}])).await;
    manager.post(&format!("{path}/password-link"), Value::Null).await.expect(201);
}

#[tokio::test]
async fn who_has_a_part_learns_no_names_of_the_rest() {
    let app = app().await;
    let platform = app.platform().await;
    let tree = tree(&platform).await;
    let grants = json!([{"role": "manager", "department_id": tree.of.department["id"]}]);
    let manager = app.granted(id(&tree.of.tenant), grants).await;
    for key in [&tree.keys[2], &tree.of.api_key] {
        let revert = format!("revisions/{}/revert?dry_run=true", key["revision"]);
        manager.post(&revert, Value::Null).await.problem(404, "not_found");
    }
    // Neither by what a set says of the state of theirs.
    let object = json!([{"kind": "api_key", "name": "sales", "tenant": "acme", "spec": {"department": "sales"}}]);
    let stale = json!({"objects": object, "base_revision": 1});
    manager.post("apply?dry_run=true", stale).await.problem(403, "forbidden");
}
