use std::cell::RefCell;
use std::collections::BTreeSet;

use weir_host::{Host, Level};
use weir_llm::schema::LeftOut;

/// Counts, by field, values that a translation left out; the field's path stands behind it.
const LEFT_OUT: &str = "weir_translation_left_out";
/// In the place of a field that is one too many, or whose name a client may have made up.
const OTHER: &str = "other";
/// So many fields are told apart in each VM: a proxy keeps a counter for good.
const MOST_FIELDS: usize = 64;
/// The longest path that is told apart.
const LONGEST_PATH: usize = 80;

/// The counters that one VM has made.
#[derive(Debug, Default)]
pub(crate) struct LeftOutCounters {
    known: RefCell<BTreeSet<String>>,
}

impl LeftOutCounters {
    pub(crate) fn count(&self, host: &mut dyn Host, left_out: &[LeftOut]) {
        for LeftOut { path, reason } in left_out {
            let field = self.field(path);
            host.log(Level::Debug, &format!("weir.provider: {field} is left out: {reason}"));
            host.count(&format!("{LEFT_OUT}.{field}"), 1);
        }
    }

    /// What a path is counted under.
    fn field(&self, path: &str) -> String {
        let field = without_indices(path);
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte);
        if field.is_empty() || field.len() > LONGEST_PATH || !field.bytes().all(is_name) {
            return OTHER.to_owned();
        }
        let Ok(mut known) = self.known.try_borrow_mut() else { return OTHER.to_owned() };
        if known.contains(&field) {
            return field;
        }
        if known.len() >= MOST_FIELDS {
            return OTHER.to_owned();
        }
        known.insert(field.clone());
        field
    }
}

/// `messages[2].content[0].cache_control` as `messages.content.cache_control`.
fn without_indices(path: &str) -> String {
    path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect()
}

#[cfg(test)]
mod tests {
    use weir_host::fake::FakeHost;

    use super::*;

    fn left_out(path: impl Into<String>) -> LeftOut {
        LeftOut { path: path.into(), reason: "it is a hint" }
    }

    #[test]
    fn values_are_counted_by_field() {
        let counters = LeftOutCounters::default();
        let mut host = FakeHost::default();
        let paths =
            ["messages[2].content[0].cache_control", "messages[10].content[1].cache_control", "user", "a b", ""];
        counters.count(&mut host, &paths.map(left_out));
        let counted: Vec<_> = host.counters.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        let expect = [
            ("weir_translation_left_out.messages.content.cache_control", 2),
            ("weir_translation_left_out.other", 2),
            ("weir_translation_left_out.user", 1),
        ];
        assert_eq!(counted, expect);
    }

    #[test]
    fn a_client_cannot_make_counters_without_end() {
        let counters = LeftOutCounters::default();
        let mut host = FakeHost::default();
        let many: Vec<_> = (0..1_000).map(|number| left_out(format!("tools.x_{number}"))).collect();
        counters.count(&mut host, &many);
        assert_eq!(host.counters.len(), MOST_FIELDS + 1);
        assert_eq!(host.counters.get("weir_translation_left_out.other"), Some(&936));
    }
}
