use super::KEPT_INPUT;
use super::items::{Of, read_item};
use crate::chat::{Message, Other, Part, Reasoning, Request, ResponseFormat, Role, Tool, ToolChoice};
use crate::error::RequestError;
use crate::node::Node;
use crate::schema::Schema;

/// The fields that the model holds; all others are carried as they are.
const KNOWN: &[&str] = &[
    "model",
    "stream",
    "input",
    "instructions",
    "max_output_tokens",
    "temperature",
    "top_p",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "user",
    "text",
    "reasoning",
];

pub(super) fn read_request(root: &Node<'_>) -> Result<Request, RequestError> {
    let mut others = Vec::new();
    root.others(KNOWN, &mut others);
    Ok(Request {
        origin: Schema(&super::Responses),
        model: root.required_str("model")?.to_owned(),
        stream: root.get("stream").map(|node| node.bool()).transpose()?.unwrap_or(false),
        messages: read_messages(root, &mut others)?,
        max_output_tokens: root.get("max_output_tokens").map(|node| node.u64()).transpose()?,
        temperature: root.get("temperature").map(|node| node.f64()).transpose()?,
        top_p: root.get("top_p").map(|node| node.f64()).transpose()?,
        stop: Vec::new(),
        tools: read_tools(root, &mut others)?,
        tool_choice: match root.get("tool_choice") {
            Some(choice) => read_tool_choice(&choice, &mut others)?,
            None => None,
        },
        parallel_tool_calls: root.get("parallel_tool_calls").map(|node| node.bool()).transpose()?,
        user: root.optional_str("user")?,
        response_format: match root.get("text") {
            Some(text) => read_text_options(&text, &mut others)?,
            None => None,
        },
        reasoning: match root.get("reasoning") {
            Some(reasoning) => read_reasoning(&reasoning, &mut others)?,
            None => None,
        },
        others,
    })
}

fn read_messages(root: &Node<'_>, others: &mut Vec<Other>) -> Result<Vec<Message>, RequestError> {
    let mut messages = Vec::new();
    if let Some(instructions) = root.get("instructions") {
        let parts = vec![Part::Text(instructions.str()?.to_owned())];
        messages.push(Message { at: instructions.path().to_owned(), role: Role::System, parts });
    }
    match root.get("input") {
        Some(input) => read_input(&input, &mut messages, others)?,
        None if KEPT_INPUT.iter().any(|name| root.get(name).is_some()) => {}
        None => return Err(root.required("input").map_or_else(|error| error, |input| input.error("is required"))),
    }
    Ok(messages)
}

fn read_input(input: &Node<'_>, messages: &mut Vec<Message>, others: &mut Vec<Other>) -> Result<(), RequestError> {
    let at = input.path().to_owned();
    if let Some(text) = input.value().as_str() {
        messages.push(Message { at, role: Role::User, parts: vec![Part::Text(text.to_owned())] });
        return Ok(());
    }
    // What the model says in several items is one turn, and so is what several tools answer.
    let mut last_is_result = false;
    for item in input.items()? {
        item.object()?;
        let (role, mut parts) = read_item(&item, Of::Request, others)?;
        if let Some(Part::ToolCall(call)) = parts.first()
            && call.id.is_empty()
        {
            item.required("call_id")?;
        }
        let is_result = matches!(parts.first(), Some(Part::ToolResult(_)));
        match messages.last_mut() {
            Some(last) if last.role == role && (role == Role::Assistant || (is_result && last_is_result)) => {
                last.parts.append(&mut parts);
            }
            _ => messages.push(Message { at: item.path().to_owned(), role, parts }),
        }
        last_is_result = is_result;
    }
    Ok(())
}

/// Functions. A tool that the provider has itself is one of the others, under the path of its type.
fn read_tools(root: &Node<'_>, others: &mut Vec<Other>) -> Result<Vec<Tool>, RequestError> {
    let Some(tools) = root.get("tools") else { return Ok(Vec::new()) };
    let mut functions = Vec::new();
    for tool in tools.items()? {
        tool.object()?;
        match tool.get("type") {
            Some(kind) if kind.str()? != "function" => {
                others.push(Other { path: kind.path().to_owned(), value: tool.value().clone() });
            }
            _ => {
                tool.others(&["type", "name", "description", "parameters", "strict"], others);
                functions.push(read_function(&tool)?);
            }
        }
    }
    Ok(functions)
}

/// The API holds a function to its schema where it can unless told otherwise: only what the client says is a demand.
fn read_function(tool: &Node<'_>) -> Result<Tool, RequestError> {
    Ok(Tool {
        name: tool.required_str("name")?.to_owned(),
        description: tool.optional_str("description")?,
        parameters: tool.get("parameters").map(|node| node.object().map(|_| node.value().clone())).transpose()?,
        strict: tool.get("strict").map(|node| node.bool()).transpose()?.unwrap_or(false),
    })
}

fn read_tool_choice(choice: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<ToolChoice>, RequestError> {
    match choice.value().as_str() {
        Some("auto") => Ok(Some(ToolChoice::Auto)),
        Some("none") => Ok(Some(ToolChoice::None)),
        Some("required") => Ok(Some(ToolChoice::Required)),
        Some(_) => Err(choice.error("must be auto, none, required or a tool")),
        None => match choice.required_str("type")? {
            "function" => Ok(Some(ToolChoice::Named(choice.required_str("name")?.to_owned()))),
            // A choice among some tools, or of one that the provider has itself.
            _ => {
                others.push(Other { path: choice.path().to_owned(), value: choice.value().clone() });
                Ok(None)
            }
        },
    }
}

fn read_text_options(text: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<ResponseFormat>, RequestError> {
    text.object()?;
    text.others(&["format"], others);
    let Some(format) = text.get("format") else { return Ok(None) };
    match format.required_str("type")? {
        "text" => Ok(None),
        "json_object" => Ok(Some(ResponseFormat::JsonObject)),
        "json_schema" => {
            format.others(&["type", "name", "schema"], others);
            let schema = format.required("schema")?;
            schema.object()?;
            let name = format.required_str("name")?.to_owned();
            Ok(Some(ResponseFormat::JsonSchema { name, schema: schema.value().clone() }))
        }
        _ => {
            others.push(Other { path: format.path().to_owned(), value: format.value().clone() });
            Ok(None)
        }
    }
}

fn read_reasoning(reasoning: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<Reasoning>, RequestError> {
    reasoning.object()?;
    reasoning.others(&["effort"], others);
    let effort = reasoning.optional_str("effort")?;
    Ok(effort.map(|effort| Reasoning { off: effort == "none", effort: Some(effort), budget_tokens: None }))
}
