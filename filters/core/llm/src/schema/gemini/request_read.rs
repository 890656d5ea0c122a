use serde_json::Value;

use super::fields;
use super::part::{Calls, read_part};
use crate::chat::{Message, Other, Reasoning, Request, ResponseFormat, Role, Tool, ToolChoice};
use crate::error::RequestError;
use crate::node::Node;
use crate::schema::Schema;

/// What the ids begin with that calls get which have none.
const CALL_ID_PREFIX: &str = "call_";

const KNOWN: &[&str] = &["contents", "systemInstruction", "tools", "toolConfig", "generationConfig"];

const SETTINGS: &[&str] = &[
    "maxOutputTokens",
    "temperature",
    "topP",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "thinkingConfig",
];

/// Reads a request. The model, and whether a stream is asked for, stand in its path: whoever reads it sets them. What this crate's model
/// has no place for, at any depth, is in [`Request::others`] with its path.
pub(super) fn read_request(root: &Node<'_>) -> Result<Request, RequestError> {
    let mut others = Vec::new();
    fields::others(root, KNOWN, &mut others)?;
    let mut messages = Vec::new();
    let mut calls = Calls::new(CALL_ID_PREFIX.to_owned());
    if let Some(instruction) = fields::get(root, "systemInstruction") {
        messages.push(read_content(&instruction, Some(Role::System), &mut calls, &mut others)?);
    }
    for content in root.required("contents")?.items()? {
        messages.push(read_content(&content, None, &mut calls, &mut others)?);
    }
    let settings = fields::get(root, "generationConfig");
    if let Some(settings) = &settings {
        settings.object()?;
        fields::others(settings, SETTINGS, &mut others)?;
    }
    let setting = |name: &str| settings.as_ref().and_then(|settings| fields::get(settings, name));
    Ok(Request {
        origin: Schema(&super::Gemini),
        model: String::new(),
        stream: false,
        messages,
        max_output_tokens: setting("maxOutputTokens").map(|node| node.u64()).transpose()?,
        temperature: setting("temperature").map(|node| node.f64()).transpose()?,
        top_p: setting("topP").map(|node| node.f64()).transpose()?,
        stop: match setting("stopSequences") {
            Some(stop) => stop.items()?.iter().map(|item| item.str().map(str::to_owned)).collect::<Result<_, _>>()?,
            None => Vec::new(),
        },
        tools: read_tools(root, &mut others)?,
        tool_choice: read_choice(root, &mut others)?,
        parallel_tool_calls: None,
        user: None,
        response_format: settings.as_ref().map(|settings| read_form(settings, &mut others)).transpose()?.flatten(),
        reasoning: setting("thinkingConfig").map(|config| read_reasoning(&config, &mut others)).transpose()?.flatten(),
        others,
    })
}

fn read_content(
    content: &Node<'_>,
    role: Option<Role>,
    calls: &mut Calls,
    others: &mut Vec<Other>,
) -> Result<Message, RequestError> {
    // Clients may say instructions as a plain text.
    if let (Some(role @ Role::System), Some(text)) = (role, content.value().as_str()) {
        let parts = vec![crate::chat::Part::Text(text.to_owned())];
        return Ok(Message { at: content.path().to_owned(), role, parts });
    }
    content.object()?;
    fields::others(content, &["role", "parts"], others)?;
    let role = match (role, content.get("role")) {
        (Some(role), _) => role,
        (None, None) => Role::User,
        (None, Some(said)) => match said.str()? {
            // Older clients say whose results of functions are.
            "user" | "function" => Role::User,
            "model" => Role::Assistant,
            _ => return Err(said.error("must be user or model")),
        },
    };
    let mut parts = Vec::new();
    if let Some(listed) = content.get("parts") {
        for part in listed.items()? {
            parts.push(read_part(&part, calls, others)?);
        }
    }
    Ok(Message { at: content.path().to_owned(), role, parts })
}

/// Functions. A tool that the vendor's own servers run is carried: a writer that does not know it names it.
fn read_tools(root: &Node<'_>, others: &mut Vec<Other>) -> Result<Vec<Tool>, RequestError> {
    let mut tools = Vec::new();
    let Some(listed) = root.get("tools") else { return Ok(tools) };
    for tool in listed.items()? {
        tool.object()?;
        fields::others(&tool, &["functionDeclarations"], others)?;
        let Some(functions) = fields::get(&tool, "functionDeclarations") else { continue };
        for function in functions.items()? {
            tools.push(read_function(&function, others)?);
        }
    }
    Ok(tools)
}

fn read_function(function: &Node<'_>, others: &mut Vec<Other>) -> Result<Tool, RequestError> {
    fields::others(function, &["name", "description", "parameters", "parametersJsonSchema"], others)?;
    let plain = fields::get(function, "parametersJsonSchema");
    let schema = match (&plain, function.get("parameters")) {
        (Some(schema), _) => Some(schema.object().map(|_| schema.value().clone())?),
        (None, Some(schema)) => Some(schema.object().map(|_| fields::json_schema(schema.value()))?),
        (None, None) => None,
    };
    Ok(Tool {
        name: function.required_str("name")?.to_owned(),
        description: function.optional_str("description")?,
        parameters: schema,
        strict: false,
    })
}

fn read_choice(root: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<ToolChoice>, RequestError> {
    let Some(config) = fields::get(root, "toolConfig") else { return Ok(None) };
    config.object()?;
    fields::others(&config, &["functionCallingConfig"], others)?;
    let Some(calling) = fields::get(&config, "functionCallingConfig") else { return Ok(None) };
    calling.object()?;
    let allowed = match fields::get(&calling, "allowedFunctionNames") {
        Some(names) => {
            names.items()?.iter().map(|name| name.str().map(str::to_owned)).collect::<Result<Vec<_>, _>>()?
        }
        None => Vec::new(),
    };
    let mode = calling.get("mode");
    let word = mode.as_ref().map(Node::str).transpose()?.map(str::to_ascii_uppercase);
    // Of several that may be called no other schema can say which.
    let known: &[&str] = if allowed.len() > 1 { &["mode"] } else { &["mode", "allowedFunctionNames"] };
    fields::others(&calling, known, others)?;
    match (word.as_deref(), allowed.as_slice()) {
        (Some("ANY"), [name]) => Ok(Some(ToolChoice::Named(name.clone()))),
        (Some("ANY"), _) => Ok(Some(ToolChoice::Required)),
        (Some("NONE"), _) => Ok(Some(ToolChoice::None)),
        (Some("AUTO" | "VALIDATED"), _) => Ok(Some(ToolChoice::Auto)),
        (None | Some("MODE_UNSPECIFIED"), _) => Ok(None),
        (Some(_), _) => Err(mode.map_or_else(
            || calling.error("a mode is expected"),
            |mode| mode.error("must be AUTO, ANY, NONE or VALIDATED"),
        )),
    }
}

/// The form of the answer. Of a kind that is not known the words are carried.
fn read_form(settings: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<ResponseFormat>, RequestError> {
    let plain = fields::get(settings, "responseJsonSchema");
    let schema = match (&plain, fields::get(settings, "responseSchema")) {
        (Some(schema), _) => Some(schema.object().map(|_| schema.value().clone())?),
        (None, Some(schema)) => Some(schema.object().map(|_| fields::json_schema(schema.value()))?),
        (None, None) => None,
    };
    let kind = fields::get(settings, "responseMimeType");
    match (kind.as_ref().map(Node::str).transpose()?, schema) {
        (None | Some("application/json"), Some(schema)) => {
            Ok(Some(ResponseFormat::JsonSchema { name: "response".to_owned(), schema }))
        }
        (Some("application/json"), None) => Ok(Some(ResponseFormat::JsonObject)),
        (None | Some("text/plain" | ""), None) => Ok(None),
        (Some(_), _) => {
            let (path, value) =
                kind.map_or_else(Default::default, |kind| (kind.path().to_owned(), kind.value().clone()));
            others.push(Other { path, value });
            Ok(None)
        }
    }
}

/// No thoughts (0), so many tokens, as the model sees fit (-1), or a level.
fn read_reasoning(config: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<Reasoning>, RequestError> {
    config.object()?;
    fields::others(config, &["thinkingBudget", "thinkingLevel"], others)?;
    let mut reasoning = Reasoning::default();
    if let Some(budget) = fields::get(config, "thinkingBudget") {
        match budget.value() {
            Value::Number(number) if number.as_i64() == Some(-1) => {}
            _ => match budget.u64()? {
                0 => reasoning.off = true,
                tokens => reasoning.budget_tokens = Some(tokens),
            },
        }
    }
    if let Some(level) = fields::optional_str(config, "thinkingLevel")? {
        reasoning.effort = Some(level.to_ascii_lowercase()).filter(|level| level != "thinking_level_unspecified");
    }
    let says_something = fields::get(config, "thinkingBudget").is_some() || reasoning.effort.is_some();
    Ok(says_something.then_some(reasoning))
}
