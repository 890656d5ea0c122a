//! What a provider says it used.
//!
//! Vendors spell the same figures in many ways, and each schema lists those it has seen in a table ([`Spelling`]). A [`Usage`] holds
//! what was said, figure by figure, so that a later event can correct one of them; [`Usage::counted`] makes of it figures that agree
//! with each other and with the total. A figure that cannot be true is doubted alone: the others hold.

mod counted;
mod estimate;
mod facts;
mod figure;
mod spelling;
#[cfg(test)]
mod tests;

use crate::json::Fields;
use crate::schema::Schema;
pub use counted::{Counted, class};
pub use estimate::{characters_as_tokens, request_tokens};
pub use facts::Facts;
use figure::Said;
pub use figure::{Figure, MOST_TOKENS};
pub(crate) use spelling::{Spelling, read, value_of};

/// Tokens as a provider reported them, in one event or over a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    input: Said,
    plain_input: Said,
    cached_input: Said,
    cache_write: Said,
    cache_write_5m: Said,
    cache_write_1h: Said,
    output: Said,
    reasoning: Said,
    total: Said,
}

impl Usage {
    /// The same with this figure too; one over [`MOST_TOKENS`] is doubted.
    #[must_use]
    pub fn with(mut self, figure: Figure, tokens: u64) -> Self {
        *self.said_mut(figure) = Said::figure_of(tokens);
        self
    }

    /// What is known once `later` was said too: what providers send along a stream are running totals, and of each figure the last word
    /// holds. A total that came with other figures than those is forgotten.
    #[must_use]
    pub fn followed_by(&self, later: &Self) -> Self {
        let is_of_others = [later.input, later.plain_input, later.output].iter().any(|said| *said != Said::Nothing);
        Self {
            input: self.input.followed_by(later.input),
            plain_input: self.plain_input.followed_by(later.plain_input),
            cached_input: self.cached_input.followed_by(later.cached_input),
            cache_write: self.cache_write.followed_by(later.cache_write),
            cache_write_5m: self.cache_write_5m.followed_by(later.cache_write_5m),
            cache_write_1h: self.cache_write_1h.followed_by(later.cache_write_1h),
            output: self.output.followed_by(later.output),
            reasoning: self.reasoning.followed_by(later.reasoning),
            total: if is_of_others { later.total } else { self.total.followed_by(later.total) },
        }
    }

    /// Of each figure the larger one: `parts` are the sum of what the whole is made of, which a whole may leave out.
    #[must_use]
    pub(crate) fn at_least(mut self, parts: &Self) -> Self {
        for figure in Figure::OF_PARTS {
            let (mine, other) = (*self.said_mut(figure), parts.said(figure));
            if other.tokens() > mine.tokens() {
                *self.said_mut(figure) = other;
                self.total = Said::Nothing;
            }
        }
        self
    }

    /// The sum of both, figure by figure, without a total.
    #[must_use]
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        self.total = Said::Nothing;
        for figure in Figure::OF_PARTS {
            let said = self.said(figure).plus(other.said(figure));
            *self.said_mut(figure) = said;
        }
        self
    }

    /// The same without what the output was.
    #[must_use]
    pub fn without_output(mut self) -> Self {
        (self.output, self.reasoning, self.total) = (Said::Nothing, Said::Nothing, Said::Nothing);
        self
    }

    /// Whether it says how much the output was, be it only together with the input.
    pub fn says_output(&self) -> bool {
        self.output != Said::Nothing || self.total != Said::Nothing
    }

    fn said(&self, figure: Figure) -> Said {
        let mut copy = *self;
        *copy.said_mut(figure)
    }

    fn said_mut(&mut self, figure: Figure) -> &mut Said {
        match figure {
            Figure::Input => &mut self.input,
            Figure::PlainInput => &mut self.plain_input,
            Figure::CachedInput => &mut self.cached_input,
            Figure::CacheWrite => &mut self.cache_write,
            Figure::CacheWrite5m => &mut self.cache_write_5m,
            Figure::CacheWrite1h => &mut self.cache_write_1h,
            Figure::Output => &mut self.output,
            Figure::Reasoning => &mut self.reasoning,
            Figure::Total => &mut self.total,
        }
    }
}

/// The usage of a whole answer: chat, embeddings or message. `None` if the answer is unreadable or says nothing.
pub fn usage_of_response(schema: Schema, body: &[u8]) -> Option<Usage> {
    let fields = Fields::read(body)?;
    let mut usages = fields.iter().filter(|(name, _)| *name == schema.usage_field());
    let (_, usage) = usages.next().filter(|_| usages.next().is_none())?;
    usage_of_value(schema, usage)
}

/// The usage that the value of an answer's `usage` tells of.
pub fn usage_of_value(schema: Schema, json: &str) -> Option<Usage> {
    schema.usage(&value_of(json)?)
}
