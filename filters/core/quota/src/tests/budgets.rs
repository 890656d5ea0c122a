//! What is left of budgets, for clients that want to be told in headers.

use weir_config::{Limit, LimitAction, Period, Unit, Window};

use super::limits::{BODY, LENGTH, always, worker};

/// Pico-dollars that the request takes at most.
const WORST: u64 = 2 * LENGTH + 500;
const DOLLAR: u64 = 1_000_000_000_000;

/// The headers about budgets of the answer to a request under these limits, that prefers this.
fn told(prefer: Option<&str>, allowed_operations: Option<&[&str]>, limits: Vec<Limit>) -> Vec<String> {
    let (mut worker, mut ledger) = worker(limits);
    worker.allowed_operations = allowed_operations.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    worker.host.headers[0] = prefer.map(|value| ("prefer".to_owned(), value.as_bytes().to_vec())).into_iter().collect();
    let request = worker.send(BODY, &mut ledger);
    let headers = request.shared.read(|exchange| exchange.answer_headers(worker.host.now)).expect("is free");
    let of_budgets = headers.iter().filter(|(name, _)| name.starts_with("x-weir-budget"));
    of_budgets.map(|(name, value)| format!("{name}: {value}")).collect()
}

fn budget(counter: &str, amount: u64) -> Limit {
    Limit { counter: counter.into(), ..always(Unit::Money, amount) }
}

#[test]
fn who_asks_is_told_of_the_budget_that_is_reached_first() {
    let left = format!("x-weir-budget-remaining: 1.{:012}", DOLLAR - WORST);
    let left = left.trim_end_matches('0');
    let told_of_two = ["x-weir-budget-limit: 2.000000", left, "x-weir-budget-unit: USD"];
    let two = || vec![budget("limit/five", 5 * DOLLAR), budget("limit/two", 2 * DOLLAR), always(Unit::Requests, 9)];
    for prefer in ["weir-budget", "respond-async, Weir-Budget"] {
        assert_eq!(told(Some(prefer), None, two()), told_of_two, "{prefer}");
    }
    let day = Window::Calendar { name: "day".into(), periods: [Period { start_s: 0, end_s: 86_400 }].into() };
    let of_day = vec![budget("limit/five", 5 * DOLLAR), Limit { window: day, ..budget("limit/two", 2 * DOLLAR) }];
    let expect = [&told_of_two[..], &["x-weir-budget-reset: 23h50m0s"]].concat();
    assert_eq!(told(Some("weir-budget"), None, of_day), expect, "the window ends");
}

#[test]
fn who_did_not_ask_or_may_not_know_is_not_told() {
    let two = || budget("limit/two", 2 * DOLLAR);
    let check = |prefer, allowed: Option<&[&str]>, limit: Limit, is_told: bool| {
        let headers = told(prefer, allowed, vec![limit]);
        assert_eq!(!headers.is_empty(), is_told, "{prefer:?} {allowed:?}: {headers:?}");
    };
    let asks = Some("weir-budget");
    check(None, None, two(), false);
    check(Some("weir-budgets"), None, two(), false);
    check(asks, Some(&["chat_completions"]), two(), false);
    check(asks, Some(&["chat_completions", "rate_limit"]), two(), true);
    // It counts other tenants' requests as well.
    check(asks, None, Limit { is_told: false, ..two() }, false);
    check(asks, None, Limit { action: LimitAction::Warn, ..two() }, false);
    check(asks, None, always(Unit::TotalTokens, 10_000), false);
    // Refused: nothing of it was reserved.
    check(asks, None, budget("limit/two", WORST - 1), false);
}
