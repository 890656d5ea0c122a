use serde_json::{Map, Value, json};
use weir_config::StructuredOutput;

use super::{json_schema, reasoning, tools, turns};
use crate::chat::{Request, ResponseFormat};
use crate::error::RequestError;
use crate::schema::{Setting, Writing};

/// `max_tokens` for a client whose schema does not require one and that gave none.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// Anthropic's largest temperature.
const MOST_TEMPERATURE: f64 = 1.0;

/// The longest user that Anthropic takes, in characters.
const MOST_USER_CHARACTERS: usize = 256;

/// Writes another schema's request. Rules:
///
/// - Without a limit, `max_tokens` is 4096, since Anthropic requires one.
/// - `temperature` over 1 becomes 1. Beside thinking only a temperature of 1, and a `top_p` of at least 0.95, are said.
/// - Blank texts of `stop` are left out.
/// - A user is left out if it is over 256 characters or looks like somebody's name, address or telephone number: Anthropic takes opaque
///   ids only.
/// - Turns, tools, reasoning and JSON schemas have rules of their own, in their files.
/// - An answer in JSON without a schema is refused.
pub(super) fn write_request(request: &Request, writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError> {
    let max_tokens = request.max_output_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let mut root = Map::new();
    root.insert("model".into(), request.model.as_str().into());
    root.insert("max_tokens".into(), max_tokens.into());
    let turns = turns::write(request, writing)?;
    if let Some(system) = turns.system {
        root.insert("system".into(), system);
    }
    root.insert("messages".into(), turns.messages.into());
    let reasoning = reasoning::write(request, max_tokens, turns.is_in_tool_loop, writing);
    write_sampling(request, reasoning.thinking.as_ref(), &mut root, writing);
    write_stop(request, &mut root, writing);
    tools::write(request, &mut root, writing)?;
    write_user(request, &mut root, writing);
    let mut config = Map::new();
    if let Some(thinking) = reasoning.thinking {
        root.insert("thinking".into(), thinking);
    }
    if let Some(effort) = reasoning.effort {
        config.insert("effort".into(), effort.into());
    }
    if let Some(format) = write_format(request, writing)? {
        config.insert("format".into(), format);
    }
    if !config.is_empty() {
        root.insert("output_config".into(), config.into());
    }
    if request.stream {
        root.insert("stream".into(), true.into());
    }
    Ok(root)
}

fn write_sampling(
    request: &Request,
    thinking: Option<&Value>,
    root: &mut Map<String, Value>,
    writing: &mut Writing<'_>,
) {
    let thinks = thinking.is_some_and(|thinking| thinking.get("type").is_some_and(|kind| kind != "disabled"));
    if let Some(temperature) = request.temperature {
        if !writing.capabilities.temperature {
            writing.leave_out("temperature", "the server takes none");
        } else if thinks && temperature < MOST_TEMPERATURE {
            writing.leave_out("temperature", "a model that thinks takes none but 1");
        } else {
            if temperature > MOST_TEMPERATURE {
                writing.leave_out("temperature", "at most 1 is sent");
            }
            root.insert("temperature".into(), temperature.min(MOST_TEMPERATURE).into());
        }
    }
    if let Some(top_p) = request.top_p {
        if !writing.capabilities.temperature {
            writing.leave_out("top_p", "the server takes none");
        } else if !writing.capabilities.temperature_with_top_p && root.contains_key("temperature") {
            writing.leave_out("top_p", "the server takes no temperature beside it");
        } else if thinks && top_p < 0.95 {
            writing.leave_out("top_p", "a model that thinks takes at least 0.95");
        } else {
            root.insert("top_p".into(), top_p.into());
        }
    }
}

fn write_stop(request: &Request, root: &mut Map<String, Value>, writing: &mut Writing<'_>) {
    let mut stop = Vec::with_capacity(request.stop.len());
    for text in &request.stop {
        match text.trim() {
            "" => writing.leave_out(request.origin.path_of(Setting::Stop), "it is blank"),
            _ => stop.push(text.as_str()),
        }
    }
    if !stop.is_empty() {
        root.insert("stop_sequences".into(), stop.into());
    }
}

fn write_user(request: &Request, root: &mut Map<String, Value>, writing: &mut Writing<'_>) {
    let Some(user) = &request.user else { return };
    let path = request.origin.path_of(Setting::User);
    if user.chars().count() > MOST_USER_CHARACTERS {
        writing.leave_out(path, "it is too long");
    } else if is_personal(user) {
        writing.leave_out(path, "it seems to name a person");
    } else {
        root.insert("metadata".into(), json!({"user_id": user}));
    }
}

/// An e-mail address, a telephone number, several words, or nothing.
fn is_personal(user: &str) -> bool {
    let user = user.trim();
    let is_address = user.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    let digits = user.chars().filter(char::is_ascii_digit).count();
    let rest: String = user.chars().filter(|character| !character.is_ascii_digit()).collect();
    let is_telephone = digits >= 7
        && !rest.is_empty()
        && rest.chars().all(|one| matches!(one, '+' | '-' | '(' | ')' | '.' | '/' | ' '));
    user.is_empty() || is_address || is_telephone || user.contains(char::is_whitespace)
}

fn write_format(request: &Request, writing: &mut Writing<'_>) -> Result<Option<Value>, RequestError> {
    let path = request.origin.path_of(Setting::ResponseFormat);
    match (&request.response_format, writing.capabilities.structured_output) {
        (None, _) => Ok(None),
        (Some(ResponseFormat::JsonObject), _) => {
            Err(RequestError::unsupported("the provider of this model needs a JSON Schema").at(path))
        }
        (Some(ResponseFormat::JsonSchema { .. }), StructuredOutput::JsonObject | StructuredOutput::None) => {
            Err(RequestError::unsupported("the provider of this model cannot be held to a JSON Schema").at(path))
        }
        (Some(ResponseFormat::JsonSchema { schema, .. }), StructuredOutput::JsonSchema) => {
            let at = request.origin.path_of(Setting::ResponseSchema);
            if !json_schema::says_something(schema) {
                let message = "the provider of this model needs a JSON Schema that describes an object";
                return Err(RequestError::unsupported(message).at(at));
            }
            let schema = json_schema::restricted(schema, at, writing);
            Ok(Some(json!({"type": "json_schema", "schema": schema})))
        }
    }
}
