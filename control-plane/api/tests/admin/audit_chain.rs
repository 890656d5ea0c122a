//! The audit log can be proved: whatever is done to it in the database is found, and named.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use weir_core::actor::Role;
use weir_core::encryption::Encryption;
use weir_store::Store;

use crate::app::{App, Client, app, furnish, id};
use crate::ledger::record;

/// Does something that the database refuses its own role, as whoever has taken it over can.
async fn tamper(app: &App, statements: &[&str]) {
    let database = PgPool::connect(&app.database_url).await.unwrap();
    let mut connection: PgConnection = database.acquire().await.unwrap().detach();
    for statement in ["SET session_replication_role = replica"].iter().chain(statements) {
        sqlx::query(AssertSqlSafe((*statement).to_owned())).execute(&mut connection).await.unwrap();
    }
}

async fn verdict(platform: &Client, head: Value) -> Value {
    platform.post("audit/verify", json!({"head": head})).await.expect(200).json
}

/// Kinds and places of what does not fit.
fn faults(verdict: &Value) -> Vec<(&str, u64)> {
    let faults = verdict["faults"].as_array().unwrap();
    faults.iter().map(|fault| (fault["kind"].as_str().unwrap(), fault["sequence"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn a_log_that_nobody_touched_is_intact_and_its_head_is_known_again() {
    let app = app().await;
    let platform = app.platform().await;
    furnish(&platform, "a").await;
    let head = platform.get("audit/head").await.expect(200).json;
    furnish(&platform, "b").await;
    let verdict = verdict(&platform, head.clone()).await;
    assert_eq!((&verdict["intact"], faults(&verdict)), (&json!(true), vec![]), "{verdict}");
    assert_eq!(verdict["entries"], verdict["last"]);
    assert!(verdict["last"].as_u64() > head["sequence"].as_u64());
    // Not everybody learns what others did.
    let tenant = platform.get("tenants?name=a").await.expect(200).json["items"][0].clone();
    let admin = app.user(Role::TenantAdmin, Some(id(&tenant))).await;
    admin.get("audit/head").await.problem(404, "not_found");
    admin.post("audit/verify", json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn whatever_is_done_to_an_entry_is_found_and_the_entry_named() {
    for (statements, expect) in [
        (vec!["UPDATE audit SET actor_email = 'somebody@else' WHERE sequence = 4"], vec![("changed", 4)]),
        (vec!["UPDATE audit SET changes = '[]' WHERE sequence = 4"], vec![("changed", 4)]),
        (vec!["UPDATE audit SET at = at + interval '1 microsecond' WHERE sequence = 4"], vec![("changed", 4)]),
        // With a hash that fits again, the next one no longer does.
        (vec!["UPDATE audit SET hash = sha256('x') WHERE sequence = 4"], vec![("changed", 4), ("changed", 5)]),
        (vec!["DELETE FROM audit WHERE sequence = 4"], vec![("removed", 4)]),
        (vec!["DELETE FROM audit WHERE sequence IN (1, 4, 5)"], vec![("removed", 1), ("removed", 4)]),
        (
            vec!["UPDATE audit SET sequence = CASE sequence WHEN 4 THEN 5 ELSE 4 END WHERE sequence IN (4, 5)"],
            vec![("changed", 4), ("changed", 5), ("changed", 6)],
        ),
        (
            vec!["INSERT INTO audit SELECT (copy.made).* FROM (SELECT jsonb_populate_record(audit, jsonb_build_object('id',
                     audit_new_id())) AS made FROM audit WHERE sequence = 4) AS copy"],
            vec![("doubled", 4)],
        ),
    ] {
        let app = app().await;
        let platform = app.platform().await;
        furnish(&platform, "a").await;
        tamper(&app, &statements).await;
        let verdict = verdict(&platform, Value::Null).await;
        assert_eq!((faults(&verdict), &verdict["intact"]), (expect, &json!(false)), "{statements:?}: {verdict}");
        let named = &verdict["faults"][0];
        assert!(named["kind"] == "removed" || named["entry_id"].is_string(), "{verdict}");
    }
}

#[tokio::test]
async fn a_kept_head_finds_an_end_that_was_cut_off_and_a_log_that_was_written_anew() {
    let app = app().await;
    let platform = app.platform().await;
    furnish(&platform, "a").await;
    let head = platform.get("audit/head").await.expect(200).json;
    let last = head["sequence"].as_u64().unwrap();
    let cut = format!("DELETE FROM audit WHERE sequence > {}", last - 2);
    tamper(&app, &[&cut]).await;
    let without = verdict(&platform, Value::Null).await;
    assert_eq!(without["intact"], true, "by itself a log does not tell how long it was");
    assert_eq!(faults(&verdict(&platform, head.clone()).await), [("cut_off", last - 1)]);
    // Entries that are added after that chain to what is left.
    furnish(&platform, "b").await;
    assert_eq!(faults(&verdict(&platform, head.clone()).await), [("rewritten", last)]);
    let mut forged = head.clone();
    forged["sequence"] = json!(last - 2);
    assert_eq!(faults(&verdict(&platform, forged).await), [("forged_head", last - 2)]);
    let stranger = Store::connect(&app.database_url, Encryption::new(&[9; 32]).unwrap()).await.unwrap();
    let check = stranger
        .verify_audit(&weir_core::actor::Actor::system(), Some(serde_json::from_value(head).unwrap()))
        .await
        .unwrap();
    assert_eq!(check.faults.len(), 1, "without the master key no head is known: {:?}", check.faults);
}

#[tokio::test]
async fn the_database_refuses_to_change_or_remove_entries() {
    let app = app().await;
    let platform = app.platform().await;
    furnish(&platform, "a").await;
    let database = PgPool::connect(&app.database_url).await.unwrap();
    let (partition,): (String,) =
        sqlx::query_as("SELECT tableoid::regclass::text FROM audit LIMIT 1").fetch_one(&database).await.unwrap();
    for statement in [
        "UPDATE audit SET actor_email = 'x'".to_owned(),
        "DELETE FROM audit".to_owned(),
        "TRUNCATE audit".to_owned(),
        format!("DELETE FROM {partition}"),
        format!("TRUNCATE {partition}"),
        "DELETE FROM audit_heads".to_owned(),
    ] {
        let refused = sqlx::query(AssertSqlSafe(statement.clone())).execute(&database).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {refused}");
    }
}

#[tokio::test]
async fn writers_that_come_together_make_one_chain() {
    let app = app().await;
    let platform = app.platform().await;
    let users = (0..8).map(|_| app.user(Role::PlatformAdmin, None));
    let changes = (0..8).map(|number| {
        let platform = &platform;
        async move { platform.make("tenants", json!({"name": format!("t{number}")})).await }
    });
    let (_, made) = tokio::join!(futures::future::join_all(users), futures::future::join_all(changes));
    assert_eq!(made.len(), 8);
    let verdict = verdict(&platform, Value::Null).await;
    assert_eq!((&verdict["intact"], faults(&verdict)), (&json!(true), vec![]), "{verdict}");
}

#[tokio::test]
async fn sign_ins_refusals_and_findings_are_entries_and_can_be_found() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let admin = app.user(Role::TenantAdmin, Some(id(&a.tenant))).await;
    let signed_in = admin.get("audit?action=session.create").await.expect(200).json["items"].clone();
    assert_eq!(signed_in.as_array().unwrap().len(), 1, "one's own, and nobody else's: {signed_in}");

    let gateway = app.gateway(None).await;
    let now = Utc::now();
    let refused = weir_core::ledger::UsageRecord {
        outcome: "refused".into(),
        error_code: "content_blocked".into(),
        guardrail_findings: vec!["EMAIL:block=2".into()],
        ..record(&a, now)
    };
    let request_id = refused.request_id;
    app.store.record_usage(&gateway, vec![refused, record(&a, now)]).await.unwrap();
    app.sql("INSERT INTO login_attempts (id, email_sha256, address_sha256, device_sha256)
             SELECT gen_random_uuid(), sha256(convert_to(lower(email), 'UTF8')), sha256('1'), '' FROM users WHERE tenant_id IS NOT NULL")
        .await;
    app.sql("UPDATE usage_records SET recorded_at = now() - interval '10 minutes'").await;
    app.sql("UPDATE login_attempts SET at = now() - interval '10 minutes'").await;
    app.sql("UPDATE audit_sealed SET until = date_trunc('minute', now() - interval '11 minutes')").await;
    for _ in 0..2 {
        app.store.seal_audit(now + TimeDelta::days(1)).await.unwrap();
    }
    let found = admin.get(&format!("audit?request_id={request_id}")).await.expect(200).json["items"].clone();
    let mut actions: Vec<&str> =
        found.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["guardrail.trigger", "request.refuse"], "each once, however often it is sealed");
    let refusals = admin.get("audit?action=request.refuse").await.expect(200).json["items"].clone();
    assert_eq!(
        (&refusals[0]["changes"][0]["path"], &refusals[0]["changes"][0]["after"]["requests"]),
        (&json!("content_blocked"), &json!(1))
    );
    let failed = admin.get("audit?action=session.refuse").await.expect(200).json["items"].clone();
    assert_eq!(
        (failed.as_array().unwrap().len(), &failed[0]["changes"][0]["after"]["attempts"]),
        (2, &json!(1)),
        "one of each account"
    );
    let verdict = verdict(&platform, Value::Null).await;
    assert_eq!((&verdict["intact"], &verdict["heads"]), (&json!(true), &json!(1)), "{verdict}");
}

#[tokio::test]
async fn triggers_tell_by_digests_what_was_the_same() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let gateway = app.gateway(None).await;
    let now = Utc::now();
    let found = |findings: &[&str], digests: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let said = weir_core::ledger::RecordSaid { finding_digests: texts(digests), ..Default::default() };
        weir_core::ledger::UsageRecord { guardrail_findings: texts(findings), said, ..record(&a, now) }
    };
    let one = found(&["EMAIL:redact=2", "PHONE:flag=1"], &["EMAIL:20261130:ab", "EMAIL:20261130:cd"]);
    let other = found(&["EMAIL:redact=1"], &["EMAIL:20261130:cd"]);
    app.store.record_usage(&gateway, vec![one, other]).await.unwrap();
    app.sql("UPDATE usage_records SET recorded_at = now() - interval '10 minutes'").await;
    app.sql("UPDATE audit_sealed SET until = date_trunc('minute', now() - interval '11 minutes')").await;
    app.store.seal_audit(now).await.unwrap();
    let triggers = platform.get("audit?action=guardrail.trigger").await.expect(200).json["items"].clone();
    let changes: Vec<&Value> = triggers.as_array().unwrap().iter().map(|entry| &entry["changes"][0]).collect();
    let of = |what: &str| changes.iter().find(|change| change["path"] == what).map(|change| &change["after"]).unwrap();
    let digest = |digest: &str, requests| json!({"key_id": "20261130", "hmac_sha256": digest, "requests": requests});
    assert_eq!(of("EMAIL:redact")["digests"], json!([digest("cd", 2), digest("ab", 1)]));
    assert_eq!((&of("PHONE:flag")["requests"], &of("PHONE:flag")["digests"]), (&json!(1), &Value::Null));
}

#[tokio::test]
async fn an_export_has_a_line_for_each_entry_and_is_one_itself() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let tenant_id = a.tenant["id"].as_str().unwrap();
    let answer = platform.get(&format!("audit/export?tenant_id={tenant_id}&resource_type=model")).await.expect(200);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["action"]), (1, &json!("model.create")));
    let noted = platform.get("audit?action=audit.export").await.expect(200).json["items"][0].clone();
    assert_eq!(noted["changes"][0]["after"]["resource_type"], "model");
}
