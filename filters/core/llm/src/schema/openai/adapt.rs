//! A client's own request for a server that takes less than the vendor's API: edits in place, everything else byte for byte.
//!
//! The bound of the output gets the field that the server knows, instructions the role; settings that it does not take are removed.
//! What cannot be removed without another meaning (an image, a tool, a form of the answer) is refused before
//! (`chat::check_supported`).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use weir_config::{Capabilities, MaxTokensField, SystemRole};

use crate::json::{Fields, span_in, write_string};
use crate::schema::members::{Becomes, Edit, members};

/// The edits; none for a server that takes everything.
pub(super) fn edits(body: &[u8], capabilities: &Capabilities) -> Vec<Edit> {
    if *capabilities == Capabilities::default() {
        return Vec::new();
    }
    let Some(fields) = Fields::read(body) else { return Vec::new() };
    let mut edits = Vec::new();
    let has = |name: &str| fields.get(name).is_some();
    let both = has("temperature") && has("top_p");
    members(body, &fields, |name| top_level(name, capabilities, &has, both), &mut edits);
    if let Some(messages) = fields.get("messages") {
        roles(body, messages, capabilities.system_role, &mut edits);
    }
    if !capabilities.strict_tools
        && let Some(tools) = fields.get("tools")
    {
        without_strict(body, tools, &mut edits);
    }
    edits
}

fn top_level(name: &str, capabilities: &Capabilities, has: &dyn Fn(&str) -> bool, both: bool) -> Becomes {
    let gone_unless = |takes: bool| if takes { Becomes::Same } else { Becomes::Gone };
    match name {
        // The vendor's models take both but for those that reason, which take no temperature either: what they take passes as it is.
        "max_tokens"
            if capabilities.max_tokens_field == MaxTokensField::MaxCompletionTokens && capabilities.temperature =>
        {
            Becomes::Same
        }
        "max_tokens" | "max_completion_tokens" => {
            let field = match capabilities.max_tokens_field {
                MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
                MaxTokensField::MaxTokens => "max_tokens",
            };
            match name == field {
                // `null` is absent: the other one would stand beside it.
                _ if !has(name) => Becomes::Gone,
                true => Becomes::Same,
                // Both are there: the one that the server knows counts.
                false if has(field) => Becomes::Gone,
                false => Becomes::Renamed(field),
            }
        }
        "stream_options" => gone_unless(capabilities.stream_options),
        "temperature" => gone_unless(capabilities.temperature),
        "top_p" => gone_unless(capabilities.temperature && (capabilities.temperature_with_top_p || !both)),
        "parallel_tool_calls" => gone_unless(capabilities.parallel_tool_calls),
        "reasoning_effort" => gone_unless(capabilities.reasoning_effort),
        "store" => gone_unless(capabilities.state),
        _ => Becomes::Same,
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Option<Cow<'a, str>>,
}

/// Instructions under the role that the server knows for them.
pub(in crate::schema) fn roles(body: &[u8], messages: &str, role: SystemRole, edits: &mut Vec<Edit>) {
    let role = match role {
        SystemRole::System => "system",
        SystemRole::Developer => "developer",
        SystemRole::User => "user",
    };
    let Ok(messages) = crate::json::parse::<Vec<&RawValue>>(messages) else { return };
    for message in messages {
        let said = crate::json::parse::<Message<'_>>(message.get()).ok().and_then(|message| message.role);
        if !said.is_some_and(|said| matches!(said.as_ref(), "system" | "developer") && said != role) {
            continue;
        }
        let Some(fields) = Fields::of(message.get()) else { continue };
        if let Some(span) = fields.get("role").and_then(|value| span_in(body, value)) {
            let mut json = Vec::new();
            write_string(role, &mut json);
            edits.push((span, json));
        }
    }
}

/// Tools without the word that holds their arguments to the JSON Schema.
fn without_strict(body: &[u8], tools: &str, edits: &mut Vec<Edit>) {
    let Ok(tools) = crate::json::parse::<Vec<&RawValue>>(tools) else { return };
    for tool in tools {
        let Some(fields) = Fields::of(tool.get()) else { continue };
        let Some(function) = fields.get("function").and_then(Fields::of) else { continue };
        let becomes = |name: &str| if name == "strict" { Becomes::Gone } else { Becomes::Same };
        members(body, &function, becomes, edits);
    }
}
