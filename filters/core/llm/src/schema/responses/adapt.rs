//! A client's own request for a server that takes less than the vendor's API: edits in place, everything else byte for byte.
//!
//! Settings that the server does not take are removed, and instructions among the items get the role that it knows. What cannot be
//! removed without another meaning (an image, a tool, a form of the answer) is refused before (`chat::check_supported`).

use weir_config::Capabilities;

use crate::json::Fields;
use crate::schema::members::{Becomes, Edit, members};
use crate::schema::openai::adapt::roles;

/// The edits; none for a server that takes everything.
pub(super) fn edits(body: &[u8], capabilities: &Capabilities) -> Vec<Edit> {
    if *capabilities == Capabilities::default() {
        return Vec::new();
    }
    let Some(fields) = Fields::read(body) else { return Vec::new() };
    let mut edits = Vec::new();
    let takes_top_p = capabilities.temperature_with_top_p || fields.get("temperature").is_none();
    let keeps_nothing = fields.get("store").is_none_or(|store| store == "false");
    let becomes = |name: &str| {
        let is_taken = match name {
            "temperature" => capabilities.temperature,
            "top_p" => capabilities.temperature && takes_top_p,
            "parallel_tool_calls" => capabilities.parallel_tool_calls,
            "reasoning" => capabilities.reasoning_effort,
            // To keep an answer is a demand; not to keep it is what such a server does anyway.
            "store" => capabilities.state || !keeps_nothing,
            _ => true,
        };
        if is_taken { Becomes::Same } else { Becomes::Gone }
    };
    members(body, &fields, becomes, &mut edits);
    if let Some(input) = fields.get("input") {
        roles(body, input, capabilities.system_role, &mut edits);
    }
    edits
}
