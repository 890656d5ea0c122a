use weir_config::Tokens;
use weir_exchange::{Exchange, TokenSource};

use crate::Outcome;

/// Characters that one token is estimated at. English prose has about four a token in the tokenizers of OpenAI and
/// Anthropic; other scripts have fewer.
const CHARACTERS_A_TOKEN: u64 = 4;

/// What one request used and costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// All input tokens, cached ones included.
    pub input_tokens: u64,
    /// Input tokens that the provider read from its cache.
    pub cached_input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Who says so of the input.
    pub input_source: TokenSource,
    /// Who says so of the output.
    pub output_source: TokenSource,
    /// In micro-dollars; 0 without a price.
    pub cost_microusd: i64,
    /// The price's version; empty without a price.
    pub price_version: String,
}

/// Settles an exchange as it stands, with this outcome.
///
/// The provider's figures hold where it gave them. Where it did not, or had not yet when the stream ended, tokens are
/// estimated at four characters each, rounded up; output is then never less than the provider's running total. Nothing
/// counts if no attempt was made, or if the last one failed without a figure.
pub fn settle(exchange: &Exchange, outcome: Outcome) -> Settlement {
    let Some(attempt) = exchange.attempts.last() else { return Settlement::default() };
    if exchange.usage.reported.is_none() && !was_answering(attempt.status, outcome) {
        return Settlement::default();
    }
    let reported = exchange.usage.reported.unwrap_or_default();
    let is_final = exchange.answer_complete || exchange.usage.is_final;
    let (input_tokens, input_source) = match reported.input {
        0 if !(is_final && exchange.usage.reported.is_some()) => {
            (estimate(exchange.usage.input_characters), TokenSource::Estimated)
        }
        input => (input, TokenSource::Provider),
    };
    let (output_tokens, output_source) = match exchange.usage.reported.is_some() && is_final {
        true => (reported.output, TokenSource::Provider),
        false => (reported.output.max(estimate(exchange.usage.output_characters)), TokenSource::Estimated),
    };
    let cached_input_tokens = reported.cached_input.min(input_tokens);
    let (cost_microusd, price_version) = match &attempt.price {
        Some(price) => {
            let tokens = Tokens {
                input: input_tokens,
                cached_input: cached_input_tokens,
                output: output_tokens,
                ..Tokens::default()
            };
            (price.cost_microusd(tokens), price.version.clone())
        }
        None => (0, String::new()),
    };
    Settlement {
        input_tokens,
        cached_input_tokens,
        output_tokens,
        input_source,
        output_source,
        cost_microusd,
        price_version,
    }
}

/// Whether a provider that gave no figure did work all the same. One that a client did not wait for did.
fn was_answering(attempt_status: u16, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failed => false,
        Outcome::ClientDisconnect => matches!(attempt_status, 0 | 200..300),
        Outcome::Complete | Outcome::Refused | Outcome::UpstreamBroken => matches!(attempt_status, 200..300),
    }
}

fn estimate(characters: u64) -> u64 {
    characters.div_ceil(CHARACTERS_A_TOKEN)
}
