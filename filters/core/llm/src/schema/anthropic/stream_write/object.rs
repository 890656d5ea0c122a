//! An object that a model writes in pieces, and that clients parse.
//!
//! What was sent cannot be taken back. So a piece goes out as far as it is JSON; what is none is kept, and stands at the end in the
//! object's own `invalid_json`, with all that was begun closed. No other reader here can stop within a token and say how far all was
//! well, which is what this one is for.

/// The deepest nesting; clients parse no deeper.
const MOST_LEVELS: usize = 512;

/// What the model wrote behind the last byte that was JSON stands under this name.
const INVALID: &str = "invalid_json";

/// How far the object has come.
#[derive(Debug)]
pub(super) struct Object {
    levels: Vec<Level>,
    at: At,
    /// What is no JSON, and what came behind it.
    invalid: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Object,
    Array,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Value,
    /// Or the end of the array.
    FirstItem,
    Key,
    /// Or the end of the object.
    FirstKey,
    Colon,
    /// A comma, or the end of what is open.
    Behind,
    String {
        is_key: bool,
        escape: Escape,
    },
    Number(Number),
    /// The rest of `true`, `false` or `null`.
    Word(&'static str),
    /// The object is whole.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    /// Behind a backslash.
    Begun,
    /// So many digits follow.
    Digits(u8),
}

/// What of a number was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

/// What becomes of a character.
enum Step {
    Said,
    /// It stands raw in a string, where it must not.
    Escaped,
    /// It says nothing.
    Dropped,
    Invalid,
}

impl Default for Object {
    fn default() -> Self {
        Self { levels: Vec::new(), at: At::Value, invalid: None }
    }
}

impl Object {
    /// Takes in a piece, and appends what of it is JSON.
    pub(super) fn push(&mut self, json: &str, out: &mut String) {
        for character in json.chars() {
            if let Some(invalid) = &mut self.invalid {
                invalid.push(character);
                continue;
            }
            match self.step(character) {
                Step::Said => out.push(character),
                Step::Escaped => out.push_str(&format!("\\u{:04x}", u32::from(character))),
                Step::Dropped => {}
                Step::Invalid => self.invalid = Some(character.to_string()),
            }
        }
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        self.invalid.as_ref().map_or(0, String::len)
    }

    /// What makes it whole; empty if it is. An object that was cut off where the answer had to end stays so.
    pub(super) fn rest(&mut self, is_cut_off: bool) -> String {
        if self.at == At::End || (is_cut_off && self.invalid.is_none()) {
            return String::new();
        }
        let mut rest = String::new();
        self.finish_token(&mut rest);
        while self.levels.len() > 1 {
            match self.at {
                At::Value => rest.push_str("null"),
                At::Key => rest.push_str("\"invalid_json\":null"),
                At::Colon => rest.push_str(":null"),
                _ => {}
            }
            rest.push(if self.levels.pop() == Some(Level::Array) { ']' } else { '}' });
            self.at = At::Behind;
        }
        match self.at {
            At::Value => rest.push_str("null,"),
            At::Colon => rest.push_str(":null,"),
            At::Behind => rest.push(','),
            _ => {}
        }
        let invalid = serde_json::Value::from(self.invalid.take().unwrap_or_default());
        rest.push_str(&format!("\"{INVALID}\":{invalid}}}"));
        self.levels.clear();
        self.at = At::End;
        rest
    }

    /// Ends the string, number or word that is open.
    fn finish_token(&mut self, rest: &mut String) {
        match self.at {
            At::String { is_key, escape } => {
                match escape {
                    Escape::None => {}
                    Escape::Begun => rest.push('\\'),
                    Escape::Digits(missing) => (0..missing).for_each(|_| rest.push('0')),
                }
                rest.push('"');
                self.at = if is_key { At::Colon } else { At::Behind };
            }
            At::Number(number) => {
                if !number.may_end() {
                    rest.push('0');
                }
                self.at = At::Behind;
            }
            At::Word(missing) => {
                rest.push_str(missing);
                self.at = At::Behind;
            }
            At::Value | At::FirstItem | At::Key | At::FirstKey | At::Colon | At::Behind | At::End => {}
        }
    }

    fn step(&mut self, character: char) -> Step {
        if let At::Number(number) = self.at {
            if let Some(next) = number.next(character) {
                self.at = At::Number(next);
                return Step::Said;
            }
            if !number.may_end() {
                return Step::Invalid;
            }
            self.at = At::Behind;
        }
        let is_space = matches!(character, ' ' | '\t' | '\r' | '\n');
        match (self.at, character) {
            (At::String { is_key, escape }, _) => return self.step_in_string(is_key, escape, character),
            (At::Word(word), _) => match word.strip_prefix(character) {
                Some("") => self.at = At::Behind,
                Some(missing) => self.at = At::Word(missing),
                None => return Step::Invalid,
            },
            (At::End, _) => return Step::Dropped,
            (_, _) if is_space => {}
            (At::FirstKey | At::Behind, '}') => return self.close(Level::Object),
            (At::FirstItem | At::Behind, ']') => return self.close(Level::Array),
            (At::FirstKey | At::Key, '"') => self.at = At::String { is_key: true, escape: Escape::None },
            (At::Colon, ':') => self.at = At::Value,
            (At::Behind, ',') => {
                self.at = if self.levels.last() == Some(&Level::Array) { At::Value } else { At::Key };
            }
            (At::Value | At::FirstItem, _) => return self.begin(character),
            (At::FirstKey | At::Key | At::Colon | At::Behind | At::Number(_), _) => return Step::Invalid,
        }
        Step::Said
    }

    /// A value begins.
    fn begin(&mut self, character: char) -> Step {
        self.at = match character {
            '{' | '[' if self.levels.len() >= MOST_LEVELS => return Step::Invalid,
            '{' => {
                self.levels.push(Level::Object);
                At::FirstKey
            }
            '[' => {
                self.levels.push(Level::Array);
                At::FirstItem
            }
            '"' => At::String { is_key: false, escape: Escape::None },
            't' => At::Word("rue"),
            'f' => At::Word("alse"),
            'n' => At::Word("ull"),
            '-' => At::Number(Number::Minus),
            '0' => At::Number(Number::Zero),
            '1'..='9' => At::Number(Number::Whole),
            _ => return Step::Invalid,
        };
        Step::Said
    }

    fn close(&mut self, level: Level) -> Step {
        if self.levels.last() != Some(&level) {
            return Step::Invalid;
        }
        self.levels.pop();
        self.at = if self.levels.is_empty() { At::End } else { At::Behind };
        Step::Said
    }

    fn step_in_string(&mut self, is_key: bool, escape: Escape, character: char) -> Step {
        let escape = match (escape, character) {
            (Escape::None, '"') => {
                self.at = if is_key { At::Colon } else { At::Behind };
                return Step::Said;
            }
            (Escape::None, '\\') => Escape::Begun,
            (Escape::None, '\0'..='\u{1f}') => return Step::Escaped,
            (Escape::None, _) => Escape::None,
            (Escape::Begun, '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => Escape::None,
            (Escape::Begun, 'u') => Escape::Digits(4),
            (Escape::Digits(1), digit) if digit.is_ascii_hexdigit() => Escape::None,
            (Escape::Digits(missing), digit) if digit.is_ascii_hexdigit() => Escape::Digits(missing.saturating_sub(1)),
            (Escape::Begun | Escape::Digits(_), _) => return Step::Invalid,
        };
        self.at = At::String { is_key, escape };
        Step::Said
    }
}

impl Number {
    fn next(self, character: char) -> Option<Self> {
        Some(match (self, character) {
            (Self::Minus, '0') => Self::Zero,
            (Self::Minus | Self::Whole, '0'..='9') => Self::Whole,
            (Self::Zero | Self::Whole, '.') => Self::Point,
            (Self::Point | Self::Fraction, '0'..='9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, 'e' | 'E') => Self::Exponent,
            (Self::Exponent, '+' | '-') => Self::Sign,
            (Self::Exponent | Self::Sign | Self::Power, '0'..='9') => Self::Power,
            _ => return None,
        })
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Power)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::Object;

    fn written(pieces: &[&str], is_cut_off: bool) -> String {
        let mut object = Object::default();
        let mut out = String::new();
        pieces.iter().for_each(|piece| object.push(piece, &mut out));
        out + &object.rest(is_cut_off)
    }

    fn check(json: &str, expect: &str) {
        assert_eq!(written(&[json], false), expect, "{json}");
    }

    #[test]
    fn what_is_json_passes_as_it_is() {
        for json in [
            "{}",
            " { } ",
            r#"{"a":[],"b":{},"c":[1,-0.5e+3,0,1E9,[true,false,null]],"d\"\\\/\u00e9\n":"é😀\ud83d"}"#,
            "{\n\t\"a\" : \"b\" ,\r\n \"c\":{\"d\":[ { } ]}}\n",
        ] {
            check(json, json.trim_end());
        }
    }

    #[test]
    fn what_is_none_is_seen_in_an_object_that_can_be_parsed() {
        check(r#"{"a": oops}"#, r#"{"a": null,"invalid_json":"oops}"}"#);
        check(r"{'a':1}", r#"{"invalid_json":"'a':1}"}"#);
        check(r#"{"a":1,}"#, r#"{"a":1,"invalid_json":"}"}"#);
        check(r#"{"a":{"b":1,}"#, r#"{"a":{"b":1,"invalid_json":null},"invalid_json":"}"}"#);
        check(r#"{"a":[1,x"#, r#"{"a":[1,null],"invalid_json":"x"}"#);
        check(r#"{"a":[x"#, r#"{"a":[],"invalid_json":"x"}"#);
        check(r#"{"a"x"#, r#"{"a":null,"invalid_json":"x"}"#);
        check(r#"{"a":{"b"x"#, r#"{"a":{"b":null},"invalid_json":"x"}"#);
        check(r#"{"a":"b\d"}"#, r#"{"a":"b\\","invalid_json":"d\"}"}"#);
        check(r#"{"a":"b\u1x"#, r#"{"a":"b\u1000","invalid_json":"x"}"#);
        check(r#"{"a":nul}"#, r#"{"a":null,"invalid_json":"}"}"#);
        check(r#"{"a":1.}"#, r#"{"a":1.0,"invalid_json":"}"}"#);
        check(r#"{"a":01}"#, r#"{"a":0,"invalid_json":"1}"}"#);
        check(r#"{"a":1]"#, r#"{"a":1,"invalid_json":"]"}"#);
        check(r#"{"a":1"#, r#"{"a":1,"invalid_json":""}"#);
    }

    #[test]
    fn a_raw_line_end_in_a_text_is_escaped_and_what_follows_an_object_is_left_out() {
        check("{\"a\":\"b\nc\"}", "{\"a\":\"b\\u000ac\"}");
        check("{\"a\":1}</tool_call>", "{\"a\":1}");
    }

    #[test]
    fn what_was_cut_off_stays_so() {
        assert_eq!(written(&["{\"a\":\"b"], true), "{\"a\":\"b");
        assert_eq!(written(&["{\"a\":x"], true), "{\"a\":null,\"invalid_json\":\"x\"}");
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(written(&[&deep], false).ends_with("[\"}"));
    }

    proptest! {
        #[test]
        fn whatever_a_model_writes_can_be_parsed(
            pieces in prop::collection::vec(r#"[{}\[\]",:\\ \nutrefalsn0-9.eE+x\-é]{0,8}"#, 0..8),
        ) {
            let pieces: Vec<&str> = ["{"].into_iter().chain(pieces.iter().map(String::as_str)).collect();
            let parsed = serde_json::from_str::<Value>(&written(&pieces, false));
            // Half a surrogate pair and a number beyond all numbers are JSON that no value holds.
            let is_known = |error: serde_json::Error| {
                ["surrogate", "hex escape", "out of range"].iter().any(|word| error.to_string().contains(word))
            };
            prop_assert!(parsed.as_ref().is_ok_and(Value::is_object) || parsed.is_err_and(is_known));
        }

        #[test]
        fn json_passes_in_whatever_pieces(value: Vec<(String, f64, bool)>, cut in 0_usize..64) {
            let json = serde_json::json!({"a": value, "b": {"c": null}}).to_string();
            let cut = (0..=cut.min(json.len())).rev().find(|at| json.is_char_boundary(*at)).unwrap_or(0);
            prop_assert_eq!(written(&[&json[..cut], &json[cut..]], false), json);
        }
    }
}
