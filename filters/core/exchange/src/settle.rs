use weir_config::{Tokens, Used};
use weir_llm::usage::{Counted, MOST_TOKENS, characters_as_tokens, class, request_tokens};

use crate::{Attempt, Exchange, Settlement, TokenSource, Usage};

/// The dearest answer that the ledger takes: a million dollars.
const DEAREST_PICOUSD: u64 = 1_000_000_000_000_000_000;
/// The usage record's field of the cost.
const COST: &str = "cost_picousd";

impl Exchange {
    /// What it comes to; settled once only where the answer is complete, so that whoever asks gets the same. `is_owed`: the provider
    /// did work, also if it gave no figure.
    pub fn settlement(&self, is_owed: bool) -> Settlement {
        let Some(attempt) = self.attempt() else { return Settlement::default() };
        let settlement = &attempt.usage.settlement;
        match attempt.is_complete {
            true => settlement.get_or_init(|| self.settled(attempt, is_owed)).clone(),
            false => settlement.get().cloned().unwrap_or_else(|| self.settled(attempt, is_owed)),
        }
    }

    /// What the attempts before the last came to: of one whose provider said nothing, nothing.
    pub fn earlier_settlements(&self) -> Vec<Settlement> {
        let earlier = self.attempts.split_last().map(|(_, earlier)| earlier).unwrap_or_default();
        earlier.iter().map(|attempt| settle(self, attempt, false)).collect()
    }

    fn settled(&self, attempt: &Attempt, is_owed: bool) -> Settlement {
        let mut settlement = settle(self, attempt, is_owed);
        let earlier =
            self.earlier_settlements().iter().map(|earlier| earlier.attempt_picousd).fold(0, u64::saturating_add);
        settlement.cost_picousd = settlement.attempt_picousd.saturating_add(earlier).min(DEAREST_PICOUSD);
        settlement
    }
}

/// Settles an exchange as it stands.
///
/// The provider's figures hold where it gave them. Where it did not, had not yet when the stream ended, or said what cannot be true,
/// tokens are estimated at four characters each, rounded up; output is then never less than the provider's running total. Nothing
/// counts if no attempt was made, or if the last one is not owed and gave no figure; nor if it is of a kind that some providers do for
/// nothing, and has neither a figure nor a price.
fn settle(exchange: &Exchange, attempt: &Attempt, is_owed: bool) -> Settlement {
    let operation = exchange.request().operation;
    let is_free = operation.is_some_and(|operation| {
        let kind = operation.kind();
        !kind.uses_tokens() || (kind.may_be_free() && attempt.usage.reported.is_none() && attempt.price.is_none())
    });
    if is_free || (attempt.usage.reported.is_none() && !is_owed) {
        return Settlement::default();
    }
    let mut counted = attempt.usage.reported.unwrap_or_default().counted();
    let has_output = operation.is_none_or(|operation| operation.kind().has_output());
    if !has_output {
        counted.input = counted.input.or(counted.total.take());
        counted.output.get_or_insert(0);
    }
    let (input, input_source) = input(exchange, &counted);
    let (output, output_source) = match has_output {
        true => output(&attempt.usage, &mut counted, input),
        false => (counted.output.unwrap_or(0), input_source),
    };
    let source = |said: bool| if said { TokenSource::Provider } else { TokenSource::None };
    let tokens = Tokens {
        input,
        cached_input: counted.cached_input.unwrap_or(0),
        cache_write: counted.cache_write.unwrap_or(0),
        cache_write_1h: counted.cache_write_1h.unwrap_or(0),
        output,
        reasoning: counted.reasoning.unwrap_or(0),
    }
    .bounded();
    let mut settlement = Settlement {
        tokens,
        input_source,
        cached_input_source: source(counted.cached_input.is_some()),
        cache_write_source: source(counted.written_to_cache().is_some()),
        output_source,
        reasoning_source: source(counted.reasoning.is_some()),
        doubtful: counted.doubtful,
        tier: attempt.usage.said.tier.clone(),
        web_searches: attempt.usage.said.web_searches,
        attempt_picousd: 0,
        cost_picousd: 0,
        price_version: String::new(),
    };
    if let Some(price) = &attempt.price {
        let bill = price.bill(Used { tokens, tier: &settlement.tier, web_searches: settlement.web_searches });
        let cost = u64::try_from(bill.picousd()).unwrap_or(u64::MAX);
        if cost > DEAREST_PICOUSD || !bill.is_certain {
            settlement.doubtful.push(COST);
        }
        settlement.attempt_picousd = cost.min(DEAREST_PICOUSD);
        settlement.price_version.clone_from(&price.version);
    }
    settlement
}

fn input(exchange: &Exchange, counted: &Counted) -> (u64, TokenSource) {
    match counted.input {
        Some(input) if !counted.doubtful.contains(&class::INPUT) => (input, TokenSource::Provider),
        Some(input) => (input, TokenSource::Estimated),
        None => {
            let of_cache = counted.cached_input.unwrap_or(0).saturating_add(counted.written_to_cache().unwrap_or(0));
            let estimate = input_estimate(exchange).min(counted.total.unwrap_or(MOST_TOKENS));
            (estimate.max(of_cache).min(MOST_TOKENS), TokenSource::Estimated)
        }
    }
}

/// From what was counted on the way, or else from the body.
fn input_estimate(exchange: &Exchange) -> u64 {
    let body = exchange.body();
    let of_body = || request_tokens(exchange.request().operation?, body.bytes.as_deref()?).ok();
    body.input_tokens.or_else(of_body).unwrap_or(0)
}

fn output(usage: &Usage, counted: &mut Counted, input: u64) -> (u64, TokenSource) {
    let of_text = characters_as_tokens(usage.output_characters);
    let of_total = counted.total.map(|total| total.saturating_sub(input));
    match (counted.output, of_total) {
        // What came back cannot have been nothing.
        (Some(0), _) if usage.is_final && of_text > 0 => {
            if !counted.doubtful.contains(&class::OUTPUT) {
                counted.doubtful.push(class::OUTPUT);
            }
            (of_text, TokenSource::Estimated)
        }
        (Some(output), _) if usage.is_final && !counted.doubtful.contains(&class::OUTPUT) => {
            (output, TokenSource::Provider)
        }
        (None, Some(rest)) if usage.is_final => (rest, TokenSource::Estimated),
        (output, rest) => (output.or(rest).unwrap_or(0).max(of_text), TokenSource::Estimated),
    }
}
