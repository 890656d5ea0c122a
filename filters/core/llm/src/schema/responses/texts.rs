//! Which strings of an event are text.
//!
//! A client may read any copy of a text, so each is found:
//!
//! | where | what |
//! |---|---|
//! | `delta` of `….delta` | a piece; its channel is the item, the part and the kind of text |
//! | `text`, `refusal`, `arguments`, … of `….done` | a copy of one part |
//! | `part` of `….content_part.done`, `….reasoning_summary_part.done` | a copy of one part |
//! | `item` of `….output_item.done` | copies of all parts of an item |
//! | `response` of `….completed`, `….incomplete`, `….failed` | copies of all items |
//!
//! Only pieces go on in another event; every copy is whole in itself. An event that nobody knows is read in the same way: its `delta` is a
//! piece, and any other string a text.

use crate::json::{Fields, string_of};
use crate::text::{Pieces, Place};

/// Channels of one item and one part of it: kinds of text that come side by side.
const KINDS: u32 = 8;
const PARTS_OF_AN_ITEM: u32 = 1 << 12;

/// Finds the texts of an event.
pub(super) fn find(pieces: &mut Pieces<'_>) {
    let Ok(fields) = Fields::read(pieces.data().as_bytes()) else {
        // What has too many fields to be told apart has text all over.
        if let Ok(event) = serde_json::from_str(pieces.data()) {
            pieces.add_whole(event, Place::Text, 0);
        }
        return;
    };
    let number = |name: &str| fields.get(name).and_then(|value| value.get().parse::<u32>().ok()).unwrap_or(0);
    let kind = fields.get("type").and_then(string_of).unwrap_or_default();
    let part = number("content_index").wrapping_add(number("summary_index"));
    let item = number("output_index").wrapping_mul(PARTS_OF_AN_ITEM);
    let channel = item.wrapping_add(part).wrapping_mul(KINDS).wrapping_add(kind_of_text(&kind));
    for (name, value) in fields.iter() {
        match place_of(name) {
            Place::Nothing => {}
            Place::Content if name == "delta" => pieces.add(value, Place::Text, channel),
            place => pieces.add_whole(value, place, channel),
        }
    }
}

fn kind_of_text(event: &str) -> u32 {
    match event {
        "response.output_text.delta" => 0,
        "response.refusal.delta" => 1,
        "response.reasoning_text.delta" => 2,
        "response.reasoning_summary_text.delta" => 3,
        "response.function_call_arguments.delta" | "response.mcp_call_arguments.delta" => 4,
        "response.custom_tool_call_input.delta" => 5,
        _ => 6,
    }
}

fn place_of(field: &str) -> Place {
    match field {
        "type" | "sequence_number" | "item_id" | "output_index" | "content_index" | "summary_index" => Place::Nothing,
        // Padding; spellings of the text token by token, as in a whole answer; and images in base64.
        "obfuscation" | "logprobs" | "partial_image_b64" => Place::Nothing,
        "delta" | "part" => Place::Content,
        "arguments" => Place::Arguments,
        "item" => Place::ResponsesItem,
        "response" => Place::ResponsesResponse,
        _ => Place::Text,
    }
}
