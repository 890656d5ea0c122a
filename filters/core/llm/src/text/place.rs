/// Where in a body the scanner is: decides which of the strings below are text.
///
/// Requests are read by exclusion: only what no model reads as text is left out, and everything else counts, also in fields
/// that nobody here knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An OpenAI chat request.
    ChatRequest,
    /// An Anthropic messages request.
    MessagesRequest,
    /// An OpenAI embeddings request.
    EmbeddingsRequest,
    /// An OpenAI chat answer.
    ChatResponse,
    /// An Anthropic message.
    MessagesResponse,
    /// A request in OpenAI's responses.
    ResponsesRequest,
    /// An answer of those.
    ResponsesResponse,
    /// An item of either: a message, a call, a result, reasoning.
    ResponsesItem,
    /// One choice of an OpenAI answer.
    Choice,
    /// A message of either schema.
    Message,
    /// Content: a string, a part, a block, or an array of them.
    Content,
    /// The source of an image or a document.
    Source,
    /// What a source holds: text, unless the source says that it is base64 of something else than text.
    SourceData,
    /// An address, or an object with one: text, unless it holds an image, a sound, a film or a PDF itself.
    Url,
    /// Sound: base64, perhaps with a transcript.
    Audio,
    /// A tool call of OpenAI's.
    ToolCall,
    /// The arguments of one: JSON in a string.
    Arguments,
    /// The definition of a tool, or a JSON Schema in it.
    Tool,
    /// An object whose keys are names that the client chose, each with a JSON Schema.
    Properties,
    /// An id, a fixed word, a setting: no text, unless it is an object after all.
    Word,
    /// Every string below is text.
    Text,
    /// No string below is text.
    Nothing,
}

impl Place {
    /// Whether this is a whole answer.
    pub(crate) fn is_answer(self) -> bool {
        matches!(self, Self::ChatResponse | Self::MessagesResponse | Self::ResponsesResponse)
    }

    /// Whether a string or a long number here is text.
    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Content
                | Self::Message
                | Self::ResponsesItem
                | Self::Source
                | Self::SourceData
                | Self::Url
                | Self::ToolCall
                | Self::Arguments
                | Self::Tool
                | Self::Properties
        )
    }

    /// Whether the name of an object's field is text: a model reads those of a tool's input and of a schema.
    pub(crate) fn has_text_name(self, name: &str) -> bool {
        match self {
            Self::Text | Self::Properties | Self::Arguments => true,
            // An object where a word is expected: what the schemas have there, and what they do not.
            Self::Word => !matches!(name, "type" | "name" | "function" | "ttl"),
            // Words of the schemas and of JSON Schema: most of what stands in a definition.
            Self::Tool => !matches!(
                name,
                "type"
                    | "function"
                    | "name"
                    | "description"
                    | "parameters"
                    | "input_schema"
                    | "properties"
                    | "required"
                    | "items"
                    | "enum"
                    | "anyOf"
                    | "additionalProperties"
                    | "strict"
                    | "cache_control"
                    | "json_schema"
                    | "schema"
                    | "format"
                    | "custom"
            ),
            _ => false,
        }
    }

    /// The place of a field's value. An array's elements have the place of the array.
    pub(crate) fn of_field(self, name: &str) -> Self {
        match (self, name) {
            (Self::ChatRequest | Self::MessagesRequest, "messages") => Self::Message,
            (Self::ChatRequest, "tools" | "functions" | "response_format") => Self::Tool,
            (Self::ChatRequest, "prediction") => Self::Content,
            (Self::MessagesRequest, "system") => Self::Content,
            (Self::MessagesRequest, "tools" | "output_config" | "output_format") => Self::Tool,
            (
                Self::ChatRequest | Self::MessagesRequest | Self::EmbeddingsRequest,
                "model" | "type" | "role" | "id" | "cache_control" | "service_tier" | "reasoning_effort" | "verbosity"
                | "modalities" | "tool_choice" | "function_call" | "encoding_format" | "seed" | "temperature" | "top_p",
            ) => Self::Word,
            (Self::ChatRequest | Self::MessagesRequest | Self::EmbeddingsRequest, _) => Self::Text,

            (Self::ResponsesRequest, "input") => Self::ResponsesItem,
            (Self::ResponsesRequest, "tools" | "text") => Self::Tool,
            (
                Self::ResponsesRequest,
                "model"
                | "include"
                | "previous_response_id"
                | "service_tier"
                | "truncation"
                | "tool_choice"
                | "reasoning"
                | "temperature"
                | "top_p",
            ) => Self::Word,
            (Self::ResponsesRequest, _) => Self::Text,
            (Self::ResponsesResponse, "output") => Self::ResponsesItem,
            // What it says of itself, and what the client had said.
            (
                Self::ResponsesResponse,
                "id"
                | "object"
                | "created_at"
                | "completed_at"
                | "status"
                | "background"
                | "model"
                | "usage"
                | "tool_usage"
                | "service_tier"
                | "incomplete_details"
                | "instructions"
                | "metadata"
                | "tools"
                | "tool_choice"
                | "text"
                | "reasoning"
                | "prompt"
                | "previous_response_id"
                | "conversation"
                | "user"
                | "safety_identifier"
                | "prompt_cache_key"
                | "prompt_cache_options"
                | "prompt_cache_retention"
                | "truncation",
            ) => Self::Nothing,
            (Self::ResponsesResponse, _) => Self::Text,
            (Self::ResponsesItem, "type" | "id" | "role" | "status" | "phase" | "call_id" | "encrypted_content") => {
                Self::Word
            }
            (Self::ResponsesItem, "content" | "output" | "summary") => Self::Content,
            (Self::ResponsesItem, "arguments") => Self::Arguments,
            (Self::ResponsesItem, _) => Self::Text,

            (Self::ChatResponse, "choices") => Self::Choice,
            (Self::MessagesResponse, "content") => Self::Content,
            (Self::ChatResponse | Self::MessagesResponse, _) => Self::Nothing,
            (Self::Choice, "message" | "delta") => Self::Message,
            (Self::Choice, "index" | "finish_reason") => Self::Word,
            // They spell the text once more, token by token; whoever edits the text takes them out.
            (Self::Choice, "logprobs") => Self::Nothing,
            (Self::Choice, _) => Self::Text,

            (Self::Message, "role" | "type" | "id" | "tool_call_id" | "cache_control") => Self::Word,
            (Self::Message, "content") => Self::Content,
            (Self::Message, "tool_calls" | "function_call") => Self::ToolCall,
            (Self::Message, "audio") => Self::Audio,
            (Self::Message, _) => Self::Text,

            // The last two are the provider's own, and no one else can read them.
            (Self::Content, "type" | "id" | "tool_use_id" | "cache_control" | "signature" | "encrypted_content") => {
                Self::Word
            }
            (Self::Content, "source") => Self::Source,
            (Self::Content, "content") => Self::Content,
            (Self::Content, "image_url" | "file" | "file_data" | "file_url") => Self::Url,
            (Self::Content, "logprobs") => Self::Nothing,
            (Self::Content, "input_audio") => Self::Audio,
            (Self::Content, _) => Self::Text,

            (Self::Source, "content") => Self::Content,
            (Self::Source, "data") => Self::SourceData,
            (Self::Source, "type" | "media_type") => Self::Word,
            (Self::Source, "url") => Self::Url,
            (Self::Source, _) => Self::Text,

            (Self::Url, "url" | "file_data") => Self::Url,
            (Self::Url, _) => Self::Text,

            (Self::Audio, "data" | "id" | "format") => Self::Word,
            (Self::Audio, _) => Self::Text,

            (Self::ToolCall, "function" | "custom") => Self::ToolCall,
            (Self::ToolCall, "type" | "id" | "index") => Self::Word,
            (Self::ToolCall, "arguments") => Self::Arguments,
            (Self::ToolCall, _) => Self::Text,

            (Self::Tool, "properties" | "patternProperties" | "$defs" | "definitions") => Self::Properties,
            (Self::Tool, "type" | "cache_control") => Self::Word,
            // Values, not schemas: what is named type there is none.
            (Self::Tool, "enum" | "const" | "default" | "example" | "examples" | "input_examples") => Self::Text,
            (Self::Tool | Self::Properties, _) => Self::Tool,

            (Self::Word, "type") => Self::Word,
            (Self::Word | Self::Text | Self::SourceData | Self::Arguments, _) => Self::Text,
            (Self::Nothing, _) => Self::Nothing,
        }
    }
}
