use weir_config::names::REQUEST_ID_HEADER;
use weir_exchange::{Exchange, ToldHeaders};

use crate::Outcome;
use crate::settle::settled;

/// What names the request, and who answered it at what cost, in the response's headers.
pub(crate) fn of(exchange: &Exchange) -> ToldHeaders {
    let mut headers = vec![(REQUEST_ID_HEADER, exchange.request_id.to_string())];
    if let Some(attempt) = exchange.attempts.last().filter(|attempt| attempt.status != 0) {
        headers.push(("x-weir-provider", attempt.provider_name.clone()));
        headers.push(("x-weir-model", attempt.upstream_model.clone()));
        // Not on a stream, even if all of it is here by chance: its cost is known only at its end.
        let held_whole = exchange.answer_complete && exchange.head.as_ref().is_none_or(|head| !head.stream);
        if held_whole && attempt.price.is_some() {
            headers.push(("x-weir-cost", dollars(settled(exchange, Outcome::Complete).cost_microusd)));
        }
    }
    headers
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
