//! What is over is deleted, and nothing else.

use chrono::{TimeDelta, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use weir_core::actor::Actor;
use weir_core::encryption::Encryption;
use weir_core::usage_summary::{Bucket, Order, SummaryRequest};
use weir_store::{Retention, Store};

use crate::app::{app, furnish, id};
use crate::ledger::record;

struct Purged {
    table: &'static str,
    /// Makes rows numbered by `n` from 1 to $1, that many seconds more than their time old, or less.
    over: &'static str,
    kept: &'static str,
}

const TABLES: [Purged; 7] = [
    Purged {
        table: "sessions",
        over: "INSERT INTO sessions (token_sha256, user_id, expires_at)
               SELECT sha256(n::text::bytea), (SELECT min(id::text)::uuid FROM users), now() FROM generate_series(1, $1) n",
        kept: "INSERT INTO sessions (token_sha256, user_id, expires_at)
               SELECT 'kept', (SELECT min(id::text)::uuid FROM users), now() + interval '1 minute'",
    },
    Purged {
        table: "login_attempts",
        over: "INSERT INTO login_attempts (id, email_sha256, at)
               SELECT gen_random_uuid(), 'a', now() - interval '15 minutes' FROM generate_series(1, $1) n",
        kept: "INSERT INTO login_attempts (id, email_sha256, at)
               SELECT gen_random_uuid(), 'a', now() - interval '14 minutes'",
    },
    Purged {
        table: "login_addresses",
        over: "INSERT INTO login_addresses (email_sha256, address_sha256, at)
               SELECT 'a', sha256(n::text::bytea), now() - interval '90 days' FROM generate_series(1, $1) n",
        kept: "INSERT INTO login_addresses (email_sha256, address_sha256, at) SELECT 'a', 'kept', now() - interval '89 days'",
    },
    Purged {
        table: "login_devices",
        over: "INSERT INTO login_devices (email_sha256, device_sha256, at)
               SELECT 'a', sha256(n::text::bytea), now() - interval '90 days' FROM generate_series(1, $1) n",
        kept: "INSERT INTO login_devices (email_sha256, device_sha256, at) SELECT 'a', 'kept', now() - interval '89 days'",
    },
    Purged {
        table: "setup_tokens",
        over: "INSERT INTO setup_tokens (token_sha256, expires_at)
               SELECT sha256(n::text::bytea), now() FROM generate_series(1, $1) n",
        kept: "INSERT INTO setup_tokens (token_sha256, expires_at) SELECT sha256('kept'), now() + interval '1 minute'",
    },
    Purged {
        table: "idempotency_keys",
        over: "INSERT INTO idempotency_keys (actor_id, key_sha256, result_encrypted, created_at)
               SELECT gen_random_uuid(), 'k', '', now() - interval '24 hours' FROM generate_series(1, $1) n",
        kept: "INSERT INTO idempotency_keys (actor_id, key_sha256, result_encrypted, created_at)
               SELECT gen_random_uuid(), 'k', '', now() - interval '23 hours'",
    },
    Purged {
        table: "changes",
        over: "INSERT INTO changes (revision, position, kind, resource_id, affects_configuration, at)
               SELECT -n, 0, 'configuration', gen_random_uuid(), false, now() - interval '8 days' FROM generate_series(1, $1) n",
        // Young, and old but among the last.
        kept: "INSERT INTO changes (revision, position, kind, resource_id, affects_configuration, at)
               SELECT 1000000, 0, 'configuration', gen_random_uuid(), false, now() - interval '8 days'",
    },
];

/// More than one statement deletes.
const MANY: i32 = 12_000;

#[tokio::test]
async fn what_is_over_goes_in_batches_and_the_rest_stays() {
    let app = app().await;
    app.platform().await;
    let database = PgPool::connect(&app.database_url).await.unwrap();
    // As if many changes had been made since.
    sqlx::query("UPDATE policy_revision SET revision = 10000").execute(&database).await.unwrap();
    for Purged { table, over, kept } in &TABLES {
        let count = async || {
            let query = format!("SELECT count(*) FROM {table}");
            let (count,): (i64,) = sqlx::query_as(AssertSqlSafe(query)).fetch_one(&database).await.unwrap();
            count
        };
        sqlx::query(*kept).execute(&database).await.unwrap();
        let before = count().await;
        sqlx::query(*over).bind(MANY).execute(&database).await.unwrap();
        assert_eq!(count().await, before + i64::from(MANY), "{table}");
        app.store.maintain(Utc::now()).await.unwrap();
        assert_eq!(count().await, before, "{table}");
    }
}

#[tokio::test]
async fn the_audit_log_and_the_ledger_are_kept_for_their_days() {
    let app = app().await;
    let platform = app.platform().await;
    let a = furnish(&platform, "a").await;
    let gateway = app.gateway(None).await;
    let database = PgPool::connect(&app.database_url).await.unwrap();
    let store = Store::connect(&app.database_url, Encryption::new(&[7; 32]).unwrap()).await.unwrap();
    let store = store.with_retention(Retention { audit_days: 30, usage_days: 10, usage_sum_days: 30 });

    let (entries,): (i64,) = sqlx::query_as("SELECT count(*) FROM audit").fetch_one(&database).await.unwrap();
    for days in [29, 70] {
        sqlx::query("SELECT ensure_audit_partition(date_trunc('month', now() - make_interval(days => $1))::date)")
            .bind(days)
            .execute(&database)
            .await
            .unwrap();
        let at = Utc::now() - TimeDelta::days(days.into());
        let milliseconds = u64::try_from(at.timestamp_millis()).unwrap();
        let id = uuid::Builder::from_unix_timestamp_millis(milliseconds, &[1; 10]).into_uuid();
        sqlx::query(
            "INSERT INTO audit (id, at, actor_id, actor_email, action, resource_type, resource_id, revision)
             VALUES ($1, $2, $1, 'a', 'tenant.create', 'tenant', $1, 1)",
        )
        .bind(id)
        .bind(at)
        .execute(&database)
        .await
        .unwrap();
    }

    let today = Utc::now();
    // Partitions that were made in time, and days that none was made for.
    for days in [11, 9] {
        let day = (today - TimeDelta::days(days)).date_naive();
        sqlx::query("SELECT ensure_usage_partition($1)").bind(day).execute(&database).await.unwrap();
    }
    for days in [12, 11, 9, 8, 0] {
        let one = record(&a, today);
        let id = one.request_id;
        app.store.record_usage(&gateway, vec![one]).await.unwrap();
        // No gateway's word is taken for so long ago.
        sqlx::query("UPDATE usage_records SET started_at = $2, started_on = $3 WHERE request_id = $1")
            .bind(id)
            .bind(today - TimeDelta::days(days))
            .bind((today - TimeDelta::days(days)).date_naive())
            .execute(&database)
            .await
            .unwrap();
    }

    // A clock that has jumped ahead by years ends nothing that is not over by the database's.
    store.maintain(today + TimeDelta::days(4000)).await.unwrap();
    let (left,): (i64,) = sqlx::query_as("SELECT count(*) FROM audit").fetch_one(&database).await.unwrap();
    assert_eq!(left, entries + 1, "a month goes when all of it is over");
    let check = store.verify_audit(&Actor::system(), None).await.unwrap();
    assert_eq!(
        (check.faults, check.heads, check.dropped),
        (vec![], 1, entries as u64 + 2),
        "a signed head is left of it"
    );
    let left = platform.get("usage").await.expect(200).json;
    let left: Vec<i64> = left["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let started: chrono::DateTime<Utc> = item["started_at"].as_str().unwrap().parse().unwrap();
            (today - started).num_days()
        })
        .collect();
    assert_eq!(json!(left), json!([0, 8, 9]));
    let (partitions,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM pg_class WHERE relname = 'usage_records_' || to_char(now() - interval '11 days', 'YYYYMMDD')",
    )
    .fetch_one(&database)
    .await
    .unwrap();
    assert_eq!(partitions, 0, "its partition is dropped, not emptied");
}

#[tokio::test]
async fn sums_by_quarter_hour_are_kept_as_long_as_records_and_those_by_day_longer() {
    let app = app().await;
    app.platform().await;
    let database = PgPool::connect(&app.database_url).await.unwrap();
    let store = Store::connect(&app.database_url, Encryption::new(&[7; 32]).unwrap()).await.unwrap();
    let store = store.with_retention(Retention { usage_days: 10, usage_sum_days: 30, ..Retention::default() });
    // More than one statement deletes, in each table; a row stands at the same place in all of them.
    for slice in 0..6_i16 {
        for days in [9, 11, 29, 31] {
            sqlx::query(
                "INSERT INTO usage_rollups
                 SELECT $1, date_trunc('day', now()) - make_interval(days => $2), gen_random_uuid(), gen_random_uuid(),
                     gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'm', 'complete', 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, now(),
                     '', '' FROM generate_series(1, 6000)",
            )
            .bind(slice)
            .bind(days)
            .execute(&database)
            .await
            .unwrap();
        }
    }
    store.maintain(Utc::now() + TimeDelta::days(4000)).await.unwrap();
    let left: Vec<(i16, i32, i64)> = sqlx::query_as(
        "SELECT slice, extract(day FROM date_trunc('day', now()) - period_start)::int AS days, count(*)
         FROM usage_rollups GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .fetch_all(&database)
    .await
    .unwrap();
    let kept = |slice: i16| {
        let days: &[i32] = if slice % 2 == 1 { &[9] } else { &[9, 11, 29] };
        days.iter().map(move |days| (slice, *days, 6000)).collect::<Vec<_>>()
    };
    assert_eq!(left, (0..6).flat_map(kept).collect::<Vec<_>>());
    // What is left is told by day, in every time zone, and adds up to the totals.
    let from = Utc::now() - TimeDelta::days(40);
    for zone in ["UTC", "Europe/Berlin"] {
        let request = SummaryRequest {
            from,
            to: Utc::now(),
            group_by: Vec::new(),
            filters: Vec::new(),
            bucket: Bucket::Month,
            time_zone: zone.to_owned(),
            order: Order::Bucket,
            limit: 100,
            offset: 0,
            currency: None,
        };
        let summary = store.usage_summary(&Actor::system(), &request).await.unwrap();
        assert_eq!(summary.totals.requests, 18_000, "{zone}");
        assert_eq!(summary.items.iter().map(|item| item.sums.requests).sum::<u64>(), 18_000, "{zone}");
    }
    // Sums by day are not ended before the records that are in them.
    let store = store.with_retention(Retention { usage_days: 10, usage_sum_days: 2, ..Retention::default() });
    store.maintain(Utc::now()).await.unwrap();
    let (left,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM usage_rollups WHERE slice = 0").fetch_one(&database).await.unwrap();
    assert_eq!(left, 6000);
}

#[tokio::test]
async fn what_is_over_ends_where_no_partition_can_be_made() {
    let app = app().await;
    let platform = app.platform().await;
    let gateway = platform.make("gateways", json!({"name": "g"})).await;
    platform.post(&format!("gateways/{}/rotate", id(&gateway)), json!({})).await.expect(200);
    app.sql("UPDATE former_gateway_tokens SET valid_until = now()").await;
    app.sql("ALTER FUNCTION ensure_usage_partition(date) RENAME TO not_there").await;
    app.store.maintain(Utc::now()).await.unwrap_err();
    assert_eq!(app.count("SELECT count(*) FROM former_gateway_tokens").await, 0);
}
