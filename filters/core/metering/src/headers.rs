use weir_config::names::{MODEL_HEADER, PROVIDER_HEADER, REQUEST_ID_HEADER};
use weir_exchange::{Attempt, Exchange};

use crate::{Outcome, settle};

/// What names the request, and who answered it at what cost, in the response's headers.
pub(crate) fn of(exchange: &Exchange) -> Vec<(&'static str, String)> {
    let mut headers = vec![request_id(exchange)];
    if let Some(attempt) = answering(exchange) {
        headers.push((PROVIDER_HEADER, attempt.provider_name.clone()));
        headers.push((MODEL_HEADER, attempt.upstream_model.clone()));
    }
    headers.extend(cost(exchange));
    headers
}

/// What names the request.
pub(crate) fn request_id(exchange: &Exchange) -> (&'static str, String) {
    (REQUEST_ID_HEADER, exchange.request_id.to_string())
}

/// What the answer cost, if that is known before it goes on: not on a stream, even if all of it is here by chance.
pub(crate) fn cost(exchange: &Exchange) -> Option<(&'static str, String)> {
    let held_whole = exchange.answer_complete && exchange.head.as_ref().is_none_or(|head| !head.stream);
    answering(exchange).filter(|attempt| held_whole && attempt.price.is_some())?;
    Some(("x-weir-cost", dollars(settle(exchange, Outcome::Complete).cost_microusd)))
}

fn answering(exchange: &Exchange) -> Option<&Attempt> {
    exchange.attempts.last().filter(|attempt| attempt.status != 0)
}

/// Micro-dollars as dollars with six decimals, exactly.
fn dollars(microusd: i64) -> String {
    let (sign, microusd) = (if microusd < 0 { "-" } else { "" }, microusd.unsigned_abs());
    format!("{sign}{}.{:06}", microusd / 1_000_000, microusd % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::dollars;

    #[test]
    fn costs_are_exact_decimals() {
        for (microusd, expect) in [(0, "0.000000"), (123, "0.000123"), (12_345_678, "12.345678"), (-1, "-0.000001")] {
            assert_eq!(dollars(microusd), expect);
        }
    }
}
