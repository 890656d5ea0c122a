//! What the demo provider says: one answer, independent of the API it is written in.

use serde::Deserialize;
use serde_json::Value;

use super::sample;

/// What a request asks for, read from any API.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Chat completions only: `stream_options.include_usage`. The other streams always carry usage.
    pub(crate) include_usage: bool,
    /// What the last turn says: the user's text, or a tool's result.
    pub(crate) last_turn: LastTurn,
    /// The tool that the request forces the model to call.
    pub(crate) forced_tool: Option<Tool>,
    /// The JSON Schema that the request wants the answer to have.
    pub(crate) schema: Option<Value>,
    /// Length of everything that a model would read, in characters.
    pub(crate) input_characters: usize,
    /// Output limit in tokens.
    pub(crate) max_tokens: Option<u64>,
    /// Fields of the request that the answer repeats, where the API does so.
    pub(crate) repeated: Value,
}

/// The end of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LastTurn {
    User(String),
    ToolResult(String),
}

/// A tool offered by the request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// JSON Schema of the arguments.
    pub(crate) schema: Value,
}

/// What the provider answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// Deterministic: the same request gives the same id.
    pub(crate) id: String,
    pub(crate) model: String,
    /// What the model thought before, as far as it is shown.
    pub(crate) reasoning: Option<String>,
    pub(crate) content: Content,
    /// The text was cut at `max_tokens`.
    pub(crate) cut: bool,
    pub(crate) usage: Usage,
    /// As in [`Ask`].
    pub(crate) repeated: Value,
}

/// What a test's scenario sets of an answer.
#[derive(Debug, Default)]
pub(crate) struct Told<'a> {
    pub(crate) text: Option<&'a str>,
    pub(crate) reasoning: Option<&'a str>,
    pub(crate) usage: Option<Usage>,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Text(String),
    ToolCall { id: String, name: String, arguments: Value },
}

/// Token counts that an answer reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// All input tokens, those read from a cache or written to one included.
    pub input_tokens: u64,
    /// Those of them that were read from a cache.
    #[serde(default)]
    pub cached_input_tokens: u64,
    /// Those of them that were written to a cache that lasts five minutes.
    #[serde(default)]
    pub cache_write_5m_tokens: u64,
    /// Those of them that were written to a cache that lasts an hour.
    #[serde(default)]
    pub cache_write_1h_tokens: u64,
    /// All output tokens, those of reasoning included.
    pub output_tokens: u64,
    /// Those of them that were reasoning.
    #[serde(default)]
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Input tokens that were written to a cache.
    pub(crate) fn cache_write_tokens(&self) -> u64 {
        self.cache_write_5m_tokens + self.cache_write_1h_tokens
    }
}

/// Characters that the demo provider counts as one token.
const CHARACTERS_PER_TOKEN: usize = 4;

impl Answer {
    /// The answer to `ask`.
    pub(crate) fn to(ask: &Ask, told: &Told) -> Answer {
        let (content, cut) = match (&ask.forced_tool, told.text) {
            (Some(tool), None) => (tool_call(tool, ask), false),
            (_, text) => {
                let structured = || ask.schema.as_ref().map(|schema| sample::of_schema(schema).to_string());
                let text = text.map(str::to_owned).or_else(structured).unwrap_or_else(|| speech(&ask.last_turn));
                let (text, cut) = limited(text, ask.max_tokens);
                (Content::Text(text), cut)
            }
        };
        let reasoning_tokens = told.reasoning.map_or(0, |text| tokens(text.chars().count()));
        let usage = told.usage.unwrap_or_else(|| Usage {
            input_tokens: tokens(ask.input_characters),
            output_tokens: tokens(content.characters()) + reasoning_tokens,
            reasoning_tokens,
            ..Usage::default()
        });
        Answer {
            id: format!("{:016x}", fingerprint(ask)),
            model: ask.model.clone(),
            reasoning: told.reasoning.map(str::to_owned),
            content,
            cut,
            usage,
            repeated: ask.repeated.clone(),
        }
    }
}

impl Content {
    fn characters(&self) -> usize {
        match self {
            Content::Text(text) => text.chars().count(),
            Content::ToolCall { name, arguments, .. } => name.len() + arguments.to_string().chars().count(),
        }
    }

    /// The text or the arguments' JSON in pieces, as a stream sends them: `count` of about equal length, or word by word.
    pub(crate) fn pieces(&self, count: Option<usize>) -> Vec<String> {
        let whole = match self {
            Content::Text(text) => text.clone(),
            Content::ToolCall { arguments, .. } => arguments.to_string(),
        };
        let Some(count) = count else {
            return whole.split_inclusive(' ').map(str::to_owned).collect();
        };
        let characters: Vec<char> = whole.chars().collect();
        let size = characters.len().div_ceil(count.max(1)).max(1);
        characters.chunks(size).map(|piece| piece.iter().collect()).collect()
    }
}

/// Tokens that the demo provider counts for that many characters.
pub(crate) fn tokens(characters: usize) -> u64 {
    characters.div_ceil(CHARACTERS_PER_TOKEN) as u64
}

/// FNV-1a: the same on every machine and in every version, unlike the standard library's hasher.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Some letters that follow from a text and do not show it: for what a client must pass on or skip without reading.
pub(crate) fn stable_letters(text: &str) -> String {
    let hash = fnv1a(text.as_bytes());
    format!("{hash:016x}")[..4 + (hash % 12) as usize].to_owned()
}

fn fingerprint(ask: &Ask) -> u64 {
    fnv1a(format!("{ask:?}").as_bytes())
}

fn speech(turn: &LastTurn) -> String {
    match turn {
        LastTurn::User(text) => format!("This is Weir's demo provider, not a real model. You said: {text}"),
        LastTurn::ToolResult(text) => {
            format!("This is Weir's demo provider, not a real model. The tool answered: {text}")
        }
    }
}

fn tool_call(tool: &Tool, ask: &Ask) -> Content {
    Content::ToolCall {
        id: format!("{:024x}", fingerprint(ask)),
        name: tool.name.clone(),
        arguments: sample::of_schema(&tool.schema),
    }
}

fn limited(text: String, max_tokens: Option<u64>) -> (String, bool) {
    let limit = max_tokens.map_or(usize::MAX, |tokens| (tokens as usize).saturating_mul(CHARACTERS_PER_TOKEN));
    match text.char_indices().nth(limit) {
        Some((end, _)) => (text[..end].to_owned(), true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask() -> Ask {
        Ask {
            model: "gpt-4o".into(),
            stream: false,
            include_usage: false,
            last_turn: LastTurn::User("My card is 4111".into()),
            forced_tool: None,
            schema: None,
            input_characters: 15,
            max_tokens: None,
            repeated: Value::Null,
        }
    }

    #[test]
    fn it_says_what_it_is_and_what_it_heard() {
        let answer = Answer::to(&ask(), &Told::default());
        let said = "This is Weir's demo provider, not a real model. You said: My card is 4111";
        assert_eq!(answer.content, Content::Text(said.into()));
        assert_eq!(answer.usage, Usage { input_tokens: 4, output_tokens: 19, ..Usage::default() });
        assert_eq!(answer, Answer::to(&ask(), &Told::default()));
    }

    #[test]
    fn the_output_limit_cuts() {
        let answer =
            Answer::to(&Ask { max_tokens: Some(2), ..ask() }, &Told { text: Some("äöü and more"), ..Told::default() });
        assert_eq!(answer.content, Content::Text("äöü and ".into()));
        assert!(answer.cut);
        assert_eq!(answer.usage.output_tokens, 2);
    }

    #[test]
    fn a_forced_tool_is_called() {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let tool = Tool { name: "weather".into(), schema };
        let answer = Answer::to(&Ask { forced_tool: Some(tool), ..ask() }, &Told::default());
        let Content::ToolCall { name, arguments, .. } = answer.content else { panic!("no tool call") };
        assert_eq!((name.as_str(), arguments), ("weather", json!({"city": "Paris"})));
    }

    #[test]
    fn a_wanted_schema_is_kept_to_and_reasoning_is_output() {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let told = Told { reasoning: Some("Which city?!"), ..Told::default() };
        let answer = Answer::to(&Ask { schema: Some(schema), ..ask() }, &told);
        assert_eq!(answer.content, Content::Text(r#"{"city":"Paris"}"#.into()));
        assert_eq!((answer.usage.reasoning_tokens, answer.usage.output_tokens), (3, 7));
    }

    #[test]
    fn pieces_make_the_whole() {
        for (count, expected) in [(None, 4), (Some(1), 1), (Some(3), 3), (Some(100), 11)] {
            let pieces = Content::Text("ö b ccc ddd".into()).pieces(count);
            assert_eq!(pieces.concat(), "ö b ccc ddd");
            assert_eq!(pieces.len(), expected, "{count:?}");
        }
        assert_eq!(Content::Text(String::new()).pieces(None).concat(), "");
    }
}
