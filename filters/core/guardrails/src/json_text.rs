//! Text that is JSON itself: the arguments of a tool call, an answer in a format that was asked for. It stays JSON when it is edited.
//!
//! It is followed as it passes, in pieces that end anywhere, and may turn out to be none: `weir_llm`'s reader and `serde_json` both need the
//! whole, which a stream never holds. That costs nothing where no text begins like JSON.

use memchr::memchr2;
use weir_config::FindingType;

/// Levels that are followed; as many as parsers take.
const MOST_LEVELS: usize = 128;

/// Those of built-in detectors, and an administrator's.
const TYPES: usize = FindingType::ALL.len() + 1;

/// Where in such a text an edit stands. It follows the text as it passes, piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) enum JsonText {
    /// Nothing but white space has come.
    #[default]
    Unknown,
    /// JSON, as far as it came.
    Within(Box<Position>),
    /// Something else.
    None,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Position {
    levels: Vec<Level>,
    in_string: bool,
    escaped: bool,
    /// A string that begins now is the name of a field.
    name_is_next: bool,
    /// The string at hand is one.
    in_name: bool,
}

/// An open array or object.
#[derive(Clone, Debug)]
struct Level {
    is_object: bool,
    /// How many of its names hold what was replaced by the placeholder of each type.
    replaced: [u32; TYPES],
}

impl JsonText {
    /// Follows what passes.
    pub(crate) fn pass(&mut self, text: &str) {
        let text = match self {
            Self::None => return,
            Self::Unknown => {
                let text = text.trim_ascii_start();
                match text.as_bytes().first() {
                    None => return,
                    Some(b'{' | b'[') => *self = Self::Within(Box::default()),
                    Some(_) => *self = Self::None,
                }
                text
            }
            Self::Within(_) => text,
        };
        if let Self::Within(position) = self
            && !position.pass(text.as_bytes())
        {
            *self = Self::None;
        }
    }

    /// Whether what passes next stands within a string.
    pub(crate) fn is_in_string(&self) -> bool {
        matches!(self, Self::Within(position) if position.in_string)
    }

    /// Appends what stands in the place of a finding, `placeholder`: a number becomes a string, and no two names of an object the same.
    pub(crate) fn replace(&mut self, found: &str, finding: FindingType, placeholder: &str, out: &mut String) {
        let number = match self {
            Self::Within(position) if position.in_string => position.number_of_name(finding),
            _ => 0,
        };
        if number <= 1 {
            return self.replace_distinct(found, placeholder, out);
        }
        let (open, end) = placeholder.strip_suffix(']').map_or((placeholder, ""), |open| (open, "]"));
        out.push_str(&format!("{open}_{number}{end}"));
    }

    /// The same with a placeholder that stands for one thing only.
    pub(crate) fn replace_distinct(&mut self, found: &str, placeholder: &str, out: &mut String) {
        let is_bare = matches!(self, Self::Within(position) if !position.in_string) && is_number(found);
        if is_bare {
            out.push('"');
        }
        out.push_str(placeholder);
        if is_bare {
            out.push('"');
        }
    }
}

/// Whether this is a number of JSON's, without an exponent. Digits with something else between them are none.
fn is_number(found: &str) -> bool {
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, decimals) = found.split_once('.').unwrap_or((found, "0"));
    is_digits(whole.strip_prefix('-').unwrap_or(whole)) && is_digits(decimals)
}

impl Position {
    /// False on what is no JSON.
    fn pass(&mut self, text: &[u8]) -> bool {
        let mut at = 0_usize;
        while let Some(byte) = text.get(at).copied() {
            at = at.saturating_add(1);
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                match byte {
                    b'"' => self.in_string = false,
                    b'\\' => self.escaped = true,
                    _ => {
                        let rest = text.get(at..).unwrap_or_default();
                        at = at.saturating_add(memchr2(b'"', b'\\', rest).unwrap_or(rest.len()));
                    }
                }
            } else if !self.outside(byte) {
                return false;
            }
        }
        true
    }

    fn outside(&mut self, byte: u8) -> bool {
        match byte {
            b'"' => {
                self.in_string = true;
                self.in_name = self.name_is_next;
            }
            b'{' | b'[' => {
                let is_object = byte == b'{';
                self.levels.push(Level { is_object, replaced: [0; TYPES] });
                self.name_is_next = is_object;
            }
            b'}' | b']' => _ = self.levels.pop(),
            b',' => self.name_is_next = self.levels.last().is_some_and(|level| level.is_object),
            b':' => self.name_is_next = false,
            b' ' | b'\t' | b'\n' | b'\r' | b'0'..=b'9' | b'+' | b'-' | b'.' | b'E' => {}
            // The letters of `true`, `false` and `null`.
            b't' | b'r' | b'u' | b'e' | b'f' | b'a' | b'l' | b's' | b'n' => {}
            _ => return false,
        }
        self.levels.len() <= MOST_LEVELS
    }

    /// Of the names in this object that hold such a finding, which one this is; 0: it is no name.
    fn number_of_name(&mut self, finding: FindingType) -> u32 {
        let Some(level) = self.levels.last_mut().filter(|_| self.in_name) else { return 0 };
        let Some(count) = level.replaced.get_mut(finding as usize) else { return 0 };
        *count = count.saturating_add(1);
        *count
    }
}
