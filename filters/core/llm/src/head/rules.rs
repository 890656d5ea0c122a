//! What a schema says about the outline of a request's body, as data.

/// How the outline of a body is read.
#[derive(Clone, Copy, Debug)]
pub struct HeadRules {
    /// What is asked about.
    pub content: Content,
    /// Names that decide what becomes of the request: another spelling of one is refused, since some servers ignore case.
    pub deciding: &'static [&'static str],
    /// Where all providers of the schema agree on a field's type.
    pub types: &'static [(&'static str, JsonType)],
    /// What can be asked of the answer; `None`: nothing that matters here.
    pub answer: Option<AnswerOptions>,
}

/// The field that says what is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// Its name.
    pub field: &'static str,
    /// What it is.
    pub form: JsonType,
    /// Fields in whose presence it may be absent.
    pub unless: &'static [&'static str],
    /// It is a list of messages.
    pub messages: Option<MessageRules>,
}

/// What is checked of each message.
#[derive(Clone, Copy, Debug)]
pub struct MessageRules {
    /// Who may say something.
    pub roles: &'static [&'static str],
    /// Whether each item of the list is a message.
    pub role_is_required: bool,
}

/// Where a body says what routing, quota and metering need of the answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerOptions {
    /// The fields that bound the output.
    pub limits: &'static [&'static str],
    /// Whether a limit of 0 asks for no output. Elsewhere servers take it for none, and so it is not said.
    pub may_ask_for_nothing: bool,
    /// The fields that ask for several answers.
    pub choices: &'static [&'static str],
    /// The field in which all of these stand, by its spellings; `None`: they stand by themselves.
    pub within: Option<&'static [&'static str]>,
    /// Whether there is `stream_options`.
    pub stream_options: bool,
}

/// A type of JSON, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonType {
    /// A number.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
    /// A string or an array.
    TextOrArray,
}

impl JsonType {
    /// Whether a value as it is written is of this type. It is JSON.
    pub(super) fn fits(self, value: &str) -> bool {
        match self {
            Self::Number => value.starts_with(|first: char| first == '-' || first.is_ascii_digit()),
            Self::Text => value.starts_with('"'),
            Self::Array => value.starts_with('['),
            Self::Object => value.starts_with('{'),
            Self::TextOrArray => value.starts_with(['"', '[']),
        }
    }

    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
            Self::TextOrArray => "a string or an array",
        }
    }
}
