//! What people write beside a name: labels of their own, and what something is used for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field::Fields;

/// Labels that one thing may have.
const MOST_LABELS: usize = 50;

/// Notes what is wrong with labels: at most 50; names of 1 to 63 letters, digits, `-`, `_`, `.` and `/`; values of at most 200 characters.
pub(crate) fn check_labels(fields: &mut Fields, labels: &BTreeMap<String, String>) {
    fields.require(labels.len() <= MOST_LABELS, "labels", format!("must have at most {MOST_LABELS} names"));
    for (name, value) in labels {
        // A name that is no name may be anything: it is not repeated.
        fields.require(is_name(name), "labels", "must have names of 1 to 63 letters, digits, -, _, . and /");
        fields.require(is_value(value), "labels", "must have values of at most 200 characters, no control characters");
    }
}

/// Whether there may be a label of this name and value.
pub(crate) fn is_label(name: &str, value: &str) -> bool {
    is_name(name) && is_value(value)
}

fn is_name(name: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    (1..=63).contains(&name.len()) && name.bytes().all(may_be)
}

fn is_value(value: &str) -> bool {
    value.chars().count() <= 200 && !value.chars().any(char::is_control)
}

/// What something is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// By those who build it.
    Development,
    /// By those who try it out.
    Staging,
    /// By those whom it is for.
    Production,
}

impl Environment {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_plain() {
        let check = |name: &str, value: &str, valid: bool| {
            let mut fields = Fields::default();
            check_labels(&mut fields, &BTreeMap::from([(name.to_owned(), value.to_owned())]));
            assert_eq!(fields.finish().is_ok(), valid, "{name}");
        };
        check("team", "Research", true);
        check("example.org/cost-centre", "", true);
        check("", "x", false);
        check("a=b", "x", false);
        check(&"a".repeat(64), "x", false);
        check("team", &"ä".repeat(200), true);
        check("team", &"a".repeat(201), false);
        check("team", "a\nb", false);
        let many = (0..51).map(|number| (number.to_string(), String::new())).collect();
        let mut fields = Fields::default();
        check_labels(&mut fields, &many);
        assert!(fields.finish().is_err());
    }
}
