use weir_config::{Capabilities, StructuredOutput};

use super::{DocumentSource, Part, Request, ResponseFormat};
use crate::error::RequestError;
use crate::schema::Setting;

/// Whether these capabilities leave anything out that a request may not be sent without: a tool, an image, a form of the answer.
pub fn may_refuse(capabilities: &Capabilities) -> bool {
    let Capabilities { structured_output, tools, images, audio, documents, .. } = capabilities;
    *structured_output != StructuredOutput::JsonSchema
        || ![*tools, *images, *audio, *documents].into_iter().all(|takes| takes)
}

/// Refuses, with its path, what a server of the client's own schema does not take and what cannot be left out without another meaning.
pub fn check_supported(request: &Request, capabilities: &Capabilities) -> Result<(), RequestError> {
    if !capabilities.tools && !request.tools.is_empty() {
        return Err(takes_no("tools").at("tools"));
    }
    let takes_format = match (&request.response_format, capabilities.structured_output) {
        (None, _) | (_, StructuredOutput::JsonSchema) => true,
        (Some(ResponseFormat::JsonObject), StructuredOutput::JsonObject) => true,
        (Some(ResponseFormat::JsonSchema { .. }), StructuredOutput::JsonObject) | (Some(_), StructuredOutput::None) => {
            false
        }
    };
    if !takes_format {
        let error = RequestError::unsupported("the form of this model's answer cannot be asked for");
        return Err(error.at(request.origin.path_of(Setting::ResponseFormat)));
    }
    request.messages.iter().try_for_each(|message| check_parts(&message.parts, capabilities))
}

fn check_parts(parts: &[Part], capabilities: &Capabilities) -> Result<(), RequestError> {
    for part in parts {
        let (takes, what, at) = match part {
            Part::Image(image) => (capabilities.images, "images", &image.at),
            Part::Audio(audio) => (capabilities.audio, "audio", &audio.at),
            Part::Document(document) if !matches!(document.value.source, DocumentSource::Text(_)) => {
                (capabilities.documents, "documents", &document.at)
            }
            Part::ToolResult(result) => {
                check_parts(&result.parts, capabilities)?;
                continue;
            }
            _ => continue,
        };
        if !takes {
            return Err(takes_no(what).at(at));
        }
    }
    Ok(())
}

fn takes_no(what: &str) -> RequestError {
    RequestError::unsupported(format!("the provider of this model takes no {what}"))
}
