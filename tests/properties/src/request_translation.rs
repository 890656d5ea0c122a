//! Requests between the schemas.

use serde_json::Value;
use weir_config::Capabilities;
use weir_llm::chat::{Document, DocumentSource, Part, Request, ToolNames, read_request, write_request};
use weir_llm::{Schema, read_head};

use crate::input::{chat, openai, path, schemas};

/// The bytes are a body.
///
/// What the gateway checked is what is forwarded: a body whose head was accepted keeps model, stream and limit in whatever
/// schema it is written. What is written can be read again, says the same texts, and writing it again changes nothing.
pub fn check(data: &[u8]) {
    for client in schemas() {
        let Ok(head) = read_head(chat(client), path(client, data), data) else { continue };
        let Ok(request) = read_request(client, data) else { continue };
        assert_eq!((&request.model, request.stream), (&head.model, head.stream), "two readers disagree");
        if let (Some(limit), Some(reserved)) = (request.max_output_tokens, head.max_output_tokens) {
            assert!(limit <= reserved, "more output is asked for than was counted");
        }
        for provider in schemas().into_iter().filter(|provider| *provider != client) {
            let Ok(written) = write_request(provider, &request, &Capabilities::default()) else { continue };
            let (names, written) = (written.tool_names, written.body);
            assert!(written.len() <= data.len() * 40 + 1_000, "{} bytes of {}", written.len(), data.len());
            check_written(provider, &request, head.max_output_tokens, &names, &written);
        }
    }
}

fn check_written(provider: Schema, request: &Request, limit: Option<u64>, tool_names: &ToolNames, written: &[u8]) {
    serde_json::from_slice::<Value>(written).expect("a request is JSON");
    let head = read_head(chat(provider), path(provider, written), written).expect("what is written is a good request");
    // What stands in the path is not written.
    if head.model_span.is_some() {
        assert_eq!((&head.model, head.stream), (&request.model, request.stream));
    }
    assert_eq!(head.include_usage, request.stream && provider == openai());
    let most = limit.unwrap_or(4096);
    // The API of responses takes no smaller bound.
    let least = if provider.name() == "openai_responses" { 16 } else { 0 };
    assert!(head.max_output_tokens.is_none_or(|asked| asked <= most.max(least)));

    let again = read_request(provider, written).expect("what is written can be read");
    assert_eq!(texts(&again), texts(request), "a text was lost or made up");
    let names: Vec<&str> = again.tools.iter().map(|tool| tool_names.client_name(&tool.name)).collect();
    assert_eq!(names, request.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>());
    if provider == request.origin {
        assert_eq!(again.others, request.others, "an unknown field was lost");
    }
    let twice =
        write_request(provider, &again, &Capabilities::default()).expect("what was written can be written").body;
    assert_eq!(String::from_utf8_lossy(&twice), String::from_utf8_lossy(written), "it changes when written again");
}

/// All texts that are not blank, without white space at their ends, in no order: system messages move, images leave their tool results,
/// and a last turn is trimmed.
fn texts(request: &Request) -> Vec<&str> {
    let mut texts = Vec::new();
    for message in &request.messages {
        collect(&message.parts, &mut texts);
    }
    texts.sort_unstable();
    texts
}

fn collect<'a>(parts: &'a [Part], texts: &mut Vec<&'a str>) {
    for part in parts {
        match part {
            Part::Text(text) | Part::Refusal(text) if !text.trim().is_empty() => texts.push(text.trim()),
            Part::ToolResult(result) => collect(&result.parts, texts),
            // Where a schema has no documents, what is text in one stands as text.
            Part::Document(document) => {
                let Document { title, context, source } = &document.value;
                texts.extend(context.as_deref().map(str::trim).filter(|text| !text.is_empty()));
                if let DocumentSource::Text(text) = source {
                    let said = title.as_deref().into_iter().chain([text.as_str()]).map(str::trim);
                    texts.extend(said.filter(|text| !text.is_empty()));
                }
            }
            _ => {}
        }
    }
}
