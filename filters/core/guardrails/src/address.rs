//! Whether a text stands within an address: what is written there reaches whoever made a model write it, without anybody's doing.
//!
//! An address is where a picture or a link of Markdown leads (CommonMark 0.31, 6.3), anything within a tag of HTML (WHATWG HTML, 13.2.5), or what
//! begins like a URL, to the next white space of ASCII. Readers of Markdown, browsers and tools do not agree on the rest, so what may be an
//! address is taken for one.

/// Letters before what follows is an address.
const MARKS: [&str; 4] = ["http", "//", "www.", "mailto:"];
/// As many characters as the longest of them has.
const LONGEST_MARK: usize = 7;
/// Elements whose content is no HTML, or whose end cannot be told.
const RAW: [&str; 10] =
    ["iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp"];
/// Letters of a tag's name that are kept.
const LONGEST_NAME: usize = 10;

/// Where a text stands that is followed character by character.
#[derive(Clone, Debug, Default)]
pub(crate) struct Address {
    place: Place,
    tag: Tag,
    /// What came last, in small letters and with `/` for `\`, as browsers read that.
    last: String,
    /// What came since the last blank or quote has a dot between letters, as a host does.
    has_host: bool,
    /// Characters of the string of JSON at hand; `None`: there is none.
    of_string: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// In no address.
    #[default]
    Prose,
    /// Behind a mark; `is_whole`: it is all that a string of JSON says, and blanks do not end it.
    Url { is_whole: bool },
    /// Behind `](`.
    Destination { depth: u32, has_begun: bool, in_angles: bool, escaped: bool },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Tag {
    #[default]
    Outside,
    /// Its name, as far as it came.
    Name(String),
    BeforeAttribute,
    Attribute,
    AfterAttribute,
    BeforeValue,
    /// Within a value in these quotes.
    Quoted(char),
    Unquoted,
    /// What is a tag from here on cannot be told.
    Unknown,
}

impl Address {
    /// Whether what comes next stands within one.
    pub(crate) fn is_within(&self) -> bool {
        self.place != Place::Prose || self.tag != Tag::Outside
    }

    /// Follows what stands in the place of a pseudonym.
    pub(crate) fn pass(&mut self, text: &str) {
        text.chars().for_each(|character| self.next(character));
    }

    /// A string of JSON begins.
    pub(crate) fn begin_string(&mut self) {
        self.of_string = Some(0);
    }

    /// A string of JSON is over, and a URL in it. What Markdown and HTML is, whoever shows the text as that does not see the string.
    pub(crate) fn end_string(&mut self) {
        if matches!(self.place, Place::Url { .. }) {
            self.place = Place::Prose;
        }
        self.of_string = None;
        self.forget();
    }

    fn forget(&mut self) {
        self.last.clear();
        self.has_host = false;
    }

    /// Follows the text.
    pub(crate) fn next(&mut self, character: char) {
        self.of_string = self.of_string.map(|characters| characters.saturating_add(1));
        self.follow_tag(character);
        self.follow_place(character);
        match character {
            _ if character.is_ascii_whitespace() => self.forget(),
            '"' | '\'' | '`' | '[' | '(' | '<' | '>' => {
                self.has_host = false;
                self.remember(character);
            }
            _ => self.remember(character),
        }
    }

    fn remember(&mut self, character: char) {
        let character = if character == '\\' { '/' } else { character.to_ascii_lowercase() };
        let is_of_host = self.last.ends_with('.') && character.is_alphanumeric();
        self.has_host |= is_of_host && self.last.chars().rev().nth(1).is_some_and(char::is_alphanumeric);
        if self.last.chars().count() > LONGEST_MARK {
            self.last.remove(0);
        }
        self.last.push(character);
        if self.last.ends_with("](") {
            self.place = Place::Destination { depth: 1, has_begun: false, in_angles: false, escaped: false };
        } else if self.place == Place::Prose && self.is_mark(character) {
            self.place = Place::Url { is_whole: self.of_string.is_some_and(|characters| characters <= LONGEST_MARK) };
        }
    }

    fn is_mark(&self, character: char) -> bool {
        // An escape of JSON's for what needs none.
        let is_hidden = self.last.len() >= 5
            && self
                .last
                .get(self.last.len().saturating_sub(5)..)
                .is_some_and(|end| end.starts_with("/u00") && end.ends_with(|last: char| ('0'..='7').contains(&last)));
        let leads_on = self.has_host && matches!(character, '/' | '?' | '#' | '@');
        is_hidden || leads_on || MARKS.into_iter().any(|mark| self.last.ends_with(mark))
    }

    fn follow_place(&mut self, character: char) {
        let is_blank = character.is_ascii_whitespace();
        match &mut self.place {
            Place::Prose | Place::Url { is_whole: true } => {}
            Place::Url { is_whole: false } if is_blank => self.place = Place::Prose,
            Place::Url { .. } => {}
            Place::Destination { escaped, has_begun, .. } if *escaped => (*escaped, *has_begun) = (false, true),
            Place::Destination { depth, has_begun, in_angles, escaped } => match character {
                '\\' => *escaped = true,
                '<' if !*has_begun => (*in_angles, *has_begun) = (true, true),
                '\n' | '\r' if *in_angles => self.place = Place::Prose,
                _ if is_blank && (*in_angles || !*has_begun) => {}
                _ if is_blank => self.place = Place::Prose,
                '>' if *in_angles => self.place = Place::Prose,
                '(' => *depth = depth.saturating_add(1),
                ')' if !*in_angles && *depth <= 1 => self.place = Place::Prose,
                ')' if !*in_angles => *depth = depth.saturating_sub(1),
                _ => *has_begun = true,
            },
        }
    }

    fn follow_tag(&mut self, character: char) {
        let is_blank = character.is_ascii_whitespace();
        let next = match &mut self.tag {
            Tag::Unknown => return,
            Tag::Outside if !self.last.ends_with('<') => return,
            Tag::Outside if character.is_ascii_alphabetic() => Tag::Name(character.to_ascii_lowercase().to_string()),
            Tag::Outside if character == '/' => Tag::Name(String::new()),
            Tag::Outside if matches!(character, '!' | '?') => Tag::Unknown,
            Tag::Outside => return,
            // No tag has that, so what was taken for one is none, or nobody knows.
            _ if character == '<' => Tag::Unknown,
            Tag::Name(name) if RAW.contains(&name.as_str()) && (is_blank || matches!(character, '/' | '>')) => {
                Tag::Unknown
            }
            Tag::Name(name) if !is_blank && !matches!(character, '/' | '>') => {
                if name.len() <= LONGEST_NAME {
                    name.push(character.to_ascii_lowercase());
                }
                return;
            }
            Tag::Quoted(quote) if *quote != character => return,
            Tag::Quoted(_) => Tag::BeforeAttribute,
            _ if character == '>' => Tag::Outside,
            Tag::BeforeValue if is_blank => return,
            Tag::Unquoted if is_blank => Tag::BeforeAttribute,
            Tag::BeforeValue if matches!(character, '"' | '\'') => Tag::Quoted(character),
            Tag::BeforeValue | Tag::Unquoted => Tag::Unquoted,
            Tag::Attribute | Tag::AfterAttribute if character == '=' => Tag::BeforeValue,
            Tag::Attribute if is_blank => Tag::AfterAttribute,
            Tag::AfterAttribute if is_blank => return,
            Tag::Name(_) | Tag::BeforeAttribute | Tag::Attribute | Tag::AfterAttribute
                if character == '/' || is_blank =>
            {
                Tag::BeforeAttribute
            }
            Tag::Name(_) | Tag::BeforeAttribute | Tag::Attribute | Tag::AfterAttribute => Tag::Attribute,
        };
        if next == Tag::Outside && matches!(self.place, Place::Url { .. }) {
            self.place = Place::Prose;
        }
        self.tag = next;
    }
}
