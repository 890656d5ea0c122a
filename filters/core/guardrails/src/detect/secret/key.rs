//! Keys by the prefix and form that their issuers give them, and JSON web tokens.

use std::ops::Range;

use super::chance::{entropy, is_documented, sample};
use super::formats::{Class, FORMATS, Format, INFIXES, Infix, Part};
use super::{LONGEST, begins, ends_word, is_key_byte, run_end};
use crate::detect::{Detector, Look, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;
use weir_llm::steps;

/// How random a key has to be behind its prefix, in hundredths of a bit for each byte: less is a placeholder.
const LEAST_ENTROPY: u32 = 230;
const SCORE: u8 = 95;

/// The longest key that no prefix tells.
const LONGEST_OTHER: usize = 96;
/// How often a tail follows: a token that is encrypted has five parts (RFC 7516).
const MOST_TAILS: usize = 3;

/// Finds keys of known issuers.
#[derive(Debug)]
pub(crate) struct Key;

impl Detector for Key {
    fn name(&self) -> &'static str {
        "key"
    }

    fn finding(&self) -> FindingType {
        FindingType::Secret
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Secret, Trigger::Colon, Trigger::Dot]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, runs: &mut Runs, each: &mut dyn FnMut(Match)) {
        let (start, look) = match byte(text, place.start) {
            Some(b':') => {
                let start = place.start.saturating_add(1);
                (start, telegram_bot(text, start, true))
            }
            Some(b'.') => {
                let start = word_start(text, place.start);
                (start, discord_bot(text, start, true))
            }
            _ => (place.start, of_format(text, place.start, runs, true)),
        };
        for infix in INFIXES {
            let is_here = text.get(place.start..).is_some_and(|rest| rest.starts_with(infix.literal.as_bytes()));
            let Some(start) = place.start.checked_sub(infix.head.1).filter(|_| is_here) else { continue };
            if let Look::Match(end) = around(text, start, infix, true) {
                each(Match { start, end, finding: self.finding(), detector: infix.name, score: SCORE, rule: None });
            }
        }
        if let (name, Look::Match(end)) = look {
            each(Match { start, end, finding: self.finding(), detector: name, score: SCORE, rule: None });
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let earliest = text.len().saturating_sub(LONGEST).max(from);
        let mut runs = Runs::default();
        // The other forms hold nothing but these.
        let is_dotted = |byte: &&u8| Class::Dotted.has(**byte);
        let dotted = text.iter().rev().take(LONGEST_OTHER).take_while(is_dotted).count();
        steps::count(dotted);
        let dotted = text.len().saturating_sub(dotted);
        let mut is_open = |at: usize| {
            // Most places are within a word.
            let follows_letter = before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric());
            if follows_letter && !begins(text, at) {
                return false;
            }
            let rest = text.get(at..).unwrap_or_default();
            if may_begin(rest)
                && (alike(rest).any(|it| it.prefix.as_bytes().starts_with(rest))
                    || of_format(text, at, &mut runs, false).1 == Look::Undecided)
            {
                return true;
            }
            at >= dotted
                && (INFIXES.iter().any(|infix| around(text, at, infix, false) == Look::Undecided)
                    || telegram_bot(text, at, false).1 == Look::Undecided
                    || discord_bot(text, at, false).1 == Look::Undecided)
        };
        steps::count(text.len().saturating_sub(earliest));
        (earliest..text.len()).find(|at| is_open(*at)).unwrap_or(text.len())
    }
}

/// The first two bytes of every prefix, hashed into bits: most words begin with none of them.
static BEGINNINGS: [u64; BEGINNING_WORDS] = beginnings();
const BEGINNING_WORDS: usize = 64;

const fn beginning_bit(first: u8, second: u8) -> (usize, u64) {
    let hash = (first as usize * 61 + second as usize) % (BEGINNING_WORDS * 64);
    (hash / 64, 1 << (hash % 64))
}

#[expect(clippy::indexing_slicing, reason = "it is done when this is compiled")]
const fn beginnings() -> [u64; BEGINNING_WORDS] {
    let mut bits = [0; BEGINNING_WORDS];
    let mut rest = FORMATS;
    while let [format, others @ ..] = rest {
        if let [first, second, ..] = format.prefix.as_bytes() {
            let (word, bit) = beginning_bit(*first, *second);
            bits[word] |= bit;
        }
        rest = others;
    }
    bits
}

/// Whether a key of some format may begin so.
fn may_begin(rest: &[u8]) -> bool {
    match rest {
        [first, second, ..] => {
            let (word, bit) = beginning_bit(*first, *second);
            BEGINNINGS.get(word).is_some_and(|bits| bits & bit != 0)
        }
        [_] => true,
        [] => false,
    }
}

/// The formats in the order of their first bytes, and where those of each byte begin.
static ORDER: ([u16; FORMATS.len()], [u16; 257]) = order();

#[expect(clippy::indexing_slicing, reason = "it is done when this is compiled")]
const fn order() -> ([u16; FORMATS.len()], [u16; 257]) {
    let (mut order, mut starts) = ([0; FORMATS.len()], [0; 257]);
    let (mut first, mut next) = (0, 0);
    while first < 256 {
        starts[first] = next as u16;
        let mut index = 0;
        while index < FORMATS.len() {
            if FORMATS[index].prefix.as_bytes()[0] as usize == first {
                order[next] = index as u16;
                next += 1;
            }
            index += 1;
        }
        first += 1;
    }
    starts[256] = next as u16;
    (order, starts)
}

/// The formats whose first byte is that of a text.
fn alike(rest: &[u8]) -> impl Iterator<Item = &'static Format> {
    let first = rest.first().map_or(256, |first| usize::from(*first));
    let place = |at: usize| ORDER.1.get(at).map_or(0, |start| usize::from(*start));
    let range = place(first)..place(first.saturating_add(1));
    ORDER.0.get(range).unwrap_or_default().iter().filter_map(|index| FORMATS.get(usize::from(*index)))
}

/// The key that begins at `at`, and whose it is.
fn of_format(text: &[u8], at: usize, runs: &mut Runs, at_end: bool) -> (&'static str, Look) {
    let mut found = ("", Look::Nothing);
    if !begins(text, at) {
        return found;
    }
    let rest = text.get(at..).unwrap_or_default();
    for format in alike(rest).filter(|format| rest.starts_with(format.prefix.as_bytes())) {
        match (look(text, at, format, runs, at_end), found.1) {
            (Look::Undecided, _) => return ("", Look::Undecided),
            (Look::Match(end), Look::Match(longest)) if end <= longest => (),
            (Look::Match(end), _) => found = (format.name, Look::Match(end)),
            (Look::Nothing, _) => (),
        }
    }
    found
}

fn look(whole: &[u8], start: usize, format: &Format, runs: &mut Runs, at_end: bool) -> Look {
    let limit = start.saturating_add(LONGEST);
    let text = whole.get(..limit.min(whole.len())).unwrap_or_default();
    let is_cut = text.len() == limit;
    let mut at = start.saturating_add(format.prefix.len());
    let body = at;
    let mut last = Class::Word;
    for part in format.parts {
        let reaches_end = |at: usize| at >= text.len() && !at_end && !is_cut;
        match part {
            Part::Is(literal) => {
                let rest = text.get(at..).unwrap_or_default();
                if !rest.starts_with(literal.as_bytes()) {
                    let is_open = literal.as_bytes().starts_with(rest) && reaches_end(text.len());
                    return if is_open { Look::Undecided } else { Look::Nothing };
                }
                at = at.saturating_add(literal.len());
            }
            Part::Run(class, least, most) => {
                let end = runs.end(whole, *class, at, *most).min(text.len());
                if reaches_end(end) {
                    return Look::Undecided;
                }
                if end.saturating_sub(at) < *least {
                    return Look::Nothing;
                }
                at = end;
                last = *class;
            }
            Part::Tail(literal, class) => {
                for _ in 0..MOST_TAILS {
                    if text.get(at..).is_some_and(|rest| rest.starts_with(literal.as_bytes())) {
                        at = runs.end(whole, *class, at.saturating_add(literal.len()), LONGEST).min(text.len());
                    }
                }
                if reaches_end(at) {
                    return Look::Undecided;
                }
            }
        }
    }
    if at >= text.len() && !at_end && !is_cut {
        return Look::Undecided;
    }
    let value = text.get(body..at).unwrap_or_default();
    let goes_on = !is_cut && (byte(text, at).is_some_and(|byte| last.has(byte)) || !ends_word(text, at));
    let is_key = !goes_on && entropy(sample(value)) >= format.entropy.max(LEAST_ENTROPY).min(most_entropy(value.len()));
    let key = text.get(start..at).unwrap_or_default();
    if is_key && !is_documented(key) { Look::Match(at) } else { Look::Nothing }
}

/// The key that begins at `start` and is known by what stands within it.
fn around(text: &[u8], start: usize, infix: &Infix, at_end: bool) -> Look {
    if !begins(text, start) {
        return Look::Nothing;
    }
    let (class, count) = infix.head;
    let head = run_end(text, start, count, |byte| class.has(byte));
    let rest = text.get(head..).unwrap_or_default();
    let has_head = head.saturating_sub(start) == count;
    if !has_head || !rest.starts_with(infix.literal.as_bytes()) {
        let may_follow = if has_head { infix.literal.as_bytes().starts_with(rest) } else { rest.is_empty() };
        return if may_follow && !at_end { Look::Undecided } else { Look::Nothing };
    }
    let (class, least, most) = infix.tail;
    let tail = head.saturating_add(infix.literal.len());
    let end = run_end(text, tail, most.saturating_add(1), |byte| class.has(byte));
    let length = end.saturating_sub(tail);
    if end == text.len() && length <= most && !at_end {
        return Look::Undecided;
    }
    let is_key = (least..=most).contains(&length)
        && ends_word(text, end)
        && entropy(text.get(start..end).unwrap_or_default()) >= LEAST_ENTROPY;
    if is_key { Look::Match(end) } else { Look::Nothing }
}

/// Short values cannot have more.
fn most_entropy(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX).saturating_mul(20)
}

/// The token of a Telegram bot behind the colon (core.telegram.org/bots/api): a number of the bot before it, 35 characters after.
fn telegram_bot(text: &[u8], at: usize, at_end: bool) -> (&'static str, Look) {
    const LENGTH: usize = 35;
    const LEAST_DIGITS: usize = 5;
    const MOST_DIGITS: usize = 16;
    let nothing = ("telegram_bot_token", Look::Nothing);
    let Some(number) = at.checked_sub(1).filter(|colon| byte(text, *colon) == Some(b':')) else { return nothing };
    if byte(text, at).is_some_and(|first| first != b'A') {
        return nothing;
    }
    let earliest = number.saturating_sub(MOST_DIGITS);
    let digits = text.get(earliest..number).unwrap_or_default();
    let digits = digits.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let start = number.saturating_sub(digits);
    if !(LEAST_DIGITS..MOST_DIGITS).contains(&digits) || !begins(text, start) {
        return nothing;
    }
    let end = run_end(text, at, LENGTH + 1, is_key_byte);
    let look = match end.saturating_sub(at) {
        LENGTH if end < text.len() || at_end => {
            let is_key = entropy(text.get(at..end).unwrap_or_default()) >= LEAST_ENTROPY && ends_word(text, end);
            if is_key { Look::Match(end) } else { Look::Nothing }
        }
        ..=LENGTH if end == text.len() && !at_end => Look::Undecided,
        _ => Look::Nothing,
    };
    ("telegram_bot_token", look)
}

/// The first letters of a Discord bot's number in base64.
const DISCORD: [u8; 3] = *b"MNO";

/// Where the word before a dot begins.
fn word_start(text: &[u8], dot: usize) -> usize {
    const MOST: usize = 29;
    let earliest = dot.saturating_sub(MOST);
    let word = text.get(earliest..dot).unwrap_or_default();
    dot.saturating_sub(word.iter().rev().take_while(|byte| is_key_byte(**byte)).count())
}

/// The token of a Discord bot: its number in base64, a time, a digest, with dots between them.
fn discord_bot(text: &[u8], start: usize, at_end: bool) -> (&'static str, Look) {
    const PARTS: [(usize, usize); 3] = [(23, 28), (5, 7), (26, 40)];
    let nothing = ("discord_bot_token", Look::Nothing);
    if !byte(text, start).is_some_and(|first| DISCORD.contains(&first)) || !begins(text, start) {
        return nothing;
    }
    let mut at = start;
    for (index, (least, most)) in PARTS.into_iter().enumerate() {
        if index > 0 {
            if byte(text, at) != Some(b'.') {
                return nothing;
            }
            at = at.saturating_add(1);
        }
        let end = run_end(text, at, most.saturating_add(1), is_key_byte);
        let length = end.saturating_sub(at);
        if end == text.len() && !at_end && length <= most {
            return ("discord_bot_token", Look::Undecided);
        }
        if !(least..=most).contains(&length) {
            return nothing;
        }
        at = end;
    }
    let is_key = entropy(text.get(start..at).unwrap_or_default()) >= 350 && ends_word(text, at);
    ("discord_bot_token", if is_key { Look::Match(at) } else { Look::Nothing })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that looks like chance, the same each time.
    fn chance(class: Class, count: usize, seed: &mut u64) -> String {
        let alphabet: Vec<char> =
            (0_u8..128).filter(|byte| byte.is_ascii_alphanumeric() && class.has(*byte)).map(char::from).collect();
        (0..count)
            .map(|_| {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                alphabet[usize::try_from(*seed >> 33).unwrap() % alphabet.len()]
            })
            .collect()
    }

    fn example(format: &Format, seed: &mut u64) -> String {
        let mut text = format.prefix.to_owned();
        for part in format.parts {
            match part {
                Part::Is(literal) => text.push_str(literal),
                Part::Run(class, least, most) => {
                    text.push_str(&chance(*class, (*least).max((*most).min(*least + 4)), seed))
                }
                Part::Tail(literal, class) => {
                    text.push_str(literal);
                    text.push_str(&chance(*class, 5, seed));
                }
            }
        }
        text
    }

    fn found(text: &str) -> Vec<(String, &'static str)> {
        let mut found = Vec::new();
        for place in 0..text.len() {
            Key.matches(text.as_bytes(), place..place + 1, &mut Runs::default(), &mut |one| {
                found.push((text[one.start..one.end].to_owned(), one.detector));
            });
        }
        found
    }

    #[test]
    fn every_format_finds_a_key_of_its_own_and_no_placeholder() {
        let mut seed = 7;
        for format in FORMATS {
            let key = example(format, &mut seed);
            for text in [
                key.clone(),
                format!("it is {key}, thanks"),
                format!(r#"{{"key":"{key}"}}"#),
                format!(r"line\n{key}\n"),
            ] {
                let found = found(&text);
                assert!(found.iter().any(|(found, _)| *found == key), "{}: {key} in {text}: {found:?}", format.name);
            }
            assert_eq!(found(&format!("x{key}")), found(&format!("y{key}")), "{key} within a word");
            let placeholder = format!("{}{}", format.prefix, "x".repeat(key.len() - format.prefix.len()));
            assert!(found(&placeholder).is_empty(), "{placeholder}");
        }
        for infix in INFIXES {
            let (class, least, _) = infix.tail;
            let key = chance(infix.head.0, infix.head.1, &mut seed) + infix.literal + &chance(class, least, &mut seed);
            assert_eq!(found(&format!("it is {key}, ok")), [(key, infix.name)]);
        }
    }

    #[test]
    fn bots_have_keys_without_a_prefix() {
        let mut seed = 3;
        let telegram = format!("A{}", chance(Class::Url, 34, &mut seed));
        assert_eq!(found(&format!("bot 5086276891:{telegram}")), [(telegram.clone(), "telegram_bot_token")]);
        assert!(found(&format!("bot 12:{telegram}")).is_empty());
        let discord = format!(
            "M{}.{}.{}",
            chance(Class::Word, 23, &mut seed),
            chance(Class::Word, 6, &mut seed),
            chance(Class::Url, 27, &mut seed)
        );
        assert_eq!(found(&format!("run {discord} now")), [(discord.clone(), "discord_bot_token")]);
        assert!(found(&format!("run {discord}{} now", "a".repeat(20))).is_empty());
    }

    #[test]
    fn documented_examples_are_no_keys() {
        for text in ["AKIAIOSFODNN7EXAMPLE", "AKIAGIREOGIAEXAMPLE7", "hf_UdYjVqYvybBLEhIrwwEUYjOgkeyexample"] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
