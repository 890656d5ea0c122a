use weir_exchange::Exchange;
use weir_host::{Host, Level, Message};

use crate::{Outcome, settle};

/// Names the request, and who answered it at what cost, in the response's headers.
pub(crate) fn write(host: &mut dyn Host, exchange: &Exchange) {
    let attempt = exchange.attempts.last().filter(|attempt| attempt.status != 0);
    set(host, "x-weir-request-id", &exchange.request_id.to_string());
    let Some(attempt) = attempt else { return };
    set(host, "x-weir-provider", &attempt.provider_name);
    set(host, "x-weir-model", &attempt.upstream_model);
    if exchange.answer_complete && attempt.price.is_some() {
        set(host, "x-weir-cost", &dollars(settle(exchange, Outcome::Complete).cost_microusd));
    }
}

fn set(host: &mut dyn Host, name: &str, value: &str) {
    if host.set_header(Message::Response, name, value.as_bytes()).is_err() {
        host.log(Level::Warn, &format!("weir.metering: the response header {name} could not be set"));
    }
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
