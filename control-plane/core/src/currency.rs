//! Currencies in which sums may be shown. Money is kept in dollars alone.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field::{FieldError, Fields};

/// Digits of a rate before and behind its point.
const MOST_DIGITS: usize = 12;

/// What is decided about a rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CurrencyRateSettings {
    /// For people and for `apply`, for example `EUR 2026-11`; unique.
    pub name: String,
    /// By its ISO 4217 code: three capital letters, not `USD`.
    pub currency: String,
    /// Units of the currency for one US dollar: a decimal number above 0, at most 12 digits on either side of the point.
    #[schema(example = "0.8623")]
    pub rate: String,
    /// The first UTC day on which it holds; until a later one of the same currency does. Of two of one day the one made last holds.
    pub valid_from: NaiveDate,
}

impl CurrencyRateSettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        fields.require(is_code(&self.currency), "currency", "must be three capital letters, as in ISO 4217");
        fields.require(self.currency != "USD", "currency", "must not be USD: money is in dollars");
        fields.require(
            is_rate(&self.rate),
            "rate",
            "must be a decimal number above 0 with at most 12 digits on either side",
        );
        fields.require(
            (1970..3000).contains(&self.valid_from.year()),
            "valid_from",
            "must be in a year from 1970 to 2999",
        );
        fields.finish()
    }
}

/// Whether it has the form of a currency's code.
pub fn is_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn is_rate(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').map_or((text, None), |(whole, decimals)| (whole, Some(decimals)));
    let is_number =
        |digits: &str| (1..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number(whole) && decimals.is_none_or(is_number) && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_decimal_number_above_zero() {
        let good = ["1", "0.8623", "84.12", "149", "000000000001", "0.000000000001"];
        let bad = [
            "",
            "0",
            "0.0",
            "-1",
            "+1",
            ".5",
            "1.",
            "1e3",
            "1,5",
            "NaN",
            "0x1",
            "1.2.3",
            "1234567890123",
            "0.0000000000001",
        ];
        assert!(good.into_iter().all(is_rate));
        for text in bad {
            assert!(!is_rate(text), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let settings = |currency: &str, year| CurrencyRateSettings {
            name: "a".into(),
            currency: currency.into(),
            rate: "1".into(),
            valid_from: NaiveDate::from_ymd_opt(year, 1, 1).unwrap(),
        };
        let wrong = |settings: CurrencyRateSettings| settings.check().err().map(|errors| errors[0].field.clone());
        assert_eq!(wrong(settings("EUR", 2026)), None);
        for currency in ["USD", "eur", "EURO", "", "E R", "ÄÖÜ"] {
            assert_eq!(wrong(settings(currency, 2026)).as_deref(), Some("currency"), "{currency}");
        }
        assert_eq!(wrong(settings("EUR", 1969)).as_deref(), Some("valid_from"));
    }
}
