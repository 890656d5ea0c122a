//! A client's own request for a server that takes less than the vendor's API: edits in place, everything else byte for byte.
//!
//! The bound of the output gets the field that the server knows, instructions the role; settings that it does not take are removed.
//! What cannot be removed without another meaning (an image, a tool, a form of the answer) stays for the server to refuse.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;
use weir_config::{Capabilities, MaxTokensField, SystemRole};

use crate::json::{Fields, span_in, write_string};

pub(in crate::schema) type Edit = (Range<usize>, Vec<u8>);

/// The edits; none for a server that takes everything.
pub(super) fn edits(body: &[u8], capabilities: &Capabilities) -> Vec<Edit> {
    if *capabilities == Capabilities::default() {
        return Vec::new();
    }
    let Ok(fields) = Fields::read(body) else { return Vec::new() };
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

/// What becomes of a member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) enum Becomes {
    Same,
    Renamed(&'static str),
    Gone,
}

fn top_level(name: &str, capabilities: &Capabilities, has: &dyn Fn(&str) -> bool, both: bool) -> Becomes {
    let gone_unless = |takes: bool| if takes { Becomes::Same } else { Becomes::Gone };
    match name {
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

/// The edits of an object's members. `fields` were read from `body`.
pub(in crate::schema) fn members(
    body: &[u8],
    fields: &Fields<'_>,
    becomes: impl Fn(&str) -> Becomes,
    edits: &mut Vec<Edit>,
) {
    let mut values = Vec::new();
    let mut changes = false;
    for (name, value) in fields.iter() {
        let Some(span) = span_in(body, value.get()) else { return };
        let becomes = becomes(name);
        changes |= becomes != Becomes::Same;
        values.push((name, span, becomes));
    }
    let Some((_, first, _)) = values.first().filter(|_| changes) else { return };
    let before = body.get(..first.start).unwrap_or_default();
    // The brace that opens the object: a first member's name may hold one, but then in a string that ends behind it.
    let Some(open) = opening_brace(before) else { return };
    // Up to where the text is settled, and whether a member stands before there.
    let mut at = open.saturating_add(1);
    let mut follows = false;
    let mut gap = false;
    for (name, span, becomes) in values {
        let name = match becomes {
            Becomes::Gone => {
                gap = true;
                continue;
            }
            Becomes::Renamed(name) => Some(name),
            Becomes::Same => gap.then_some(name),
        };
        if let Some(name) = name {
            let mut key = if follows { b",".to_vec() } else { Vec::new() };
            write_string(name, &mut key);
            key.push(b':');
            edits.push((at..span.start, key));
        }
        (at, follows, gap) = (span.end, true, false);
    }
    if gap {
        let end = fields.iter().last().and_then(|(_, value)| span_in(body, value.get())).map_or(at, |span| span.end);
        edits.push((at..end, Vec::new()));
    }
}

/// Where the object begins whose first value stands right behind: the brace before the name, read backwards.
fn opening_brace(before: &[u8]) -> Option<usize> {
    let trimmed = before.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end().strip_suffix(b"\"")?;
    // The name's opening quote is the last one that no backslash escapes.
    let mut at = trimmed.len();
    let quote = loop {
        let quote = trimmed.get(..at)?.iter().rposition(|byte| *byte == b'"')?;
        let escapes = trimmed.get(..quote)?.iter().rev().take_while(|byte| **byte == b'\\').count();
        if escapes % 2 == 0 {
            break quote;
        }
        at = quote;
    };
    let brace = trimmed.get(..quote)?.trim_ascii_end();
    brace.ends_with(b"{").then(|| brace.len().saturating_sub(1))
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Option<Cow<'a, str>>,
}

/// Instructions under the role that the server knows for them.
pub(in crate::schema) fn roles(body: &[u8], messages: &RawValue, role: SystemRole, edits: &mut Vec<Edit>) {
    let role = match role {
        SystemRole::System => "system",
        SystemRole::Developer => "developer",
        SystemRole::User => "user",
    };
    let Ok(messages) = serde_json::from_str::<Vec<&RawValue>>(messages.get()) else { return };
    for message in messages {
        let said = serde_json::from_str::<Message<'_>>(message.get()).ok().and_then(|message| message.role);
        if !said.is_some_and(|said| matches!(said.as_ref(), "system" | "developer") && said != role) {
            continue;
        }
        let Ok(fields) = Fields::of(message) else { continue };
        if let Some(span) = fields.get("role").and_then(|value| span_in(body, value.get())) {
            let mut json = Vec::new();
            write_string(role, &mut json);
            edits.push((span, json));
        }
    }
}

/// Tools without the word that holds their arguments to the JSON Schema.
fn without_strict(body: &[u8], tools: &RawValue, edits: &mut Vec<Edit>) {
    let Ok(tools) = serde_json::from_str::<Vec<&RawValue>>(tools.get()) else { return };
    for tool in tools {
        let Ok(fields) = Fields::of(tool) else { continue };
        let Some(function) = fields.get("function").and_then(|function| Fields::of(function).ok()) else { continue };
        let becomes = |name: &str| if name == "strict" { Becomes::Gone } else { Becomes::Same };
        members(body, &function, becomes, edits);
    }
}
