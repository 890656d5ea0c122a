//! OpenAI's embeddings: a unit vector made from the text's hash.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::{fnv1a, tokens};
use super::api::{Refusal, characters, read_model};

/// Length of a vector where the request does not say.
const DIMENSIONS: u64 = 1536;
const MAX_DIMENSIONS: u64 = 3072;

/// Answers an embeddings request.
pub(crate) fn answer(body: &Value) -> Result<Value, Refusal> {
    let model = read_model(body)?;
    let dimensions = match &body["dimensions"] {
        Value::Null => DIMENSIONS,
        given => given
            .as_u64()
            .filter(|count| (1..=MAX_DIMENSIONS).contains(count))
            .ok_or_else(|| Refusal::invalid("dimensions", format!("dimensions must be 1 to {MAX_DIMENSIONS}")))?,
    };
    let as_base64 = match body["encoding_format"].as_str() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(Refusal::invalid("encoding_format", "encoding_format must be float or base64")),
    };
    let inputs = inputs(&body["input"])?;
    let data: Vec<Value> = inputs.iter().enumerate().map(|(index, input)| {
        let vector = vector(input, dimensions);
        json!({"object": "embedding", "index": index, "embedding": if as_base64 { packed(&vector) } else { json!(vector) }})
    }).collect();
    let used: u64 = inputs.iter().map(input_tokens).sum();
    Ok(json!({"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": used, "total_tokens": used}}))
}

/// The texts, or the token lists, of `input`.
fn inputs(input: &Value) -> Result<Vec<Value>, Refusal> {
    let inputs = match input {
        Value::String(_) => vec![input.clone()],
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_u64) => vec![input.clone()],
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    };
    let usable = |input: &Value| match input {
        Value::String(text) => !text.is_empty(),
        Value::Array(tokens) => !tokens.is_empty() && tokens.iter().all(Value::is_u64),
        _ => false,
    };
    if inputs.is_empty() || !inputs.iter().all(usable) {
        return Err(Refusal::invalid("input", "input must be a non-empty string, or an array of strings or tokens"));
    }
    Ok(inputs)
}

fn input_tokens(input: &Value) -> u64 {
    match input {
        Value::Array(given) => given.len() as u64,
        text => tokens(characters(text)),
    }
}

/// A unit vector of this length that stands for an input.
pub(crate) fn vector(input: &Value, dimensions: u64) -> Vec<f32> {
    let seed = fnv1a(input.to_string().as_bytes());
    let raw: Vec<f32> = (0..dimensions).map(|index| noise(seed ^ index)).collect();
    let length = raw.iter().map(|value| value * value).sum::<f32>().sqrt();
    raw.iter().map(|value| value / length).collect()
}

/// A number between -1 and 1 (the finaliser of SplitMix64).
fn noise(seed: u64) -> f32 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits >> 40) as f32 / (1 << 24) as f32) * 2.0 - 1.0
}

/// Little-endian 32-bit floats in base64: what the official SDK asks for by default.
fn packed(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    STANDARD.encode(bytes).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_unit_vector_for_each_input() {
        for (input, count, used) in [(json!("hello"), 1, 2), (json!(["a", "b"]), 2, 2), (json!([1, 2, 3]), 1, 3)] {
            let body = json!({"model": "text-embedding-3-small", "input": input, "dimensions": 8});
            let answer = answer(&body).unwrap();
            assert_eq!(answer["data"].as_array().unwrap().len(), count);
            assert_eq!(answer["usage"]["prompt_tokens"], used);
            let squares = answer["data"][0]["embedding"].as_array().unwrap().iter();
            let length: f64 = squares.map(|value| value.as_f64().unwrap().powi(2)).sum();
            assert!((length - 1.0).abs() < 1e-4, "{length}");
        }
    }

    #[test]
    fn what_cannot_be_embedded_is_refused() {
        for input in [json!(null), json!(""), json!([]), json!([[]]), json!([1, "a"]), json!({})] {
            let body = json!({"model": "text-embedding-3-small", "input": input});
            assert_eq!(answer(&body).unwrap_err().param, Some("input"), "{input}");
        }
    }
}
