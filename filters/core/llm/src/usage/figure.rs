use serde_json::Value;

/// The most tokens that one figure of one answer can be: more is doubted. The longest context that any provider offers is a
/// hundredth of it.
pub const MOST_TOKENS: u64 = 100_000_000;

/// What one figure of a provider's usage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// All input, what was read from a cache and written to it included.
    Input,
    /// Input that was neither read from a cache nor written to it.
    PlainInput,
    /// Input that was read from a cache.
    CachedInput,
    /// Input that was written to a cache, for however long.
    CacheWrite,
    /// The part of it that was written for five minutes.
    CacheWrite5m,
    /// The part of it that was written for an hour.
    CacheWrite1h,
    /// All output, reasoning included.
    Output,
    /// Output that is reasoning.
    Reasoning,
    /// Input and output together.
    Total,
}

impl Figure {
    /// All but the total.
    pub(super) const OF_PARTS: [Self; 8] = [
        Self::Input,
        Self::PlainInput,
        Self::CachedInput,
        Self::CacheWrite,
        Self::CacheWrite5m,
        Self::CacheWrite1h,
        Self::Output,
        Self::Reasoning,
    ];
}

/// A provider's word about one figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Said {
    /// None.
    #[default]
    Nothing,
    /// So many tokens.
    Tokens(u32),
    /// Something that cannot be true.
    Doubtful {
        /// What it had said before.
        before: Option<u32>,
    },
}

impl Said {
    /// The word that a number of tokens is.
    pub(super) fn figure_of(tokens: u64) -> Self {
        match u32::try_from(tokens) {
            Ok(few) if tokens <= MOST_TOKENS => Self::Tokens(few),
            Ok(_) | Err(_) => Self::Doubtful { before: None },
        }
    }

    /// The word that a JSON value is. Some servers write whole numbers as `12.0` or `"12"`.
    pub(super) fn read(value: &Value) -> Self {
        let tokens = match value {
            Value::Null => return Self::Nothing,
            Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        tokens.map_or(Self::Doubtful { before: None }, Self::figure_of)
    }

    /// Of two spellings of one figure in one place the one that says more: servers fill those that they do not mean with zero.
    pub(super) fn or(self, other: Self) -> Self {
        let weight = |said| match said {
            Self::Nothing => 0,
            Self::Doubtful { .. } => 1,
            Self::Tokens(0) => 2,
            Self::Tokens(_) => 3,
        };
        if weight(other) > weight(self) { other } else { self }
    }

    /// The last word.
    pub(super) fn followed_by(self, later: Self) -> Self {
        match later {
            Self::Nothing => self,
            Self::Tokens(_) | Self::Doubtful { before: Some(_) } => later,
            Self::Doubtful { before: None } => Self::Doubtful { before: self.tokens_u32() },
        }
    }

    /// The sum of two words about different parts: of what cannot be true, as if it had not been said.
    pub(super) fn plus(self, other: Self) -> Self {
        match (self.tokens(), other.tokens()) {
            (None, None) => Self::Nothing,
            (one, two) => Self::figure_of(one.unwrap_or(0).saturating_add(two.unwrap_or(0))),
        }
    }

    /// The last figure that can be true.
    pub(super) fn tokens(self) -> Option<u64> {
        self.tokens_u32().map(u64::from)
    }

    pub(super) fn is_doubtful(self) -> bool {
        matches!(self, Self::Doubtful { .. })
    }

    pub(super) fn is_nothing_or_zero(self) -> bool {
        matches!(self, Self::Nothing | Self::Tokens(0))
    }

    fn tokens_u32(self) -> Option<u32> {
        match self {
            Self::Nothing => None,
            Self::Tokens(tokens) => Some(tokens),
            Self::Doubtful { before } => before,
        }
    }
}

/// A number that is whole; a larger one than a figure can be becomes the largest there is.
fn whole(number: f64) -> Option<u64> {
    // The cast saturates.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and whole")]
    let tokens = number as u64;
    (number >= 0.0 && number.fract() == 0.0).then_some(tokens)
}
