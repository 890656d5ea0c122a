//! Numbers of letters and digits that only the words before them tell: of passports, driving licences, patients, insured.
//!
//! Which form they have differs by country and office; that there are at least three digits in a row, and six characters, is common to
//! nearly all.

use std::ops::Range;

use super::context::{OTHER_NUMBERS, begins_token, ends_token, words_before};
use super::token::undecided_before_tail;
use super::{Detector, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;

/// The longest token in bytes.
const LONGEST: usize = 20;

/// Finds numbers of one kind.
#[derive(Debug)]
pub(super) struct Named {
    /// The detector's name.
    pub(super) name: &'static str,
    /// What it finds.
    pub(super) finding: FindingType,
    /// Pairs of words that both stand before the number, in any order; an empty one is always there. The first says what it is.
    pub(super) words: &'static [(&'static str, &'static str)],
    /// The fewest and the most characters.
    pub(super) length: (usize, usize),
    /// The most letters.
    pub(super) letters: usize,
}

/// Numbers of passports: eight or nine characters in most countries (ICAO Doc 9303 leaves room for nine).
pub(super) static PASSPORT: Named = Named {
    name: "passport",
    finding: FindingType::Passport,
    words: &[("passport", ""), ("passeport", ""), ("reisepass", "")],
    length: (7, 9),
    letters: 3,
};

/// Numbers of driving licences, in whatever form their country or state gives them.
pub(super) static DRIVER_LICENSE: Named = Named {
    name: "driver_license",
    finding: FindingType::DriverLicense,
    words: &[
        ("license", "driver"),
        ("license", "drivers"),
        ("licence", "driving"),
        ("license", "driving"),
        ("licence", "driver"),
        ("licence", "drivers"),
        ("dl", "number"),
        ("dl", "no"),
    ],
    length: (6, 16),
    letters: 9,
};

/// Numbers of patients' records.
pub(super) static MEDICAL_RECORD: Named = Named {
    name: "medical_record",
    finding: FindingType::MedicalRecord,
    words: &[("mrn", ""), ("record", "medical"), ("patient", "id"), ("patient", "number"), ("uhid", "")],
    length: (6, 14),
    letters: 4,
};

/// Numbers of insured and of their policies.
pub(super) static INSURANCE_NUMBER: Named = Named {
    name: "insurance_number",
    finding: FindingType::InsuranceNumber,
    words: &[
        ("insurance", "number"),
        ("insurance", "id"),
        ("insurance", "policy"),
        ("policy", "number"),
        ("policy", "no"),
        ("member", "id"),
        ("medicare", "number"),
        ("medicaid", "id"),
    ],
    length: (7, 14),
    letters: 4,
};

impl Detector for Named {
    fn name(&self) -> &'static str {
        self.name
    }

    fn finding(&self) -> FindingType {
        self.finding
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        let Some(token) = token_at(text, place.start) else { return };
        let value = text.get(token.clone()).unwrap_or_default();
        let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
        let (fewest, most) = self.length;
        if (fewest..=most).contains(&value.len()) && letters <= self.letters && self.is_named(text, token.start) {
            each(self.found(token.start, token.end, 80));
        }
    }

    fn waits_like(&self) -> &'static str {
        "named"
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        undecided(text, from)
    }
}

impl Named {
    /// Whether the words before `at` say that the number is one of these: the nearest ones, and none before them that it is another's.
    fn is_named(&self, text: &[u8], at: usize) -> bool {
        const REACH: usize = 6;
        let is = |word: &[u8], known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        let has = |known: &str| known.is_empty() || words_before(text, at).take(REACH).any(|word| is(word, known));
        // The nearest word that says something: of these, of another kind, or of something else.
        let kinds = [&PASSPORT, &DRIVER_LICENSE, &MEDICAL_RECORD, &INSURANCE_NUMBER];
        let says = |word: &[u8]| {
            OTHER_NUMBERS.iter().any(|other| is(word, other) && *other != "id")
                || kinds.iter().flat_map(|kind| kind.words).any(|(one, _)| is(word, one))
        };
        let first = words_before(text, at).take(REACH).find(|word| says(word));
        first.is_some_and(|first| self.words.iter().any(|(one, other)| is(first, one) && has(other)))
    }
}

/// The word that a byte is in, if a token begins and ends with it and it is not too long.
pub(super) fn token_at(text: &[u8], at: usize) -> Option<Range<usize>> {
    let head = text.get(at.saturating_sub(LONGEST)..at)?;
    let start = at.saturating_sub(head.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count());
    let tail = text.get(at..)?;
    let end = at.saturating_add(tail.iter().take(LONGEST + 1).take_while(|byte| byte.is_ascii_alphanumeric()).count());
    let is_token = end.saturating_sub(start) <= LONGEST && begins_token(text, start) && ends_token(text, end);
    (is_token && byte(text, start).is_some_and(|byte| byte.is_ascii())).then_some(start..end)
}

/// The first byte, at or after `from`, of a word at the end that is not too long.
pub(super) fn undecided(text: &[u8], from: usize) -> usize {
    undecided_before_tail(text, |head| {
        let earliest = head.len().saturating_sub(LONGEST).max(from);
        let mut start = head.len();
        while start > earliest && before(head, start).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            start = start.saturating_sub(1);
        }
        start
    })
}
