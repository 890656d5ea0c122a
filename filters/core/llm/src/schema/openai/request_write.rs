//! A request of another schema as this one's.
//!
//! What a server does not take ([`Capabilities`](weir_config::Capabilities)) is left out where the documentation of the capability says so, and refused
//! elsewhere. A bound on reasoning in tokens is left out: this schema says how much to reason in words. `strict` is said only of JSON
//! Schemas that allow it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use weir_config::{MaxTokensField, StructuredOutput};

use super::bound;
use super::is_own_family;
use super::json_schema::{allows_strict, parameters};
use super::message_write::write_messages;
use crate::chat::{Request, ResponseFormat, Tool, ToolChoice};
use crate::error::RequestError;
use crate::schema::{Setting, Writing};

/// Settings that the APIs of this schema's vendor have in common, under one name.
const SHARED: &[&str] = &[
    "metadata",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
];

/// Why a setting is left out for this server.
const NOT_TAKEN: &str = "the server of this model does not take it";

pub(super) fn write_request(request: &Request, writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError> {
    let mut root = Map::new();
    root.insert("model".into(), request.model.as_str().into());
    root.insert("messages".into(), write_messages(request, writing)?.into());
    if let Some(limit) = request.max_output_tokens {
        let field = match writing.capabilities.max_tokens_field {
            MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
            MaxTokensField::MaxTokens => "max_tokens",
        };
        // Servers refuse 0, or take it for no limit at all.
        root.insert(field.into(), limit.max(1).into());
    }
    write_sampling(request, writing, &mut root);
    write_stop(request, writing, &mut root)?;
    write_tools(request, writing, &mut root)?;
    if let Some(user) = &request.user {
        root.insert("user".into(), bound::user(user).into());
    }
    if let Some(format) = &request.response_format {
        root.insert("response_format".into(), write_response_format(format, writing)?);
    }
    write_reasoning(request, writing, &mut root);
    if request.stream {
        root.insert("stream".into(), true.into());
        if writing.capabilities.stream_options {
            root.insert("stream_options".into(), json!({"include_usage": true}));
        }
    }
    if is_own_family(request.origin) {
        for other in request.others.iter().filter(|other| SHARED.contains(&other.path.as_str())) {
            root.insert(other.path.clone(), other.value.clone());
            writing.say(other.path.as_str());
        }
    }
    Ok(root)
}

/// The most texts that may end an answer: platform.openai.com, "Create chat completion", `stop`.
const MOST_STOPS: usize = 4;

/// Each text once, since few are taken, and none that is empty. More than are taken are refused: an answer that goes on where it should have
/// ended is another answer.
fn write_stop(request: &Request, writing: &mut Writing<'_>, root: &mut Map<String, Value>) -> Result<(), RequestError> {
    let mut said = BTreeSet::new();
    let (kept, gone): (Vec<&String>, Vec<&String>) =
        request.stop.iter().partition(|text| !text.is_empty() && said.insert(text.as_str()));
    let path = request.origin.path_of(Setting::Stop);
    if kept.len() > MOST_STOPS && !writing.capabilities.many_stop_sequences {
        let message = format!("The API of this model's provider takes {MOST_STOPS} texts that end an answer.");
        return Err(RequestError::unsupported(message).at(path));
    }
    if !gone.is_empty() {
        writing.leave_out(path, "a text that is empty or stands twice");
    }
    if !kept.is_empty() {
        root.insert("stop".into(), kept.into_iter().map(String::as_str).collect());
    }
    Ok(())
}

fn write_sampling(request: &Request, writing: &mut Writing<'_>, root: &mut Map<String, Value>) {
    let takes_both = writing.capabilities.temperature_with_top_p || request.temperature.is_none();
    let takes = writing.capabilities.temperature;
    for (name, value, takes) in
        [("temperature", request.temperature, takes), ("top_p", request.top_p, takes && takes_both)]
    {
        match value {
            Some(value) if takes => _ = root.insert(name.into(), value.into()),
            Some(_) => writing.leave_out(name, NOT_TAKEN),
            None => {}
        }
    }
}

fn write_reasoning(request: &Request, writing: &mut Writing<'_>, root: &mut Map<String, Value>) {
    let Some(reasoning) = &request.reasoning else { return };
    match &reasoning.effort {
        Some(effort) if writing.capabilities.reasoning_effort => {
            root.insert("reasoning_effort".into(), bound::effort(effort).into());
        }
        Some(_) => writing.leave_out("reasoning", NOT_TAKEN),
        None => writing.leave_out("reasoning", "the schema says how much to reason in words only"),
    }
}

fn write_tools(
    request: &Request,
    writing: &mut Writing<'_>,
    root: &mut Map<String, Value>,
) -> Result<(), RequestError> {
    if request.tools.is_empty() {
        if request.tool_choice.is_some() {
            writing.leave_out("tool_choice", "there are no tools to choose from");
        }
        if request.parallel_tool_calls.is_some() {
            writing.leave_out("parallel_tool_calls", "there are no tools");
        }
        return Ok(());
    }
    if !writing.capabilities.tools {
        return Err(RequestError::unsupported("the model cannot call tools").at("tools"));
    }
    let tools = request.tools.iter().enumerate().map(|(index, tool)| write_tool(index, tool, writing));
    root.insert("tools".into(), tools.collect());
    if let Some(choice) = &request.tool_choice {
        root.insert("tool_choice".into(), write_tool_choice(choice));
    }
    match request.parallel_tool_calls {
        Some(parallel) if writing.capabilities.parallel_tool_calls => {
            root.insert("parallel_tool_calls".into(), parallel.into());
        }
        Some(_) => writing.leave_out("parallel_tool_calls", NOT_TAKEN),
        None => {}
    }
    Ok(())
}

fn write_tool(index: usize, tool: &Tool, writing: &mut Writing<'_>) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        function.insert("description".into(), description.as_str().into());
    }
    let schema = tool.parameters.as_ref().map(parameters);
    let allows_strict = schema.as_ref().is_some_and(allows_strict);
    if let Some(schema) = schema {
        function.insert("parameters".into(), schema);
    }
    if tool.strict && writing.capabilities.strict_tools && allows_strict {
        function.insert("strict".into(), true.into());
    } else if tool.strict {
        let reason = if allows_strict { NOT_TAKEN } else { "the JSON Schema leaves properties open" };
        writing.leave_out(format!("tools[{index}].strict"), reason);
    }
    json!({"type": "function", "function": function})
}

fn write_tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn write_response_format(format: &ResponseFormat, writing: &Writing<'_>) -> Result<Value, RequestError> {
    let takes = writing.capabilities.structured_output;
    match (format, takes) {
        (ResponseFormat::JsonObject, StructuredOutput::JsonSchema | StructuredOutput::JsonObject) => {
            Ok(json!({"type": "json_object"}))
        }
        (ResponseFormat::JsonSchema { name, schema }, StructuredOutput::JsonSchema) => {
            let definition = json!({"name": name, "schema": schema, "strict": allows_strict(schema)});
            Ok(json!({"type": "json_schema", "json_schema": definition}))
        }
        (ResponseFormat::JsonSchema { .. }, StructuredOutput::JsonObject) | (_, StructuredOutput::None) => {
            Err(RequestError::unsupported("the form of this model's answer cannot be asked for").at("response_format"))
        }
    }
}
