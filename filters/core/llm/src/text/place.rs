/// Where in a body the scanner is: decides which of the strings below are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
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
    /// One choice of an OpenAI answer.
    Choice,
    /// A message of either schema.
    Message,
    /// Content: a string, a part, a block, or an array of them.
    Content,
    /// The source of an image or a document.
    Source,
    /// What a source holds: text, unless the source says that it is base64.
    SourceData,
    /// OpenAI's spoken answer: base64 with a transcript.
    Audio,
    /// A tool call of OpenAI's.
    ToolCall,
    /// The definition of a tool, or a JSON Schema in it.
    Tool,
    /// An object whose keys are names that the client chose, each with a JSON Schema.
    Properties,
    /// Every string below is text.
    Text,
    /// No string below is text.
    Nothing,
}

impl Place {
    /// Whether a string here is text.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Content | Self::Message | Self::Source | Self::SourceData | Self::Tool)
    }

    /// The place of a field's value. An array's elements have the place of the array.
    pub(super) fn of_field(self, name: &str) -> Self {
        match (self, name) {
            (Self::ChatRequest, "messages") => Self::Message,
            (Self::ChatRequest, "tools" | "functions" | "response_format") => Self::Tool,
            (Self::ChatRequest, "prediction") => Self::Content,
            (Self::MessagesRequest, "messages") => Self::Message,
            (Self::MessagesRequest, "system") => Self::Content,
            (Self::MessagesRequest, "tools" | "output_config" | "output_format") => Self::Tool,
            (Self::EmbeddingsRequest, "input") => Self::Text,
            (Self::ChatResponse, "choices") => Self::Choice,
            (Self::MessagesResponse, "content") => Self::Content,
            (Self::Choice, "message") => Self::Message,
            (
                Self::ChatRequest
                | Self::MessagesRequest
                | Self::EmbeddingsRequest
                | Self::ChatResponse
                | Self::MessagesResponse
                | Self::Choice,
                _,
            ) => Self::Nothing,

            (Self::Message, "role" | "type" | "id" | "tool_call_id" | "cache_control") => Self::Nothing,
            (Self::Message, "content") => Self::Content,
            (Self::Message, "tool_calls" | "function_call") => Self::ToolCall,
            (Self::Message, "audio") => Self::Audio,
            (Self::Message, _) => Self::Text,

            (
                Self::Content,
                "type"
                | "id"
                | "name"
                | "tool_use_id"
                | "cache_control"
                | "signature"
                | "data"
                | "image_url"
                | "input_audio"
                | "file"
                | "prompt_cache_breakpoint"
                | "caller"
                | "encrypted_content",
            ) => Self::Nothing,
            (Self::Content, "source") => Self::Source,
            (Self::Content, "content") => Self::Content,
            (Self::Content, _) => Self::Text,

            (Self::Source, "content") => Self::Content,
            (Self::Source, "data") => Self::SourceData,
            (Self::Source, "type" | "media_type" | "url" | "file_id") => Self::Nothing,
            (Self::Source, _) => Self::Text,

            (Self::Audio, "transcript") => Self::Text,
            (Self::Audio, _) => Self::Nothing,

            (Self::ToolCall, "function" | "custom") => Self::ToolCall,
            (Self::ToolCall, "type" | "id" | "index" | "name") => Self::Nothing,
            (Self::ToolCall, _) => Self::Text,

            (Self::Tool, "properties" | "patternProperties" | "$defs" | "definitions") => Self::Properties,
            (
                Self::Tool,
                "type" | "name" | "required" | "format" | "pattern" | "strict" | "cache_control" | "$ref" | "$id"
                | "$schema",
            ) => Self::Nothing,
            (Self::Tool | Self::Properties, _) => Self::Tool,

            (Self::Text | Self::SourceData, _) => Self::Text,
            (Self::Nothing, _) => Self::Nothing,
        }
    }
}
