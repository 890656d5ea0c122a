//! Names of persons and addresses of places: what no check digit tells.
//!
//! A text is taken apart into words and marks ([`token`]). Each word that may be part of a name or an address is described by itself, the
//! tokens before it and those behind it ([`features`]), and a linear model says how likely it is one ([`model`]). Neighbours of one kind
//! are found as matches that overlap, which makes them one finding.
//!
//! What is found at a word depends on [`CONTEXT`] bytes before it and on [`AHEAD`] behind it at most, so that a stream can be decided
//! piece by piece and gives what the whole text gives.
//!
//! Public for `examples/train_words.rs`, which makes the model's files with the very code that reads them.

pub mod features;
pub mod model;
pub mod token;

use std::ops::Range;

use weir_config::{Action, FindingType};
use weir_llm::steps;

use crate::consequence::{Consequence, Consequences};
use crate::detect::{CONTEXT, Match, character_start};
use model::{Kind, Margins};
use token::{Token, Tokens};

/// How far behind a word's end what follows may decide about it, in bytes.
pub const AHEAD: usize = 192;

/// How far before a word's start what decides about it begins at most. Less than what is at hand, where half of an escape may begin.
const BEFORE: usize = CONTEXT - 4;

/// The most bytes between two words of one finding.
const WIDEST_GAP: usize = 16;

/// The most tokens between them.
const MOST_BETWEEN: usize = 2;

/// What is looked for, and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct WordRules {
    person: Option<Consequences>,
    address: Option<Consequences>,
}

impl WordRules {
    /// `None` if neither is looked for.
    pub(crate) fn of(of_type: impl Fn(FindingType) -> Option<Consequences>) -> Option<Self> {
        let (person, address) = (of_type(FindingType::Person), of_type(FindingType::Address));
        (person.is_some() || address.is_some()).then_some(Self { person, address })
    }

    /// The strictest of what becomes of a find.
    pub(crate) fn strictest(&self) -> Option<Action> {
        [&self.person, &self.address].into_iter().flatten().filter_map(Consequences::strictest).max()
    }

    /// Adds the matches that begin in `starts`.
    pub(crate) fn matches(&self, text: &[u8], starts: Range<usize>, found: &mut Vec<(Match, Consequence)>) {
        let mut window = Window::around(text, starts.start);
        while let Some(word) = window.advance() {
            if word.start >= starts.end {
                break;
            }
            if word.start < starts.start {
                continue;
            }
            if !word.is_candidate() {
                continue;
            }
            let Some((kind, score)) = window.margins(0).decided() else { continue };
            let of_type = match kind {
                Kind::Person => &self.person,
                Kind::Address => &self.address,
            };
            let Some(of_type) = of_type else { continue };
            let end = match (window.joined(kind), kind) {
                (Some(end), _) => end,
                (None, Kind::Person) => word.end,
                // One word is no address; the last of one was found with that before it.
                (None, Kind::Address) => continue,
            };
            let one =
                Match { start: word.start, end, finding: kind.finding(), detector: kind.name(), score, rule: None };
            found.extend(of_type.of_score(score).map(|consequence| (one, consequence)));
        }
        steps::count(window.read());
    }

    /// The first byte, at or after `from`, of a word about which what follows decides; the text's length if there is none.
    pub(crate) fn undecided(&self, text: &[u8], from: usize) -> usize {
        let mut window = Window::around(text, from);
        while let Some(word) = window.advance() {
            // Of a word that may go on nobody knows yet what it is.
            let is_whole = word.end < text.len() || !word.is_word() || word.is_long();
            if word.start >= from && (!is_whole || (word.is_candidate() && !window.is_complete(text.len()))) {
                return word.start;
            }
        }
        text.len()
    }
}

/// How likely a text holds something of each type that was learnt, from 0 to 1, whether or not that is enough to find it.
pub fn learned_scores(text: &str) -> [(FindingType, f32); 2] {
    let mut window = Window::around(text.as_bytes(), 0);
    let (mut person, mut address) = (0.0_f32, 0.0_f32);
    while let Some(word) = window.advance() {
        if word.is_candidate() {
            let (of_person, of_address) = window.margins(0).likelihoods();
            (person, address) = (person.max(of_person), address.max(of_address));
        }
    }
    [(FindingType::Person, person), (FindingType::Address, address)]
}

/// Tokens of a text around one of them.
#[derive(Debug)]
pub struct Window<'a> {
    tokens: Tokens<'a>,
    /// A ring: the token that is looked at stands [`Window::WORD`] places behind `first`.
    around: [Option<Token>; Window::PLACES],
    first: usize,
}

impl<'a> Window<'a> {
    const PLACES: usize = 16;
    /// Tokens before the word.
    const WORD: usize = 3;
    /// Tokens behind it: what decides about a word that is joined to it.
    const BEHIND: usize = MOST_BETWEEN + 3;

    /// Before the first token that may decide about what begins at `from`.
    pub fn around(text: &'a [u8], from: usize) -> Self {
        let tokens = Tokens::new(text, character_start(text, from.saturating_sub(CONTEXT)));
        let mut window = Self { tokens, around: [None; Self::PLACES], first: 0 };
        for _ in 0..Self::BEHIND {
            window.shift();
        }
        window
    }

    /// Goes to the next token.
    pub fn advance(&mut self) -> Option<Token> {
        self.shift();
        self.place(Self::WORD).copied()
    }

    fn shift(&mut self) {
        self.first = self.first.wrapping_add(1) % Self::PLACES;
        let last = self.first.wrapping_add(Self::WORD + Self::BEHIND) % Self::PLACES;
        if let Some(place) = self.around.get_mut(last) {
            *place = self.tokens.next();
        }
    }

    fn place(&self, at: usize) -> Option<&Token> {
        self.around.get(self.first.wrapping_add(at) % Self::PLACES)?.as_ref()
    }

    /// Bytes read.
    fn read(&self) -> usize {
        self.tokens.read()
    }

    /// The token so many behind the one that is looked at, or before it, if it may decide about that one: between it and that one are not
    /// too many bytes.
    pub fn token(&self, word: usize, by: isize) -> Option<&Token> {
        let at = Self::WORD.checked_add(word)?;
        let (word, other) = (self.place(at)?, self.place(at.checked_add_signed(by)?)?);
        let is_near = if by < 0 {
            other.start >= word.start.saturating_sub(BEFORE)
        } else {
            other.end <= word.end.saturating_add(AHEAD / 2)
        };
        is_near.then_some(other)
    }

    /// The end of the next word, if it belongs to the same name or address as the word that is looked at.
    fn joined(&self, kind: Kind) -> Option<usize> {
        let word = self.token(0, 0)?;
        let (by, next) = (1..=MOST_BETWEEN + 1)
            .map_while(|by| Some((by, self.token(0, isize::try_from(by).ok()?)?)))
            .find(|(_, token)| !token.is_within(kind))?;
        let gap = next.start.saturating_sub(word.end);
        // Numbers alone are no address; a street's is followed by a town's.
        let is_of_street = || self.token(0, -1).is_some_and(|before| before.is_word() && !before.is_number());
        if gap > WIDEST_GAP || (word.is_number() && next.is_number() && !is_of_street()) {
            return None;
        }
        (next.is_candidate() && self.margins(by).goes_on(kind)).then_some(next.end)
    }

    fn margins(&self, word: usize) -> Margins {
        model::margins(&features::of(self, word))
    }

    /// Whether what follows a text of this length changes nothing about the word.
    fn is_complete(&self, length: usize) -> bool {
        let is_over = |at: usize| self.place(at).is_some_and(|token| token.end < length);
        // What is joined to it matters only if it is part of something.
        is_over(Self::WORD + Self::BEHIND)
            || (is_over(Self::WORD + features::BEHIND) && self.margins(0).decided().is_none())
            || self.token(0, 0).is_some_and(|word| word.end.saturating_add(AHEAD) < length)
    }
}
