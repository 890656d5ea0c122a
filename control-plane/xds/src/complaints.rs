//! What is said in the log of an Envoy that refuses what it is sent. One that refuses everything, for ever, must not fill it.

use std::time::Duration;

use tokio::time::Instant;

/// Refusals of one Envoy are a line each so far apart at least.
const BETWEEN: Duration = Duration::from_secs(5);
/// Characters of what an Envoy says.
const LONGEST: usize = 2000;

/// Refusals of one Envoy.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    said_at: Option<Instant>,
    unsaid: u64,
}

impl Complaints {
    /// Whether this refusal is to be said, and how many were not since the last that was.
    pub(crate) fn may_say(&mut self, now: Instant) -> Option<u64> {
        if self.said_at.is_some_and(|at| now.duration_since(at) < BETWEEN) {
            self.unsaid = self.unsaid.saturating_add(1);
            return None;
        }
        self.said_at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// Fields of a configuration that Envoy may quote whose values are secrets. No others are sent in one.
const SECRETS: [&str; 2] = ["secret_access_key", "session_token"];

/// As much of a text as is kept: nothing of a secret, nor what follows.
pub(crate) fn shortened(mut text: String) -> String {
    if let Some(at) = SECRETS.iter().filter_map(|field| text.find(field)).min() {
        text.truncate(at);
        text.push_str("(what follows is not shown)");
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envoy_that_refuses_for_ever_is_a_line_now_and_then() {
        let mut complaints = Complaints::default();
        let begin = Instant::now();
        // Ten refusals a second for an hour.
        let said: Vec<u64> =
            (0..36_000).filter_map(|tenth| complaints.may_say(begin + Duration::from_millis(tenth * 100))).collect();
        assert_eq!(said.len(), 720);
        assert_eq!(said[..2], [0, 49]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("é".repeat(5000)), "é".repeat(2000));
        assert_eq!(shortened("short".into()), "short");
    }

    #[test]
    fn a_secret_that_an_envoy_quotes_is_cut_off() {
        for field in ["secret_access_key", "session_token"] {
            let quoted = format!("refused: access_key_id: \"AKIA\" {field}: \"wJalr\" region: \"eu\"");
            let expect = "refused: access_key_id: \"AKIA\" (what follows is not shown)";
            assert_eq!(shortened(quoted), expect, "{field}");
        }
    }
}
