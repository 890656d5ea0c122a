use serde_json::{Map, Value, json};

use crate::usage::{Figure, Spelling, Usage};

/// Gemini's `usageMetadata` after its sums are made ([`summed`]): `promptTokenCount` has what was read from the cache.
const FIGURES: &[Spelling] = &[
    (&["promptTokenCount"], Figure::Input),
    (&["cachedContentTokenCount"], Figure::CachedInput),
    (&["candidatesTokenCount"], Figure::Output),
    (&["thoughtsTokenCount"], Figure::Reasoning),
    (&["totalTokenCount"], Figure::Total),
];

/// What is told apart there and is one figure elsewhere: the prompts of the vendor's own tools are input, and thoughts are output.
const SUMS: &[(&str, &str)] =
    &[("promptTokenCount", "toolUsePromptTokenCount"), ("candidatesTokenCount", "thoughtsTokenCount")];

/// Reads the figures. The counts by modality (`…TokensDetails`) overlap those of the cache, and are not added.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    crate::usage::read(FIGURES, &summed(usage.as_object()?))
}

fn summed(said: &Map<String, Value>) -> Value {
    let mut figures: Map<String, Value> = FIGURES
        .iter()
        .filter_map(|(path, _)| path.first())
        .filter_map(|name| Some(((*name).to_owned(), said.get(*name)?.clone())))
        .collect();
    for (whole, part) in SUMS {
        let Some(part) = said.get(*part).filter(|part| !part.is_null()) else { continue };
        let known = figures.get(*whole).filter(|known| !known.is_null());
        let sum = match (known.map(Value::as_u64), part.as_u64()) {
            (Some(Some(known)), Some(part)) => Value::from(known.saturating_add(part)),
            (None, Some(part)) => Value::from(part),
            // What is no figure makes the sum none.
            (Some(None), _) | (_, None) => Value::Bool(false),
        };
        figures.insert((*whole).to_owned(), sum);
    }
    figures.into()
}

/// Gemini's `usageMetadata`. Of what was read from a cache and of reasoning it says only what there was.
pub(super) fn write(usage: &Usage) -> Value {
    let counted = usage.counted();
    let (input, output) = (counted.input.unwrap_or(0), counted.output.unwrap_or(0));
    let reasoning = counted.reasoning.unwrap_or(0).min(output);
    let mut value = json!({
        "promptTokenCount": input,
        "candidatesTokenCount": output.saturating_sub(reasoning),
        "totalTokenCount": input.saturating_add(output),
    });
    let Some(fields) = value.as_object_mut() else { return value };
    let told = [("cachedContentTokenCount", counted.cached_input.unwrap_or(0)), ("thoughtsTokenCount", reasoning)];
    for (name, tokens) in told.into_iter().filter(|(_, tokens)| *tokens > 0) {
        fields.insert(name.to_owned(), tokens.into());
    }
    value
}
