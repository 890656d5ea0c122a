//! Searching over all kinds at once.

use std::time::Instant;

use serde_json::{Value, json};
use sqlx::PgPool;
use weir_core::actor::Role;

use crate::app::{Client, id};
use crate::ledger::{ledger, now, record};

async fn find(client: &Client, query: &str) -> Vec<(String, String)> {
    let found = client.get(&format!("search?q={query}")).await.expect(200).json;
    let one = |item: &Value| (item["kind"].as_str().unwrap().to_owned(), item["name"].as_str().unwrap().to_owned());
    found["items"].as_array().unwrap().iter().map(one).collect()
}

#[tokio::test]
async fn names_ids_keys_and_requests_are_found_within_the_readers_scope() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let tenant_id = &l.a.tenant["id"];
    let key = platform.make("api-keys", json!({"tenant_id": tenant_id, "name": "Ümläut_50% Billing"})).await;
    let gone = platform.make("api-keys", json!({"tenant_id": tenant_id, "name": "Billing of old"})).await;
    platform.delete(&format!("api-keys/{}", id(&gone)), &gone["revision"]).await.expect(200);
    let request = record(&l.a, now());
    l.app.store.record_usage(&l.gateway, vec![request.clone()]).await.unwrap();
    let viewer = l.app.user(Role::Viewer, Some(id(&l.a.tenant))).await;
    let other = l.app.user(Role::TenantAdmin, Some(id(&l.b.tenant))).await;
    let found = [("api_key".to_owned(), "Ümläut_50% Billing".to_owned())];
    let secret = key["key"].as_str().unwrap();
    for query in ["billing", "BILL", "50%25", "_50", "%C3%9CML", "%C3%9C", &id(&key).to_string(), secret, &secret[..8]]
    {
        // The key's beginning is that of others, too.
        let all = find(&viewer, query).await;
        assert!(all.contains(&found[0]) && (query == &secret[..8] || all.len() == 1), "{query} {all:?}");
        assert!(!find(&other, query).await.contains(&found[0]), "{query}");
    }
    for query in ["illing_of", "50%25x", "%25", "\\", "zzz"] {
        assert!(find(&viewer, query).await.is_empty(), "{query}");
    }
    // Of two letters, only beginnings.
    assert!(find(&viewer, "il").await.is_empty());
    let kinds = |found: Vec<(String, String)>| found.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    let request = request.request_id.to_string();
    assert_eq!(kinds(find(&viewer, &request).await), ["usage"]);
    assert!(find(&other, &request).await.is_empty());
    assert_eq!(kinds(find(&viewer, "openai").await), ["provider"]);
    assert_eq!(kinds(find(&platform, "openai").await), ["provider", "provider"]);
    assert_eq!(find(&platform, "a").await[0], ("tenant".into(), "a".into()), "what is called so comes first");
    // Their own, and nobody else's.
    assert_eq!(find(&viewer, "a").await[0], ("tenant".into(), "a".into()));
    assert!(!kinds(find(&other, "a").await).contains(&"tenant".to_owned()));
    for wrong in ["q=", "q=%20", "q=a&limit=21", "limit=3"] {
        platform.get(&format!("search?{wrong}")).await.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn a_hundred_thousand_keys_are_searched_by_an_index() {
    let l = ledger().await;
    let pool = PgPool::connect(&l.app.database_url).await.unwrap();
    sqlx::query(
        "INSERT INTO api_keys (id, tenant_id, name, key_sha256, prefix, revision)
         SELECT gen_random_uuid(), $1, 'service ' || number, sha256(number::text::bytea), 'weir_' || lpad(number::text, 7, '0'), 1
         FROM generate_series(1, 100000) AS number",
    )
    .bind(id(&l.a.tenant))
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query("ANALYZE api_keys").execute(&pool).await.unwrap();
    let viewer = l.app.user(Role::Viewer, Some(id(&l.a.tenant))).await;
    for query in ["ice+77777", "service+9", "serv", "ervice", "s", "weir_0099", "nothing"] {
        let started = Instant::now();
        let found = find(&viewer, query).await;
        println!("{query}: {} found in {:?}", found.len(), started.elapsed());
        assert!(found.len() <= 5 && found.is_empty() == (query == "nothing"), "{query} {found:?}");
    }
    let plan: Vec<(String,)> =
        sqlx::query_as("EXPLAIN SELECT id FROM api_keys WHERE lower(name) LIKE '%77777%' AND deleted_at IS NULL")
            .fetch_all(&pool)
            .await
            .unwrap();
    let plan: String = plan.into_iter().map(|(line,)| line).collect();
    let (has_trigrams,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(plan.contains("api_keys_by_part"), has_trigrams, "{plan}");
    let beginning = "EXPLAIN SELECT id FROM api_keys WHERE lower(name) LIKE lower('service 9%') ORDER BY lower(name) USING ~<~ LIMIT 5";
    let plan: Vec<(String,)> = sqlx::query_as(beginning).fetch_all(&pool).await.unwrap();
    let plan: String = plan.into_iter().map(|(line,)| line).collect();
    assert!(plan.contains("api_keys_by_beginning"), "{plan}");
}
