//! One record of the ledger, whole.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_config::{Price, PriceLine, Tokens, Used};
use weir_core::ledger::{self, PICOUSD_PER_MICROUSD, decimal_usd};
use weir_store::UsageDetail;

use super::UsageRecord;
use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Id;
use crate::problem::{Problem, Reading};

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(get))
}

/// One request as it ended, with names, attempts and the calculation of its cost.
#[derive(Serialize, ToSchema)]
struct UsageRecordDetail {
    /// As the list has it.
    #[serde(flatten)]
    record: UsageRecord,
    /// What the ids are called.
    names: UsageNames,
    /// The provider's usage as it said it, JSON in a text: of a stream the first and the last word, each at most 2,048 bytes.
    raw_usages: Vec<String>,
    /// Each attempt in order, at most 16. Empty: nothing was forwarded, or an older gateway said nothing of it.
    attempt_details: Vec<UsageAttempt>,
    /// What guardrails found.
    findings: Vec<UsageFinding>,
    /// Why it cost that.
    cost: UsageCost,
    /// Why it was refused or failed; null: it was not.
    #[schema(required)]
    error: Option<UsageError>,
}

/// What the ids of a record are called now; null: there is no such thing any more, or you may not see it.
#[derive(Serialize, ToSchema)]
struct UsageNames {
    /// The caller's tenant.
    #[schema(required)]
    tenant: Option<String>,
    /// The caller's key, also if it was deleted.
    #[schema(required)]
    key: Option<String>,
    /// The gateway that reported it.
    #[schema(required)]
    gateway: Option<String>,
    /// The pool that the model led to.
    #[schema(required)]
    pool: Option<String>,
    /// The provider that answered.
    #[schema(required)]
    provider: Option<String>,
    /// The model of the name that the client asked for, if there is one.
    #[schema(required)]
    model_id: Option<Uuid>,
}

/// One try at one provider.
#[derive(Serialize, ToSchema)]
struct UsageAttempt {
    /// The deployment; null: the gateway gave no id.
    #[schema(required)]
    deployment_id: Option<Uuid>,
    /// Its provider; null as above.
    #[schema(required)]
    provider_id: Option<Uuid>,
    /// The provider's name; null: there is none any more.
    #[schema(required)]
    provider: Option<String>,
    /// The model's name there.
    upstream_model: String,
    /// The provider's HTTP status; 0: it sent none.
    status: u32,
    /// From the request's arrival to the attempt's beginning, in microseconds.
    started_after_us: u64,
    /// From the request's arrival to the head of the provider's answer, in microseconds; null: it sent none.
    #[schema(required)]
    answered_after_us: Option<u64>,
    /// What its provider bills, in dollars, exactly; null: an older gateway did not say.
    #[schema(required)]
    cost_usd: Option<String>,
    /// Tokens of the prompt that it bills.
    input_tokens: u64,
    /// Tokens of the answer that it bills.
    output_tokens: u64,
    /// The price's version; empty without one.
    price_version: String,
}

/// Something that guardrails found.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct UsageFinding {
    /// What it is, for example `CREDIT_CARD`.
    #[serde(rename = "type")]
    finding: String,
    /// What was done: `flag`, `redact` or `block`.
    action: String,
    /// How often.
    count: u64,
}

/// How a cost comes about: the sum of the lines, exactly.
#[derive(Serialize, ToSchema)]
struct UsageCost {
    /// Micro-dollars, rounded up.
    total_microusd: u64,
    /// Dollars, exactly, as a decimal: as the ledger has it.
    total_usd: String,
    /// `explained`: the lines give the total. `unpriced`: the deployment had no price. `unknown`: the price of that version was not
    /// kept, or the total is a bound.
    status: CostStatus,
    /// A line for each class with tokens; none unless it is explained.
    lines: Vec<UsageCostLine>,
}

/// Whether a cost can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CostStatus {
    /// The lines give the total.
    Explained,
    /// There was no price.
    Unpriced,
    /// The price is not known any more, or does not give the total.
    Unknown,
}

/// What the tokens of one class cost.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct UsageCostLine {
    /// `input`, `cached_input`, `cache_write`, `cache_write_1h`, `output` or `reasoning`: each without the tokens of the others;
    /// `web_search`, `request`; `earlier_attempts`: what providers bill whose answers were of no use.
    class: &'static str,
    /// Tokens of this class alone, or how many searches or requests; 0 of earlier attempts.
    tokens: u64,
    /// Micro-dollars for a million of them; 0 of earlier attempts.
    microusd_per_million: u64,
    /// Dollars, exactly, as a decimal.
    amount_usd: String,
}

/// Why a request was refused or failed.
#[derive(Serialize, ToSchema)]
struct UsageError {
    /// A stable code.
    code: String,
    /// Who decided, as in `decided_by`; null: an older gateway did not say.
    #[schema(required)]
    decided_by: Option<String>,
}

/// One record whole, by the response header `x-weir-request-id`.
///
/// A record comes some hundred milliseconds after its request has ended; 404 until then.
#[utoipa::path(get, path = "/usage/{id}", operation_id = "get_usage", tag = "usage", params(("id" = Uuid, Path)),
    responses((status = 200, body = UsageRecordDetail), Reading))]
async fn get(
    State(state): State<ApiState>,
    caller: Caller,
    Id(request_id): Id,
) -> Result<Json<UsageRecordDetail>, Problem> {
    Ok(Json(state.store.usage_record(&caller.actor, request_id).await?.into()))
}

impl From<UsageDetail> for UsageRecordDetail {
    fn from(detail: UsageDetail) -> Self {
        let UsageDetail { entry, names, model_id, price } = detail;
        let record = &entry.record;
        let name = |id: Option<Uuid>| id.and_then(|id| names.get(&id).cloned());
        let error = (!record.error_code.is_empty()).then(|| UsageError {
            code: record.error_code.clone(),
            decided_by: Some(record.decided_by.clone()).filter(|by| !by.is_empty()),
        });
        Self {
            names: UsageNames {
                tenant: name(Some(record.tenant_id)),
                key: name(Some(record.key_id)),
                gateway: name(Some(entry.gateway_id)),
                pool: name(record.pool_id),
                provider: name(record.provider_id),
                model_id,
            },
            attempt_details: record.attempt_details.iter().map(|attempt| told(attempt, &names)).collect(),
            raw_usages: record.said.raw_usages.clone(),
            findings: record.guardrail_findings.iter().map(|finding| read_finding(finding)).collect(),
            cost: explain(record, price.as_ref()),
            error,
            record: entry.into(),
        }
    }
}

fn told(attempt: &ledger::UsageAttempt, names: &HashMap<Uuid, String>) -> UsageAttempt {
    UsageAttempt {
        deployment_id: attempt.deployment_id,
        provider_id: attempt.provider_id,
        provider: attempt.provider_id.and_then(|id| names.get(&id).cloned()),
        upstream_model: attempt.upstream_model.clone(),
        status: attempt.status,
        started_after_us: attempt.started_after_us,
        answered_after_us: attempt.answered_after_us,
        cost_usd: attempt.cost_picousd.map(|cost| decimal_usd(cost.into())),
        input_tokens: attempt.input_tokens,
        output_tokens: attempt.output_tokens,
        price_version: attempt.price_version.clone(),
    }
}

/// `type:action=count`; what is not written so stands as it is, once.
fn read_finding(text: &str) -> UsageFinding {
    let read = || {
        let (what, count) = text.rsplit_once('=')?;
        let (finding, action) = what.rsplit_once(':')?;
        Some(UsageFinding { finding: finding.into(), action: action.into(), count: count.parse().ok()? })
    };
    read().unwrap_or_else(|| UsageFinding { finding: text.into(), action: String::new(), count: 1 })
}

/// The gateway's own calculation once more, with the price that it had.
fn explain(record: &ledger::UsageRecord, price: Option<&Price>) -> UsageCost {
    let tokens = Tokens {
        input: record.input_tokens,
        cached_input: record.cached_input_tokens,
        cache_write: record.cache_write_tokens,
        cache_write_1h: record.cache_write_1h_tokens,
        output: record.output_tokens,
        reasoning: record.reasoning_tokens,
    };
    let used = Used { tokens, tier: &record.said.service_tier, web_searches: record.said.web_searches };
    let earlier = earlier(record);
    let bill = price.map(|price| price.bill(used));
    let bill = bill.filter(|bill| is_explained(bill.picousd().saturating_add(earlier), record));
    let (status, lines) = match bill {
        Some(bill) => {
            let lines = bill.lines.into_iter().filter(|line| line.tokens > 0).map(cost_line);
            let of_earlier = (earlier > 0).then(|| UsageCostLine {
                class: "earlier_attempts",
                tokens: 0,
                microusd_per_million: 0,
                amount_usd: decimal_usd(earlier),
            });
            (CostStatus::Explained, lines.chain(of_earlier).collect())
        }
        None if record.price_version.is_empty() && record.cost_picousd == 0 => (CostStatus::Unpriced, vec![]),
        None => (CostStatus::Unknown, vec![]),
    };
    UsageCost {
        total_microusd: record.cost_microusd(),
        total_usd: decimal_usd(record.cost_picousd.into()),
        status,
        lines,
    }
}

/// What the attempts before the last cost: providers that worked, and whose answer was of no use.
fn earlier(record: &ledger::UsageRecord) -> u128 {
    let earlier = record.attempt_details.split_last().map(|(_, earlier)| earlier).unwrap_or_default();
    earlier.iter().filter_map(|attempt| attempt.cost_picousd).map(u128::from).sum()
}

/// Whether this is what the record says, also if a gateway of before has rounded it up to a micro-dollar.
fn is_explained(picousd: u128, record: &ledger::UsageRecord) -> bool {
    let said = u128::from(record.cost_picousd);
    let rounded = picousd.div_ceil(u128::from(PICOUSD_PER_MICROUSD)).saturating_mul(u128::from(PICOUSD_PER_MICROUSD));
    picousd == said || rounded == said
}

fn cost_line(line: PriceLine) -> UsageCostLine {
    UsageCostLine {
        class: line.class,
        tokens: line.tokens,
        microusd_per_million: line.microusd_per_million,
        amount_usd: decimal_usd(line.picousd()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_read_as_gateways_write_them() {
        let check = |text: &str, finding: &str, action: &str, count| {
            let expect = UsageFinding { finding: finding.into(), action: action.into(), count };
            assert_eq!(read_finding(text), expect, "{text}");
        };
        check("CREDIT_CARD:redact=2", "CREDIT_CARD", "redact", 2);
        check("a:b:flag=1", "a:b", "flag", 1);
        for odd in ["", "EMAIL", "EMAIL:flag", "EMAIL=1", "EMAIL:flag=x"] {
            check(odd, odd, "", 1);
        }
    }
}
