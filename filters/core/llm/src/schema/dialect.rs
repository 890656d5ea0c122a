//! What a wire schema is made of: everything that is particular to one stands behind this type, in one folder.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::Range;

use serde_json::{Map, Value};
use weir_config::Capabilities;

use crate::chat::{Request, Response};
use crate::error::{About, ErrorParts, ProviderError, RequestError};
use crate::head::HeadRules;
use crate::node::Node;
use crate::stream::{Delta, StreamOptions};
use crate::text::Texts;
use crate::usage::Usage;

/// What is asked for, whatever the schema says it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The next message of a conversation.
    Chat,
    /// Vectors that stand for texts.
    Embeddings,
    /// The same for several requests in one.
    BatchEmbeddings,
    /// How many tokens a conversation has, without an answer to it.
    CountTokens,
    /// Whether texts are harmful, by a model made for that.
    Moderation,
    /// The models that the caller may use.
    ListModels,
    /// One of them.
    GetModel,
    /// How much of their limits is left to the caller.
    OwnLimits,
    /// What the caller has used.
    OwnUsage,
}

impl Kind {
    /// Whether requests have a JSON body, which goes to a provider.
    pub fn has_body(self) -> bool {
        match self {
            Self::Chat | Self::Embeddings | Self::BatchEmbeddings | Self::CountTokens | Self::Moderation => true,
            Self::ListModels | Self::GetModel | Self::OwnLimits | Self::OwnUsage => false,
        }
    }

    /// Whether a model writes something in answer, which has tokens of its own.
    pub fn has_output(self) -> bool {
        match self {
            Self::Chat => true,
            Self::Embeddings
            | Self::BatchEmbeddings
            | Self::CountTokens
            | Self::Moderation
            | Self::ListModels
            | Self::GetModel
            | Self::OwnLimits
            | Self::OwnUsage => false,
        }
    }

    /// Whether a provider of another schema than the client's can be asked for it, too.
    pub fn is_translated(self) -> bool {
        match self {
            Self::Chat | Self::CountTokens => true,
            Self::Embeddings
            | Self::BatchEmbeddings
            | Self::Moderation
            | Self::ListModels
            | Self::GetModel
            | Self::OwnLimits
            | Self::OwnUsage => false,
        }
    }

    /// Whether its tokens are used, and paid for. What is not takes nothing of a limit but a request.
    pub fn uses_tokens(self) -> bool {
        match self {
            Self::Chat | Self::Embeddings | Self::BatchEmbeddings | Self::Moderation => true,
            Self::CountTokens | Self::ListModels | Self::GetModel | Self::OwnLimits | Self::OwnUsage => false,
        }
    }

    /// Whether some providers do it for nothing: it takes neither tokens nor money where none are reported and the model has no price.
    pub fn may_be_free(self) -> bool {
        match self {
            Self::Moderation => true,
            Self::Chat
            | Self::Embeddings
            | Self::BatchEmbeddings
            | Self::CountTokens
            | Self::ListModels
            | Self::GetModel
            | Self::OwnLimits
            | Self::OwnUsage => false,
        }
    }
}

/// How tokens are counted in a schema.
#[derive(Clone, Copy, Debug)]
pub struct Counting {
    /// A chat request, written for a provider's name of its model, as a request to count.
    pub request: fn(Map<String, Value>, &str) -> Map<String, Value>,
    /// Where in a request to count the chat request stands; `None`: it is one by itself.
    pub within: Option<&'static str>,
    /// The answer's field that says how many there are.
    pub field: &'static str,
    /// An answer.
    pub answer: fn(u64) -> Value,
}

/// How a stream is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    ServerSentEvents,
    /// Amazon's binary messages.
    EventStream,
}

impl Framing {
    /// The media type of such a stream.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::ServerSentEvents => "text/event-stream",
            Self::EventStream => "application/vnd.amazon.eventstream",
        }
    }
}

/// Where an operation of a schema is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What is asked for there.
    pub kind: Kind,
    /// The method that it takes.
    pub method: &'static str,
    /// The versions of the API that stand before its path: `/v1`. Clients are told of the first.
    pub versions: &'static [&'static str],
    /// The path behind the API's version: `/chat/completions`. Where it ends with a slash the name of a model follows.
    pub path: &'static str,
    /// What follows the name of a model: `:generateContent`.
    pub action: &'static str,
    /// Whether the answer is streamed, where the path and not the body says it.
    pub streams: Option<bool>,
    /// What else may stand before the version: clients of some gateways ask below `/api`.
    pub also_below: &'static [&'static str],
    /// A stable name for logs and usage records.
    pub name: &'static str,
}

impl Endpoint {
    /// One below `/v1` alone, whose body says what is asked.
    pub const fn of(kind: Kind, method: &'static str, path: &'static str, name: &'static str) -> Self {
        Self { kind, method, versions: &["/v1"], path, action: "", streams: None, also_below: &[], name }
    }

    /// Whether the path names the model.
    pub fn names_model(&self) -> bool {
        self.path.ends_with('/')
    }
}

/// Where a provider's credential goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialHeader {
    /// The header's name in lower case.
    pub header: &'static str,
    /// What stands before the credential there.
    pub prefix: &'static str,
}

/// A model, as a list of models shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelEntry<'a> {
    /// As clients ask for it.
    pub name: &'a str,
    /// Who offers it.
    pub owner: &'a str,
    /// Unix seconds.
    pub created_at_s: i64,
}

/// What a tool may be called: letters, digits, `_` and `-`, this many at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolNameRule {
    /// The most characters.
    pub most_characters: usize,
}

impl ToolNameRule {
    /// Whether a tool may have this name.
    pub fn allows(self, name: &str) -> bool {
        !name.is_empty() && name.len() <= self.most_characters && name.chars().all(|one| self.allows_character(one))
    }

    /// Whether a name may hold this.
    pub fn allows_character(self, character: char) -> bool {
        character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
    }
}

/// A setting that schemas have under names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Texts that end the answer.
    Stop,
    /// The client's own user.
    User,
    /// The form of the answer.
    ResponseFormat,
    /// The JSON Schema in it.
    ResponseSchema,
    /// How much to reason.
    Reasoning,
    /// The JSON Schema of a tool's arguments, within the tool.
    ToolParameters,
    /// Whether a tool's arguments must match it, within the tool.
    ToolStrict,
}

/// What a writer of requests goes by, and what it has to tell.
#[derive(Debug)]
pub struct Writing<'a> {
    /// What the server takes.
    pub capabilities: &'a Capabilities,
    /// What was left out, by a rule of the writer's documentation.
    pub left_out: Vec<LeftOut>,
    /// Paths of [`Request::others`] that the writer has said after all.
    said: BTreeSet<String>,
}

/// A value that a translation left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stood, as the client would write it: `messages[2].content[0].cache_control`.
    pub path: String,
    /// Why.
    pub reason: &'static str,
}

impl<'a> Writing<'a> {
    /// For a server that takes this.
    pub fn new(capabilities: &'a Capabilities) -> Self {
        Self { capabilities, left_out: Vec::new(), said: BTreeSet::new() }
    }

    /// Notes that one of [`Request::others`] was said.
    pub fn say(&mut self, path: impl Into<String>) {
        self.said.insert(path.into());
    }

    pub(crate) fn has_said(&self, path: &str) -> bool {
        self.said.contains(path)
    }

    /// Notes that a value is left out.
    pub fn leave_out(&mut self, path: impl Into<String>, reason: &'static str) {
        self.left_out.push(LeftOut { path: path.into(), reason });
    }
}

/// One wire schema. Each has a folder beside this file and a line in the registry.
pub trait Dialect: Debug + Sync {
    /// Its name in configurations: `openai`.
    fn name(&self) -> &'static str;

    /// Its operations.
    fn endpoints(&self) -> &'static [Endpoint];

    /// The header that its clients alone send, and the value that stands for what this crate reads and writes. It tells clients apart
    /// where two schemas have one path.
    fn version_header(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// The header by which a client of this schema is known where two have one path.
    fn client_header(&self) -> Option<&'static str> {
        self.version_header().map(|(name, _)| name)
    }

    /// Paths of a client below which errors are in this schema, also where there is no operation. The longest one that fits counts.
    fn path_prefixes(&self) -> &'static [&'static str];

    /// A client's headers that mean something to a provider of the same schema: names, or beginnings that end with a `*`.
    fn headers(&self) -> &'static [&'static str];

    /// Where its vendor's own API wants the credential.
    fn credential_header(&self) -> CredentialHeader;

    /// What the id of an answer begins with, where Weir makes it.
    fn answer_id_prefix(&self) -> &'static str;

    /// A list of models, all in one page.
    fn model_list(&self, models: &[ModelEntry<'_>]) -> Value;

    /// One model.
    fn model(&self, model: &ModelEntry<'_>) -> Value;

    /// How the outline of a request's body is read; `None` for what has no body.
    fn head(&self, kind: Kind) -> Option<&'static HeadRules>;

    /// Reads a chat request. Everything that it says is in the result, if only among [`Request::others`].
    fn read_request(&self, root: &Node<'_>) -> Result<Request, RequestError>;

    /// Writes a chat request that another schema's client sent: says each thing, leaves it out by a documented rule, or refuses it with
    /// its path.
    fn write_request(&self, request: &Request, writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError>;

    /// What tools may be called; `None`: anything. Other names are fitted to it before a request is written.
    fn tool_names(&self) -> Option<ToolNameRule> {
        None
    }

    /// Whether a field that only this schema has may be left out for a provider of another: a hint about caching, speed, effort or
    /// storage, or a setting that says what holds anyway. `path` has no indices: `messages[].content[].cache_control`.
    fn is_hint(&self, path: &str, value: &Value) -> bool;

    /// Where a request of this schema says something, for a refusal or a note of another schema's writer.
    fn path_of(&self, setting: Setting) -> &'static str {
        match setting {
            Setting::Stop => "stop",
            Setting::User => "user",
            Setting::ResponseFormat => "response_format",
            Setting::ResponseSchema => "response_format.json_schema.schema",
            Setting::Reasoning => "reasoning_effort",
            Setting::ToolParameters => "function.parameters",
            Setting::ToolStrict => "function.strict",
        }
    }

    /// How it has tokens counted; `None`: not at all.
    fn counting(&self) -> Option<&'static Counting> {
        None
    }

    /// The edits by which names of a model that a body repeats from its path become a provider's. The path decides; a server may read
    /// the body's.
    fn model_edits(&self, kind: Kind, body: &[u8], model: &str) -> Vec<(Range<usize>, Vec<u8>)> {
        let _ = (kind, body, model);
        Vec::new()
    }

    /// The edits by which a request of this schema becomes one that a server with these capabilities takes.
    fn adapt(&self, body: &[u8], capabilities: &Capabilities) -> Vec<(Range<usize>, Vec<u8>)> {
        let _ = (body, capabilities);
        Vec::new()
    }

    /// Where a provider is asked for this, behind the beginning of its URL, with a query if there is one; `None`: nowhere. `model` is the
    /// provider's name for it.
    fn path_at_provider(&self, kind: Kind, model: &str, stream: bool) -> Option<String> {
        let _ = (model, stream);
        self.endpoints().iter().find(|endpoint| endpoint.kind == kind).map(|endpoint| endpoint.path.to_owned())
    }

    /// The field of an answer, and of an event, that says what it used.
    fn usage_field(&self) -> &'static str {
        "usage"
    }

    /// The field of a whole answer that names the model.
    fn model_field(&self) -> &'static str {
        "model"
    }

    /// The field that a whole answer has in the place of what the model said, where the provider did not let it say anything.
    fn blocked_field(&self) -> Option<&'static str> {
        None
    }

    /// The field, a list, without which a whole answer is none of this operation; `None`: there is no such field.
    fn answer_field(&self, kind: Kind) -> Option<&'static str> {
        let _ = kind;
        None
    }

    /// Reads a whole answer to a chat request. Of several choices the first, which is all that a request across schemas asks for.
    fn read_response(&self, root: &Node<'_>) -> Result<Response, RequestError>;

    /// The fields of a request that an answer of this schema repeats, or by which it is written ([`Echo`](crate::chat::Echo)).
    fn echoed(&self) -> &'static [&'static str] {
        &[]
    }

    /// Writes a whole answer.
    fn write_response(&self, response: &Response) -> Value;

    /// The figures in the value of an answer's usage; `None` if it says nothing.
    fn usage(&self, usage: &Value) -> Option<Usage>;

    /// Whether a stream says what it used only if it is asked to.
    fn usage_is_opt_in(&self) -> bool {
        false
    }

    /// How its streams are cut into events.
    fn framing(&self) -> Framing {
        Framing::ServerSentEvents
    }

    /// A reader at the beginning of a stream. `first_choice_only`: another schema follows, which has one answer only.
    fn stream_reader(&self, first_choice_only: bool) -> Box<dyn StreamReader>;

    /// A writer at the beginning of a stream.
    fn stream_writer(&self, options: StreamOptions) -> Box<dyn StreamWriter>;

    /// Whether the provider's last event alone makes a stream complete, without a reason of its end.
    fn last_event_is_enough(&self) -> bool {
        false
    }

    /// Where text stands in its bodies and events.
    fn texts(&self) -> &'static Texts;

    /// An error as this schema's clients read it.
    fn error_body(&self, error: &ErrorParts<'_>) -> Value;

    /// The name of the event that carries an error in a stream; empty for none.
    fn error_event(&self) -> &'static str {
        ""
    }

    /// The data of that event.
    fn error_in_stream(&self, error: &ErrorParts<'_>) -> Value {
        self.error_body(error)
    }

    /// Words, in lower case, by which this schema's clients know what an error is about, where its code alone does not tell them.
    fn words_of(&self, about: About) -> Option<&'static str> {
        let _ = about;
        None
    }

    /// The status that an error's `type` or `code` stands for, where the answer's own says success.
    fn status_of_error(&self, kind: &str, code: &str) -> Option<u16>;
}

/// Reads the events of one stream.
pub trait StreamReader: Debug {
    /// What one event tells. `data` is never empty.
    fn read<'a>(&mut self, data: &'a str) -> Result<Vec<Delta<'a>>, ProviderError>;

    /// Appends what a client of this schema looks for behind the event of an error that ends this stream; `model` is the client's name
    /// for it.
    fn close_failed(&self, error: &ErrorParts<'_>, model: &str, out: &mut Vec<u8>) {
        let _ = (error, model, out);
    }
}

/// Writes the events of one stream.
pub trait StreamWriter: Debug {
    /// Appends what a client of the schema gets for this. Fails on what cannot be said.
    fn write(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) -> Result<(), ProviderError>;

    /// Appends how the stream fails, if that is more than the event that any error is; tells whether it did.
    fn fail(&mut self, error: &ErrorParts<'_>, out: &mut Vec<u8>) -> bool {
        let _ = (error, out);
        false
    }
}
