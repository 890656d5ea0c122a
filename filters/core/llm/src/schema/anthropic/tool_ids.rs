use std::collections::{HashMap, HashSet, VecDeque};

/// The names of calls in one conversation or answer.
///
/// Anthropic takes letters, digits, `_` and `-` only, and each id once; other servers make ids like `functions.f:0`, or begin to count
/// again in each turn. Ids are cleaned, and made distinct where that makes two the same.
#[derive(Debug, Default)]
pub(super) struct ToolIds {
    used: HashSet<String>,
    /// The number that the next id of the same cleaned form gets, so that many of one form are not counted anew each time.
    next: HashMap<String, u32>,
    /// Calls without a result, by the id that their schema's client gave.
    open: HashMap<String, VecDeque<OpenCall>>,
}

/// A call that waits for its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenCall {
    /// Its id for Anthropic.
    pub(super) id: String,
    /// The turn that it stands in.
    pub(super) turn: usize,
    order: usize,
}

impl ToolIds {
    /// An id that Anthropic takes and that was not given before.
    pub(super) fn distinct(&mut self, id: &str) -> String {
        let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        let mut clean: String = id.chars().map(|character| if allowed(character) { character } else { '_' }).collect();
        if clean.is_empty() {
            clean.push_str("toolu");
        }
        if self.used.insert(clean.clone()) {
            return clean;
        }
        let next = self.next.entry(clean.clone()).or_insert(2);
        loop {
            let numbered = format!("{clean}_{next}");
            *next = next.saturating_add(1);
            if self.used.insert(numbered.clone()) {
                return numbered;
            }
        }
    }

    /// Names a call of a conversation, which stands in this turn.
    pub(super) fn call(&mut self, id: &str, turn: usize) -> String {
        let distinct = self.distinct(id);
        self.open.entry(id.to_owned()).or_default().push_back(OpenCall {
            id: distinct.clone(),
            turn,
            order: self.used.len(),
        });
        distinct
    }

    /// The call that a result is of: the earliest of that id which has none.
    pub(super) fn answer(&mut self, id: &str) -> Option<OpenCall> {
        self.open.get_mut(id)?.pop_front()
    }

    /// Calls without a result, in their order.
    pub(super) fn unanswered(self) -> Vec<OpenCall> {
        let mut calls: Vec<OpenCall> = self.open.into_values().flatten().collect();
        calls.sort_by_key(|call| call.order);
        calls
    }
}
