//! Sums over the ledger: the same as if every record were looked at.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, DurationRound, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;
use weir_core::actor::Role;
use weir_core::ledger::UsageRecord;
use weir_core::sketch::Sketch;

use crate::app::{Client, id};
use crate::ledger::{Ledger, ledger, now, record};

/// The same numbers on every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Records of six days with all that can differ.
fn records(l: &Ledger, count: usize, seed: u64) -> Vec<UsageRecord> {
    let mut dice = Dice(seed);
    let today = now().duration_trunc(TimeDelta::days(1)).unwrap();
    let one = |_| {
        let of = if dice.roll(3) == 0 { &l.b } else { &l.a };
        let answered = dice.roll(4) > 0;
        let input_tokens = dice.roll(10_000);
        let slowest = 10 + dice.roll(30);
        let outcome = ["complete", "refused", "failed", "client_disconnect", "upstream_broken", "odd"];
        UsageRecord {
            model: ["gpt", "claude", "x\0"][dice.roll(3) as usize].into(),
            provider_id: answered.then(|| id(&of.provider)),
            pool_id: (answered || dice.roll(2) == 0).then(|| id(&of.pool)),
            input_tokens,
            cached_input_tokens: input_tokens / 3,
            cache_write_tokens: input_tokens / 5,
            cache_write_1h_tokens: input_tokens / 7,
            output_tokens: dice.roll(5_000),
            reasoning_tokens: dice.roll(100),
            cost_picousd: dice.roll(1_000_000_000_000),
            latency_us: dice.roll(1 << slowest),
            time_to_first_token_us: answered.then(|| dice.roll(3_000_000)),
            outcome: outcome[dice.roll(6) as usize].into(),
            guardrail_findings: if dice.roll(3) == 0 { vec!["EMAIL:flag=1".into()] } else { vec![] },
            ..record(of, today - TimeDelta::microseconds(dice.roll(6 * 86_400_000_000) as i64))
        }
    };
    (0..count).map(one).collect()
}

/// What is asked, and the same of each record.
struct Question<'a> {
    query: &'a str,
    /// Whether a record counts.
    counts: &'a dyn Fn(&UsageRecord) -> bool,
    /// The beginning of its bucket, and the values of its groups.
    group: &'a dyn Fn(&UsageRecord) -> Place,
}

/// Where a record's bucket begins, and the values of its groups.
type Place = (DateTime<Utc>, Vec<Value>);

#[derive(Default)]
struct Direct {
    figures: [u64; 9],
    latency: Vec<u64>,
    first: Vec<u64>,
}

impl Direct {
    fn add(&mut self, record: &UsageRecord) {
        let is_error = !["complete", "client_disconnect"].contains(&record.outcome.as_str());
        let figures = [
            1,
            is_error.into(),
            u64::from(!record.guardrail_findings.is_empty()),
            record.input_tokens,
            record.cached_input_tokens,
            record.cache_write_tokens + record.cache_write_1h_tokens,
            record.output_tokens,
            record.reasoning_tokens,
            record.cost_picousd,
        ];
        self.figures.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
        self.latency.push(record.latency_us);
        self.first.extend(record.time_to_first_token_us);
    }

    fn check(&mut self, found: &Value, what: &str) {
        let names = [
            "requests",
            "errors",
            "requests_with_findings",
            "input_tokens",
            "cached_input_tokens",
            "cache_write_tokens",
            "output_tokens",
            "reasoning_tokens",
        ];
        for (name, figure) in names.iter().zip(self.figures) {
            assert_eq!(found[*name], json!(figure), "{what} {name}");
        }
        let (dollars, rest) =
            found["cost_usd"].as_str().unwrap().split_once('.').unwrap_or((found["cost_usd"].as_str().unwrap(), ""));
        assert_eq!(format!("{dollars}{rest:0<12}").parse::<u64>().unwrap(), self.figures[8], "{what} cost");
        for (name, times) in [("latency_ms", &mut self.latency), ("time_to_first_token_ms", &mut self.first)] {
            times.sort_unstable();
            for (percentile, share) in [("p50", 50), ("p95", 95), ("p99", 99)] {
                let told = &found[name][percentile];
                let Some(last) = times.len().checked_sub(1) else {
                    assert!(told.is_null(), "{what} {name}");
                    continue;
                };
                let exact = times[((times.len() * share).div_ceil(100) - 1).min(last)];
                let told = (told.as_f64().unwrap() * 1000.0).round() as u64;
                assert!(told.abs_diff(exact) * 32 <= exact, "{what} {name} {told} {exact}");
            }
        }
    }
}

async fn check(client: &Client, all: &[UsageRecord], question: Question<'_>) {
    let Question { query, counts, group } = question;
    let (mut expect, mut totals) = (BTreeMap::<String, Direct>::new(), Direct::default());
    for record in all.iter().filter(|record| counts(record)) {
        let (at, values) = group(record);
        expect.entry(format!("{at:?} {values:?}")).or_default().add(record);
        totals.add(record);
    }
    // In one part, and in parts of a few.
    for limit in [1000, 7] {
        let (mut found, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let answer = client.get(&format!("usage/summary?limit={limit}&{query}{cursor}")).await.expect(200).json;
            for item in answer["items"].as_array().unwrap() {
                let at: DateTime<Utc> = item["bucket_start"].as_str().unwrap().parse().unwrap();
                let values: Vec<Value> = item["group"].as_object().unwrap().values().cloned().collect();
                let again = found.insert(format!("{at:?} {values:?}"), item.clone());
                assert!(again.is_none(), "{query}: twice {item}");
            }
            totals.check(&answer["totals"], query);
            match answer["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found.keys().collect::<Vec<_>>(), expect.keys().collect::<Vec<_>>(), "{query}");
        for (group, direct) in &mut expect {
            direct.check(&found[group], &format!("{query} {group}"));
        }
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339().replace('+', "%2B")
}

#[tokio::test]
async fn sums_are_those_of_the_records_whatever_is_asked() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let all = records(&l, 1500, 0x5eed);
    for part in all.chunks(250) {
        l.app.store.record_usage(&l.gateway, part.to_vec()).await.unwrap();
        // What comes again does not count again.
        l.app.store.record_usage(&l.gateway, part[..50].to_vec()).await.unwrap();
    }
    let pool = PgPool::connect(&l.app.database_url).await.unwrap();
    // As a control plane of the version before leaves them.
    let forget = async || {
        sqlx::query("UPDATE usage_records SET rolled_up = false").execute(&pool).await.unwrap();
        sqlx::query("DELETE FROM usage_rollups").execute(&pool).await.unwrap();
    };
    for state in ["written with the records", "waiting", "taken in"] {
        match state {
            "waiting" => forget().await,
            "taken in" => l.app.store.maintain(chrono::Utc::now()).await.unwrap(),
            _ => {}
        }
        println!("{state}");
        ask(&l, &platform, &all).await;
    }
    let (waiting,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM usage_records WHERE NOT rolled_up").fetch_one(&pool).await.unwrap();
    assert_eq!(waiting, 0);
}

async fn ask(l: &Ledger, platform: &Client, all: &[UsageRecord]) {
    let today = now().duration_trunc(TimeDelta::days(1)).unwrap();
    let from = today - TimeDelta::days(6);
    let odd = (from + TimeDelta::microseconds(86_400_000_123), today - TimeDelta::seconds(40_001));
    let known = |record: &UsageRecord| record.provider_id.is_some() || record.pool_id.is_some();
    let model = |record: &UsageRecord| {
        let name = record.model.replace('\0', "\u{fffd}");
        // Both tenants have a model `gpt`, so neither is meant.
        json!({"id": null, "name": if known(record) { Some(name) } else { None }})
    };
    let of = |record: &UsageRecord| if record.tenant_id == id(&l.a.tenant) { &l.a } else { &l.b };
    let named = |resource: &Value| json!({"id": resource["id"], "name": resource["name"]});
    let nobody = || json!({"id": null, "name": null});
    let whole = format!("from={}&to={}", time(from), time(today));
    let part = format!("from={}&to={}", time(odd.0), time(odd.1));
    let within = |record: &UsageRecord| record.started_at >= odd.0 && record.started_at < odd.1;
    let everything = |_: &UsageRecord| true;

    let query = &whole;
    check(platform, all, Question { query, counts: &everything, group: &|_| (from, vec![]) }).await;
    let query = &part;
    check(platform, all, Question { query, counts: &within, group: &|_| (odd.0, vec![]) }).await;
    let tiny = (odd.1 - TimeDelta::minutes(7), odd.1);
    let query = &format!("from={}&to={}&group_by=outcome", time(tiny.0), time(tiny.1));
    let group = |record: &UsageRecord| (tiny.0, vec![json!({"id": null, "name": record.outcome})]);
    let counts = |record: &UsageRecord| record.started_at >= tiny.0 && record.started_at < tiny.1;
    check(platform, all, Question { query, counts: &counts, group: &group }).await;
    let query = &format!("{part}&group_by=model&group_by=outcome");
    let group = |record: &UsageRecord| (odd.0, vec![model(record), json!({"id": null, "name": record.outcome})]);
    check(platform, all, Question { query, counts: &within, group: &group }).await;
    let query = &format!("{whole}&group_by=tenant,provider&bucket=day");
    let provider = |record: &UsageRecord| match record.provider_id {
        Some(_) => named(&of(record).provider),
        None => nobody(),
    };
    let day = |record: &UsageRecord| record.started_at.duration_trunc(TimeDelta::days(1)).unwrap();
    let group = |record: &UsageRecord| (day(record), vec![named(&of(record).tenant), provider(record)]);
    check(platform, all, Question { query, counts: &everything, group: &group }).await;
    let query = &format!("{part}&group_by=api_key,pool&bucket=hour&tenant=a");
    let hour = |record: &UsageRecord| record.started_at.duration_trunc(TimeDelta::hours(1)).unwrap().max(odd.0);
    let pool = |record: &UsageRecord| match record.pool_id {
        Some(_) => named(&of(record).pool),
        None => nobody(),
    };
    let group = |record: &UsageRecord| (hour(record), vec![named(&of(record).api_key), pool(record)]);
    let counts = |record: &UsageRecord| within(record) && record.tenant_id == id(&l.a.tenant);
    check(platform, all, Question { query, counts: &counts, group: &group }).await;
    // Days that begin at half past, and on another date.
    let query = &format!("{part}&bucket=day&time_zone=Asia/Kolkata&model=gpt&outcome=complete");
    let ahead = TimeDelta::minutes(330);
    let group = |record: &UsageRecord| {
        let begins = (record.started_at + ahead).duration_trunc(TimeDelta::days(1)).unwrap() - ahead;
        (begins.max(odd.0), vec![])
    };
    let counts =
        |record: &UsageRecord| within(record) && record.model == "gpt" && known(record) && record.outcome == "complete";
    check(platform, all, Question { query, counts: &counts, group: &group }).await;
    let query = &format!("{whole}&bucket=week&api_key={}", id(&l.b.api_key));
    let group = |record: &UsageRecord| {
        let back = TimeDelta::days(record.started_at.weekday().num_days_from_monday().into());
        ((day(record) - back).max(from), vec![])
    };
    let counts = |record: &UsageRecord| record.tenant_id == id(&l.b.tenant);
    check(platform, all, Question { query, counts: &counts, group: &group }).await;
    let query = &format!("{part}&bucket=quarter_hour&provider=openai&pool={}", id(&l.a.pool));
    let group =
        |record: &UsageRecord| (record.started_at.duration_trunc(TimeDelta::minutes(15)).unwrap().max(odd.0), vec![]);
    let counts =
        |record: &UsageRecord| within(record) && record.provider_id.is_some() && record.pool_id == Some(id(&l.a.pool));
    check(platform, all, Question { query, counts: &counts, group: &group }).await;
    // A tenant's reader has the tenant's alone, whatever is asked.
    let viewer = l.app.user(Role::Viewer, Some(id(&l.a.tenant))).await;
    let own = |record: &UsageRecord| record.tenant_id == id(&l.a.tenant);
    let group = |record: &UsageRecord| (from, vec![named(&of(record).tenant)]);
    let query = &format!("{whole}&group_by=tenant");
    check(&viewer, all, Question { query, counts: &own, group: &group }).await;
    let query = &format!("{whole}&tenant={}", id(&l.b.tenant));
    check(&viewer, all, Question { query, counts: &|_| false, group: &|_| (from, vec![]) }).await;
}

#[tokio::test]
async fn the_most_come_first_where_that_is_asked() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    l.app.store.record_usage(&l.gateway, records(&l, 300, 7)).await.unwrap();
    let from = time(now() - TimeDelta::days(8));
    for (order, of) in [
        ("requests", (|item| item["requests"].as_f64()) as fn(&Value) -> Option<f64>),
        ("errors", |item| item["errors"].as_f64()),
        ("cost", |item| item["cost_usd"].as_str()?.parse().ok()),
        ("tokens", |item| Some(item["input_tokens"].as_f64()? + item["output_tokens"].as_f64()?)),
    ] {
        let query = format!("usage/summary?from={from}&group_by=model,outcome&order={order}");
        let answer = platform.get(&query).await.expect(200).json;
        let figures: Vec<f64> = answer["items"].as_array().unwrap().iter().map(|item| of(item).unwrap()).collect();
        assert!(figures.len() > 5 && figures.is_sorted_by(|one, next| one >= next), "{order} {figures:?}");
    }
}

#[tokio::test]
async fn figures_at_the_bounds_keep_no_record_out_and_histograms_stay_short() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let pool = PgPool::connect(&l.app.database_url).await.unwrap();
    for number in 0..60_u64 {
        let some = (0..40).map(|time| UsageRecord {
            latency_us: (number * 40 + time) * 1_000,
            input_tokens: u64::MAX,
            cost_picousd: u64::MAX,
            ..record(&l.a, now())
        });
        l.app.store.record_usage(&l.gateway, some.collect()).await.unwrap();
    }
    let rows = "SELECT max(octet_length(latency))::bigint FROM usage_rollups";
    let (longest,): (i64,) = sqlx::query_as(rows).fetch_one(&pool).await.unwrap();
    assert!(longest < 2_500, "{longest} bytes");
    sqlx::query("UPDATE usage_rollups SET input_tokens = 9223372036854775807").execute(&pool).await.unwrap();
    let more = UsageRecord { input_tokens: 5, ..record(&l.a, now()) };
    l.app.store.record_usage(&l.gateway, vec![more]).await.unwrap();
    let (from, to) = (time(now() - TimeDelta::days(1)), time(now() + TimeDelta::days(1)));
    let totals = platform.get(&format!("usage/summary?from={from}&to={to}")).await.expect(200).json["totals"].clone();
    assert_eq!((&totals["requests"], &totals["input_tokens"]), (&json!(2401), &json!(i64::MAX)));
    let mut sketch = Sketch::default();
    (0..2400_u64).for_each(|number| sketch.add(number * 1_000));
    let p50 = totals["latency_ms"]["p50"].as_f64().unwrap();
    assert!((p50 - sketch.quantile(0.5).unwrap() as f64 / 1000.0).abs() < 80.0, "{p50}");
}

#[tokio::test]
async fn sums_are_told_apart_by_whom_a_key_is_for_and_by_labels() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    let tenant_id = id(&l.a.tenant);
    let department = |name: &str, parent: Value, cost: &str| json!({"tenant_id": tenant_id, "name": name, "parent_id": parent, "labels": {"cost": cost, "team": "none"}});
    let above = platform.post("departments", department("above", Value::Null, "1")).await.expect(201).json;
    let below = platform.post("departments", department("below", above["id"].clone(), "2")).await.expect(201).json;
    let account =
        json!({"tenant_id": tenant_id, "name": "worker", "department_id": below["id"], "labels": {"team": "x"}});
    let account = platform.post("service-accounts", account).await.expect(201).json;
    let key = |owner: &str, of: &Value, labels: Value| json!({"tenant_id": tenant_id, "name": format!("{owner} {}", labels["team"].as_str().unwrap_or("-")), owner: of["id"], "labels": labels});
    let mut records = Vec::new();
    for (of, requests) in [
        (key("department_id", &above, json!({"team": "y"})), 1),
        (key("service_account_id", &account, json!({})), 2),
        (key("service_account_id", &account, json!({"team": "y"})), 4),
    ] {
        let key = platform.post("api-keys", of).await.expect(201).json;
        records.extend((0..requests).map(|_| UsageRecord {
            key_id: id(&key),
            request_id: uuid::Uuid::now_v7(),
            ..record(&l.a, now())
        }));
    }
    records.push(record(&l.a, now()));
    l.app.store.record_usage(&l.gateway, records).await.unwrap();
    let (hour, day) = (TimeDelta::minutes(15), TimeDelta::days(1));
    // By records, by quarter-hours and by days.
    let odd = (time(now() - TimeDelta::minutes(3)), time(now() + TimeDelta::minutes(3)));
    let quarters = [now() - hour, now() + hour * 2].map(|at| time(at.duration_trunc(hour).unwrap()));
    let days = [now() - day, now() + day * 2].map(|at| time(at.duration_trunc(day).unwrap()));
    for [from, to] in [[odd.0, odd.1], quarters, days] {
        let check = async |query: &str, expect: Value| {
            let found = platform.get(&format!("usage/summary?from={from}&to={to}&{query}")).await.expect(200).json;
            let items = found["items"].as_array().unwrap();
            let told: BTreeMap<String, Value> = items
                .iter()
                .map(|item| {
                    let names =
                        item["group"].as_object().unwrap().values().map(|value| value["name"].as_str().unwrap_or("-"));
                    (names.collect::<Vec<_>>().join(" "), item["requests"].clone())
                })
                .collect();
            assert_eq!(json!(told), expect, "{query} {from}");
        };
        check("group_by=department", json!({"above": 1, "below": 6, "-": 1})).await;
        check("group_by=service_account", json!({"worker": 6, "-": 2})).await;
        check("group_by=user", json!({"-": 8})).await;
        // The nearest label holds.
        check("group_by=label:team", json!({"x": 2, "y": 5, "-": 1})).await;
        check("group_by=department,label:cost", json!({"above 1": 1, "below 2": 6, "- -": 1})).await;
        check("group_by=label:team&department=above", json!({"x": 2, "y": 5})).await;
        check("group_by=label:team&department=below", json!({"x": 2, "y": 4})).await;
        check("group_by=department&label:team=y", json!({"above": 1, "below": 4})).await;
        check("group_by=department&label%3Ateam=y&service_account=worker", json!({"below": 4})).await;
        check("group_by=label:none&tenant=a", json!({"-": 8})).await;
    }
    let found = platform.get("usage?limit=200").await.expect(200).json;
    let of_robot = found["items"].as_array().unwrap().iter().filter(|item| item["service_account_id"] == account["id"]);
    let of_robot: Vec<_> = of_robot.map(|item| (&item["department_id"], item["labels"].clone())).collect();
    assert_eq!(of_robot.len(), 6);
    assert!(of_robot.contains(&(&below["id"], json!(["cost=2", "team=x"]))), "{of_robot:?}");
}

#[tokio::test]
async fn what_an_older_control_plane_wrote_keeps_its_value() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    l.app.store.record_usage(&l.gateway, vec![record(&l.a, now())]).await.unwrap();
    // It knows no pico-dollars, and rounds up.
    l.app.sql("UPDATE usage_records SET cost_microusd = 123, cost_rest_picousd = DEFAULT").await;
    l.app.sql("UPDATE usage_rollups SET cost_microusd = 123, cost_rest_picousd = DEFAULT").await;
    let item = platform.get("usage").await.expect(200).json["items"][0].clone();
    assert_eq!((&item["cost_usd"], &item["cost_microusd"]), (&json!("0.000123"), &json!(123)));
    l.app.store.record_usage(&l.gateway, vec![record(&l.a, now())]).await.unwrap();
    let totals = platform.get("usage/summary").await.expect(200).json["totals"].clone();
    assert_eq!((&totals["requests"], &totals["cost_usd"]), (&json!(2), &json!("0.000245000001")));
}

#[tokio::test]
async fn a_keys_statistics_are_those_of_its_requests() {
    let l = ledger().await;
    let viewer = l.app.user(Role::Viewer, Some(id(&l.a.tenant))).await;
    let path = format!("api-keys/{}/statistics", id(&l.a.api_key));
    let unused = viewer.get(&path).await.expect(200).json;
    assert_eq!(
        (&unused["requests"], &unused["success_rate"], &unused["last_used_at"]),
        (&json!(0), &Value::Null, &Value::Null)
    );
    let old = UsageRecord { outcome: "failed".into(), ..record(&l.a, now() - TimeDelta::days(6)) };
    let last = record(&l.a, now());
    l.app.store.record_usage(&l.gateway, vec![old, record(&l.b, now()), last.clone()]).await.unwrap();
    let used = viewer.get(&path).await.expect(200).json;
    assert_eq!((&used["requests"], &used["errors"], &used["success_rate"]), (&json!(2), &json!(1), &json!(0.5)));
    assert_eq!(used["cost_usd"], "0.000244000002");
    let at: DateTime<Utc> = used["last_used_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(at, last.started_at);
    let long_ago = "UPDATE usage_rollups SET period_start = period_start - interval '90 days'";
    sqlx::query(long_ago).execute(&PgPool::connect(&l.app.database_url).await.unwrap()).await.unwrap();
    let unused = viewer.get(&path).await.expect(200).json;
    assert_eq!((&unused["requests"], &unused["last_used_at"]), (&json!(0), &used["last_used_at"]));
}

#[tokio::test]
async fn an_export_is_all_of_it_in_pieces_and_is_audited() {
    let l = ledger().await;
    let platform = l.app.platform().await;
    // More than two pieces.
    let mut all = records(&l, 2_300, 11);
    all[0].model = "=HYPERLINK(\"http://x\"),\n".into();
    all[0].started_at = now();
    l.app.store.record_usage(&l.gateway, all.clone()).await.unwrap();
    let viewer = l.app.user(Role::Viewer, Some(id(&l.a.tenant))).await;
    let own = all.iter().filter(|record| record.tenant_id == id(&l.a.tenant)).count();
    for (reader, expect) in [(&platform, all.len()), (&viewer, own)] {
        let answer = reader.get("usage/export").await.expect(200);
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
        let lines: Vec<&str> = answer.text.trim_end().split("\r\n").collect();
        assert!(lines[0].starts_with("request_id,started_at,gateway_id,tenant_id"), "{}", lines[0]);
        assert_eq!(lines.len(), expect + 1);
        let mut ids: Vec<&str> = lines[1..].iter().map(|line| line.split(',').next().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), expect, "each once");
    }
    let newest = platform.get("usage/export?model=%3DHYPERLINK(%22http://x%22),%0A").await.expect(200);
    assert!(newest.text.contains(",\"'=HYPERLINK(\"\"http://x\"\"),\n\","), "{}", newest.text);
    let audit = platform.get("audit?limit=1").await.expect(200).json["items"][0].clone();
    assert_eq!((&audit["action"], &audit["resource_type"]), (&json!("usage.export"), &json!("usage")));
    assert!(audit["changes"].to_string().contains("HYPERLINK"), "{audit}");
}

#[tokio::test]
async fn the_databases_histograms_are_ours() {
    let l = ledger().await;
    let pool = PgPool::connect(&l.app.database_url).await.unwrap();
    let times: Vec<i64> =
        (0..100).chain((4..62).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 7])).collect();
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT us, usage_sketch(us) FROM UNNEST($1::bigint[]) AS of (us)")
        .bind(&times)
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(rows.len(), times.len());
    for (us, bytes) in rows {
        let mut sketch = Sketch::default();
        sketch.add(us as u64);
        assert_eq!(bytes, sketch.to_bytes(), "{us}");
    }
    let (none,): (Vec<u8>,) = sqlx::query_as("SELECT usage_sketch(NULL)").fetch_one(&pool).await.unwrap();
    assert!(none.is_empty());
}
