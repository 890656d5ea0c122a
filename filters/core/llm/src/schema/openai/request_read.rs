use serde_json::{Value, json};

use super::call::kind_of_others;
use super::message_read::read_messages;
use crate::chat::{Other, Reasoning, Request, ResponseFormat, Tool, ToolChoice};
use crate::error::RequestError;
use crate::node::Node;
use crate::schema::Schema;

/// The fields that the model holds; all others are carried as they are.
const KNOWN: &[&str] = &[
    "model",
    "stream",
    "stream_options",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "parallel_tool_calls",
    "user",
    "response_format",
    "reasoning_effort",
];

/// Reads a request. What is malformed is refused; what another schema cannot say is carried, at any depth, for its writer to judge.
pub(super) fn read_request(root: &Node<'_>) -> Result<Request, RequestError> {
    let mut others = Vec::new();
    root.others(KNOWN, &mut others);
    if let Some(options) = root.get("stream_options") {
        options.others(&["include_usage"], &mut others);
    }
    Ok(Request {
        origin: Schema(&super::OpenAi),
        model: root.required_str("model")?.to_owned(),
        stream: root.get("stream").map(|node| node.bool()).transpose()?.unwrap_or(false),
        messages: read_messages(&root.required("messages")?, &mut others)?,
        max_output_tokens: read_limit(root, &mut others)?,
        temperature: root.get("temperature").map(|node| node.f64()).transpose()?,
        top_p: root.get("top_p").map(|node| node.f64()).transpose()?,
        stop: root.get("stop").map(|node| read_stop(&node)).transpose()?.unwrap_or_default(),
        tools: read_tools(root, &mut others)?,
        tool_choice: read_choice(root, &mut others)?,
        parallel_tool_calls: match root.get("parallel_tool_calls") {
            Some(node) => Some(node.bool()?),
            // An answer in the older spelling has one call.
            None => (root.get("functions").is_some() && root.get("tools").is_none()).then_some(false),
        },
        user: root.optional_str("user")?,
        response_format: match root.get("response_format") {
            Some(node) => read_response_format(&node, &mut others)?,
            None => None,
        },
        reasoning: root.optional_str("reasoning_effort")?.map(|effort| Reasoning {
            off: effort == "none",
            effort: Some(effort),
            budget_tokens: None,
        }),
        others,
    })
}

/// The bound; where both spellings of it are there the newer one counts.
fn read_limit(root: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<u64>, RequestError> {
    let newer = root.get("max_completion_tokens").map(|node| node.u64()).transpose()?;
    let older = root.get("max_tokens").map(|node| node.u64()).transpose()?;
    if newer.is_some()
        && newer != older
        && let Some(older) = older
    {
        others.push(Other { path: "max_tokens".to_owned(), value: older.into() });
    }
    Ok(newer.or(older))
}

fn read_stop(node: &Node<'_>) -> Result<Vec<String>, RequestError> {
    if let Some(one) = node.value().as_str() {
        return Ok(vec![one.to_owned()]);
    }
    node.items()?.iter().map(|item| item.str().map(str::to_owned)).collect()
}

/// The tools, and the functions of the older spelling behind them.
fn read_tools(root: &Node<'_>, others: &mut Vec<Other>) -> Result<Vec<Tool>, RequestError> {
    let mut tools = Vec::new();
    if let Some(given) = root.get("tools") {
        for tool in given.items()? {
            if carried_for_its_kind(&tool, others)? {
                continue;
            }
            tool.others(&["type", "function"], others);
            tools.push(read_function(&tool.required("function")?, others)?);
        }
    }
    if let Some(functions) = root.get("functions") {
        for function in functions.items()? {
            tools.push(read_function(&function, others)?);
        }
    }
    Ok(tools)
}

/// A tool or choice that is no function is carried field by field, its kind first: a refusal names that.
fn carried_for_its_kind(node: &Node<'_>, others: &mut Vec<Other>) -> Result<bool, RequestError> {
    if kind_of_others(node)?.is_none() {
        return Ok(false);
    }
    if let Some(kind) = node.get("type") {
        others.push(Other { path: kind.path().to_owned(), value: kind.value().clone() });
    }
    node.others(&["type"], others);
    Ok(true)
}

fn read_function(function: &Node<'_>, others: &mut Vec<Other>) -> Result<Tool, RequestError> {
    function.others(&["name", "description", "parameters", "strict"], others);
    Ok(Tool {
        name: function.required_str("name")?.to_owned(),
        description: function.optional_str("description")?,
        parameters: function.get("parameters").map(|node| node.object().map(|_| node.value().clone())).transpose()?,
        strict: function.get("strict").map(|node| node.bool()).transpose()?.unwrap_or(false),
    })
}

fn read_choice(root: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<ToolChoice>, RequestError> {
    let (newer, older) = (root.get("tool_choice"), root.get("function_call"));
    if let (Some(_), Some(older)) = (&newer, &older) {
        others.push(Other { path: older.path().to_owned(), value: older.value().clone() });
    }
    newer.or(older).map_or(Ok(None), |choice| read_tool_choice(&choice, others))
}

fn read_tool_choice(choice: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<ToolChoice>, RequestError> {
    match choice.value() {
        Value::String(word) => match choice_of(word) {
            Some(known) => Ok(Some(known)),
            None => Err(choice.error("must be auto, none, required or a function")),
        },
        // Some clients say the word as the other schemas do.
        Value::Object(fields) if fields.len() == 1 && choice.get("type").is_some_and(is_choice) => {
            Ok(fields.get("type").and_then(Value::as_str).and_then(choice_of))
        }
        _ if carried_for_its_kind(choice, others)? => Ok(None),
        _ => {
            choice.others(&["type", "function", "name"], others);
            // The older spelling has the name alone.
            let named = choice.get("function").unwrap_or_else(|| choice.clone());
            if choice.get("function").is_some() {
                named.others(&["name"], others);
            }
            Ok(Some(ToolChoice::Named(named.required_str("name")?.to_owned())))
        }
    }
}

fn is_choice(word: Node<'_>) -> bool {
    word.value().as_str().and_then(choice_of).is_some()
}

fn choice_of(word: &str) -> Option<ToolChoice> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        // The word of some compatible servers for it.
        "required" | "any" => Some(ToolChoice::Required),
        _ => None,
    }
}

fn read_response_format(format: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<ResponseFormat>, RequestError> {
    let kind = format.required("type")?;
    match kind.str()? {
        "text" => {
            format.others(&["type"], others);
            Ok(None)
        }
        "json_object" => {
            format.others(&["type"], others);
            Ok(Some(ResponseFormat::JsonObject))
        }
        "json_schema" => {
            format.others(&["type", "json_schema"], others);
            let definition = format.required("json_schema")?;
            definition.others(&["name", "schema"], others);
            let schema = match definition.get("schema") {
                Some(schema) => schema.object().map(|_| schema.value().clone())?,
                None => json!({}),
            };
            let name = definition.required_str("name")?.to_owned();
            Ok(Some(ResponseFormat::JsonSchema { name, schema }))
        }
        _ => {
            carried_for_its_kind(format, others)?;
            Ok(None)
        }
    }
}
