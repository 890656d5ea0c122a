//! What callers ask about themselves: who may be answered at once, which days they mean, and the JSON that they get.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;
use weir_core::ledger::decimal_usd;
use weir_core::usage_summary::{Summary, SummaryItem, Sums};
use weir_store::OwnLimit;

/// Callers that are answered at once, so that administrators and requests have the database, too. Of each caller one.
const MOST_AT_ONCE: usize = 4;
/// Of those, callers of one tenant, so that none keeps the others from being answered.
const MOST_OF_A_TENANT: usize = 2;
/// Days of usage, unless it is said.
const DAYS: i64 = 30;
/// And at most.
const MOST_DAYS: i64 = 366;

/// Who is being answered: callers, and the tenant of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answered(Arc<Mutex<HashMap<Uuid, Uuid>>>);

/// The right to be answered, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    answered: Answered,
    caller: Uuid,
}

impl Answered {
    /// `None`: the caller is being answered, or too many are, of the tenant or in all.
    pub(crate) fn turn(&self, tenant: Uuid, caller: Uuid) -> Option<Turn> {
        let mut answered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_the_tenant = answered.values().filter(|of| **of == tenant).count();
        if answered.len() >= MOST_AT_ONCE || of_the_tenant >= MOST_OF_A_TENANT || answered.contains_key(&caller) {
            return None;
        }
        answered.insert(caller, tenant);
        Some(Turn { answered: self.clone(), caller })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.answered.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.caller);
    }
}

/// The UTC days that a query names, the last one not included; or what is wrong with it.
pub(crate) fn days(query: &str, today: NaiveDate) -> Result<Range<NaiveDate>, &'static str> {
    let (mut from, mut to) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, day) = pair.split_once('=').unwrap_or((pair, ""));
        let day = day.parse::<NaiveDate>().map_err(|_| "from and to must be days such as 2026-11-30.")?;
        match name {
            "from" => from = Some(day),
            "to" => to = Some(day),
            _ => return Err("The query takes from and to, and nothing else."),
        }
    }
    let to = to.or(today.succ_opt()).ok_or("to is too late.")?;
    let from = from.or_else(|| to.checked_sub_signed(TimeDelta::days(DAYS))).ok_or("from is too early.")?;
    if from < NaiveDate::default() || !(1..=MOST_DAYS).contains(&(to - from).num_days()) {
        return Err("to must be later than from, by at most 366 days.");
    }
    Ok(from..to)
}

/// How much is left.
pub(crate) fn limits(limits: &[OwnLimit]) -> Value {
    let limit = |limit: &OwnLimit| {
        let state = &limit.state;
        json!({
            "name": limit.name, "subject": limit.subject, "model": limit.model, "unit": limit.unit, "window": limit.window,
            "amount": state.amount, "used": state.spent.saturating_add(state.unreconciled), "reserved": state.reserved,
            "remaining": state.remaining, "resets_at": state.resets_at.map(time),
        })
    };
    json!({"object": "list", "data": limits.iter().map(limit).collect::<Vec<_>>()})
}

/// What was used.
pub(crate) fn usage(days: &Range<NaiveDate>, summary: &Summary) -> Value {
    let item = |item: &SummaryItem| {
        let mut written = sums(&item.sums);
        written["day"] = item.bucket_start.date_naive().to_string().into();
        written["model"] =
            item.group.first().and_then(|model| model.name.clone()).filter(|name| !name.is_empty()).into();
        written
    };
    json!({
        "object": "list", "from": days.start.to_string(), "to": days.end.to_string(),
        "data": summary.items.iter().map(item).collect::<Vec<_>>(), "totals": sums(&summary.totals), "truncated": summary.more,
    })
}

fn sums(sums: &Sums) -> Value {
    json!({
        "requests": sums.requests, "errors": sums.errors, "input_tokens": sums.input_tokens,
        "cached_input_tokens": sums.cached_input_tokens, "cache_write_tokens": sums.cache_write_tokens,
        "output_tokens": sums.output_tokens, "reasoning_tokens": sums.reasoning_tokens,
        "cost_usd": decimal_usd(sums.cost_picousd),
    })
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_that_a_query_names() {
        let check = |query: &str, expect: Option<(&str, &str)>| {
            let found = days(query, "2026-11-30".parse().unwrap()).ok();
            let found = found.map(|days| (days.start.to_string(), days.end.to_string()));
            assert_eq!(found, expect.map(|(from, to)| (from.to_owned(), to.to_owned())), "{query}");
        };
        check("", Some(("2026-11-01", "2026-12-01")));
        check("from=2026-11-29", Some(("2026-11-29", "2026-12-01")));
        check("from=2025-01-01&to=2025-01-02", Some(("2025-01-01", "2025-01-02")));
        check("to=2025-02-01", Some(("2025-01-02", "2025-02-01")));
        for wrong in [
            "from=yesterday",
            "from",
            "key_id=2026-11-01",
            "from=2026-11-02&to=2026-11-02",
            "from=2026-11-02&to=2026-11-01",
            "from=2020-01-01",
            "to=1969-12-31",
            "to=-262143-01-01",
            "from=2026-11-01T00%3A00%3A00Z",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn of_each_caller_one_question_is_answered_at_once_and_few_in_all() {
        let answered = Answered::default();
        // Each of a tenant of its own.
        let turn =
            |number: usize| answered.turn(Uuid::from_u128(1000 + number as u128), Uuid::from_u128(number as u128));
        let first = turn(0).unwrap();
        assert!(turn(0).is_none());
        let others: Vec<Turn> = (1..MOST_AT_ONCE).map(|number| turn(number).unwrap()).collect();
        assert!(turn(99).is_none());
        drop(first);
        assert!(turn(0).is_some());
        drop(others);
    }

    #[test]
    fn no_tenant_keeps_the_others_from_being_answered() {
        let answered = Answered::default();
        let [busy, other] = [1001, 1002].map(Uuid::from_u128);
        let caller = Uuid::from_u128;
        let mut held: Vec<Turn> = (0..100).filter_map(|number| answered.turn(busy, caller(number))).collect();
        assert_eq!(held.len(), MOST_OF_A_TENANT);
        assert!(answered.turn(other, caller(100)).is_some());
        held.pop();
        assert!(answered.turn(busy, caller(101)).is_some());
    }
}
