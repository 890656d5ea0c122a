//! Rules that an administrator wrote: what they look for, ready to search.
//!
//! What begins at a place depends on the character before it and on a bounded number of bytes from there on, so that a stream finds what
//! the whole text has.

mod pattern;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Weak};

use weir_config::{Action, ConfigError, CustomKind, CustomRule, FindingType, GuardrailRule, RuleDirection};
use weir_llm::steps;

use crate::consequence::{Consequence, Consequences};
use crate::detect::{Match, character_start};
use crate::view::{Form, View};
use pattern::Patterns;
use words::{Boundary, Words};

/// The longest matches of all rules with patterns, in bytes together: as many steps a byte of a text may cost, if matches begin at each.
const MOST_WALKED: usize = 1024;
/// The most bytes that the patterns of a profile may take.
const MOST_PATTERN_BYTES: usize = 4 * 1024 * 1024;

/// How sure such a rule is of what it finds, in hundredths.
const SCORE: u8 = 100;

/// What looking at one place of a text gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing begins here, whatever follows.
    Nothing,
    /// A match that ends here, whatever follows.
    Match(usize),
    /// What follows decides; if nothing does, a match ends here.
    Undecided(Option<usize>),
}

impl Look {
    /// Where a match ends if the text does.
    fn end(self) -> Option<usize> {
        match self {
            Self::Nothing => None,
            Self::Match(end) => Some(end),
            Self::Undecided(end) => end,
        }
    }
}

/// What one rule looks for.
#[derive(Debug)]
enum Search {
    Words(Words),
    Patterns(Box<Patterns>),
}

impl Search {
    /// Refuses a pattern that cannot be kept, naming the field and the place in it.
    fn new(rule: &CustomRule) -> Result<Self, ConfigError> {
        let (entries, ignores_case) = (rule.entries.list(), !rule.case_sensitive);
        let boundary = match rule.kind {
            CustomKind::Keywords if rule.parts_of_words => Boundary::None,
            CustomKind::Keywords => Boundary::Word,
            CustomKind::Hosts => Boundary::Host,
            CustomKind::Patterns => {
                return Patterns::new(entries, ignores_case).map(|patterns| Self::Patterns(Box::new(patterns)));
            }
        };
        Ok(Self::Words(Words::new(entries, boundary, ignores_case || rule.kind == CustomKind::Hosts)))
    }

    fn form(&self) -> Form {
        match self {
            Self::Words(words) => words.form(),
            Self::Patterns(_) => Form::Plain,
        }
    }

    fn longest(&self) -> usize {
        match self {
            Self::Words(words) => words.longest(),
            Self::Patterns(patterns) => patterns.longest(),
        }
    }

    /// Memory that it takes.
    fn bytes(&self) -> usize {
        match self {
            Self::Words(words) => words.bytes(),
            Self::Patterns(patterns) => patterns.bytes(),
        }
    }

    /// The longest that begins at `at`.
    fn look(&self, text: &[u8], at: usize) -> Look {
        match self {
            Self::Words(words) => words.look(text, at),
            Self::Patterns(patterns) => patterns.look(text, at),
        }
    }

    /// Calls `each` with where each match of those that begin in `starts` begins and ends.
    fn matches(&self, text: &[u8], starts: Range<usize>, mut each: impl FnMut(usize, usize)) {
        let mut look = |at| {
            if let Some(end) = self.look(text, at).end() {
                each(at, end);
            }
        };
        match self {
            Self::Words(_) => {
                steps::count(starts.len());
                starts.for_each(look);
            }
            Self::Patterns(patterns) => {
                patterns.starts(text, starts).into_iter().for_each(&mut look);
            }
        }
    }
}

/// Refuses a rule that cannot be kept, naming the field and the place in it.
pub fn check_custom(rule: &CustomRule) -> Result<(), ConfigError> {
    Search::new(rule).map(|_| ())
}

/// What rules look for, by what they say, shared by all profiles that look for the same as long as one does.
#[derive(Debug, Default)]
pub(crate) struct Searches(BTreeMap<Key, Weak<Search>>);

/// The entries' digest, what they are, and how they are compared.
type Key = ([u8; 32], CustomKind, bool, bool);

impl Searches {
    fn of(&mut self, rule: &CustomRule) -> Result<Arc<Search>, ConfigError> {
        let key = (*rule.entries.digest(), rule.kind, rule.case_sensitive, rule.parts_of_words);
        if let Some(known) = self.0.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        self.0.retain(|_, search| search.strong_count() > 0);
        let search = Arc::new(Search::new(rule)?);
        self.0.insert(key, Arc::downgrade(&search));
        Ok(search)
    }
}

/// The rules of a profile in one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct CustomRules(Vec<Ready>);

#[derive(Clone, Debug)]
struct Ready {
    /// Its place among the profile's rules.
    rule: u16,
    search: Arc<Search>,
    consequences: Consequences,
}

impl CustomRules {
    /// Of those that do something in this direction.
    pub(crate) fn of(
        rules: &[GuardrailRule],
        direction: RuleDirection,
        searches: &mut Searches,
    ) -> Result<Self, ConfigError> {
        let mut ready = Vec::new();
        for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.holds_in(direction)) {
            let Some((custom, consequences)) = rule.custom.as_ref().zip(Consequences::of([rule].into_iter())) else {
                continue;
            };
            let search = searches
                .of(custom)
                .map_err(|error| ConfigError::new(format!("rules.{index}.custom.{}", error.field), error.reason))?;
            ready.push(Ready { rule: u16::try_from(index).unwrap_or(u16::MAX), search, consequences });
        }
        let of_patterns = || ready.iter().map(|ready| &ready.search).filter(|it| matches!(***it, Search::Patterns(_)));
        let longest = of_patterns().map(|search| search.longest()).fold(0, usize::saturating_add);
        let bytes = of_patterns().map(|search| search.bytes()).fold(0, usize::saturating_add);
        if longest > MOST_WALKED || bytes > MOST_PATTERN_BYTES {
            return Err(ConfigError::new("rules", "have too many or too large patterns together"));
        }
        Ok(Self(ready))
    }

    /// Memory that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|ready| ready.search.bytes()).fold(0, usize::saturating_add)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The strictest of what may happen.
    pub(crate) fn strictest(&self) -> Option<Action> {
        self.0.iter().filter_map(|ready| ready.consequences.strictest()).max()
    }

    /// Adds the matches that begin in `starts`, of a text that follows so many characters without width.
    pub(crate) fn matches(&self, text: &[u8], hidden: u8, starts: Range<usize>, found: &mut Vec<(Match, Consequence)>) {
        let mut views = Views::new(text, hidden);
        for Ready { rule, search, consequences } in &self.0 {
            let view = views.of(search.form());
            let read = view.place(starts.start)..view.place(starts.end);
            search.matches(view.bytes(), read, |start, end| {
                let (start, end) = (view.start(start), view.end(end));
                let one = Match {
                    start,
                    end,
                    finding: FindingType::Custom,
                    detector: "custom",
                    score: SCORE,
                    rule: Some(*rule),
                };
                let one = one.on_characters(text);
                found.extend(consequences.of_score(SCORE).map(|consequence| (one, consequence)));
            });
        }
    }

    /// The first byte, at or after `from`, of what is not decided before more text is here.
    pub(crate) fn undecided(&self, text: &[u8], hidden: u8, from: usize) -> usize {
        let mut views = Views::new(text, hidden);
        let first = |ready: &Ready| {
            let view = views.of(ready.search.form());
            let length = view.bytes().len();
            let earliest = view.place(from).max(length.saturating_sub(ready.search.longest()));
            steps::count(length.saturating_sub(earliest));
            let is_open = |at: &usize| matches!(ready.search.look(view.bytes(), *at), Look::Undecided(_));
            view.start((earliest..length).find(is_open).unwrap_or(length))
        };
        let first = self.0.iter().map(first).min().unwrap_or(text.len());
        character_start(text, first).max(from)
    }
}

/// A text in the forms in which rules read it.
struct Views<'a> {
    text: &'a [u8],
    hidden: u8,
    plain: Option<View<'a>>,
    folded: Option<View<'a>>,
}

impl<'a> Views<'a> {
    fn new(text: &'a [u8], hidden: u8) -> Self {
        Self { text, hidden, plain: None, folded: None }
    }

    fn of(&mut self, form: Form) -> &View<'a> {
        let (text, hidden) = (self.text, self.hidden);
        let view = match form {
            Form::Plain => &mut self.plain,
            Form::Folded => &mut self.folded,
        };
        view.get_or_insert_with(|| View::of(text, hidden, form))
    }
}
