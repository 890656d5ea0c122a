//! `weir apply`, `weir export` and `weir revert` against a control plane over HTTP.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir_client::{ApplySettings, ClientError, ConnectionSettings, ExportSettings, Outcome, RevertSettings};

use crate::app::{App, CREDENTIAL, Client, app, furnish, id};

/// A control plane that listens, and a way to it.
async fn connection(app: &App, client: &Client) -> ConnectionSettings {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app.router()).into_future());
    ConnectionSettings { url, token: Some(client.token().into()), token_file: None }
}

fn settings(connection: &ConnectionSettings, file: &Path) -> ApplySettings {
    ApplySettings {
        connection: connection.clone(),
        files: vec![file.to_owned()],
        dry_run: false,
        origin: None,
        prune: false,
        adopt: false,
        max_deleted: 20,
        base_revision: None,
        json: false,
    }
}

/// The secrets of these tests: passwords are at least twelve characters, and any text is a credential.
fn variable(name: &str) -> Option<String> {
    name.starts_with("WEIR_SECRET_").then(|| CREDENTIAL.to_owned())
}

async fn apply(settings: &ApplySettings) -> (Result<Outcome, ClientError>, String) {
    let mut out = Vec::new();
    let done = weir_client::apply(settings, variable, &mut out).await;
    (done, String::from_utf8(out).unwrap())
}

async fn export(connection: &ConnectionSettings, kind: Option<&str>, tenant: Option<&str>) -> String {
    let mut out = Vec::new();
    let [kind, tenant] = [kind, tenant].map(|text| text.map(str::to_owned));
    let settings = ExportSettings { connection: connection.clone(), kind, tenant };
    weir_client::export(&settings, &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

async fn revert(connection: &ConnectionSettings, revision: u64) -> (Result<Outcome, ClientError>, String) {
    let mut out = Vec::new();
    let settings = RevertSettings { connection: connection.clone(), revision, dry_run: false, json: false };
    let done = weir_client::revert(&settings, &mut out).await;
    (done, String::from_utf8(out).unwrap())
}

fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("objects.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn an_export_applied_to_an_empty_database_is_the_same_again() {
    let (full, empty) = (app().await, app().await);
    let platform = full.platform().await;
    for tenant in ["acme", "Straße \"7\": #x"] {
        let furnished = furnish(&platform, &tenant.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")).await;
        let path = format!("tenants/{}", id(&furnished.tenant));
        let patch = json!({"name": tenant, "guardrail_profile": "p", "time_zone": "Europe/Berlin"});
        platform.patch(&path, &furnished.tenant["revision"], patch).await.expect(200);
        let key = json!({"tenant_id": furnished.tenant["id"], "name": "no", "guardrail_profile": "all",
            "allowed_models": ["gpt"], "expires_at": "2031-01-01T00:00:00Z"});
        platform.make("api-keys", key).await;
        let revoked = platform.make("api-keys", json!({"tenant_id": furnished.tenant["id"], "name": "gone"})).await;
        platform.post(&format!("api-keys/{}/revoke", id(&revoked)), Value::Null).await.expect(200);
    }
    platform.make("gateways", json!({"name": "edge"})).await;
    // Who asks is no part of the platform's policy: the same user in both.
    let from = connection(&full, &platform).await;
    let administrator = empty.platform().await;
    let to = connection(&empty, &administrator).await;
    let folder = tempfile::tempdir().unwrap();

    let exported = export(&from, None, None).await;
    assert!(!exported.contains(CREDENTIAL) && !exported.contains("weir_"), "{exported}");
    assert!(exported.contains("#   WEIR_SECRET_ACME_PROVIDER_OPENAI_CREDENTIAL\n"), "{exported}");
    assert!(!exported.contains("gone"), "a revoked key would be valid again");
    let path = file(&folder, &exported);
    let (done, told) = apply(&settings(&to, &path)).await;
    assert_eq!(done.unwrap(), Outcome::Done);
    assert!(told.contains("api_key no of acme, shown this once: weir_"), "{told}");

    // All but the one who administers the second.
    let users = export(&to, Some("user"), None).await;
    let own = users.split("---\n").find(|user| user.contains(administrator.token())).unwrap().to_owned();
    let own_variable = own.split("env: ").nth(1).unwrap().trim().to_owned();
    let again = export(&to, None, None).await.replace(&format!("---\n{own}"), "");
    assert_eq!(again.replace(&format!("#   {own_variable}\n"), ""), exported);
    let (done, told) = apply(&ApplySettings { dry_run: true, ..settings(&to, &path) }).await;
    assert_eq!((done.unwrap(), told.lines().count()), (Outcome::Done, 1), "{told}");
    assert!(told.starts_with("0 created, 0 changed, 0 deleted, "), "{told}");

    let one = export(&from, Some("provider"), Some("acme")).await;
    assert_eq!(one.matches("kind: ").count(), 1, "{one}");
}

#[tokio::test]
async fn files_say_what_is_and_a_dry_run_what_would_be() {
    let app = app().await;
    let platform = app.platform().await;
    let to = connection(&app, &platform).await;
    let folder = tempfile::tempdir().unwrap();
    let text = "kind: tenant\nname: acme\n---\n- {kind: api_key, name: app, tenant: acme}\n- {kind: api_key, name: old, tenant: acme}\n";
    let path = file(&folder, text);
    let origin = Some("policies".to_owned());
    let dry = ApplySettings { dry_run: true, origin: origin.clone(), ..settings(&to, &path) };
    let (done, told) = apply(&dry).await;
    assert_eq!(done.unwrap(), Outcome::WouldChange);
    assert!(told.contains("3 created, 0 changed, 0 deleted, 0 unchanged, if this were no dry run"), "{told}");
    assert!(!told.contains("weir_"), "{told}");
    let real = ApplySettings { dry_run: false, ..dry };
    let (done, told) = apply(&real).await;
    done.unwrap();
    assert_eq!(told.matches("shown this once: weir_").count(), 2, "{told}");

    let path = file(
        &folder,
        "kind: tenant\nname: acme\n---\nkind: api_key\nname: app\ntenant: acme\nspec: {requests_per_minute: 7}\n",
    );
    let pruned = ApplySettings { prune: true, max_deleted: 0, files: vec![path], ..real };
    let (refused, _) = apply(&pruned).await;
    assert!(refused.unwrap_err().to_string().contains("too_many_deletions"));
    let (done, told) = apply(&ApplySettings { max_deleted: 1, ..pruned.clone() }).await;
    done.unwrap();
    assert!(
        told.contains("~ api_key app of acme\n    requests_per_minute: null -> 7\n- api_key old of acme\n"),
        "{told}"
    );

    let path = file(&folder, "kind: tenant\nname: acme\n---\nkind: model\nname: m\ntenant: acme\nspec: {pool: none}\n");
    let (refused, _) = apply(&ApplySettings { files: vec![path.clone()], ..pruned }).await;
    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains(&format!("{}: object 2 (model m): spec.pool: there is no such pool", path.display())),
        "{text}"
    );
    let anonymous = ConnectionSettings { token: Some("weirs_invented".into()), ..to.clone() };
    let (refused, _) = apply(&settings(&anonymous, &path)).await;
    assert!(refused.unwrap_err().to_string().contains("unauthenticated"));
}

/// A way that ends after so many bytes of the request, or swallows the answer, the first time; later ones are as they should be.
async fn lossy(url: &str, bytes_of_request: Option<usize>) -> String {
    let target = url.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut is_first = true;
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(&target).await.unwrap();
            if !std::mem::take(&mut is_first) {
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
                continue;
            }
            match bytes_of_request {
                Some(count) => {
                    let mut part = vec![0; count];
                    near.read_exact(&mut part).await.unwrap();
                    far.write_all(&part).await.unwrap();
                }
                None => {
                    let mut answer = [0; 1];
                    let (mut from, _) = near.split();
                    let (mut far_from, mut far_to) = far.split();
                    tokio::select! {
                        _ = tokio::io::copy(&mut from, &mut far_to) => {}
                        // The first byte of the answer: it is done.
                        read = far_from.read_exact(&mut answer) => { read.unwrap(); }
                    }
                }
            }
        }
    });
    url
}

#[tokio::test]
async fn an_apply_whose_connection_is_lost_is_done_once_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "- {kind: tenant, name: acme}\n- {kind: api_key, name: app, tenant: acme}\n");
    for bytes_of_request in [Some(100), Some(300), None] {
        let app = app().await;
        let platform = app.platform().await;
        let mut to = connection(&app, &platform).await;
        let before = app.store.revision().await.unwrap();
        to.url = lossy(&to.url, bytes_of_request).await;
        let (done, told) = apply(&settings(&to, &path)).await;
        done.unwrap();
        assert_eq!(app.store.revision().await.unwrap(), before + 1, "{bytes_of_request:?}: once");
        let key = told.split("shown this once: ").nth(1).expect("the key all the same").trim().to_owned();
        assert!(key.starts_with("weir_"));
        assert!(
            app.store.list(weir_store::API_KEY, &weir_core::actor::Actor::system(), page()).await.unwrap().items.len()
                == 1
        );
    }
}

#[tokio::test]
async fn nobody_knows_what_was_done_when_no_answer_ever_comes() {
    let app = app().await;
    let platform = app.platform().await;
    let mut to = connection(&app, &platform).await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "{kind: tenant, name: acme}\n");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    to.url = format!("http://{}", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut some = [0; 64];
            let _ = near.read(&mut some).await;
        }
    });
    let (lost, told) = apply(&settings(&to, &path)).await;
    assert!(matches!(lost, Err(ClientError::Unknown(_))), "{lost:?}");
    assert_eq!(told, "");
    silent.abort();
    let _ = silent.await;
    let (lost, _) = apply(&settings(&to, &path)).await;
    assert!(matches!(lost, Err(ClientError::Unreachable { .. })), "{lost:?}");
}

fn page() -> weir_core::page::ListRequest {
    weir_core::page::ListRequest { limit: 200, ..Default::default() }
}

#[tokio::test]
async fn a_revision_is_undone_whole() {
    let app = app().await;
    let platform = app.platform().await;
    let to = connection(&app, &platform).await;
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
- {kind: tenant, name: acme}
- {kind: provider, name: openai, tenant: acme, spec: {schema: openai, base_url: "https://api.openai.com"}}
- {kind: pool, name: fast, tenant: acme, spec: {members: [{provider: openai, model: a}]}}
- {kind: model, name: gpt, tenant: acme, spec: {pool: fast}}
"#;
    apply(&settings(&to, &file(&folder, text))).await.0.unwrap();
    let before = export(&to, None, None).await;
    // Another pool takes the first one's place.
    let origin = json!({"objects": [
        {"kind": "pool", "name": "slow", "tenant": "acme", "spec": {"members": [{"provider": "openai", "model": "b"}]}},
        {"kind": "model", "name": "gpt", "tenant": "acme", "spec": {"pool": "slow"}},
        {"kind": "provider", "name": "openai", "tenant": "acme",
         "spec": {"schema": "openai", "base_url": "https://api.openai.com/v2"}}]});
    let changed = platform.post("apply", origin).await.expect(200).json;
    let revision = changed["revision"].as_u64().unwrap();
    assert_ne!(export(&to, None, None).await, before);
    let (done, told) = revert(&to, revision).await;
    assert_eq!(done.unwrap(), Outcome::Done, "{told}");
    assert_eq!(export(&to, None, None).await, before);
    assert!(told.contains("- pool slow of acme") && told.contains("~ model gpt of acme"), "{told}");
    // The undoing is a revision like others; so it can be undone, and what was deleted has its id again.
    revert(&to, revision + 1).await.0.unwrap();
    let slow = platform.get("pools?name=slow").await.json["items"][0].clone();
    let created = changed["created"].as_array().unwrap().iter().find(|object| object["kind"] == "pool").unwrap();
    assert_eq!(slow["id"], created["id"]);
    let audit = platform.get("audit?limit=1").await.json["items"][0].clone();
    assert_eq!(audit["revision"], revision + 2);
}

#[tokio::test]
async fn what_cannot_be_undone_is_named() {
    let app = app().await;
    let platform = app.platform().await;
    let to = connection(&app, &platform).await;
    let furnished = furnish(&platform, "acme").await;
    let check = async |revision: u64, expect: &str| {
        let before = app.store.revision().await.unwrap();
        let text = revert(&to, revision).await.0.unwrap_err().to_string();
        assert!(text.contains(expect), "{text}");
        assert_eq!(app.store.revision().await.unwrap(), before);
    };
    let revision = |object: &Value| object["revision"].as_u64().unwrap();
    check(9_999, "not_found").await;
    // Others refer to it.
    check(revision(&furnished.provider), "in_use").await;
    let path = format!("models/{}", id(&furnished.model));
    let renamed = platform.patch(&path, &furnished.model["revision"], json!({"name": "new"})).await.expect(200).json;
    check(revision(&furnished.model), "model gpt: it was changed since").await;
    revert(&to, revision(&renamed)).await.0.unwrap();
    let path = format!("providers/{}", id(&furnished.provider));
    let given = json!({"credential": "sk-another"});
    let given = platform.patch(&path, &furnished.provider["revision"], given).await.expect(200).json;
    check(revision(&given), "its secret from before is not kept").await;
    let key = format!("api-keys/{}", id(&furnished.api_key));
    let revoked = platform.post(&format!("{key}/revoke"), Value::Null).await.expect(200).json;
    check(revision(&revoked), "what was revoked stays so").await;
    let gone = platform.delete(&key, &revoked["revision"]).await.expect(200).json;
    check(revision(&gone), "its secret is not kept; make a new one").await;
    let user = format!("users/{}", id(&furnished.user));
    let gone = platform.delete(&user, &furnished.user["revision"]).await.expect(200).json;
    check(revision(&gone), "its secret from before is not kept").await;
    // A tenant's admin undoes what is the tenant's alone.
    let own = app.user(weir_core::actor::Role::TenantAdmin, Some(id(&furnished.tenant))).await;
    let of_platform = platform.make("tenants", json!({"name": "other"})).await;
    let path = format!("revisions/{}/revert", revision(&of_platform));
    own.post(&path, Value::Null).await.problem(404, "not_found");
}

#[tokio::test]
async fn the_examples_are_applied_as_they_stand() {
    let app = app().await;
    let platform = app.platform().await;
    let to = connection(&app, &platform).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    let keys = |name: &str| name.ends_with("_API_KEY").then(|| CREDENTIAL.to_owned());
    let mut told = Vec::new();
    weir_client::apply(&settings(&to, &folder), keys, &mut told).await.unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("12 created, 0 changed, 0 deleted, 0 unchanged"), "{told}");
    let missing = weir_client::apply(&settings(&to, &folder), |_| None, &mut Vec::new()).await.unwrap_err();
    assert!(missing.to_string().contains("the environment variable OPENAI_API_KEY is not set"), "{missing}");
}
