//! Whole answers between the schemas.

use serde_json::Value;
use weir_llm::chat::{Part, Response, read_response, write_response};
use weir_llm::{Counted, usage_of_response};

use crate::input::schemas;

/// The bytes are a provider's answer.
///
/// What can be read can be written in both schemas and read again, with the same text, calls and usage, and is not much
/// larger.
pub fn check(data: &[u8]) {
    for provider in schemas() {
        let usage = usage_of_response(provider, data);
        let Ok(response) = read_response(provider, data) else { continue };
        // Of figures that stand twice one reader takes the last and the other none.
        let once = serde_json::from_slice::<Value>(data).expect("what was read is JSON").to_string();
        assert_eq!(response.usage, usage_of_response(provider, once.as_bytes()), "two readers of usage disagree");
        for client in schemas() {
            let written = write_response(client, &response);
            assert!(written.len() <= data.len() * 40 + 1_000, "{} bytes of {}", written.len(), data.len());
            serde_json::from_slice::<Value>(&written).expect("an answer is JSON");
            let again = read_response(client, &written).expect("what is written can be read");
            assert_eq!(said(&again), said(&response));
            assert_eq!(calls(&again), calls(&response));
            if let Some(usage) = usage.map(|usage| usage.counted()).filter(is_plausible) {
                let written = usage_of_response(client, &written).unwrap_or_default().counted();
                let says = |figures: [Option<u64>; 5]| {
                    // Gemini's has no figure of what was written to a cache.
                    let [input, cached_input, written, output, reasoning] = figures;
                    [input, cached_input, written.filter(|_| client.name() != "gemini"), output, reasoning]
                };
                assert_eq!(says(figures(&written)), says(figures(&usage)));
            }
            assert_eq!(
                write_response(client, &again),
                write_response(client, &read_response(client, &written).unwrap())
            );
        }
    }
}

/// Figures of which none is doubted, and whose wholes are known.
fn is_plausible(usage: &Counted) -> bool {
    usage.doubtful.is_empty() && usage.input.is_some() && usage.output.is_some()
}

/// What every schema can say: how long something is kept in a cache is not part of it.
fn figures(usage: &Counted) -> [Option<u64>; 5] {
    let none_is_zero = |figure: Option<u64>| Some(figure.unwrap_or(0));
    [usage.input, usage.cached_input, usage.written_to_cache(), usage.output, usage.reasoning].map(none_is_zero)
}

/// All that the model said, reasoning apart: not every schema shows it.
fn said(response: &Response) -> String {
    let said = response.parts.iter().filter_map(|part| match part {
        Part::Text(text) | Part::Refusal(text) => Some(text.as_str()),
        _ => None,
    });
    said.collect()
}

fn calls(response: &Response) -> Vec<&str> {
    let calls = response.parts.iter().filter_map(|part| match part {
        Part::ToolCall(call) => Some(call.name.as_str()),
        _ => None,
    });
    calls.collect()
}
