//! The usage ledger: one record for each request.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One request as it ended. Its identity is the UTC day of `started_at`, the tenant and the request id.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageRecord {
    /// UUIDv7, made in the gateway.
    pub request_id: Uuid,
    /// When the request arrived, to the microsecond.
    pub started_at: DateTime<Utc>,
    /// The caller's tenant.
    pub tenant_id: Uuid,
    /// The caller's key.
    pub key_id: Uuid,
    /// The client's operation, for example `chat.completions`.
    pub operation: String,
    /// The model that the client asked for.
    pub model: String,
    /// The provider that answered; `None`: none did.
    pub provider_id: Option<Uuid>,
    /// The deployment that answered; `None`: none did.
    pub deployment_id: Option<Uuid>,
    /// The model's name at the provider; empty if none answered.
    pub upstream_model: String,
    /// Tokens of the prompt, those from the provider's cache included.
    pub input_tokens: u64,
    /// Of them those that the provider read from its cache.
    pub cached_input_tokens: u64,
    /// Of them those that the provider wrote to its cache for five minutes, or for a time that is not known.
    pub cache_write_tokens: u64,
    /// Of them those that the provider wrote to its cache for an hour.
    pub cache_write_1h_tokens: u64,
    /// Tokens of the answer, those of reasoning included.
    pub output_tokens: u64,
    /// Of them those of reasoning.
    pub reasoning_tokens: u64,
    /// Who counted the input.
    pub input_source: UsageSource,
    /// Who counted what was read from the cache.
    pub cached_input_source: UsageSource,
    /// Who counted what was written to the cache.
    pub cache_write_source: UsageSource,
    /// Who counted the output.
    pub output_source: UsageSource,
    /// Who counted the reasoning.
    pub reasoning_source: UsageSource,
    /// Pico-dollars, exactly.
    pub cost_picousd: u64,
    /// Empty if there was no price.
    pub price_version: String,
    /// From the request's arrival to its end, in microseconds.
    pub latency_us: u64,
    /// From the request's arrival to the first byte of content, in microseconds.
    pub time_to_first_token_us: Option<u64>,
    /// HTTP status sent to the client; 0 if it left before one was sent.
    pub status: u32,
    /// A stable error code, empty on success.
    pub error_code: String,
    /// `complete`, `refused`, `failed`, `client_disconnect`, `upstream_broken` or `ended_by_policy`.
    pub outcome: String,
    /// Whether the client asked for a stream.
    pub streamed: bool,
    /// Attempts made, 0 if nothing was forwarded.
    pub attempts: u32,
    /// `type:action=count`, for example `CREDIT_CARD:redact=2`.
    pub guardrail_findings: Vec<String>,
    /// Policy revision under which the request ran.
    pub revision: u64,
    /// Names of the fields whose figure was refused, in the gateway or here, because it cannot be true. They hold an estimate or
    /// a bound.
    pub doubtful: Vec<String>,
    /// The pool that the model led to; `None`: none did, or an older gateway.
    pub pool_id: Option<Uuid>,
    /// The attempts one by one, as far as the gateway told of them.
    pub attempt_details: Vec<UsageAttempt>,
    /// Who decided on the error: `metering`, `auth`, `route`, `quota`, `guardrails`, `attempt`, `provider`, `envoy` or `client`; empty
    /// without one, and from older gateways.
    pub decided_by: String,
    /// What the provider, the client and the guardrails said besides; empty from older gateways.
    pub said: RecordSaid,
    /// For whom the key was then.
    pub subject: RecordSubject,
}

/// What the provider, the client and the guardrails of a request said besides its figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordSaid {
    /// What served, where it is not what everybody gets, for example `priority` or `fast+geo_us`.
    pub service_tier: String,
    /// The provider's usage as it said it (JSON): of a stream the first and the last word.
    pub raw_usages: Vec<String>,
    /// Searches of the web that the provider did.
    pub web_searches: u64,
    /// The trace that the client's `traceparent` named.
    pub trace_id: String,
    /// The client's own `x-request-id`.
    pub client_request_id: String,
    /// By what findings are known to be of the same text, without it: `type:key:digest`.
    pub finding_digests: Vec<String>,
}

/// For whom a key was when its request was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordSubject {
    /// The user who owns the key.
    pub user_id: Option<Uuid>,
    /// The service account that owns it.
    pub service_account_id: Option<Uuid>,
    /// The department that owns it, or to which its owner belongs.
    pub department_id: Option<Uuid>,
    /// `name=value`, sorted: the key's, and those of its owner and its department that it does not have itself.
    pub labels: Vec<String>,
}

/// One try at one provider. What a stored one lacks, since an older version wrote it, is as if the gateway had not said it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageAttempt {
    /// The deployment; `None`: what the gateway said is no id.
    pub deployment_id: Option<Uuid>,
    /// Its provider; `None` as above.
    pub provider_id: Option<Uuid>,
    /// The model's name there.
    pub upstream_model: String,
    /// The provider's HTTP status; 0: it sent none.
    pub status: u32,
    /// From the request's arrival to the attempt's beginning, in microseconds.
    pub started_after_us: u64,
    /// From the request's arrival to the head of the provider's answer, in microseconds; `None`: it sent none.
    pub answered_after_us: Option<u64>,
    /// What its provider bills, in pico-dollars; `None`: an older gateway did not say.
    pub cost_picousd: Option<u64>,
    /// Tokens of the prompt that it bills.
    pub input_tokens: u64,
    /// Tokens of the answer that it bills.
    pub output_tokens: u64,
    /// The price's version; empty without one.
    pub price_version: String,
}

/// How far ahead of ours an Envoy's clock may be.
pub const CLOCK_AHEAD: TimeDelta = TimeDelta::hours(1);
/// How late a record may come.
const OLDEST: TimeDelta = TimeDelta::days(7);
/// Pico-dollars of a micro-dollar.
pub const PICOUSD_PER_MICROUSD: u64 = 1_000_000;
/// The dearest request: a million dollars.
const DEAREST_PICOUSD: u64 = 1_000_000_000_000_000_000;
/// The most tokens of one kind in a request.
const MOST_TOKENS: u64 = 1_000_000_000_000;
/// The longest request, in microseconds: a week. A pool's longest time-out is a day.
const LONGEST_US: u64 = 7 * 86_400 * 1_000_000;
/// Characters of a model's name. A client's need not be one, and may be as long as a body.
const LONGEST_MODEL: usize = 256;
/// Characters of every other text.
const LONGEST_TEXT: usize = 128;
/// Bytes of a digest of a finding, with its kind and key.
const LONGEST_DIGEST: usize = 128;
/// Bytes of a usage as it was said.
const LONGEST_USAGE: usize = 2_048;
/// And how many of them.
const MOST_USAGES: usize = 2;
/// Attempts of one request that are kept.
const MOST_ATTEMPTS: usize = 16;
/// Findings of different kinds, and fields that are doubtful.
const MOST_TEXTS: usize = 64;

impl UsageRecord {
    /// The cost for those who count in whole micro-dollars, rounded up.
    pub fn cost_microusd(&self) -> u64 {
        self.cost_picousd.div_ceil(PICOUSD_PER_MICROUSD)
    }

    /// The record as it can be kept. What cannot be true is bounded and named in `doubtful`, and long texts are shortened: a
    /// gateway's token must not be enough to falsify sums, to fill the ledger's past or its disk; and no figure, whoever made it
    /// up, may keep a request out of the ledger.
    #[must_use]
    pub fn bounded(mut self, now: DateTime<Utc>) -> Self {
        let mut refused = Vec::new();
        let mut bound = |field: &'static str, figure: &mut u64, most: u64| {
            if *figure > most {
                *figure = most;
                refused.push(field);
            }
        };
        bound("input_tokens", &mut self.input_tokens, MOST_TOKENS);
        bound("cached_input_tokens", &mut self.cached_input_tokens, MOST_TOKENS);
        bound("cache_write_tokens", &mut self.cache_write_tokens, MOST_TOKENS);
        bound("cache_write_1h_tokens", &mut self.cache_write_1h_tokens, MOST_TOKENS);
        bound("output_tokens", &mut self.output_tokens, MOST_TOKENS);
        bound("reasoning_tokens", &mut self.reasoning_tokens, MOST_TOKENS);
        bound("cost_picousd", &mut self.cost_picousd, DEAREST_PICOUSD);
        bound("latency_us", &mut self.latency_us, LONGEST_US);
        if let Some(time) = &mut self.time_to_first_token_us {
            bound("time_to_first_token_us", time, LONGEST_US);
        }
        self.attempt_details.truncate(MOST_ATTEMPTS);
        for attempt in &mut self.attempt_details {
            attempt.started_after_us = attempt.started_after_us.min(LONGEST_US);
            attempt.answered_after_us = attempt.answered_after_us.map(|after| after.min(LONGEST_US));
            shorten(&mut attempt.upstream_model, LONGEST_MODEL);
            shorten(&mut attempt.price_version, LONGEST_TEXT);
            attempt.cost_picousd = attempt.cost_picousd.map(|cost| cost.min(DEAREST_PICOUSD));
            attempt.input_tokens = attempt.input_tokens.min(MOST_TOKENS);
            attempt.output_tokens = attempt.output_tokens.min(MOST_TOKENS);
        }
        if !(now - OLDEST..=now + CLOCK_AHEAD).contains(&self.started_at) {
            self.started_at = now;
            refused.push("started_at");
        }
        shorten(&mut self.model, LONGEST_MODEL);
        shorten(&mut self.upstream_model, LONGEST_MODEL);
        for text in [
            &mut self.operation,
            &mut self.price_version,
            &mut self.error_code,
            &mut self.outcome,
            &mut self.decided_by,
            &mut self.said.service_tier,
            &mut self.said.trace_id,
            &mut self.said.client_request_id,
        ] {
            shorten(text, LONGEST_TEXT);
        }
        self.said.web_searches = self.said.web_searches.min(MOST_TOKENS);
        self.said.raw_usages.retain(|usage| usage.len() <= LONGEST_USAGE);
        self.said.raw_usages.truncate(MOST_USAGES);
        self.doubtful.truncate(MOST_TEXTS);
        for field in refused {
            if !self.doubtful.iter().any(|named| named == field) {
                self.doubtful.push(field.to_owned());
            }
        }
        self.said.finding_digests.retain(|digest| digest.len() <= LONGEST_DIGEST);
        self.said.finding_digests.truncate(MOST_TEXTS);
        self.guardrail_findings.truncate(MOST_TEXTS);
        for text in self.guardrail_findings.iter_mut().chain(&mut self.doubtful) {
            shorten(text, LONGEST_TEXT);
        }
        self
    }
}

fn shorten(text: &mut String, characters: usize) {
    if let Some((end, _)) = text.char_indices().nth(characters) {
        text.truncate(end);
        text.shrink_to_fit();
    }
}

/// Who counted tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The provider reported the figure.
    Provider,
    /// Weir estimated it.
    Estimated,
    /// Nobody counted, for example because nothing reached a provider.
    None,
}

impl UsageSource {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Estimated => "estimated",
            Self::None => "none",
        }
    }

    /// Reads the fixed name; anything else is [`UsageSource::None`].
    pub fn from_name(name: &str) -> Self {
        match name {
            "provider" => Self::Provider,
            "estimated" => Self::Estimated,
            _ => Self::None,
        }
    }
}

/// What became of a batch of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordOutcome {
    /// Records that are in the ledger now, whether by this batch or an earlier one.
    pub stored: u32,
    /// Records that can never be stored.
    pub rejected: Vec<RejectedRecord>,
}

/// A record that can never be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRecord {
    /// The record's.
    pub request_id: Uuid,
    /// Why.
    pub reason: String,
}

/// Pico-dollars as dollars, without needless zeros.
pub fn decimal_usd(picousd: u128) -> String {
    const DOLLAR: u128 = 1_000_000_000_000;
    let fraction = format!("{:012}", picousd % DOLLAR);
    match fraction.trim_end_matches('0') {
        "" => (picousd / DOLLAR).to_string(),
        fraction => format!("{}.{fraction}", picousd / DOLLAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(now: DateTime<Utc>) -> UsageRecord {
        UsageRecord {
            request_id: Uuid::nil(),
            started_at: now,
            tenant_id: Uuid::nil(),
            key_id: Uuid::nil(),
            operation: "chat.completions".into(),
            model: "gpt".into(),
            provider_id: None,
            deployment_id: None,
            upstream_model: "gpt".into(),
            input_tokens: 10,
            cached_input_tokens: 1,
            cache_write_tokens: 2,
            cache_write_1h_tokens: 3,
            output_tokens: 20,
            reasoning_tokens: 4,
            input_source: UsageSource::Provider,
            cached_input_source: UsageSource::Provider,
            cache_write_source: UsageSource::Provider,
            output_source: UsageSource::Provider,
            reasoning_source: UsageSource::Provider,
            cost_picousd: 5,
            price_version: "r1".into(),
            latency_us: 6,
            time_to_first_token_us: Some(7),
            status: 200,
            error_code: String::new(),
            outcome: "complete".into(),
            streamed: false,
            attempts: 1,
            guardrail_findings: vec![],
            revision: 1,
            doubtful: vec![],
            pool_id: None,
            attempt_details: vec![attempt()],
            decided_by: String::new(),
            said: RecordSaid::default(),
            subject: RecordSubject::default(),
        }
    }

    fn attempt() -> UsageAttempt {
        UsageAttempt {
            deployment_id: None,
            provider_id: None,
            upstream_model: "gpt".into(),
            status: 200,
            started_after_us: 1,
            answered_after_us: Some(2),
            ..UsageAttempt::default()
        }
    }

    #[test]
    fn what_cannot_be_true_is_bounded_and_named_and_the_rest_stays() {
        let now = Utc::now();
        assert_eq!(record(now).bounded(now), record(now));
        let check = |break_it: fn(&mut UsageRecord), mended: fn(&mut UsageRecord), field: &str| {
            let (mut broken, mut expect) = (record(now), record(now));
            break_it(&mut broken);
            mended(&mut expect);
            expect.doubtful = vec![field.to_owned()];
            let bounded = broken.bounded(now);
            assert_eq!(bounded, expect, "{field}");
            assert_eq!(bounded.clone().bounded(now), bounded, "once more changes nothing");
        };
        check(|it| it.input_tokens = u64::MAX, |it| it.input_tokens = MOST_TOKENS, "input_tokens");
        check(|it| it.cached_input_tokens = u64::MAX, |it| it.cached_input_tokens = MOST_TOKENS, "cached_input_tokens");
        check(|it| it.cache_write_tokens = u64::MAX, |it| it.cache_write_tokens = MOST_TOKENS, "cache_write_tokens");
        check(
            |it| it.cache_write_1h_tokens = MOST_TOKENS + 1,
            |it| it.cache_write_1h_tokens = MOST_TOKENS,
            "cache_write_1h_tokens",
        );
        check(|it| it.output_tokens = u64::MAX, |it| it.output_tokens = MOST_TOKENS, "output_tokens");
        check(|it| it.reasoning_tokens = u64::MAX, |it| it.reasoning_tokens = MOST_TOKENS, "reasoning_tokens");
        check(|it| it.cost_picousd = u64::MAX, |it| it.cost_picousd = DEAREST_PICOUSD, "cost_picousd");
        check(|it| it.cost_picousd = DEAREST_PICOUSD + 1, |it| it.cost_picousd = DEAREST_PICOUSD, "cost_picousd");
        check(|it| it.latency_us = u64::MAX, |it| it.latency_us = LONGEST_US, "latency_us");
        check(
            |it| it.time_to_first_token_us = Some(u64::MAX),
            |it| it.time_to_first_token_us = Some(LONGEST_US),
            "time_to_first_token_us",
        );
        check(|it| it.started_at = DateTime::<Utc>::MAX_UTC, |_| (), "started_at");
        check(|it| it.started_at = DateTime::<Utc>::MIN_UTC, |_| (), "started_at");
        check(|it| it.started_at += TimeDelta::minutes(61), |_| (), "started_at");
        check(|it| it.started_at -= TimeDelta::days(8), |_| (), "started_at");
    }

    #[test]
    fn long_texts_are_shortened() {
        let now = Utc::now();
        let long = || "ä".repeat(1_000_000);
        let record = UsageRecord {
            model: long(),
            upstream_model: long(),
            operation: long(),
            price_version: long(),
            error_code: long(),
            outcome: long(),
            guardrail_findings: vec![long(); 100],
            doubtful: vec![long(); 100],
            decided_by: long(),
            said: RecordSaid {
                service_tier: long(),
                raw_usages: vec![long(), "{}".into(), "{}".into(), "{}".into()],
                web_searches: u64::MAX,
                trace_id: long(),
                client_request_id: long(),
                finding_digests: Vec::new(),
            },
            attempt_details: vec![
                UsageAttempt {
                    upstream_model: long(),
                    started_after_us: u64::MAX,
                    answered_after_us: Some(u64::MAX),
                    ..attempt()
                };
                100
            ],
            ..record(now)
        };
        let bounded = record.bounded(now);
        let texts = [&bounded.model, &bounded.upstream_model].map(|text| text.chars().count());
        assert_eq!(texts, [LONGEST_MODEL; 2]);
        let UsageRecord { operation, price_version, error_code, outcome, decided_by, .. } = &bounded;
        let (finding, doubtful) = (&bounded.guardrail_findings[0], &bounded.doubtful[0]);
        let RecordSaid { service_tier, trace_id, client_request_id, raw_usages, .. } = &bounded.said;
        assert_eq!(raw_usages, &["{}", "{}"], "one that is cut off is none");
        for text in [
            operation,
            price_version,
            error_code,
            outcome,
            decided_by,
            finding,
            doubtful,
            service_tier,
            trace_id,
            client_request_id,
        ] {
            assert_eq!(text.chars().count(), LONGEST_TEXT);
        }
        assert_eq!((bounded.guardrail_findings.len(), bounded.doubtful.len()), (MOST_TEXTS, MOST_TEXTS));
        assert_eq!(bounded.attempt_details.len(), MOST_ATTEMPTS);
        let attempt = &bounded.attempt_details[0];
        assert_eq!(attempt.upstream_model.chars().count(), LONGEST_MODEL);
        assert_eq!((attempt.started_after_us, attempt.answered_after_us), (LONGEST_US, Some(LONGEST_US)));
    }

    #[test]
    fn amounts_are_exact() {
        for (units, expect) in [(0, "0"), (1, "0.000000000001"), (2_500_000_000_000, "2.5"), (10_u128.pow(15), "1000")]
        {
            assert_eq!(decimal_usd(units), expect);
        }
    }
}
