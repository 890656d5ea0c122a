use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most tokens that one picture comes to: OpenAI bills gpt-4o-mini 2,833 for one and 5,667 for each of its tiles, of which there are at
/// most 8 (platform.openai.com/docs/guides/images-vision).
const MOST_OF_A_PICTURE: u64 = 50_000;

/// The most tokens of a body's input beyond one for each of its bytes: those of pictures, of which a few bytes may be large. `None`: nobody
/// but the provider knows. It refers to input that is not in it, by a URL or an id, has the provider's own tools fetch some, or holds
/// sound, film or documents, of which a byte may be minutes or pages; or it is no JSON.
///
/// A name counts only with a value that refers: tools are described by JSON Schemas, whose properties may have any name.
pub fn input_beyond_bytes(body: &[u8]) -> Option<u64> {
    // Most bodies have none of the names, in any spelling.
    let may_have =
        body.windows(2).any(|pair| pair == b"\\u") || NAMES.iter().any(|name| contains(body, name.as_bytes()));
    if !may_have {
        return Some(0);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let place = Place { name: Name::Other, in_tools: false };
    let found = place.deserialize(&mut deserializer).ok()?;
    (!found.refers).then(|| found.pictures.saturating_mul(MOST_OF_A_PICTURE))
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
const NAMES: [&str; 27] = [
    "data:",
    "media_type",
    "mime_type",
    "mimeType",
    "input_audio",
    "\"audio\"",
    "video_url",
    "document_url",
    "item_reference",
    "\"reasoning\"",
    "image_generation_call",
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
    /// An object with an id refers to what the provider keeps: a prompt, an answer's sound.
    Kept,
    /// What kind of thing stands beside it (RFC 6838).
    MediaType,
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
            "image_url" | "video_url" | "audio_url" | "document_url" => Self::Address,
            "input_audio" => Self::Fetches,
            "tools" => Self::Tools,
            "prompt" | "audio" => Self::Kept,
            "media_type" | "mime_type" | "mimeType" => Self::MediaType,
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

/// What a thing says of its type.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Other,
    /// `url`: what it is stands at its address.
    Url,
    /// An earlier item, by its id.
    ItemReference,
    /// What a model thought earlier: in the item, encrypted, or by its id alone.
    Reasoning,
    /// A picture that was made earlier.
    Picture,
}

/// What a value is.
#[derive(Clone, Copy, Default)]
struct Found {
    refers: bool,
    /// A text that begins like a URL.
    is_address: bool,
    /// Pictures that are in the body.
    pictures: u64,
    /// The type of a thing, where it decides.
    kind: Kind,
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
            Name::Tools | Name::Kept | Name::MediaType | Name::Other => false,
        };
        let within = match self.name {
            Name::MediaType => Some(text),
            // RFC 2397.
            _ => text.get(..5).filter(|it| it.eq_ignore_ascii_case("data:")).and_then(|_| text.get(5..)),
        };
        let is_of =
            |kind: &str| within.and_then(|it| it.get(..kind.len())).is_some_and(|it| it.eq_ignore_ascii_case(kind));
        let is_picture = is_of("image/");
        let is_unknown = ["application/", "audio/", "video/"].into_iter().any(is_of) && !is_of("application/json");
        let is_providers_tool = self.in_tools && !CLIENTS.iter().any(|kind| text.starts_with(kind));
        let kind = match text {
            "url" => Kind::Url,
            "item_reference" => Kind::ItemReference,
            "reasoning" => Kind::Reasoning,
            "image_generation_call" => Kind::Picture,
            _ => Kind::Other,
        };
        Ok(Found { refers: refers || is_unknown, is_address, pictures: u64::from(is_picture), kind, is_providers_tool })
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
            found.pictures = found.pictures.saturating_add(item.pictures);
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Found, A::Error> {
        let mut found = self.plain();
        let (mut kind, mut has_address, mut has_id, mut is_tool) = (Kind::Other, false, false, false);
        let mut is_encrypted = false;
        let mut is_empty = true;
        let (mut declares_functions, mut has_other) = (false, false);
        while let Some(field) = fields.next_key::<std::borrow::Cow<'de, str>>()? {
            match field.as_ref() {
                "functionDeclarations" | "function_declarations" => declares_functions = true,
                _ => has_other = true,
            }
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
            found.pictures = found.pictures.saturating_add(value.pictures);
            match field.as_ref() {
                "type" if self.in_tools => found.refers |= value.is_providers_tool,
                "type" => kind = value.kind,
                "encrypted_content" => is_encrypted = true,
                "url" => has_address = value.is_address,
                "id" => has_id = true,
                _ => {}
            }
            is_tool |= DECLARATIONS.contains(&field.as_ref());
        }
        found.refers |= match kind {
            Kind::Url => has_address,
            Kind::ItemReference => true,
            Kind::Reasoning => has_id && !is_encrypted,
            Kind::Picture | Kind::Other => false,
        };
        found.pictures = found.pictures.saturating_add(u64::from(kind == Kind::Picture));
        found.refers |= self.name == Name::Address && has_address;
        found.refers |= self.name == Name::Kept && has_id;
        found.refers |= self.name == Name::Reference && has_id;
        // One of the provider's own may stand beside functions.
        found.refers |= self.in_tools && declares_functions && has_other;
        found.refers |= self.in_tools && !is_tool && !is_empty;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, is_unknown: bool) {
        assert_eq!(input_beyond_bytes(body.as_bytes()).is_none(), is_unknown, "{body}");
    }

    #[test]
    fn pictures_come_to_more_than_their_bytes() {
        let check = |body: &str, pictures: u64| {
            assert_eq!(input_beyond_bytes(body.as_bytes()), Some(pictures * MOST_OF_A_PICTURE), "{body}");
        };
        check(r#"{"messages":[{"content":"hello"}]}"#, 0);
        check(
            r#"{"messages":[{"content":[{"image_url":{"url":"data:image/png;base64,AA"}},{"image_url":"Data:image\/gif,A"}]}]}"#,
            2,
        );
        check(r#"{"messages":[{"content":[{"source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}"#, 1);
        check(r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"im\u0061ge/png","data":"AAAA"}}]}]}"#, 1);
        check(r#"{"input":[{"type":"image_generation_call","id":"ig_1","result":"AAAA"}]}"#, 1);
        check(r#"{"input":[{"type":"reasoning","id":"rs_1","encrypted_content":"AAAA"}]}"#, 0);
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
        for functions in ["functionDeclarations", "function_declarations"] {
            for own in ["urlContext", "url_context", "googleSearch", "google_search", "codeExecution", "code_execution"]
            {
                check(&format!(r#"{{"tools":[{{"{functions}":[],"{own}":{{}}}}]}}"#), true);
                check(&format!(r#"{{"tools":[{{"{own}":{{}},"{functions}":[{{"name":"f"}}]}}]}}"#), true);
            }
        }
        check(r#"{"contents":[{"parts":[{"fileData":{"fileUri":"gs://a/b"}}]}]}"#, true);
        check(r#"{"web_search_options":{}}"#, true);
        check(r#"{"input":[{"type":"item_reference","id":"msg_1"}]}"#, true);
        check(r#"{"input":[{"type":"reasoning","id":"rs_1","summary":[]}]}"#, true);
        check(r#"{"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}"#, true);
        check(
            r#"{"messages":[{"content":[{"type":"video_url","video_url":{"url":"https://example.com/a.mp4"}}]}]}"#,
            true,
        );
        check(
            r#"{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"AA","format":"mp3"}}]}]}"#,
            true,
        );
        check(r#"{"messages":[{"content":[{"source":{"media_type":"application/pdf","data":"AAAA"}}]}]}"#, true);
        check(r#"{"messages":[{"content":[{"file":{"file_data":"data:application/pdf;base64,AAAA"}}]}]}"#, true);
        check(r#"{"tools":"#, true);
    }
}
