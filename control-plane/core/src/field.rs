//! What is wrong with which field, and the rules that many fields share.

use std::str::FromStr;

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// Path of the field, for example `members[0].price`.
    pub field: String,
    /// Which rule, for people.
    pub reason: String,
}

impl FieldError {
    /// Says what is wrong with a field.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// Collects all that is wrong, so that an administrator sees it at once.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// Notes an error unless the rule holds.
    pub fn require(&mut self, holds: bool, field: impl Into<String>, reason: impl Into<String>) {
        if !holds {
            self.0.push(FieldError::new(field, reason));
        }
    }

    /// A name for people: 1 to 100 characters, no control characters, no blank at either end.
    pub fn name(&mut self, field: &str, value: &str) {
        let length = value.chars().count();
        self.require((1..=100).contains(&length), field, "must have 1 to 100 characters");
        self.require(!value.chars().any(char::is_control), field, "must not contain control characters");
        self.require(value.trim() == value, field, "must not begin or end with a blank");
    }

    /// A model's name, which clients send: 1 to 200 visible ASCII characters.
    pub fn model_name(&mut self, field: &str, value: &str) {
        self.require((1..=200).contains(&value.len()), field, "must have 1 to 200 characters");
        self.require(value.bytes().all(|byte| byte.is_ascii_graphic()), field, "must be visible ASCII without blanks");
    }

    /// A number within bounds.
    pub fn range(&mut self, field: &str, value: u64, least: u64, most: u64) {
        self.require((least..=most).contains(&value), field, format!("must be between {least} and {most}"));
    }

    /// A time zone by its IANA name, for example `Europe/Berlin`.
    pub fn time_zone(&mut self, field: &str, value: &str) {
        self.require(chrono_tz::Tz::from_str(value).is_ok(), field, "must be an IANA time zone such as Europe/Berlin");
    }

    /// An e-mail address, roughly: what matters is that it is one line and has a domain.
    pub fn email(&mut self, field: &str, value: &str) {
        let plain = value.len() <= 254 && value.bytes().all(|byte| byte.is_ascii_graphic());
        let parts = value.split_once('@').filter(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.')
        });
        self.require(plain && parts.is_some(), field, "must be an e-mail address");
    }

    /// Everything that was noted.
    pub fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: impl FnOnce(&mut Fields), valid: bool) {
        let mut fields = Fields::default();
        rule(&mut fields);
        assert_eq!(fields.finish().is_ok(), valid);
    }

    #[test]
    fn names() {
        check(|f| f.name("name", "Team A"), true);
        check(|f| f.name("name", &"ä".repeat(100)), true);
        check(|f| f.name("name", &"a".repeat(101)), false);
        check(|f| f.name("name", ""), false);
        check(|f| f.name("name", " a"), false);
        check(|f| f.name("name", "a\nb"), false);
        check(|f| f.model_name("name", "openai/gpt-5.2:mini"), true);
        check(|f| f.model_name("name", "gpt 5"), false);
    }

    #[test]
    fn time_zones_and_addresses() {
        check(|f| f.time_zone("time_zone", "Europe/Berlin"), true);
        check(|f| f.time_zone("time_zone", "UTC"), true);
        check(|f| f.time_zone("time_zone", "Berlin"), false);
        check(|f| f.email("email", "a@b.example"), true);
        check(|f| f.email("email", "a@localhost"), true);
        check(|f| f.email("email", "ab.example"), false);
        check(|f| f.email("email", "a@@b"), false);
        check(|f| f.email("email", "a b@c"), false);
    }
}
