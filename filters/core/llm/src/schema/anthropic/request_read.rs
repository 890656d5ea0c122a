use super::block::{Of, read_content};
use crate::chat::{Message, Other, Reasoning, Request, ResponseFormat, Role, Tool, ToolChoice};
use crate::error::RequestError;
use crate::node::Node;
use crate::schema::Schema;

/// The fields that the model holds; all others are carried as they are.
const KNOWN: &[&str] = &[
    "model",
    "stream",
    "messages",
    "system",
    "max_tokens",
    "temperature",
    "top_p",
    "stop_sequences",
    "tools",
    "tool_choice",
    "metadata",
    "thinking",
    "output_config",
    "output_format",
];

/// Reads a request. What this crate's model has no place for, at any depth, is in [`Request::others`] with its path.
pub(super) fn read_request(root: &Node<'_>) -> Result<Request, RequestError> {
    let mut others = Vec::new();
    root.others(KNOWN, &mut others);
    let mut messages = Vec::new();
    if let Some(system) = root.get("system") {
        let parts = read_content(&system, Of::System, &mut others)?;
        messages.push(Message { at: system.path().to_owned(), role: Role::System, parts });
    }
    for message in root.required("messages")?.items()? {
        messages.push(read_message(&message, &mut others)?);
    }
    let mut tools = Vec::new();
    if let Some(listed) = root.get("tools") {
        for tool in listed.items()? {
            tools.extend(read_tool(&tool, &mut others)?);
        }
    }
    let choice = root.get("tool_choice");
    let parallel_off = choice.as_ref().and_then(|node| node.get("disable_parallel_tool_use"));
    Ok(Request {
        origin: Schema(&super::Anthropic),
        model: root.required_str("model")?.to_owned(),
        stream: root.get("stream").map(|node| node.bool()).transpose()?.unwrap_or(false),
        messages,
        max_output_tokens: root.get("max_tokens").map(|node| node.u64()).transpose()?,
        temperature: root.get("temperature").map(|node| node.f64()).transpose()?,
        top_p: root.get("top_p").map(|node| node.f64()).transpose()?,
        stop: match root.get("stop_sequences") {
            Some(stop) => stop.items()?.iter().map(|item| item.str().map(str::to_owned)).collect::<Result<_, _>>()?,
            None => Vec::new(),
        },
        tools,
        tool_choice: choice.map(|node| read_tool_choice(&node, &mut others)).transpose()?,
        parallel_tool_calls: parallel_off.map(|node| node.bool().map(|off| !off)).transpose()?,
        user: match root.get("metadata") {
            Some(metadata) => {
                metadata.others(&["user_id"], &mut others);
                metadata.optional_str("user_id")?
            }
            None => None,
        },
        response_format: read_form(root, &mut others)?,
        reasoning: read_reasoning(root, &mut others)?,
        others,
    })
}

fn read_message(message: &Node<'_>, others: &mut Vec<Other>) -> Result<Message, RequestError> {
    let role_node = message.required("role")?;
    let (role, of) = match role_node.str()? {
        "user" => (Role::User, Of::User),
        "assistant" => (Role::Assistant, Of::Assistant),
        "system" => (Role::System, Of::System),
        _ => return Err(role_node.error("must be user, assistant or system")),
    };
    message.others(&["role", "content"], others);
    let parts = read_content(&message.required("content")?, of, others)?;
    Ok(Message { at: message.path().to_owned(), role, parts })
}

/// A function of the client's. A tool that Anthropic's own servers run is carried field by field, its `type` first: a writer that does
/// not know it names it by that.
fn read_tool(tool: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<Tool>, RequestError> {
    if let Some(kind) = tool.get("type")
        && kind.str()? != "custom"
    {
        others.push(Other { path: kind.path().to_owned(), value: kind.value().clone() });
        tool.others(&["type"], others);
        return Ok(None);
    }
    tool.others(&["type", "name", "description", "input_schema", "strict"], others);
    let schema = tool.required("input_schema")?;
    schema.object()?;
    Ok(Some(Tool {
        name: tool.required_str("name")?.to_owned(),
        description: tool.optional_str("description")?,
        parameters: Some(schema.value().clone()),
        strict: tool.get("strict").map(|node| node.bool()).transpose()?.unwrap_or(false),
    }))
}

fn read_tool_choice(choice: &Node<'_>, others: &mut Vec<Other>) -> Result<ToolChoice, RequestError> {
    choice.others(&["type", "name", "disable_parallel_tool_use"], others);
    let kind = choice.required("type")?;
    match kind.str()? {
        "auto" => Ok(ToolChoice::Auto),
        "any" => Ok(ToolChoice::Required),
        "none" => Ok(ToolChoice::None),
        "tool" => Ok(ToolChoice::Named(choice.required_str("name")?.to_owned())),
        _ => Err(kind.error("must be auto, any, tool or none")),
    }
}

/// The answer's form, which older clients say at the top level.
fn read_form(root: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<ResponseFormat>, RequestError> {
    let config = root.get("output_config");
    if let Some(config) = &config {
        config.object()?;
        config.others(&["effort", "format"], others);
    }
    let format = config.and_then(|config| config.get("format")).or_else(|| root.get("output_format"));
    format.map(|format| read_format(&format, others)).transpose()
}

/// Anthropic's schemas have no name, and OpenAI's need one.
fn read_format(format: &Node<'_>, others: &mut Vec<Other>) -> Result<ResponseFormat, RequestError> {
    let kind = format.required("type")?;
    if kind.str()? != "json_schema" {
        return Err(kind.error("must be json_schema"));
    }
    format.others(&["type", "schema"], others);
    let schema = format.required("schema")?;
    schema.object()?;
    Ok(ResponseFormat::JsonSchema { name: "response".to_owned(), schema: schema.value().clone() })
}

/// `thinking` and `output_config.effort` as one. Thinking of a kind that is not known is carried.
fn read_reasoning(root: &Node<'_>, others: &mut Vec<Other>) -> Result<Option<Reasoning>, RequestError> {
    let effort = match root.get("output_config") {
        Some(config) => config.optional_str("effort")?,
        None => None,
    };
    let Some(thinking) = root.get("thinking") else {
        return Ok(effort.map(|effort| Reasoning { effort: Some(effort), ..Reasoning::default() }));
    };
    thinking.others(&["type", "budget_tokens"], others);
    let kind = thinking.required("type")?;
    let mut reasoning = Reasoning { effort, ..Reasoning::default() };
    match kind.str()? {
        "enabled" => reasoning.budget_tokens = Some(thinking.required("budget_tokens")?.u64()?),
        "disabled" => reasoning.off = true,
        "adaptive" => {}
        _ => others.push(Other { path: kind.path().to_owned(), value: kind.value().clone() }),
    }
    Ok(Some(reasoning))
}
