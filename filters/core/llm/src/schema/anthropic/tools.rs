use serde_json::{Map, Value, json};

use super::json_schema;
use crate::chat::{Request, Tool, ToolChoice};
use crate::error::RequestError;
use crate::schema::{Setting, Writing};

/// Writes tools and what is said about calling them. Rules:
///
/// - A tool's schema describes an object; alternatives at its top are merged, since Anthropic takes none there.
/// - A tool whose arguments are held to its schema (`strict`) has it rewritten as an answer's form is.
/// - A choice among tools is left out where there are none.
pub(super) fn write(
    request: &Request,
    root: &mut Map<String, Value>,
    writing: &mut Writing<'_>,
) -> Result<(), RequestError> {
    if request.tools.is_empty() {
        if request.tool_choice.is_some() {
            writing.leave_out("tool_choice", "there are no tools");
        }
        if request.parallel_tool_calls.is_some() {
            writing.leave_out("parallel_tool_calls", "there are no tools");
        }
        return Ok(());
    }
    if !writing.capabilities.tools {
        return Err(RequestError::unsupported("this model calls no tools").at("tools"));
    }
    let tools = request.tools.iter().enumerate().map(|(index, tool)| write_tool(request, index, tool, writing));
    root.insert("tools".into(), tools.collect());
    if let Some(choice) = write_choice(request, writing) {
        root.insert("tool_choice".into(), choice);
    }
    Ok(())
}

fn write_tool(request: &Request, index: usize, tool: &Tool, writing: &mut Writing<'_>) -> Value {
    let path_of = |setting| format!("tools[{index}].{}", request.origin.path_of(setting));
    let at = path_of(Setting::ToolParameters);
    let mut written = Map::new();
    written.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        written.insert("description".into(), description.as_str().into());
    }
    let mut schema = json_schema::of_object(tool.parameters.as_ref(), &at, writing);
    let strict = tool.strict && writing.capabilities.strict_tools;
    if strict {
        schema = json_schema::restricted(&schema, &at, writing);
    } else if tool.strict {
        writing.leave_out(path_of(Setting::ToolStrict), "the server cannot be held to it");
    }
    written.insert("input_schema".into(), schema);
    if strict {
        written.insert("strict".into(), true.into());
    }
    written.into()
}

fn write_choice(request: &Request, writing: &mut Writing<'_>) -> Option<Value> {
    let parallel = request.parallel_tool_calls.filter(|_| writing.capabilities.parallel_tool_calls);
    if request.parallel_tool_calls.is_some() && parallel.is_none() {
        writing.leave_out("parallel_tool_calls", "the server takes no such setting");
    }
    let mut choice = match (&request.tool_choice, parallel) {
        (None, None) => return None,
        (Some(ToolChoice::None), _) => return Some(json!({"type": "none"})),
        (Some(ToolChoice::Auto) | None, _) => json!({"type": "auto"}),
        (Some(ToolChoice::Required), _) => json!({"type": "any"}),
        (Some(ToolChoice::Named(name)), _) => json!({"type": "tool", "name": name}),
    };
    if let (Some(parallel), Some(choice)) = (parallel, choice.as_object_mut()) {
        choice.insert("disable_parallel_tool_use".into(), (!parallel).into());
    }
    Some(choice)
}
