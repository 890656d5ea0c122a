//! What this schema cannot say: texts that end the answer (`stop`), files that lie with another provider, and a tool's mark that it failed,
//! which is left out. A request is never kept at the provider (`store`), since its client did not ask for it.

use serde_json::{Map, Value, json};
use weir_config::{StructuredOutput, SystemRole};

use super::answer::or_empty_object;
use crate::chat::{
    Document, DocumentSource, Image, Message, Part, Placed, Request, ResponseFormat, Role, Tool, ToolChoice,
};
use crate::error::RequestError;
use crate::schema::openai::json_schema::{allows_strict, parameters};
use crate::schema::openai::{bound, is_own_family};
use crate::schema::{Setting, Writing};

/// The API wants a name for every file.
const UNNAMED_FILE: &str = "document";

/// Settings of OpenAI's chat completions that stand here under the same name.
const ALIKE: &[&str] = &[
    "metadata",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
];

/// How long answers are to be, as chat completions say it and as this schema does.
const VERBOSITY: &[&str] = &["verbosity", "text.verbosity"];

/// The API refuses a smaller bound, which other schemas' clients may set: a few tokens more are no reason to answer nothing.
const LEAST_OUTPUT_TOKENS: u64 = 16;

pub(super) fn write_request(request: &Request, writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError> {
    if !request.stop.is_empty() {
        let message = "the provider of this model ends no answer at a text";
        return Err(RequestError::unsupported(message).at(request.origin.path_of(Setting::Stop)));
    }
    let mut root = Map::new();
    root.insert("model".into(), request.model.as_str().into());
    let (instructions, rest) = match leading_instructions(&request.messages, writing) {
        Some((instructions, rest)) => (Some(instructions), rest),
        None => (None, request.messages.as_slice()),
    };
    let mut input = write_input(rest, writing)?;
    match instructions {
        // Instructions alone are no input.
        Some(_) if input.is_empty() => input = write_input(&request.messages, writing)?,
        Some(instructions) => _ = root.insert("instructions".into(), instructions.into()),
        None => {}
    }
    if input.is_empty() {
        return Err(RequestError::new("a message with content is required").at("messages"));
    }
    root.insert("input".into(), input.into());
    root.insert("store".into(), false.into());
    if let Some(limit) = request.max_output_tokens {
        root.insert("max_output_tokens".into(), limit.max(LEAST_OUTPUT_TOKENS).into());
    }
    write_sampling(request, writing, &mut root);
    write_tools(request, writing, &mut root)?;
    if let Some(user) = &request.user {
        root.insert("user".into(), bound::user(user).into());
    }
    write_text_options(request, writing, &mut root)?;
    write_effort(request, writing, &mut root);
    write_alike(request, writing, &mut root);
    if request.stream {
        root.insert("stream".into(), true.into());
    }
    Ok(root)
}

/// Says what means the same in OpenAI's schemas.
fn write_alike(request: &Request, writing: &mut Writing<'_>, root: &mut Map<String, Value>) {
    let is_alike = is_own_family(request.origin);
    for other in request.others.iter().filter(|other| is_alike && ALIKE.contains(&other.path.as_str())) {
        root.insert(other.path.clone(), other.value.clone());
        writing.say(other.path.as_str());
    }
}

/// The first message that says anything, if it is one text of the application's, and what follows it.
fn leading_instructions<'a>(messages: &'a [Message], writing: &Writing<'_>) -> Option<(&'a str, &'a [Message])> {
    if writing.capabilities.system_role == SystemRole::User {
        return None;
    }
    let says_nothing = |part: &Part| matches!(part, Part::Text(text) if text.is_empty());
    let first = messages.iter().position(|message| !message.parts.iter().all(says_nothing))?;
    let (Message { role: Role::System, parts, .. }, rest) = messages.get(first..)?.split_first()? else { return None };
    match parts.as_slice() {
        [Part::Text(text)] => Some((text, rest)),
        _ => None,
    }
}

fn write_input(messages: &[Message], writing: &mut Writing<'_>) -> Result<Vec<Value>, RequestError> {
    let mut input = Vec::with_capacity(messages.len());
    for message in messages {
        match message.role {
            Role::System => {
                let role = match writing.capabilities.system_role {
                    SystemRole::System => "system",
                    SystemRole::Developer => "developer",
                    SystemRole::User => "user",
                };
                write_message(role, message, writing, &mut input)?;
            }
            Role::User => write_message("user", message, writing, &mut input)?,
            Role::Assistant => write_message("assistant", message, writing, &mut input)?,
        }
    }
    Ok(input)
}

/// Writes a message as items in the order of its parts: calls and results are items of their own.
fn write_message(
    role: &str,
    message: &Message,
    writing: &mut Writing<'_>,
    input: &mut Vec<Value>,
) -> Result<(), RequestError> {
    let mut content = Vec::new();
    let close = |content: &mut Vec<Value>, input: &mut Vec<Value>| {
        if !content.is_empty() {
            input.push(json!({"type": "message", "role": role, "content": plain_if_one_text(std::mem::take(content))}));
        }
    };
    for part in &message.parts {
        match part {
            Part::ToolCall(call) => {
                close(&mut content, input);
                input.push(json!({
                    "type": "function_call",
                    "call_id": bound::call_id(&call.id),
                    "name": call.name,
                    "arguments": or_empty_object(&call.arguments),
                }));
            }
            Part::ToolResult(result) => {
                close(&mut content, input);
                let mut output = Vec::new();
                for part in &result.parts {
                    output.extend(write_part("user", &message.at, part, writing)?);
                }
                let only_failed = result.is_error && output.is_empty();
                let output = match output.is_empty() {
                    true => if only_failed { bound::FAILED } else { "" }.into(),
                    false => plain_if_one_text(output),
                };
                input.push(json!({"type": "function_call_output", "call_id": bound::call_id(&result.call_id), "output": output}));
                if result.is_error && !only_failed {
                    writing
                        .leave_out(format!("{}.is_error", message.at), "the provider of this model has no such mark");
                }
            }
            Part::Text(_)
            | Part::Image(_)
            | Part::Document(_)
            | Part::Audio(_)
            | Part::Refusal(_)
            | Part::Thinking { .. }
            | Part::RedactedThinking(_)
            | Part::Unknown(_) => content.extend(write_part(role, &message.at, part, writing)?),
        }
    }
    close(&mut content, input);
    Ok(())
}

/// A lone text may stand as a string.
fn plain_if_one_text(mut content: Vec<Value>) -> Value {
    if let [Value::Object(part)] = content.as_mut_slice()
        && let Some(text) = part.get_mut("text")
    {
        return text.take();
    }
    content.into()
}

/// A part of a message or of a tool's result. Empty texts say nothing and are left out.
fn write_part(role: &str, at: &str, part: &Part, writing: &mut Writing<'_>) -> Result<Option<Value>, RequestError> {
    let of_model = role == "assistant";
    let unsupported = |what: &str, at: &str| Err(RequestError::unsupported(what).at(at));
    let capabilities = writing.capabilities;
    Ok(match part {
        Part::Text(text) if text.is_empty() => None,
        Part::Text(text) => {
            let kind = if of_model { "output_text" } else { "input_text" };
            Some(json!({"type": kind, "text": text}))
        }
        Part::Refusal(text) if of_model => Some(json!({"type": "refusal", "refusal": text})),
        Part::Refusal(text) => Some(json!({"type": "input_text", "text": text})),
        Part::Image(image) if of_model => {
            return unsupported("a turn of the assistant cannot show an image", &image.at);
        }
        Part::Image(image) if !capabilities.images => {
            return unsupported("the provider of this model reads no images", &image.at);
        }
        Part::Image(image) => Some(write_image(&image.value)),
        Part::Document(document) => write_document(document, writing)?,
        Part::Audio(audio) if !capabilities.audio => {
            return unsupported("the provider of this model hears no audio", &audio.at);
        }
        Part::Audio(Placed { value, .. }) => {
            Some(json!({"type": "input_audio", "input_audio": {"data": value.data, "format": value.format}}))
        }
        Part::Thinking { .. } | Part::RedactedThinking(_) => {
            writing.leave_out(at, "reasoning of an earlier turn, which only its issuer can verify");
            None
        }
        Part::Unknown(unknown) => return unsupported("the provider of this model has no such thing", &unknown.at),
        // Written by `write_message`: neither is a part of content here.
        Part::ToolCall(_) | Part::ToolResult(_) => None,
    })
}

fn write_image(image: &Image) -> Value {
    let url = match image {
        Image::Url(url) => url.clone(),
        Image::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
    };
    json!({"type": "input_image", "image_url": url, "detail": "auto"})
}

fn write_document(document: &Placed<Document>, writing: &mut Writing<'_>) -> Result<Option<Value>, RequestError> {
    let Placed { at, value: Document { title, context, source } } = document;
    let unsupported = |what: &str| Err(RequestError::unsupported(what).at(at));
    if context.is_some() {
        writing.leave_out(format!("{at}.context"), "the provider of this model has no such thing");
    }
    let is_text = matches!(source, DocumentSource::Text(_));
    if !is_text && !writing.capabilities.documents {
        return unsupported("the provider of this model reads documents as text only");
    }
    let name = title.as_deref().unwrap_or(UNNAMED_FILE);
    Ok(Some(match source {
        DocumentSource::Text(text) => {
            if title.is_some() {
                writing.leave_out(format!("{at}.title"), "the provider of this model has no such thing");
            }
            json!({"type": "input_text", "text": text})
        }
        DocumentSource::Base64 { media_type, data } => {
            json!({"type": "input_file", "filename": name, "file_data": format!("data:{media_type};base64,{data}")})
        }
        DocumentSource::Url(url) => json!({"type": "input_file", "file_url": url}),
        DocumentSource::File(_) => return unsupported("the file lies with another provider"),
    }))
}

fn write_sampling(request: &Request, writing: &mut Writing<'_>, root: &mut Map<String, Value>) {
    let capabilities = writing.capabilities;
    if let Some(temperature) = request.temperature {
        if capabilities.temperature {
            root.insert("temperature".into(), temperature.into());
        } else {
            writing.leave_out("temperature", "the model takes none");
        }
    }
    if let Some(top_p) = request.top_p {
        if capabilities.temperature && (capabilities.temperature_with_top_p || request.temperature.is_none()) {
            root.insert("top_p".into(), top_p.into());
        } else {
            writing.leave_out("top_p", "the model takes none, or not beside a temperature");
        }
    }
}

fn write_tools(
    request: &Request,
    writing: &mut Writing<'_>,
    root: &mut Map<String, Value>,
) -> Result<(), RequestError> {
    if request.tools.is_empty() {
        let said = [
            ("tool_choice", request.tool_choice.is_some()),
            ("parallel_tool_calls", request.parallel_tool_calls.is_some()),
        ];
        said.into_iter()
            .filter(|(_, is_said)| *is_said)
            .for_each(|(name, _)| writing.leave_out(name, "there are no tools"));
        return Ok(());
    }
    if !writing.capabilities.tools {
        return Err(RequestError::unsupported("the model calls no tools").at("tools"));
    }
    root.insert(
        "tools".into(),
        request.tools.iter().enumerate().map(|(index, tool)| write_tool(index, tool, writing)).collect(),
    );
    if let Some(choice) = &request.tool_choice {
        root.insert("tool_choice".into(), write_tool_choice(choice));
    }
    if let Some(parallel) = request.parallel_tool_calls {
        if writing.capabilities.parallel_tool_calls {
            root.insert("parallel_tool_calls".into(), parallel.into());
        } else {
            writing.leave_out("parallel_tool_calls", "the provider of this model has no such setting");
        }
    }
    Ok(())
}

/// The API takes a tool that does not say so for a strict one.
fn write_tool(index: usize, tool: &Tool, writing: &mut Writing<'_>) -> Value {
    let parameters = parameters(tool.parameters.as_ref().unwrap_or(&Value::Null));
    let strict = tool.strict && writing.capabilities.strict_tools && allows_strict(&parameters);
    if tool.strict && !strict {
        writing.leave_out(format!("tools[{index}].strict"), "the server or the JSON Schema does not allow it");
    }
    let mut written = Map::new();
    written.insert("type".into(), "function".into());
    written.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        written.insert("description".into(), description.as_str().into());
    }
    written.insert("parameters".into(), parameters);
    written.insert("strict".into(), strict.into());
    written.into()
}

fn write_tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Named(name) => json!({"type": "function", "name": name}),
    }
}

fn write_text_options(
    request: &Request,
    writing: &mut Writing<'_>,
    root: &mut Map<String, Value>,
) -> Result<(), RequestError> {
    let mut text = Map::new();
    let takes = writing.capabilities.structured_output;
    let format = match (&request.response_format, takes) {
        (None, _) => None,
        (Some(ResponseFormat::JsonSchema { name, schema }), StructuredOutput::JsonSchema) => {
            let strict = allows_strict(schema);
            Some(json!({"type": "json_schema", "name": name, "schema": schema, "strict": strict}))
        }
        (Some(ResponseFormat::JsonObject), StructuredOutput::JsonSchema | StructuredOutput::JsonObject) => {
            Some(json!({"type": "json_object"}))
        }
        (Some(_), StructuredOutput::JsonObject | StructuredOutput::None) => {
            let message = "the provider of this model cannot hold an answer to this form";
            return Err(RequestError::unsupported(message).at(request.origin.path_of(Setting::ResponseFormat)));
        }
    };
    if let Some(format) = format {
        text.insert("format".into(), format);
    }
    if let Some(verbosity) = request.others.iter().find(|other| VERBOSITY.contains(&other.path.as_str())) {
        text.insert("verbosity".into(), verbosity.value.clone());
        writing.say(verbosity.path.as_str());
    }
    if !text.is_empty() {
        root.insert("text".into(), text.into());
    }
    Ok(())
}

fn write_effort(request: &Request, writing: &mut Writing<'_>, root: &mut Map<String, Value>) {
    let Some(reasoning) = &request.reasoning else { return };
    match &reasoning.effort {
        Some(effort) if writing.capabilities.reasoning_effort => {
            root.insert("reasoning".into(), json!({"effort": bound::effort(effort)}));
        }
        Some(_) | None => writing
            .leave_out(request.origin.path_of(Setting::Reasoning), "a hint that the model does not take in this form"),
    }
}
