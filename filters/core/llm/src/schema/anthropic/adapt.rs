//! A client's own request for a server that takes less than the vendor's API: settings that it does not take are removed in place,
//! everything else stays byte for byte. What cannot be removed without another meaning (an image, a tool, a form of the
//! answer) is refused before (`chat::check_supported`).

use serde_json::value::RawValue;
use weir_config::Capabilities;

use crate::json::Fields;
use crate::schema::members::{Becomes, Edit, members};

/// The edits; none for a server that takes everything.
pub(super) fn edits(body: &[u8], capabilities: &Capabilities) -> Vec<Edit> {
    if *capabilities == Capabilities::default() {
        return Vec::new();
    }
    let Some(fields) = Fields::read(body) else { return Vec::new() };
    let mut edits = Vec::new();
    let both = fields.get("temperature").is_some() && fields.get("top_p").is_some();
    let top_level = |name: &str| match name {
        "temperature" => unless(capabilities.temperature),
        "top_p" => unless(capabilities.temperature && (capabilities.temperature_with_top_p || !both)),
        "thinking" => unless(capabilities.reasoning_effort),
        _ => Becomes::Same,
    };
    members(body, &fields, top_level, &mut edits);
    if !capabilities.reasoning_effort {
        without(body, "effort", fields.get("output_config"), &mut edits);
    }
    if !capabilities.parallel_tool_calls {
        without(body, "disable_parallel_tool_use", fields.get("tool_choice"), &mut edits);
    }
    if !capabilities.strict_tools
        && let Some(tools) = fields.get("tools").and_then(|tools| crate::json::parse::<Vec<&RawValue>>(tools).ok())
    {
        tools.into_iter().for_each(|tool| without(body, "strict", Some(tool.get()), &mut edits));
    }
    edits
}

fn unless(takes: bool) -> Becomes {
    if takes { Becomes::Same } else { Becomes::Gone }
}

/// Removes a member of an object within the body.
fn without(body: &[u8], member: &str, object: Option<&str>, edits: &mut Vec<Edit>) {
    let Some(fields) = object.and_then(Fields::of) else { return };
    members(body, &fields, |name| unless(name != member), edits);
}
