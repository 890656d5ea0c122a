//! Between the wire's messages and the control plane's types.

use chrono::{DateTime, Utc};
use tonic::Status;
use uuid::Uuid;
use weir_config::CustomRule;
use weir_core::finding_key::FindingKey;
use weir_core::gateway::{
    Catalog, CredentialStatus, KnownCatalog, Limit, LimitAction, LimitCounter, LimitedModels, Period, Principal,
    PrincipalProfile, QuotaDemand, QuotaGrant, QuotaSettlement, Resolved, Window,
};
use weir_core::ledger::{PICOUSD_PER_MICROUSD, RecordSaid, RecordSubject, UsageAttempt, UsageRecord, UsageSource};
use weir_core::ways_in::{Way, WayMode, WaysIn};
use weir_proto::dataplane as wire;

/// What whoever asks knows of that which may hold for a key. To others a key of which more holds is revoked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeps {
    /// That keys may be disabled or restricted.
    pub(crate) restrictions: bool,
    /// That ways in may be required or refused.
    pub(crate) ways_in: bool,
    /// Limits that administrators wrote. Others are told of one that they do not know.
    pub(crate) limits: bool,
    /// That ways in may be required or refused by models. Others are not told of such a model.
    pub(crate) ways_in_of_models: bool,
}

pub(crate) fn resolved(resolved: Resolved, keeps: Keeps) -> wire::ResolveCredentialResponse {
    use wire::resolve_credential_response::Status;
    let is_beyond = |principal: &Principal| {
        let is_restricted = principal.allowed_operations.is_some() || !principal.source_cidrs.is_empty();
        // It shows a key, the only way that it knows.
        let is_required = principal.required_ways_in.iter().any(|way| *way != Way::Key);
        is_restricted && !keeps.restrictions || is_required && !keeps.ways_in
    };
    if resolved.principal.as_ref().is_some_and(is_beyond) {
        return wire::ResolveCredentialResponse {
            status: Status::Revoked.into(),
            revision: resolved.revision,
            ..Default::default()
        };
    }
    let status = match resolved.status {
        CredentialStatus::Active => Status::Active,
        CredentialStatus::Unknown => Status::Unknown,
        CredentialStatus::Revoked => Status::Revoked,
        CredentialStatus::Expired => Status::Expired,
        CredentialStatus::Disabled if keeps.restrictions => Status::Disabled,
        CredentialStatus::WayRefused if keeps.ways_in => Status::WayRefused,
        CredentialStatus::Disabled | CredentialStatus::WayRefused => Status::Revoked,
        CredentialStatus::NoRule => Status::NoRule,
        CredentialStatus::NoUser => Status::NoUser,
        CredentialStatus::Malformed => Status::Malformed,
    };
    wire::ResolveCredentialResponse {
        status: status.into(),
        principal: resolved.principal.map(|found| principal(found, keeps.limits)),
        catalog: resolved.catalog.map(|found| catalog(found, keeps.ways_in_of_models)),
        revision: resolved.revision,
    }
}

/// A unit that no filter knows: whoever is told of it can serve nobody, rather than more than a limit allows.
const UNKEPT: &str = "limits";

fn rate_limit(limit: Limit, keeps_limits: bool) -> wire::RateLimit {
    let is_kept = keeps_limits || !LimitCounter::is_name(&limit.counter);
    let period = |period: &Period| wire::LimitPeriod { start_unix_s: period.start_s, end_unix_s: period.end_s };
    let (periods, period_name) = match &limit.window {
        Window::Calendar { name, periods } => (periods.iter().map(period).collect(), name.to_string()),
        Window::Fixed { .. } | Window::Sliding { .. } | Window::Always => (Vec::new(), String::new()),
    };
    let (action, fall_over_pool_id) = match limit.action {
        LimitAction::Refuse => ("refuse", String::new()),
        LimitAction::Warn => ("warn", String::new()),
        LimitAction::FallOver(pool_id) => ("fall_over", pool_id),
    };
    let (model, each_model) = match limit.models {
        LimitedModels::All => (String::new(), false),
        LimitedModels::One(model) => (model, false),
        LimitedModels::Each => (String::new(), true),
    };
    wire::RateLimit {
        counter: limit.counter,
        limit: limit.amount,
        window_seconds: limit.window.seconds(),
        unit: if is_kept { limit.unit.name() } else { UNKEPT }.into(),
        action: action.into(),
        fall_over_pool_id,
        periods,
        period_name,
        part_seconds: match limit.window {
            Window::Sliding { part_seconds, .. } => part_seconds,
            Window::Fixed { .. } | Window::Calendar { .. } | Window::Always => 0,
        },
        is_endless: limit.window == Window::Always,
        model,
        each_model,
        name: limit.name,
        subject: limit.subject,
        told_to_callers: limit.is_told,
    }
}

fn principal(principal: Principal, keeps_limits: bool) -> wire::Principal {
    let rate_limits = principal.limits.into_iter().map(|limit| rate_limit(limit, keeps_limits));
    let guardrail_profile = principal.guardrail_profile.map(guardrail_profile);
    wire::Principal {
        tenant_id: principal.tenant_id.to_string(),
        key_id: principal.key_id.to_string(),
        allowed_models: principal.allowed_models.map(|names| wire::AllowedModels { names }),
        allowed_operations: principal.allowed_operations.map(|names| wire::AllowedOperations { names }),
        source_cidrs: principal.source_cidrs,
        trusted_hops: principal.trusted_hops.into(),
        guardrail_profile_id: guardrail_profile.as_ref().map(|profile| profile.id.clone()).unwrap_or_default(),
        guardrail_profile,
        rate_limits: rate_limits.collect(),
        expires_at_unix_ms: principal.expires_at.map_or(0, |at| at.timestamp_millis()),
        required_ways_in: principal.required_ways_in.into_iter().map(|way| way.name().into()).collect(),
        way_in: principal.way_in.name().into(),
        finding_keys: principal.finding_keys.into_iter().map(finding_key).collect(),
    }
}

fn finding_key(key: FindingKey) -> wire::FindingKey {
    let FindingKey { key, week } = key;
    wire::FindingKey { id: week.id, key: key.to_vec(), start_unix_s: week.start_s, end_unix_s: week.end_s }
}

fn guardrail_profile(profile: PrincipalProfile) -> wire::GuardrailProfile {
    let PrincipalProfile { id, profile } = profile;
    let rules = profile.rules.into_iter().map(|rule| wire::GuardrailRule {
        r#type: rule.finding.name().into(),
        action: rule.action.name().into(),
        direction: rule.direction.name().into(),
        threshold_hundredths: rule.threshold.hundredths().into(),
        mode: if rule.mode.is_enforce() { String::new() } else { rule.mode.name().into() },
        form: if rule.form.is_type() { String::new() } else { rule.form.name().into() },
        keep_last: rule.form.keep_last().into(),
        custom: rule.custom.map(custom_rule),
    });
    wire::GuardrailProfile {
        id: id.to_string(),
        name: profile.name,
        rules: rules.collect(),
        uninspectable: profile.uninspectable.name().into(),
    }
}

fn custom_rule(rule: CustomRule) -> wire::CustomRule {
    wire::CustomRule {
        kind: rule.kind.name().into(),
        case_sensitive: rule.case_sensitive,
        parts_of_words: rule.parts_of_words,
        entries_sha256: rule.entries.digest().to_vec(),
        entries: rule.entries.list().to_vec(),
        name: rule.name,
    }
}

/// Leaves out the entries that the caller has.
pub(crate) fn leave_out_known(response: &mut wire::ResolveCredentialResponse, known: &[Vec<u8>]) {
    let profiles = response.principal.iter_mut().flat_map(|principal| &mut principal.guardrail_profile);
    for rule in profiles.flat_map(|profile| &mut profile.rules).flat_map(|rule| &mut rule.custom) {
        if known.contains(&rule.entries_sha256) {
            rule.entries.clear();
        }
    }
}

fn catalog(catalog: Catalog, keeps_ways_in: bool) -> wire::Catalog {
    let names = |ways: Vec<Way>| ways.into_iter().map(|way| way.name().to_owned()).collect();
    let is_kept = |model: &weir_core::gateway::CatalogModel| keeps_ways_in || model.ways_in == WaysIn::default();
    let model = |model: weir_core::gateway::CatalogModel| wire::CatalogModel {
        name: model.name,
        pool_id: model.pool_id.to_string(),
        created_at_unix_s: model.created_at.timestamp(),
        owner: model.owner,
        dearest_input_picousd: model.dearest.map(|prices| prices.input),
        dearest_output_picousd: model.dearest.map(|prices| prices.output),
        dearest_request_picousd: model.dearest.map_or(0, |prices| prices.request),
        refused_ways_in: names(model.ways_in.with_mode(WayMode::Refused)),
        required_ways_in: names(model.ways_in.with_mode(WayMode::Required)),
        default_max_tokens: model.default_max_tokens,
        max_tokens_cap: model.max_tokens_cap,
    };
    wire::Catalog {
        tenant_id: catalog.tenant_id.to_string(),
        revision: catalog.revision,
        unchanged: catalog.models.is_none(),
        models: catalog.models.into_iter().flatten().filter(is_kept).map(model).collect(),
    }
}

/// The catalog that whoever asks has; `None`: it has none, or names one in a way that makes no sense.
pub(crate) fn known_catalog(request: &wire::ResolveCredentialRequest) -> Option<KnownCatalog> {
    let tenant_id = request.known_catalog_tenant_id.parse().ok()?;
    Some(KnownCatalog { tenant_id, revision: request.known_catalog_revision })
}

pub(crate) fn demand(demand: wire::QuotaDemand) -> QuotaDemand {
    QuotaDemand {
        counter: demand.counter,
        window_start_unix_s: demand.window_start_unix_s,
        minimum: demand.minimum,
        wanted: demand.wanted,
        waiting: demand.waiting,
        id: demand.id,
    }
}

pub(crate) fn grant(grant: QuotaGrant) -> wire::QuotaGrant {
    wire::QuotaGrant {
        counter: grant.counter,
        window_start_unix_s: grant.window_start_unix_s,
        granted: grant.granted,
        remaining: grant.remaining,
        limit: grant.limit,
        ask_again_ms: grant.ask_again_ms,
    }
}

/// `None`: it names no tenant, and so no lease.
pub(crate) fn settlement(settlement: wire::QuotaSettlement) -> Option<QuotaSettlement> {
    Some(QuotaSettlement {
        tenant_id: settlement.tenant_id.parse().ok()?,
        counter: settlement.counter,
        window_start_unix_s: settlement.window_start_unix_s,
        holder: settlement.holder,
        spent: settlement.spent,
        returned: settlement.returned,
    })
}

pub(crate) fn id(field: &'static str, value: &str) -> Result<Uuid, Status> {
    value.parse().map_err(|_| Status::invalid_argument(format!("{field} is not a UUID")))
}

/// A record that does not say whose it is can never be stored: the reason goes back with its id as it came. Of all else, what
/// cannot be read is left out and named in the record.
pub(crate) fn usage_record(record: wire::UsageRecord) -> Result<UsageRecord, wire::RejectedRecord> {
    let request_id = record.request_id.clone();
    read_usage_record(record).map_err(|reason| wire::RejectedRecord { request_id, reason: reason.to_owned() })
}

fn read_usage_record(record: wire::UsageRecord) -> Result<UsageRecord, &'static str> {
    let (input_source, output_source) = (source(record.input_source()), source(record.output_source()));
    let cached_input_source = source(record.cached_input_source());
    let cache_write_source = source(record.cache_write_source());
    let reasoning_source = source(record.reasoning_source());
    let mut doubtful = record.doubtful;
    let cost_picousd = record.cost_picousd.unwrap_or_else(|| match u64::try_from(record.cost_microusd) {
        Ok(microusd) => microusd.saturating_mul(PICOUSD_PER_MICROUSD),
        Err(_) => {
            doubtful.push("cost_picousd".to_owned());
            0
        }
    });
    let mut optional_id = |field: &str, value: &str| {
        let id = value.parse().ok();
        if id.is_none() && !value.is_empty() {
            doubtful.push(field.to_owned());
        }
        id
    };
    Ok(UsageRecord {
        request_id: record.request_id.parse().map_err(|_| "request_id is not a UUID")?,
        // The store says what becomes of a time that cannot be true.
        started_at: DateTime::from_timestamp_micros(record.started_at_unix_us).unwrap_or(DateTime::<Utc>::MAX_UTC),
        tenant_id: record.tenant_id.parse().map_err(|_| "tenant_id is not a UUID")?,
        key_id: record.key_id.parse().map_err(|_| "key_id is not a UUID")?,
        operation: record.operation,
        model: record.model,
        provider_id: optional_id("provider_id", &record.provider_id),
        deployment_id: optional_id("deployment_id", &record.deployment_id),
        upstream_model: record.upstream_model,
        input_tokens: record.input_tokens,
        cached_input_tokens: record.cached_input_tokens,
        cache_write_tokens: record.cache_write_tokens,
        cache_write_1h_tokens: record.cache_write_1h_tokens,
        output_tokens: record.output_tokens,
        reasoning_tokens: record.reasoning_tokens,
        input_source,
        cached_input_source,
        cache_write_source,
        output_source,
        reasoning_source,
        cost_picousd,
        price_version: record.price_version,
        latency_us: record.latency_us,
        time_to_first_token_us: record.time_to_first_token_us,
        status: record.status,
        error_code: record.error_code,
        outcome: record.outcome,
        streamed: record.streamed,
        attempts: record.attempts,
        guardrail_findings: record.guardrail_findings,
        revision: record.revision,
        pool_id: optional_id("pool_id", &record.pool_id),
        attempt_details: record.attempt_details.into_iter().map(attempt).collect(),
        decided_by: record.decided_by,
        said: RecordSaid {
            service_tier: record.service_tier,
            raw_usages: record.raw_usages,
            web_searches: record.web_searches,
            trace_id: record.trace_id,
            client_request_id: record.client_request_id,
            finding_digests: record.finding_digests,
        },
        // The store knows.
        subject: RecordSubject::default(),
        doubtful,
    })
}

fn attempt(attempt: wire::UsageAttempt) -> UsageAttempt {
    UsageAttempt {
        deployment_id: attempt.deployment_id.parse().ok(),
        provider_id: attempt.provider_id.parse().ok(),
        upstream_model: attempt.upstream_model,
        status: attempt.status,
        started_after_us: attempt.started_after_us,
        answered_after_us: attempt.answered_after_us,
        cost_picousd: attempt.cost_picousd,
        input_tokens: attempt.input_tokens,
        output_tokens: attempt.output_tokens,
        price_version: attempt.price_version,
    }
}

fn source(source: wire::UsageSource) -> UsageSource {
    match source {
        wire::UsageSource::Provider => UsageSource::Provider,
        wire::UsageSource::Estimated => UsageSource::Estimated,
        wire::UsageSource::None | wire::UsageSource::Unspecified => UsageSource::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_the_caller_has_are_left_out() {
        let rule = |name: &str| weir_config::CustomRule {
            name: name.into(),
            kind: weir_config::CustomKind::Keywords,
            entries: weir_config::Entries::new(vec![name.into()]),
            case_sensitive: false,
            parts_of_words: true,
        };
        let told = [rule("a"), rule("b")]
            .map(|rule| wire::GuardrailRule { custom: Some(custom_rule(rule)), ..wire::GuardrailRule::default() });
        let profile = wire::GuardrailProfile { rules: told.into(), ..wire::GuardrailProfile::default() };
        let principal = wire::Principal { guardrail_profile: Some(profile), ..wire::Principal::default() };
        let mut response = wire::ResolveCredentialResponse {
            principal: Some(principal),
            ..wire::ResolveCredentialResponse::default()
        };
        leave_out_known(&mut response, &[rule("a").entries.digest().to_vec()]);
        let rules = response.principal.unwrap().guardrail_profile.unwrap().rules;
        let custom = rules.into_iter().map(|rule| rule.custom.unwrap());
        let entries: Vec<_> = custom.map(|rule| (rule.kind, rule.entries_sha256.len(), rule.entries)).collect();
        assert_eq!(entries, [("keywords".into(), 32, vec![]), ("keywords".into(), 32, vec!["b".to_owned()])]);
    }

    #[test]
    fn a_module_that_does_not_keep_ways_in_of_models_is_not_told_of_such_a_model() {
        let model = |name: &str, ways_in| weir_core::gateway::CatalogModel {
            name: name.into(),
            pool_id: Uuid::nil(),
            created_at: DateTime::UNIX_EPOCH,
            owner: "acme".into(),
            dearest: None,
            default_max_tokens: None,
            max_tokens_cap: None,
            ways_in,
        };
        let restricted = WaysIn { key: WayMode::Refused, token: WayMode::Required, ..WaysIn::default() };
        let told = |keeps| {
            let models = Some(vec![model("a", WaysIn::default()), model("b", restricted)]);
            let told = super::catalog(Catalog { tenant_id: Uuid::nil(), revision: 1, models }, keeps);
            let told = told.models.into_iter().map(|one| (one.name, one.refused_ways_in, one.required_ways_in));
            told.collect::<Vec<_>>()
        };
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let open = ("a".to_owned(), Vec::new(), Vec::new());
        assert_eq!(told(false), std::slice::from_ref(&open));
        assert_eq!(told(true), [open, ("b".to_owned(), texts(&["key"]), texts(&["token"]))]);
    }

    #[test]
    fn a_cost_is_exact_and_that_of_an_older_gateway_as_it_said_it() {
        let check = |cost_microusd: i64, cost_picousd: Option<u64>, expect: u64, doubtful: &[&str]| {
            let id = Uuid::now_v7().to_string();
            let record = wire::UsageRecord {
                request_id: id.clone(),
                tenant_id: id.clone(),
                key_id: id,
                cost_microusd,
                cost_picousd,
                ..Default::default()
            };
            let record = usage_record(record).expect("a record");
            let doubtful: Vec<String> = doubtful.iter().map(|field| (*field).to_owned()).collect();
            assert_eq!((record.cost_picousd, record.doubtful), (expect, doubtful));
        };
        check(1, Some(60_000), 60_000, &[]);
        check(1, Some(0), 0, &[]);
        check(123, None, 123_000_000, &[]);
        check(0, None, 0, &[]);
        check(-1, None, 0, &["cost_picousd"]);
        check(i64::MIN, None, 0, &["cost_picousd"]);
        // The ledger bounds and marks it.
        check(i64::MAX, None, u64::MAX, &[]);
    }
}
