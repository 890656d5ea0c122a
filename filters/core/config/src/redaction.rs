//! Further words of a guardrail rule: from which score on it holds, whether it acts, and what stands in the place of a finding.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// From which score on a finding counts, from 0 to 1. Kept in hundredths, as scores are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u8);

impl Threshold {
    /// Every finding counts.
    pub const NONE: Self = Self(0);

    /// In hundredths, at most 100; `None`: more.
    pub fn of_hundredths(hundredths: u32) -> Option<Self> {
        u8::try_from(hundredths).ok().filter(|hundredths| *hundredths <= 100).map(Self)
    }

    /// In hundredths.
    pub fn hundredths(self) -> u8 {
        self.0
    }

    /// Whether every finding counts.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 100.0)
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&value) {
            return Err(serde::de::Error::custom("must be from 0 to 1"));
        }
        // From 0 to 100.
        Ok(Self((value * 100.0).round() as u8))
    }
}

/// Whether a rule acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleMode {
    /// It only tells what it would have done.
    Shadow,
    /// It acts.
    #[default]
    Enforce,
}

impl RuleMode {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Enforce => "enforce",
        }
    }

    /// What is called so; `None`: a later version's.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Shadow, Self::Enforce].into_iter().find(|mode| mode.name() == name)
    }

    /// Whether it acts.
    pub fn is_enforce(&self) -> bool {
        *self == Self::Enforce
    }
}

/// What stands in the place of a finding that is redacted, from what tells most of it to what tells least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RedactForm {
    /// Its letters and digits become `*`, but for the last ones. What stands between them stays.
    Mask {
        /// How many letters and digits stay at the end: at most 8, and never more than a third of them.
        keep_last: u8,
    },
    /// Its digits become `0` and its letters `X` or `x`. What stands between them stays, so that whoever reads on finds the same form.
    Format,
    /// Of a request, what it is with letters of its own, `[EMAIL_kfjelbabcdma]`, and in the answer what it was again. In an answer: what it
    /// is.
    Pseudonym,
    /// What it is, with a part of the finding's digest under the tenant's key of the week: `[CREDIT_CARD_85febeb09532]`. The same thing has
    /// the same in that week, and nobody without the key knows what it was. Without a key: what it is.
    Hash,
    /// What it is: `[CREDIT_CARD]`.
    #[default]
    Type,
}

impl RedactForm {
    /// The most characters that a mask keeps.
    pub const MOST_KEPT: u8 = 8;

    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mask { .. } => "mask",
            Self::Format => "format",
            Self::Pseudonym => "pseudonym",
            Self::Hash => "hash",
            Self::Type => "type",
        }
    }

    /// What is called so; `None`: a later version's.
    pub fn of_name(name: &str, keep_last: u32) -> Option<Self> {
        match name {
            "mask" => u8::try_from(keep_last).ok().map(|keep_last| Self::Mask { keep_last }),
            "format" => Some(Self::Format),
            "pseudonym" => Some(Self::Pseudonym),
            "hash" => Some(Self::Hash),
            "type" => Some(Self::Type),
            _ => None,
        }
    }

    /// How many characters stay.
    pub fn keep_last(self) -> u8 {
        match self {
            Self::Mask { keep_last } => keep_last,
            Self::Format | Self::Pseudonym | Self::Hash | Self::Type => 0,
        }
    }

    /// Whether a placeholder with the type's name stands there.
    pub fn is_type(&self) -> bool {
        *self == Self::Type
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_and_written_as_fractions() {
        for (text, hundredths) in [("0", 0), ("0.5", 50), ("0.29", 29), ("1", 100)] {
            let threshold: Threshold = serde_json::from_str(text).unwrap();
            assert_eq!(threshold.hundredths(), hundredths, "{text}");
            let written = serde_json::to_string(&threshold).unwrap();
            assert_eq!(serde_json::from_str::<Threshold>(&written).unwrap(), threshold);
        }
        for text in ["-0.1", "1.01", "null", "\"1\""] {
            assert!(serde_json::from_str::<Threshold>(text).is_err(), "{text}");
        }
    }
}
