//! Requests as they might have been: more by day than by night, fewer at weekends, a little more each week, and two incidents.

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc};
use uuid::Uuid;
use weir_config::Tokens;
use weir_core::ledger::{UsageAttempt, UsageRecord, UsageSource};

use super::{Furnished, FurnishedModel, Member};

/// Days ago on which a provider failed for hours, and the requests of its large models went to the other one.
const OUTAGE: i64 = 12;
/// Hours of that day (UTC).
const OUTAGE_HOURS: std::ops::Range<u32> = 13..16;
/// Days ago on which a key ran wild.
const RUNAWAY: i64 = 5;
/// Hours of that day (UTC).
const RUNAWAY_HOURS: std::ops::Range<u32> = 8..13;

/// The same numbers on every run (xorshift).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new() -> Self {
        Self(0x77e1_2026)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// Around `middle`, with a long tail above.
    fn around(&mut self, middle: u64) -> u64 {
        let spread = (self.below(1000) + self.below(1000) + self.below(1000)) as f64 / 1500.0;
        (middle as f64 * (spread * spread * 0.8 + 0.25)) as u64
    }
}

/// The requests of one UTC day, in no order.
pub(super) fn of_day(all: &[Furnished], begin: DateTime<Utc>, days_ago: i64, dice: &mut Dice) -> Vec<UsageRecord> {
    let mut records = Vec::new();
    for of in all {
        for hour in 0..24 {
            let at = begin + TimeDelta::hours(hour);
            let growth = 1000 - days_ago as u64 * 8;
            let wanted = of.tenant.requests_a_day * weight(of.tenant.time_zone, at) * growth / 1_000_000;
            let wanted = dice.around(wanted * 12 / 10);
            for _ in 0..wanted {
                records.push(request(of, within(at, dice), days_ago, None, dice));
            }
            if days_ago == RUNAWAY
                && of.tenant.keys.len() == 4
                && of.tenant.time_zone == "Asia/Kolkata"
                && RUNAWAY_HOURS.contains(&at.hour())
            {
                for _ in 0..600 {
                    records.push(request(of, within(at, dice), days_ago, Some(1), dice));
                }
            }
        }
    }
    records
}

fn within(hour: DateTime<Utc>, dice: &mut Dice) -> DateTime<Utc> {
    hour + TimeDelta::microseconds(dice.below(3_600_000_000) as i64)
}

/// The share of a day's requests in this hour, in thousandths.
fn weight(time_zone: &str, at: DateTime<Utc>) -> u64 {
    // Nobody works at night, and the laboratory's evaluation does nothing else.
    const OFFICE: [u64; 24] = [4, 3, 3, 3, 4, 8, 20, 45, 78, 98, 100, 88, 62, 80, 92, 90, 76, 52, 30, 22, 16, 11, 8, 6];
    const NIGHTLY: [u64; 24] =
        [10, 120, 320, 260, 90, 20, 5, 5, 10, 20, 20, 20, 10, 15, 20, 20, 15, 5, 5, 3, 3, 2, 2, 2];
    let offset = match time_zone {
        "Europe/Berlin" => 60,
        "America/New_York" => -300,
        "Asia/Kolkata" => 330,
        _ => return NIGHTLY[at.hour() as usize],
    };
    let local = at + TimeDelta::minutes(offset);
    let office = OFFICE[local.hour() as usize];
    match local.weekday().number_from_monday() {
        6 | 7 => office * 3 / 10,
        _ => office,
    }
}

fn request(
    of: &Furnished,
    started_at: DateTime<Utc>,
    days_ago: i64,
    runaway_key: Option<usize>,
    dice: &mut Dice,
) -> UsageRecord {
    let key = runaway_key.unwrap_or_else(|| dice.below(of.keys.len() as u64 + 2) as usize % of.keys.len());
    // Each app has a model that it likes best.
    let liked = if dice.one_in(4) { dice.below(of.models.len() as u64) as usize } else { key % of.models.len() };
    let model = &of.models[liked];
    let mut record = empty(of, of.keys[key], model, started_at, dice);
    if runaway_key.is_some() && !dice.one_in(3) {
        return refused(record, 429, "rate_limit_exceeded", "quota", dice);
    }
    if !of.tenant.profile.is_empty() && dice.one_in(40) {
        let (finding, action) = of.tenant.profile[dice.below(of.tenant.profile.len() as u64) as usize];
        record.guardrail_findings = vec![format!("{finding}:{action}={}", 1 + dice.below(3))];
        if action == "block" {
            return refused(record, 400, "content_blocked", "guardrails", dice);
        }
    }
    if dice.one_in(300) {
        let unknown = UsageRecord { model: "gpt-5-preview".into(), pool_id: None, ..record };
        return refused(unknown, 404, "model_not_found", "route", dice);
    }
    let is_outage = days_ago == OUTAGE && OUTAGE_HOURS.contains(&started_at.hour());
    answered(record, model, is_outage, dice)
}

fn empty(
    of: &Furnished,
    key_id: Uuid,
    model: &FurnishedModel,
    started_at: DateTime<Utc>,
    dice: &mut Dice,
) -> UsageRecord {
    let is_embedding = model.name.contains("embedding");
    let mut id = Uuid::from_u64_pair(dice.next(), dice.next()).into_bytes();
    // UUIDv7: the time in milliseconds, the version, the variant (RFC 9562, 5.7).
    let milliseconds = started_at.timestamp_millis().to_be_bytes();
    id[..6].copy_from_slice(&milliseconds[2..]);
    id[6] = id[6] & 0x0f | 0x70;
    id[8] = id[8] & 0x3f | 0x80;
    UsageRecord {
        request_id: Uuid::from_bytes(id),
        started_at,
        tenant_id: of.tenant_id,
        key_id,
        operation: if is_embedding { "embeddings" } else { "chat.completions" }.into(),
        model: model.name.into(),
        provider_id: None,
        deployment_id: None,
        upstream_model: String::new(),
        input_tokens: 0,
        cached_input_tokens: 0,
        cache_write_tokens: 0,
        cache_write_1h_tokens: 0,
        output_tokens: 0,
        reasoning_tokens: 0,
        input_source: UsageSource::None,
        cached_input_source: UsageSource::None,
        cache_write_source: UsageSource::None,
        output_source: UsageSource::None,
        reasoning_source: UsageSource::None,
        cost_picousd: 0,
        price_version: String::new(),
        latency_us: 0,
        time_to_first_token_us: None,
        status: 200,
        error_code: String::new(),
        outcome: "complete".into(),
        streamed: !is_embedding && !dice.one_in(3),
        attempts: 0,
        guardrail_findings: vec![],
        revision: model.revision,
        doubtful: vec![],
        pool_id: Some(model.pool_id),
        attempt_details: vec![],
        decided_by: String::new(),
        said: Default::default(),
        subject: Default::default(),
    }
}

fn refused(record: UsageRecord, status: u32, code: &str, by: &str, dice: &mut Dice) -> UsageRecord {
    UsageRecord {
        status,
        error_code: code.into(),
        decided_by: by.into(),
        outcome: "refused".into(),
        latency_us: 400 + dice.around(900),
        ..record
    }
}

fn answered(mut record: UsageRecord, model: &FurnishedModel, is_outage: bool, dice: &mut Dice) -> UsageRecord {
    let mut elapsed = 1_500 + dice.around(1_200);
    for (number, member) in model.members.iter().enumerate() {
        // The first provider is away, or now and then answers that it is busy.
        let fails =
            number == 0 && (is_outage && member.model.starts_with("gpt") && !dice.one_in(5) || dice.one_in(120));
        let thinks = dice.around(if record.operation == "embeddings" { 90_000 } else { 620_000 });
        let waited = if fails && is_outage { 2_000_000 + dice.around(4_000_000) } else { thinks };
        let status = match (fails, is_outage) {
            (false, _) => 200,
            (true, true) => 503,
            (true, false) => 429,
        };
        record.attempt_details.push(UsageAttempt {
            deployment_id: Some(member.deployment_id),
            provider_id: Some(member.provider_id),
            upstream_model: member.model.clone(),
            status,
            started_after_us: elapsed,
            answered_after_us: Some(elapsed + waited),
            ..UsageAttempt::default()
        });
        record.attempts += 1;
        elapsed += waited;
        record.provider_id = Some(member.provider_id);
        record.deployment_id = Some(member.deployment_id);
        record.upstream_model.clone_from(&member.model);
        if !fails {
            return with_answer(record, member, elapsed, dice);
        }
        record.status = status;
    }
    UsageRecord {
        latency_us: elapsed,
        error_code: if record.status == 429 { "upstream_rate_limited" } else { "upstream_unavailable" }.into(),
        decided_by: "provider".into(),
        outcome: "failed".into(),
        ..record
    }
}

fn with_answer(mut record: UsageRecord, member: &Member, elapsed: u64, dice: &mut Dice) -> UsageRecord {
    let is_chat = record.operation != "embeddings";
    record.status = 200;
    record.input_tokens = 40 + dice.around(1_700);
    record.output_tokens = if is_chat { 15 + dice.around(420) } else { 0 };
    if is_chat && dice.one_in(3) {
        record.cached_input_tokens = record.input_tokens * (30 + dice.below(50)) / 100;
        record.cached_input_source = UsageSource::Provider;
    }
    (record.input_source, record.output_source) = (UsageSource::Provider, UsageSource::Provider);
    record.latency_us = elapsed + record.output_tokens * (9_000 + dice.below(4_000));
    record.time_to_first_token_us = is_chat.then_some(elapsed + dice.around(20_000));
    if record.streamed && dice.one_in(90) {
        record.output_tokens /= 2;
        record.output_source = UsageSource::Estimated;
        (record.outcome, record.error_code) = ("client_disconnect".into(), "client_disconnect".into());
        record.decided_by = "client".into();
    }
    let tokens = Tokens {
        input: record.input_tokens,
        cached_input: record.cached_input_tokens,
        output: record.output_tokens,
        ..Tokens::default()
    };
    record.cost_picousd = u64::try_from(member.price.cost_picousd(tokens)).unwrap_or(u64::MAX);
    record.price_version.clone_from(&member.price.version);
    record
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use chrono::TimeZone as _;
    use weir_config::Price;

    use super::super::{MODELS, TENANTS};
    use super::*;

    fn furnished() -> Vec<Furnished> {
        let id = |number: usize| Uuid::from_u128(number as u128 + 1);
        let member = |name: &str, number| Member {
            deployment_id: id(number),
            provider_id: id(number),
            model: name.into(),
            price: Price { version: "r1".into(), output_microusd_per_million: 1_000_000, ..Price::default() },
        };
        let model = |(number, model): (usize, &'static super::super::Model)| FurnishedModel {
            name: model.name,
            pool_id: id(number),
            members: vec![member(model.name, number), member("claude-sonnet-5", 9)],
            revision: 1,
        };
        let tenant = |(number, tenant): (usize, &'static super::super::Tenant)| Furnished {
            tenant,
            tenant_id: id(number),
            keys: (0..tenant.keys.len()).map(|key| id(number * 10 + key)).collect(),
            models: MODELS.iter().enumerate().map(model).collect(),
        };
        TENANTS.iter().enumerate().map(tenant).collect()
    }

    /// The requests of each day, the earliest first. The last day is a Monday.
    fn days() -> Vec<Vec<UsageRecord>> {
        let last = Utc.with_ymd_and_hms(2026, 11, 30, 0, 0, 0).unwrap();
        let (all, mut dice) = (furnished(), Dice::new());
        (0..30).map(|day| of_day(&all, last - TimeDelta::days(29 - day), 29 - day, &mut dice)).collect()
    }

    #[test]
    fn it_is_the_same_on_every_run_and_each_request_is_one_of_its_day() {
        let days = days();
        assert_eq!(days, self::days());
        let ids: HashSet<Uuid> = days.iter().flatten().map(|record| record.request_id).collect();
        assert_eq!(ids.len(), days.iter().map(Vec::len).sum::<usize>());
        for record in days.iter().flatten() {
            let (seconds, _) = record.request_id.get_timestamp().expect("a UUIDv7").to_unix();
            assert_eq!(seconds as i64, record.started_at.timestamp());
            assert_eq!(record.clone().bounded(record.started_at), *record, "the ledger keeps it as it is");
            assert_eq!(record.outcome == "complete", record.error_code.is_empty(), "{record:?}");
            assert_eq!(record.error_code.is_empty(), record.decided_by.is_empty(), "{record:?}");
            assert_eq!(record.attempts as usize, record.attempt_details.len());
        }
    }

    #[test]
    fn weekends_are_quiet_and_the_incidents_are_there() {
        let days = days();
        let count = |ago: usize| days[29 - ago].len();
        // Two days ago was a Saturday.
        assert!(count(2) * 2 < count(3) && count(1) * 2 < count(4), "{} {}", count(2), count(3));
        let of = |ago: usize, wanted: fn(&UsageRecord) -> bool| days[29 - ago].iter().filter(|it| wanted(it)).count();
        let failed_over = |record: &UsageRecord| record.attempts == 2 && record.status == 200;
        assert!(of(12, failed_over) > 5 * of(10, failed_over), "{}", of(12, failed_over));
        let limited = |record: &UsageRecord| record.error_code == "rate_limit_exceeded";
        assert!(of(5, limited) > 1000 && of(6, limited) == 0, "{}", of(5, limited));
    }
}
