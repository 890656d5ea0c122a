//! Patterns of an administrator's: regular expressions that match a bounded number of bytes.
//!
//! All patterns of a rule are two automata. One reads a text from its end and says, at one step a byte, where matches begin; the other
//! walks from each such place to the end of its longest match. So a pattern that nearly matches costs nothing more. The first one is made
//! state by state, as texts need it; where a text needs more states than are kept, it is given up, and each place is walked from, which
//! costs at most as many steps as the longest match has bytes.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind, nfa::thompson};
use regex_syntax::ast::{AssertionKind, Ast, RepetitionKind, RepetitionRange, Span, parse::Parser};
use regex_syntax::hir::Hir;
use weir_config::ConfigError;
use weir_llm::steps;

use super::Look;

/// The most characters of a pattern.
const LONGEST_PATTERN: usize = 1000;
/// The most bytes that a match may have: what a stream holds back for it, and what is walked from where one begins.
pub(crate) const LONGEST: usize = 128;
/// The most bytes of each automaton of a rule, and of what building it takes.
const MOST_BYTES: usize = 1024 * 1024;
/// The most bytes of the states that one of them keeps.
const MOST_STATES: usize = 256 * 1024;

/// The patterns of a rule, ready to search.
#[derive(Debug)]
pub(super) struct Patterns {
    /// Reads backwards, and is at a match where one begins.
    starts: DFA,
    /// Its states that are known; bounded.
    states: Mutex<Cache>,
    /// Reads on from where one begins.
    ends: dense::DFA<Vec<u32>>,
    longest: usize,
}

impl Patterns {
    /// Refuses what is no pattern, what may match nothing or any number of characters, and what is too large, with the place of it.
    pub(super) fn new(patterns: &[String], ignores_case: bool) -> Result<Self, ConfigError> {
        let refuse = |index: usize, reason| ConfigError::new(format!("entries.{index}"), reason);
        let mut longest = 0;
        for (index, pattern) in patterns.iter().enumerate() {
            longest = check(pattern, ignores_case).map_err(|reason| refuse(index, reason))?.max(longest);
        }
        let Some((starts, ends)) = automata(patterns, ignores_case) else {
            let alone = |pattern: &String| automata(std::slice::from_ref(pattern), ignores_case).is_none();
            return Err(match patterns.iter().position(alone) {
                Some(index) => refuse(index, "is too large".into()),
                None => ConfigError::new("entries", "are too large together: divide them among rules"),
            });
        };
        let states = Mutex::new(starts.create_cache());
        Ok(Self { starts, states, ends, longest })
    }

    /// The most bytes of a match, and of what follows it and may decide.
    pub(super) fn longest(&self) -> usize {
        self.longest.saturating_add(1)
    }

    /// Memory that they take.
    pub(super) fn bytes(&self) -> usize {
        self.starts.memory_usage().saturating_add(self.ends.memory_usage()).saturating_add(MOST_STATES)
    }

    /// Places of `starts`, in their order, that are all where matches begin, and perhaps more. At the end of the text it is as if nothing
    /// followed.
    pub(super) fn starts(&self, text: &[u8], starts: Range<usize>) -> Vec<usize> {
        let mut found = Vec::new();
        if self.read_starts(text, &starts, &mut found).is_none() {
            return starts.collect();
        }
        found.reverse();
        found
    }

    /// Adds where matches begin, the last one first; `None`: that takes too many states.
    fn read_starts(&self, text: &[u8], starts: &Range<usize>, found: &mut Vec<usize>) -> Option<()> {
        let (from, end) = (starts.start, starts.end.saturating_add(self.longest).min(text.len()));
        let read = text.get(from..end)?;
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.clear_count() > 0 {
            states.reset(&self.starts);
        }
        let input = Input::new(text).range(from..end).anchored(Anchored::No);
        let mut state = self.starts.start_state_reverse(&mut states, &input).ok()?;
        steps::count(read.len());
        for (at, byte) in (from..end).zip(read).rev() {
            state = self.starts.next_state(&mut states, state, *byte).ok()?;
            // A match is known a byte later.
            let begins = at.saturating_add(1);
            if state.is_match() && begins < starts.end {
                found.push(begins);
            }
        }
        state = match from.checked_sub(1).and_then(|before| text.get(before)) {
            Some(before) => self.starts.next_state(&mut states, state, *before).ok()?,
            None => self.starts.next_eoi_state(&mut states, state).ok()?,
        };
        if state.is_match() && from < starts.end {
            found.push(from);
        }
        Some(())
    }

    /// What begins at `at`: the longest match.
    pub(super) fn look(&self, text: &[u8], at: usize) -> Look {
        let end = at.saturating_add(self.longest()).min(text.len());
        let input = Input::new(text).range(at..end).anchored(Anchored::Yes);
        let Ok(mut state) = self.ends.start_state_forward(&input) else { return Look::Nothing };
        let mut found = None;
        for place in at..end {
            let Some(byte) = text.get(place) else { break };
            state = self.ends.next_state(state, *byte);
            // A match is known a byte later.
            if self.ends.is_match_state(state) {
                found = Some(place);
            }
            if self.ends.is_dead_state(state) {
                steps::count(place.saturating_sub(at));
                return found.map_or(Look::Nothing, Look::Match);
            }
        }
        steps::count(end.saturating_sub(at));
        if end < text.len() {
            return found.map_or(Look::Nothing, Look::Match);
        }
        if self.ends.is_match_state(self.ends.next_eoi_state(state)) {
            found = Some(end);
        }
        Look::Undecided(found)
    }
}

/// What reads backwards and what reads on; `None`: one of them is too large.
fn automata(patterns: &[String], ignores_case: bool) -> Option<(DFA, dense::DFA<Vec<u32>>)> {
    let nfa = |reads_backwards: bool| {
        let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(ignores_case);
        let config = thompson::Config::new()
            .which_captures(thompson::WhichCaptures::None)
            .nfa_size_limit(Some(MOST_BYTES))
            .utf8(false)
            .reverse(reads_backwards);
        thompson::Compiler::new().configure(config).syntax(syntax).build_many(patterns).ok()
    };
    let config = DFA::config()
        .match_kind(MatchKind::All)
        .cache_capacity(MOST_STATES)
        .skip_cache_capacity_check(false)
        .minimum_cache_clear_count(Some(1));
    let starts = DFA::builder().configure(config).build_from_nfa(nfa(true)?).ok()?;
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Anchored)
        .accelerate(false)
        .dfa_size_limit(Some(MOST_BYTES))
        .determinize_size_limit(Some(MOST_BYTES));
    let ends = dense::Builder::new().configure(config).build_from_nfa(&nfa(false)?).ok()?;
    Some((starts, ends))
}

/// The most bytes that a pattern matches.
fn check(pattern: &str, ignores_case: bool) -> Result<usize, String> {
    if pattern.chars().count() > LONGEST_PATTERN {
        return Err(format!("may have at most {LONGEST_PATTERN} characters"));
    }
    let ast = Parser::new().parse(pattern).map_err(|error| at(error.span(), &error.kind().to_string()))?;
    refuse_unbounded(&ast)?;
    let hir = read(pattern, ignores_case)?;
    let properties = hir.properties();
    let longest = properties.maximum_len().filter(|longest| *longest <= LONGEST);
    let longest = longest.ok_or_else(|| format!("may match at most {LONGEST} bytes"))?;
    if properties.minimum_len().unwrap_or_default() == 0 {
        return Err("must not match an empty text".into());
    }
    Ok(longest)
}

/// The pattern as it is compiled.
fn read(pattern: &str, ignores_case: bool) -> Result<Hir, String> {
    let mut parser = regex_syntax::ParserBuilder::new();
    let parsed = parser.unicode(false).utf8(false).case_insensitive(ignores_case).build().parse(pattern);
    parsed.map_err(|error| match error {
        regex_syntax::Error::Parse(error) => at(error.span(), &error.kind().to_string()),
        regex_syntax::Error::Translate(error) => at(error.span(), &error.kind().to_string()),
        error => error.to_string(),
    })
}

/// Says what is wrong and where, counted in characters from 1.
fn at(span: &Span, what: &str) -> String {
    format!("{what}, at character {}", span.start.column)
}

/// Refuses what may match any number of characters, which a stream would have to hold back, and what asks for the beginning or the end of a
/// text, which a stream does not know.
fn refuse_unbounded(ast: &Ast) -> Result<(), String> {
    // As deep as the parser lets patterns be.
    match ast {
        Ast::Repetition(repetition) => {
            let is_unbounded = matches!(
                repetition.op.kind,
                RepetitionKind::ZeroOrMore
                    | RepetitionKind::OneOrMore
                    | RepetitionKind::Range(RepetitionRange::AtLeast(_))
            );
            if is_unbounded {
                let what = "may match any number of characters: say how many at most, as in {1,64}";
                return Err(at(&repetition.op.span, what));
            }
            refuse_unbounded(&repetition.ast)
        }
        Ast::Assertion(assertion) => match assertion.kind {
            AssertionKind::StartLine | AssertionKind::EndLine | AssertionKind::StartText | AssertionKind::EndText => {
                Err(at(&assertion.span, "asks for the beginning or the end, which a stream does not know"))
            }
            _ => Ok(()),
        },
        Ast::Group(group) => refuse_unbounded(&group.ast),
        Ast::Alternation(alternation) => alternation.asts.iter().try_for_each(refuse_unbounded),
        Ast::Concat(concat) => concat.asts.iter().try_for_each(refuse_unbounded),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(patterns: &[&str]) -> Patterns {
        let patterns: Vec<_> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Patterns::new(&patterns, true).unwrap()
    }

    #[test]
    fn the_longest_match_is_found_and_what_follows_decides_about_the_end() {
        let patterns = patterns(&[r"\bEMP-[0-9]{4,6}\b"]);
        for (text, at, expect) in [
            ("emp-12345 x", 0, Look::Match(9)),
            ("EMP-1234567 ", 0, Look::Nothing),
            ("xEMP-1234 ", 1, Look::Nothing),
            ("EMP-1234", 0, Look::Undecided(Some(8))),
            ("EMP-12", 0, Look::Undecided(None)),
            ("EMX", 0, Look::Nothing),
        ] {
            assert_eq!(patterns.look(text.as_bytes(), at), expect, "{text}");
            let starts = patterns.starts(text.as_bytes(), 0..text.len());
            assert_eq!(starts.contains(&at), expect.end().is_some(), "{text}: {starts:?}");
        }
    }

    #[test]
    fn every_place_where_a_match_begins_is_known_and_no_other() {
        let patterns = patterns(&[r"\bab?", "ba{2,3}", r"c\b"]);
        let text = b"ab baaac abacus cab c";
        for (from, until) in [(0, text.len()), (1, text.len()), (3, 9), (5, 5), (17, 19)] {
            let starts = patterns.starts(text, from..until);
            let walked: Vec<_> = (from..until).filter(|at| patterns.look(text, *at).end().is_some()).collect();
            assert_eq!(starts, walked, "{from}..{until}");
        }
    }

    #[test]
    fn what_nearly_matches_costs_one_step_a_byte() {
        let patterns = patterns(&["[a-z]{1,127}!", "[a-y]{1,127}!", "[0-9a-z]{1,120}[?]"]);
        let text = "a".repeat(64 * 1024);
        let before = steps::counted();
        assert!(patterns.starts(text.as_bytes(), 0..text.len()).is_empty());
        assert_eq!(usize::try_from(steps::counted() - before).unwrap(), text.len());
    }

    #[test]
    fn what_needs_too_many_states_is_found_by_walking() {
        // Where one begins depends on which of the letters behind it are an X.
        let patterns = patterns(&["Y[A-Z]{100}X"]);
        let mut state = 7_u32;
        let mut letter = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 31 == 1 { b'X' } else { b'W' }
        };
        let mut text: Vec<u8> = (0..20_000).map(|_| letter()).collect();
        text[9000] = b'Y';
        text[9101] = b'X';
        assert_eq!(patterns.starts(&text, 0..text.len()).len(), text.len(), "it was not given up");
        let walked = (0..text.len()).filter(|at| patterns.look(&text, *at).end().is_some());
        assert_eq!(walked.collect::<Vec<_>>(), [9000]);
        // The next text is read as before.
        assert_eq!(patterns.starts(&text[8990..9110], 0..120), [10]);
    }

    #[test]
    fn patterns_as_people_write_them_are_kept() {
        let patterns = patterns(&[
            r"\bEMP-\d{4,6}\b",
            r"[A-Za-z0-9._%-]{1,64}@[a-z]{1,30}\.example",
            r"\b[A-Z]{2}\d{2} ?\w{4} ?\w{4}\b",
            r"\b(?:INC|CHG|TASK)\d{7}\b",
            r"\b\d{3}-\d{2}-\d{4}\b",
            r"project[ _-](?:apollo|gemini|mercury)",
            r"(?:19|20)\d\d-\d\d-\d\d",
            r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
            r"https?://[a-z0-9.-]{1,60}\.internal",
        ]);
        assert!(patterns.bytes() <= MOST_BYTES, "{}", patterns.bytes());
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_place() {
        for (pattern, expect) in [
            ("a(b", "unclosed group, at character 2"),
            ("(a+)+b", "say how many at most, as in {1,64}, at character 5"),
            ("ab{2,}", "at character 3"),
            ("^a", "asks for the beginning or the end"),
            ("a?", "must not match an empty text"),
            ("a{129}", "may match at most 128 bytes"),
            (r"(?:(?:[a-z]{9}[0-9]|x){10}y?){2}", "may match at most 128 bytes"),
            (r"\p{Greek}", "at character 1"),
            // Where it ends depends on which of the last hundred letters were an X.
            ("(?:[A-Z]{0,60}X){2}Y", "is too large"),
        ] {
            let refused = Patterns::new(&["ok".into(), pattern.into()], true).map(|_| ()).unwrap_err();
            assert_eq!(refused.field, "entries.1");
            assert!(refused.reason.contains(expect), "{pattern}: {refused}");
        }
        assert!(Patterns::new(&["a".repeat(1001)], false).is_err());
    }
}
