//! A text as detectors read it, with the way back to the text as it is.
//!
//! Each character is taken for itself, so that a text in pieces is read as the whole is: ASCII in other widths and fonts becomes ASCII
//! (Unicode's NFKC, UAX 15), digits of every script too, and what has no width is left out. Every other character stays. Text that is
//! ASCII is read as it is, which costs one look at it.
//!
//! For lists of words there is one form more, [`Form::Folded`]: all compatibility forms that stand for ASCII, in small letters, with letters
//! of other scripts that look like Latin ones in their place (Unicode's UTS 39). What is folded so is compared with what is folded so; detectors of numbers do not read it, since for
//! them a letter beside a digit is a reason to look away.

use std::borrow::Cow;

use unicode_normalization::char::decompose_compatible;
use weir_llm::steps;

/// So many characters without width in a row are left out; each further one is read as a mark, so that what is held back of a stream
/// stays bounded.
const MOST_HIDDEN: u8 = 4;
/// How such a mark is read (SUBSTITUTE): it belongs to nothing.
const MARK: u8 = 0x1a;
/// The most bytes of a text that one byte of its view may stand for: a character and what is left out before it.
pub(crate) const WIDEST: usize = 4 * (MOST_HIDDEN as usize + 1);

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By detectors.
    Plain,
    /// By lists of words.
    Folded,
}

/// What is read, and where it stands.
#[derive(Debug)]
pub(crate) struct View<'a> {
    bytes: Cow<'a, [u8]>,
    /// Behind each character that is read otherwise than it is: the place in the view, and in the text. Between two of them both go on
    /// alike.
    steps: Vec<(usize, usize)>,
    /// The text's length.
    length: usize,
    /// Characters without width in a row at the end.
    hidden: u8,
    /// Something else than a digit is read otherwise, or not at all.
    differs: bool,
}

impl<'a> View<'a> {
    /// Of a text that follows so many characters without width.
    pub(crate) fn of(text: &'a [u8], hidden: u8, form: Form) -> Self {
        if text.is_ascii() {
            let hidden = if text.is_empty() { hidden } else { 0 };
            return Self { bytes: Cow::Borrowed(text), steps: Vec::new(), length: text.len(), hidden, differs: false };
        }
        steps::count(text.len());
        let mut view =
            Self { bytes: Cow::Owned(Vec::new()), steps: Vec::new(), length: text.len(), hidden, differs: false };
        let mut bytes = Vec::with_capacity(text.len());
        let mut at = 0_usize;
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                let end = at.saturating_add(character.len_utf8());
                view.read(character, end, form, &mut bytes);
                at = end;
            }
            // What is no text stays as it is.
            if !chunk.invalid().is_empty() {
                bytes.extend_from_slice(chunk.invalid());
                at = at.saturating_add(chunk.invalid().len());
                view.hidden = 0;
            }
        }
        view.bytes = Cow::Owned(bytes);
        view
    }

    fn read(&mut self, character: char, end: usize, form: Form, bytes: &mut Vec<u8>) {
        if !character.is_ascii() {
            if has_no_width(character) {
                self.hidden = self.hidden.saturating_add(1).min(MOST_HIDDEN.saturating_add(1));
                if self.hidden > MOST_HIDDEN {
                    bytes.push(MARK);
                }
                self.steps.push((bytes.len(), end));
                self.differs = true;
                return;
            }
            self.hidden = 0;
            if stands_for(character, form, bytes) {
                self.differs |= !bytes.last().is_some_and(u8::is_ascii_digit);
                self.steps.push((bytes.len(), end));
                return;
            }
        }
        self.hidden = 0;
        let mut buffer = [0; 4];
        bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    }

    /// Whether it is the text as it is.
    pub(crate) fn is_the_text(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether detectors may find in the text as it is what they do not find here: they know digits of every script.
    pub(crate) fn differs(&self) -> bool {
        self.differs
    }

    /// What is read.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Characters without width in a row at the end.
    pub(crate) fn hidden(&self) -> u8 {
        self.hidden
    }

    /// Where in the view that stands which begins at `at` in the text, or is left out there.
    pub(crate) fn place(&self, at: usize) -> usize {
        let known = self.steps.partition_point(|(_, text)| *text <= at);
        let (view, text) = known.checked_sub(1).and_then(|last| self.steps.get(last)).copied().unwrap_or_default();
        let next = self.steps.get(known).map_or(self.bytes.len(), |(view, _)| *view);
        view.saturating_add(at.saturating_sub(text)).min(next)
    }

    /// Where in the text that begins which begins at `at` in the view. Within what one character stands for it is within that character.
    pub(crate) fn start(&self, at: usize) -> usize {
        if at >= self.bytes.len() {
            return self.length;
        }
        let known = self.steps.partition_point(|(view, _)| *view <= at);
        let (view, text) = known.checked_sub(1).and_then(|last| self.steps.get(last)).copied().unwrap_or_default();
        let next = self.steps.get(known).map_or(self.length, |(_, text)| *text);
        text.saturating_add(at.saturating_sub(view)).min(next.saturating_sub(1))
    }

    /// Where in the text that ends which ends at `at` in the view, or within that character.
    pub(crate) fn end(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |last| self.start(last).saturating_add(1))
    }
}

/// Whether nothing is seen of a character: what joins, parts or turns others, what chooses a form of one, tags.
fn has_no_width(character: char) -> bool {
    matches!(
        u32::from(character),
        0xad | 0x34f
            | 0x61c
            | 0x115f..=0x1160
            | 0x180b..=0x180f
            | 0x200b..=0x200f
            | 0x202a..=0x202e
            | 0x2060..=0x206f
            | 0x3164
            | 0xfe00..=0xfe0f
            | 0xfeff
            | 0xffa0
            | 0xe0000..=0xe007f
            | 0xe0100..=0xe01ef
    )
}

/// Adds the ASCII that a character stands for, or its small letter; false if it stands for itself.
fn stands_for(character: char, form: Form, bytes: &mut Vec<u8>) -> bool {
    if let Some(digit) = crate::detect::digit_of_code(u32::from(character)) {
        bytes.push(b'0'.saturating_add(digit));
        return true;
    }
    let has_forms = match form {
        Form::Plain => is_of_other_width_or_font(character),
        Form::Folded => is_of_other_width_or_font(character) || has_compatibility_forms(character),
    };
    if has_forms {
        let before = bytes.len();
        let mut is_ascii = true;
        decompose_compatible(character, |part| match u8::try_from(part) {
            Ok(byte) if byte.is_ascii() => bytes.push(byte),
            _ => is_ascii = false,
        });
        if is_ascii && bytes.len() > before {
            return true;
        }
        bytes.truncate(before);
    }
    if form == Form::Plain {
        return false;
    }
    let small = character.to_lowercase().next().unwrap_or(character);
    match looks_like(small) {
        Some(latin) => bytes.push(latin),
        None if small == character => return false,
        None => bytes.extend_from_slice(small.encode_utf8(&mut [0; 4]).as_bytes()),
    }
    true
}

/// Blocks of characters that are ASCII's in another width or font (UAX 15's `<wide>`, `<narrow>` and `<font>`). What is raised, lowered,
/// circled or squared is something beside what it stands next to: a footnote's mark behind a number is no digit of it.
fn is_of_other_width_or_font(character: char) -> bool {
    matches!(
        u32::from(character),
        0x2102 | 0x210a..=0x2113 | 0x2115 | 0x2119..=0x211d | 0x2124 | 0x2128 | 0x212c..=0x2134 | 0x2139 | 0x2145..=0x2149
            | 0x3000 | 0xff00..=0xffef | 0x1d400..=0x1d7ff | 0x1fbf0..=0x1fbf9
    )
}

/// Blocks in which characters stand for ASCII. Others need not be looked up.
fn has_compatibility_forms(character: char) -> bool {
    matches!(
        u32::from(character),
        0xa0..=0xbf | 0x1d00..=0x1dbf | 0x2000..=0x24ff | 0x2c7c..=0x2c7d | 0x3000 | 0x3250..=0x33ff | 0xfb00..=0xfb06
            | 0xfe10..=0xfe6f | 0xff00..=0xffef | 0x1d400..=0x1d7ff | 0x1f100..=0x1f1ff
    )
}

/// The Latin letter that a small letter of another script looks like (UTS 39, confusables.txt: those of Cyrillic, Greek and Armenian
/// that are letters of words in use).
fn looks_like(small: char) -> Option<u8> {
    Some(match small {
        'а' | 'α' | 'ɑ' => b'a',
        'с' | 'ϲ' => b'c',
        'ԁ' => b'd',
        'е' | 'ҽ' => b'e',
        'ց' => b'g',
        'һ' | 'հ' => b'h',
        'і' | 'ι' | 'ı' | 'ɩ' => b'i',
        'ј' | 'ϳ' => b'j',
        'к' | 'κ' => b'k',
        'ӏ' => b'l',
        'м' | 'μ' => b'm',
        'ո' => b'n',
        'о' | 'ο' | 'օ' | 'σ' => b'o',
        'р' | 'ρ' => b'p',
        'ԛ' | 'զ' => b'q',
        'ѕ' => b's',
        'т' | 'τ' => b't',
        'υ' | 'ս' => b'u',
        'ν' | 'ѵ' => b'v',
        'ԝ' | 'ѡ' => b'w',
        'х' | 'χ' => b'x',
        'у' | 'γ' | 'ү' => b'y',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_stands_for_ascii_is_read_as_that() {
        let check = |text: &str, plain: &str, folded: &str| {
            let read = |form| String::from_utf8(View::of(text.as_bytes(), 0, form).bytes().to_vec()).unwrap();
            assert_eq!((&*read(Form::Plain), &*read(Form::Folded)), (plain, folded), "{text:?}");
        };
        check("ａｂＣ＠ｘ．io", "abC@x.io", "abC@x.io");
        check("𝐏𝐚𝐬𝐬 ℂℓ 🯳 ①② ½ ﬁ", "Pass Cl 3 ①② ½ ﬁ", "Pass Cl 3 12 ½ fi");
        check("1² ⒈ ™ º ㎏ 1\u{3164}2\u{ffa0}", "1² ⒈ ™ º ㎏ 12", "12 1. TM o kg 12");
        check("٤१๓", "413", "413");
        check("a\u{200b}b\u{ad}c\u{feff}", "abc", "abc");
        check("Straße Änne é", "Straße Änne é", "Straße änne é");
        check("Раураl", "Раураl", "paypal");
        check("漢字 ﷽", "漢字 ﷽", "漢字 ﷽");
        check("x\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}y", "x\u{1a}\u{1a}y", "x\u{1a}\u{1a}y");
    }

    #[test]
    fn places_lead_back_to_the_characters_that_were_read() {
        let text = "é\u{200b}＠ﬁx\u{200b}";
        let view = View::of(text.as_bytes(), 0, Form::Folded);
        assert_eq!(view.bytes(), "é@fix".as_bytes());
        // `é`, the sign, both letters of the ligature, `x`.
        assert_eq!([0, 2, 3, 5].map(|at| view.start(at)), [0, 5, 8, 11]);
        assert_eq!(view.end(6), 12);
        assert_eq!((view.start(6), view.hidden()), (text.len(), 1));
        assert_eq!([0, 2, 5, 8, 11, 12].map(|at| view.place(at)), [0, 2, 2, 3, 5, 6]);
    }

    proptest! {
        /// However a text is divided, its parts are read as the whole is.
        #[test]
        fn parts_are_read_as_the_whole(text in "([ -~]|\u{200b}|ﬁ|＠|é|а|漢|٤){0,24}", at in 0_usize..24) {
            let at = text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
            for form in [Form::Plain, Form::Folded] {
                let whole = View::of(text.as_bytes(), 0, form);
                let first = View::of(&text.as_bytes()[..at], 0, form);
                let second = View::of(&text.as_bytes()[at..], first.hidden(), form);
                prop_assert_eq!(whole.bytes(), &[first.bytes(), second.bytes()].concat()[..]);
                prop_assert_eq!(whole.hidden(), second.hidden());
                prop_assert_eq!(whole.place(at), first.bytes().len());
                for place in 0..whole.bytes().len() {
                    let start = whole.start(place);
                    prop_assert!(start < whole.end(place + 1) && whole.end(place + 1) <= text.len());
                    prop_assert!(whole.place(start) <= place);
                }
            }
        }
    }
}
