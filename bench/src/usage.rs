//! How fast the console's questions about usage are answered when there is much of it.
//!
//! The ledger is filled by SQL (`usage/fill.sql`), with the sums that the control plane would have written; the questions go to the
//! admin API, one after the other.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use weir_dev::admin::{http_client, text};

use crate::gateway::chain::Chain;
use crate::parts::{self, Parts};

const FILL: &str = include_str!("usage/fill.sql");
const DAYS: i64 = 30;
const TENANTS: u32 = 200;
/// How often each question is asked.
const TIMES: usize = 7;

/// Measures questions about usage: records, sums, search.
#[derive(Args, Debug)]
pub(crate) struct Usage {
    /// Records, over thirty days.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Keys, of 200 tenants; some are used much more than others.
    #[arg(long, default_value_t = 100_000)]
    keys: u32,
    #[command(flatten)]
    parts: Parts,
}

impl Usage {
    /// Runs it and prints its tables.
    pub(crate) async fn run(&self) -> Result<()> {
        let built = self.parts.built()?;
        let folder = crate::folder()?;
        let chain = Chain::start(&built, folder.path(), 1).await?;
        let database_url = text(&chain.run, "database_url")?;
        println!("## Usage\n");
        parts::describe(&built, Some(database_url)).await?;
        let mut connection = PgConnection::connect(database_url).await?;
        let begun = Instant::now();
        self.fill(&mut connection).await?;
        println!("{} records of {} keys, filled in {} s.\n", self.records, self.keys, begun.elapsed().as_secs());
        sizes(&mut connection).await?;
        self.ask(&chain, &mut connection).await?;
        drop(connection);
        chain.stop().await;
        Ok(())
    }

    async fn fill(&self, connection: &mut PgConnection) -> Result<()> {
        let days: Vec<String> =
            sqlx::query_scalar("SELECT (current_date - of)::text FROM generate_series($1, 0, -1) AS of")
                .bind(i32::try_from(DAYS - 1)?)
                .fetch_all(&mut *connection)
                .await?;
        let nil = "'00000000-0000-0000-0000-000000000000'::uuid";
        for piece in FILL.split("-- piece").skip(1) {
            let (which, sql) = piece.split_once('\n').context("a piece of nothing")?;
            let sql = sql
                .replace("$RECORDS", &self.records.to_string())
                .replace("$KEYS", &self.keys.to_string())
                .replace("$TENANTS", &TENANTS.to_string());
            let days = if which.contains("each day") { days.as_slice() } else { &days[..1] };
            let slices = if which.contains("each slice") { 0..6 } else { 0..1 };
            for day in days {
                for slice in slices.clone() {
                    let sql = sql
                        .replace("$DAY", day)
                        .replace("$SLICE", &slice.to_string())
                        .replace("$PERIOD", if slice % 2 == 0 { "1 day" } else { "15 minutes" })
                        .replace("$TENANT", if slice >= 2 { "tenant_id" } else { nil })
                        .replace("$KEY", if slice >= 4 { "key_id" } else { nil });
                    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await?;
                }
            }
        }
        Ok(())
    }

    async fn ask(&self, chain: &Chain, connection: &mut PgConnection) -> Result<()> {
        let base = format!("{}/api/v1/admin", text(&chain.run, "console_url")?);
        let http = http_client()?;
        let login = serde_json::json!({"email": chain.run["admin_email"], "password": chain.run["admin_password"]});
        let session: Value = http.post(format!("{base}/auth/login")).json(&login).send().await?.json().await?;
        let token = text(&session, "token")?;
        let (tenant, key, record): (String, String, String) = sqlx::query_as(
            "SELECT tenant_id::text, key_id::text, request_id::text FROM usage_records ORDER BY started_at DESC OFFSET 1000 LIMIT 1",
        )
        .fetch_one(&mut *connection)
        .await?;
        let from: String = sqlx::query_scalar("SELECT (current_date - $1)::text || 'T00:00:00Z'")
            .bind(i32::try_from(DAYS - 1)?)
            .fetch_one(connection)
            .await?;
        let month = format!("from={from}");
        println!("| question | median ms | slowest ms |\n|---|---:|---:|");
        for (what, path) in [
            ("30 days by day", format!("usage/summary?{month}&bucket=day")),
            ("30 days by day of Kolkata", format!("usage/summary?{month}&bucket=day&time_zone=Asia/Kolkata")),
            ("30 days by hour", format!("usage/summary?{month}&bucket=hour")),
            ("30 days by model and outcome", format!("usage/summary?{month}&group_by=model,outcome")),
            ("30 days, the 20 dearest tenants", format!("usage/summary?{month}&group_by=tenant&order=cost&limit=20")),
            ("30 days, the 20 dearest keys", format!("usage/summary?{month}&group_by=api_key&order=cost&limit=20")),
            ("one tenant by day and model", format!("usage/summary?{month}&bucket=day&group_by=model&tenant={tenant}")),
            ("one tenant by hour", format!("usage/summary?{month}&bucket=hour&tenant={tenant}")),
            (
                "one tenant, its 20 dearest keys",
                format!("usage/summary?{month}&group_by=api_key&order=cost&limit=20&tenant={tenant}"),
            ),
            ("one key by hour", format!("usage/summary?{month}&bucket=hour&api_key={key}")),
            ("a day by hour", "usage/summary?bucket=hour".into()),
            ("a key's statistics", format!("api-keys/{key}/statistics")),
            ("records, first part", "usage?limit=50".into()),
            ("one tenant's records", format!("usage?limit=50&tenant_id={tenant}")),
            ("one key's records", format!("usage?limit=50&key_id={key}")),
            ("one record", format!("usage/{record}")),
            ("search for a part of a name", "search?q=ice%209999".into()),
            ("keys, first part", "api-keys?limit=50".into()),
        ] {
            let mut times = Vec::new();
            for _ in 0..TIMES {
                let begun = Instant::now();
                let request = http.get(format!("{base}/{path}")).bearer_auth(token).timeout(Duration::from_secs(60));
                let answer = request.send().await?;
                let status = answer.status();
                let body = answer.text().await?;
                if !status.is_success() {
                    bail!("{path}: {status} {body}");
                }
                times.push(begun.elapsed());
            }
            let at = |share| crate::quantile(&times, share).as_secs_f64() * 1e3;
            println!("| {what} | {:.0} | {:.0} |", at(0.5), at(1.0));
        }
        println!();
        Ok(())
    }
}

async fn sizes(connection: &mut PgConnection) -> Result<()> {
    let sizes: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT parent, sum(pg_total_relation_size(oid))::bigint, sum(reltuples)::bigint
         FROM (SELECT oid, reltuples, regexp_replace(relname, '_[0-9]{8}$', '') AS parent FROM pg_class
               WHERE relkind = 'r' AND (relname LIKE 'usage\\_records\\_2%' OR relname LIKE 'usage\\_rollups\\__')) AS of
         GROUP BY parent ORDER BY parent",
    )
    .fetch_all(connection)
    .await?;
    println!("| table | rows | MB with indexes |\n|---|---:|---:|");
    for (table, bytes, rows) in sizes {
        println!("| {table} | {rows} | {} |", bytes / 1_000_000);
    }
    println!();
    Ok(())
}
