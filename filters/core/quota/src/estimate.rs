use weir_config::Unit;
use weir_exchange::{DearestPrices, Request};

/// What a request takes at most, as far as is known when it is admitted.
///
/// - Input: a token for each byte of the body, and those of pictures. Tokens of all providers have a byte at least, and the JSON around a
///   message is longer than what a provider puts around it.
/// - Output: what the request allows for each answer, times the answers that it asks for.
/// - Money: the input at the dearest of the prices at which any member of the pool may bill input, writing it to a cache, long inputs and
///   every service tier included, and the output alike; and the dearest price of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    prices: Option<DearestPrices>,
    /// Without a price it costs nothing.
    may_be_free: bool,
}

/// Why a request cannot be bounded, for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unbounded {
    /// It has something in it of which nobody knows how much it is.
    Input,
    /// It says no maximum of output tokens.
    Output,
    /// A member of the pool has no price.
    Price,
}

impl Bounds {
    /// Of a request that takes neither tokens nor money.
    const NOTHING: Self = Self {
        input_tokens: Some(0),
        output_tokens: Some(0),
        prices: Some(DearestPrices { input: 0, output: 0, request: 0 }),
        may_be_free: true,
    };

    /// Of a request for a model of the catalog. `beyond_bytes`: tokens of its input beyond one for each byte; `None`: nobody knows.
    pub(crate) fn of(request: &Request, beyond_bytes: Option<u64>) -> Self {
        if request.operation.is_some_and(|operation| !operation.kind().uses_tokens()) {
            return Self::NOTHING;
        }
        let head = request.body.head.as_ref();
        let has_output = request.operation.is_none_or(|operation| operation.kind().has_output());
        let length = u64::try_from(request.body.length).unwrap_or(u64::MAX);
        let model = head.zip(request.catalog.as_ref()).and_then(|(head, catalog)| catalog.find(&head.model));
        let output = head.and_then(|head| head.max_output_tokens?.checked_mul(head.choices.max(1)));
        Self {
            input_tokens: beyond_bytes.map(|tokens| length.saturating_add(tokens)),
            output_tokens: if has_output { output } else { Some(0) },
            prices: model.and_then(|model| model.dearest),
            may_be_free: request.operation.is_some_and(|operation| operation.kind().may_be_free()),
        }
    }

    /// What it takes of a unit at most: so much is reserved.
    pub(crate) fn units(&self, unit: Unit) -> Result<u64, Unbounded> {
        let input = || self.input_tokens.ok_or(Unbounded::Input);
        let output = || self.output_tokens.ok_or(Unbounded::Output);
        match unit {
            Unit::Requests | Unit::ConcurrentRequests => Ok(1),
            Unit::InputTokens => input(),
            Unit::OutputTokens => output(),
            Unit::TotalTokens => Ok(input()?.saturating_add(output()?)),
            Unit::Money => {
                let Some(prices) = self.prices else {
                    return if self.may_be_free { Ok(0) } else { Err(Unbounded::Price) };
                };
                let tokens =
                    input()?.saturating_mul(prices.input).saturating_add(output()?.saturating_mul(prices.output));
                Ok(tokens.saturating_add(prices.request))
            }
        }
    }
}

impl Unbounded {
    /// What the client can do about it.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Input => {
                "This request is held to a budget, and refers to input by a URL or an id, holds sound, film or a document, or has the \
                 provider's own tools work for it: nobody can say beforehand what it may cost. Send the input itself, as text or pictures."
            }
            Self::Output => {
                "This request is held to a budget, and sets no maximum of output tokens: nobody can say beforehand what it may cost. Set \
                 max_tokens (max_completion_tokens, max_output_tokens), or ask an administrator to set the model's default_max_tokens."
            }
            Self::Price => {
                "This request is held to a budget, and the model has no price: nobody can say beforehand what it may cost. Ask an \
                 administrator to set one."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_case_of_each_unit() {
        let bounds = Bounds {
            input_tokens: Some(100),
            output_tokens: Some(20),
            prices: Some(DearestPrices { input: 3, output: 7, request: 9 }),
            may_be_free: false,
        };
        let check = |bounds: Bounds, expect: [Result<u64, Unbounded>; 6]| {
            let units = [
                Unit::Requests,
                Unit::ConcurrentRequests,
                Unit::InputTokens,
                Unit::OutputTokens,
                Unit::TotalTokens,
                Unit::Money,
            ];
            assert_eq!(units.map(|unit| bounds.units(unit)), expect, "{bounds:?}");
        };
        check(bounds, [Ok(1), Ok(1), Ok(100), Ok(20), Ok(120), Ok(449)]);
        let output = Err(Unbounded::Output);
        check(Bounds { output_tokens: None, ..bounds }, [Ok(1), Ok(1), Ok(100), output, output, output]);
        let input = Err(Unbounded::Input);
        check(Bounds { input_tokens: None, ..bounds }, [Ok(1), Ok(1), input, Ok(20), input, input]);
        let price = Err(Unbounded::Price);
        check(Bounds { prices: None, ..bounds }, [Ok(1), Ok(1), Ok(100), Ok(20), Ok(120), price]);
        // What some do for nothing has the prices that it was given, if any.
        let free = Bounds { may_be_free: true, input_tokens: None, ..bounds };
        check(free, [Ok(1), Ok(1), input, Ok(20), input, input]);
        check(Bounds { prices: None, ..free }, [Ok(1), Ok(1), input, Ok(20), input, Ok(0)]);
        // What is too much to count is more than any limit.
        let huge = Bounds { input_tokens: Some(u64::MAX), ..bounds };
        assert_eq!(huge.units(Unit::Money), Ok(u64::MAX));
    }
}
