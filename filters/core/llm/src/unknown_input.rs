use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Whether a body refers to input that is not in it, by a URL or an id, or has the provider's own tools fetch some: what it comes to is known
/// to the provider alone. A body that is no JSON has some.
///
/// A name counts only with a value that refers: tools are described by JSON Schemas, whose properties may have any name.
pub fn has_unknown_input(body: &[u8]) -> bool {
    // Most bodies have none of the names, in any spelling.
    let may_have =
        body.windows(2).any(|pair| pair == b"\\u") || NAMES.iter().any(|name| contains(body, name.as_bytes()));
    if !may_have {
        return false;
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let place = Place { name: Name::Other, in_tools: false };
    place.deserialize(&mut deserializer).map_or(true, |found| found.refers)
}

fn contains(body: &[u8], name: &[u8]) -> bool {
    let Some(first) = name.first() else { return false };
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        let from = rest.get(at..).unwrap_or_default();
        if from.starts_with(name) {
            return true;
        }
        rest = from.get(1..).unwrap_or_default();
    }
    false
}

/// What any of these bodies must have in it.
const NAMES: [&str; 16] = [
    "file_id",
    "file_url",
    "fileUri",
    "file_uri",
    "image_url",
    "previous_response_id",
    "conversation",
    "container",
    "cachedContent",
    "cached_content",
    "web_search_options",
    "mcp_servers",
    "\"prompt\"",
    "\"tools\"",
    "vector_store_ids",
    "\"url\"",
];

/// What a field's name says of its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    /// A text in it refers to something.
    Reference,
    /// Anything in it has the provider fetch something.
    Fetches,
    /// A text that begins like a URL, here or in its field `url`, refers.
    Address,
    /// A list of tools.
    Tools,
    /// An object refers to a prompt that the provider keeps.
    Prompt,
    Other,
}

impl Name {
    fn of(name: &str) -> Self {
        match name {
            "file_id"
            | "file_url"
            | "fileUri"
            | "file_uri"
            | "previous_response_id"
            | "conversation"
            | "container"
            | "cachedContent"
            | "cached_content" => Self::Reference,
            "web_search_options" | "mcp_servers" | "vector_store_ids" => Self::Fetches,
            "image_url" => Self::Address,
            "tools" => Self::Tools,
            "prompt" => Self::Prompt,
            _ => Self::Other,
        }
    }
}

/// Types of tools that the client itself runs, by their beginnings.
const CLIENTS: [&str; 5] = ["function", "custom", "text_editor", "bash", "computer"];
/// Fields of a tool without a type that say the same.
const DECLARATIONS: [&str; 5] = ["functionDeclarations", "function_declarations", "name", "function", "type"];

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place {
    name: Name,
    in_tools: bool,
}

/// What a value is.
#[derive(Clone, Copy, Default)]
struct Found {
    refers: bool,
    /// A text that begins like a URL.
    is_address: bool,
    /// The text `url`.
    says_url: bool,
    /// A text that names a type of tools which the provider runs.
    is_providers_tool: bool,
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Place {
    fn plain(self) -> Found {
        Found { refers: self.name == Name::Fetches, ..Found::default() }
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = Found;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(self.plain())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(self.plain())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(self.plain())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(self.plain())
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        let is_address = ["http:", "https:", "gs:", "s3:"].iter().any(|scheme| {
            text.trim_start().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        let refers = match self.name {
            Name::Reference => !text.is_empty(),
            Name::Fetches => true,
            Name::Address => is_address,
            Name::Tools | Name::Prompt | Name::Other => false,
        };
        let is_providers_tool = self.in_tools && !CLIENTS.iter().any(|kind| text.starts_with(kind));
        Ok(Found { refers, is_address, says_url: text == "url", is_providers_tool })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let name = match self.name {
            Name::Tools => Name::Other,
            name => name,
        };
        let in_tools = self.name == Name::Tools;
        let mut found = self.plain();
        while let Some(item) = items.next_element_seed(Place { name, in_tools })? {
            found.refers |= item.refers;
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Found, A::Error> {
        let mut found = self.plain();
        let (mut is_url, mut has_address, mut has_id, mut is_tool) = (false, false, false, false);
        let mut is_empty = true;
        while let Some(field) = fields.next_key::<std::borrow::Cow<'de, str>>()? {
            let place = match (field.as_ref(), self.in_tools) {
                ("type", true) => Place { name: Name::Other, in_tools: true },
                // A tool's description may say anything.
                (
                    "parameters" | "input_schema" | "function" | "functionDeclarations" | "function_declarations",
                    true,
                ) => {
                    fields.next_value::<IgnoredAny>()?;
                    is_tool = true;
                    continue;
                }
                (name, false) => Place { name: Name::of(name), in_tools: false },
                (_, true) => Place { name: Name::Other, in_tools: false },
            };
            let value = fields.next_value_seed(place)?;
            is_empty = false;
            found.refers |= value.refers;
            match field.as_ref() {
                "type" if self.in_tools => found.refers |= value.is_providers_tool,
                "type" => is_url = value.says_url,
                "url" => has_address = value.is_address,
                "id" => has_id = true,
                _ => {}
            }
            is_tool |= DECLARATIONS.contains(&field.as_ref());
        }
        found.refers |= is_url && has_address;
        found.refers |= self.name == Name::Address && has_address;
        found.refers |= self.name == Name::Prompt && has_id;
        found.refers |= self.name == Name::Reference && has_id;
        found.refers |= self.in_tools && !is_tool && !is_empty;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: bool) {
        assert_eq!(has_unknown_input(body.as_bytes()), expect, "{body}");
    }

    #[test]
    fn what_is_in_the_body_is_known() {
        check(r#"{"model":"m","messages":[{"role":"user","content":"see http://example.com, file_id"}]}"#, false);
        check(
            r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#,
            false,
        );
        check(
            r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"url":{}}}}}]}"#,
            false,
        );
        check(r#"{"tools":[{"name":"f","input_schema":{"properties":{"file_id":{"type":"string"}}}}]}"#, false);
        check(r#"{"tools":[{"type":"text_editor_20250728","name":"str_replace_based_edit_tool"}]}"#, false);
        check(r#"{"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#, false);
        check(r#"{"messages":[{"content":[{"type":"tool_use","input":{"url":"https://example.com"}}]}]}"#, false);
        check(r#"{"prompt":"hello","previous_response_id":null}"#, false);
        check(r#"{"messages":[{"content":[{"source":{"type":"base64","data":"AAAA"}}]}]}"#, false);
    }

    #[test]
    fn what_the_provider_fetches_is_not() {
        check(
            r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}"#,
            true,
        );
        check(r#"{"input":[{"content":[{"type":"input_image","image_url":" HTTPS://example.com/a.png"}]}]}"#, true);
        check(r#"{"messages":[{"content":[{"source":{"type":"url","url":"https://example.com/a.pdf"}}]}]}"#, true);
        check(r#"{"messages":[{"content":[{"source":{"url":"https://example.com/a.pdf","type":"url"}}]}]}"#, true);
        check(r#"{"messages":[{"content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#, true);
        check(r#"{"messages":[{"content":[{"type":"file","file":{"\u0066ile_id":"file-1"}}]}]}"#, true);
        check(r#"{"previous_response_id":"resp_1"}"#, true);
        check(r#"{"conversation":{"id":"conv_1"}}"#, true);
        check(r#"{"prompt":{"id":"pmpt_1"}}"#, true);
        check(r#"{"tools":[{"type":"web_search"}]}"#, true);
        check(r#"{"tools":[{"name":"f","input_schema":{}},{"type":"web_search_20250305","name":"web_search"}]}"#, true);
        check(r#"{"tools":[{"googleSearch":{}}]}"#, true);
        check(r#"{"contents":[{"parts":[{"fileData":{"fileUri":"gs://a/b"}}]}]}"#, true);
        check(r#"{"web_search_options":{}}"#, true);
        check(r#"{"tools":"#, true);
    }
}
