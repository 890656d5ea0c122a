use serde_json::{Map, Value, json};

use super::super::anthropic::Anthropic;
use super::blocks;
use crate::chat::{DocumentSource, Image, Part, Placed, Reasoning, Request, ToolChoice};
use crate::error::RequestError;
use crate::schema::{Dialect as _, Setting, Writing};

/// Writes another schema's request; the model and whether a stream is wanted stand in the path. Turns, tools, sampling and reasoning are
/// what Anthropic's writer makes of them, since Converse has its rules: roles take turns, and results follow their calls. Beyond that:
///
/// - Without a limit none is said, unless the model is to think.
/// - Nothing is fetched by its address.
/// - How much to think, and `top_k`, are said to Claude alone.
/// - That no tool may be called is said by offering none; where there were calls already it is refused.
/// - A user, and whether tools may be called at once, have no place: they are left out.
pub(super) fn write_request(request: &Request, writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError> {
    request.messages.iter().flat_map(|message| &message.parts).try_for_each(refuse_addresses)?;
    let is_claude = request.model.contains("claude");
    let request = &prepared(request, is_claude, writing)?;
    let mut chat = Anthropic.write_request(request, writing)?;
    let mut root = Map::new();
    root.insert("messages".into(), blocks::messages(chat.shift_remove("messages").unwrap_or_default()));
    if let Some(system) = chat.shift_remove("system") {
        root.insert("system".into(), blocks::content(system));
    }
    let mut settings = Map::new();
    let thinking = chat.shift_remove("thinking");
    if request.max_output_tokens.is_some() || thinking.is_some() {
        copy(&mut chat, "max_tokens", &mut settings, "maxTokens");
    }
    copy(&mut chat, "temperature", &mut settings, "temperature");
    copy(&mut chat, "top_p", &mut settings, "topP");
    copy(&mut chat, "stop_sequences", &mut settings, "stopSequences");
    put(&mut root, "inferenceConfig", settings);
    if let Some(Value::Array(tools)) = chat.shift_remove("tools") {
        let mut config = Map::new();
        config.insert("tools".into(), tools.into_iter().map(blocks::tool).collect());
        if let Some(choice) = chat.shift_remove("tool_choice").and_then(|choice| blocks::tool_choice(&choice)) {
            config.insert("toolChoice".into(), choice);
        }
        put(&mut root, "toolConfig", config);
    }
    write_output(&mut chat, &mut root);
    if chat.shift_remove("metadata").is_some() {
        writing.leave_out(request.origin.path_of(Setting::User), "the provider takes none");
    }
    let mut additional = Map::new();
    if let Some(thinking) = thinking {
        additional.insert("thinking".into(), thinking);
    }
    if is_claude && let Some(other) = request.others.iter().find(|other| other.path == "top_k") {
        additional.insert("top_k".into(), other.value.clone());
        writing.say("top_k");
    }
    put(&mut root, "additionalModelRequestFields", additional);
    Ok(root)
}

/// The request without what Anthropic's writer would say and Converse cannot.
fn prepared(request: &Request, is_claude: bool, writing: &mut Writing<'_>) -> Result<Request, RequestError> {
    let mut request = request.clone();
    let is_told = request.reasoning.as_ref().is_some_and(|reasoning| *reasoning != Reasoning::default());
    if !is_claude && is_told {
        writing.leave_out(request.origin.path_of(Setting::Reasoning), "only Claude is told how much to think");
        request.reasoning = None;
    }
    if request.parallel_tool_calls.take().is_some() {
        writing.leave_out("parallel_tool_calls", "the provider has no such setting");
    }
    if request.tool_choice == Some(ToolChoice::None) && !request.tools.is_empty() {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        if parts.into_iter().any(|part| matches!(part, Part::ToolCall(_) | Part::ToolResult(_))) {
            let message = "the provider of this model cannot be told to call no tool once tools were called";
            return Err(RequestError::unsupported(message).at("tool_choice"));
        }
        request.tools.clear();
        request.tool_choice = None;
    }
    Ok(request)
}

/// The form of the answer, and the effort.
fn write_output(chat: &mut Map<String, Value>, root: &mut Map<String, Value>) {
    let Some(config) = chat.shift_remove("output_config") else { return };
    let mut output = Map::new();
    if let Some(schema) = config.pointer("/format/schema") {
        let definition = json!({"jsonSchema": {"name": "answer", "schema": schema.to_string()}});
        output.insert("textFormat".into(), json!({"type": "json_schema", "structure": definition}));
    }
    if let Some(effort) = config.get("effort") {
        output.insert("effort".into(), effort.clone());
    }
    put(root, "outputConfig", output);
}

fn refuse_addresses(part: &Part) -> Result<(), RequestError> {
    match part {
        Part::Image(Placed { at, value: Image::Url(_) }) => {
            let message = "the provider of this model does not fetch images: send the image itself";
            Err(RequestError::unsupported(message).at(at))
        }
        Part::Document(Placed { at, value }) if matches!(value.source, DocumentSource::Url(_)) => {
            let message = "the provider of this model does not fetch documents: send the document itself";
            Err(RequestError::unsupported(message).at(at))
        }
        Part::ToolResult(result) => result.parts.iter().try_for_each(refuse_addresses),
        Part::Text(_)
        | Part::Image(_)
        | Part::Document(_)
        | Part::Audio(_)
        | Part::ToolCall(_)
        | Part::Refusal(_)
        | Part::Thinking { .. }
        | Part::RedactedThinking(_)
        | Part::Unknown(_) => Ok(()),
    }
}

fn copy(from: &mut Map<String, Value>, name: &str, to: &mut Map<String, Value>, as_name: &str) {
    if let Some(value) = from.shift_remove(name) {
        to.insert(as_name.into(), value);
    }
}

fn put(root: &mut Map<String, Value>, name: &str, fields: Map<String, Value>) {
    if !fields.is_empty() {
        root.insert(name.into(), fields.into());
    }
}
