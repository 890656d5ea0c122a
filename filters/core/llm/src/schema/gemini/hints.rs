use serde_json::Value;

/// What may be left out for a provider of another schema, by its path without indices.
///
/// | path | what it is |
/// |---|---|
/// | `safetySettings`, `modelArmorConfig` | the vendor's own filters: the other provider has its own |
/// | `labels`, `store`, `serviceTier` | storage and billing |
/// | `generationConfig.seed`, `.topK`, `.mediaResolution`, `.audioTimestamp` | how precisely something is sampled or read |
/// | `generationConfig.thinkingConfig.includeThoughts` | whether thoughts are shown |
/// | `….thoughtSignature` | what only the vendor can verify |
/// | `….displayName` | what a file is called |
/// | `tools[].functionDeclarations[].response`, `.behavior` | what a function's result looks like |
const HINTS: &[&str] = &[
    "safetySettings",
    "modelArmorConfig",
    "labels",
    "store",
    "serviceTier",
    "generationConfig.seed",
    "generationConfig.topK",
    "generationConfig.mediaResolution",
    "generationConfig.audioTimestamp",
    "generationConfig.enableEnhancedCivicAnswers",
    "generationConfig.thinkingConfig.includeThoughts",
    "toolConfig.functionCallingConfig.streamFunctionCallArguments",
    "tools[].functionDeclarations[].response",
    "tools[].functionDeclarations[].responseJsonSchema",
    "tools[].functionDeclarations[].behavior",
];

/// See [`HINTS`], in either spelling of the names. Beside these, settings that say what holds anyway.
pub(super) fn is_hint(path: &str, value: &Value) -> bool {
    let path = of_protocol_buffers(path);
    let last = path.rsplit('.').next().unwrap_or_default();
    match path.as_str() {
        "generationConfig.candidateCount" => value.as_u64() == Some(1),
        "generationConfig.presencePenalty" | "generationConfig.frequencyPenalty" => value.as_f64() == Some(0.0),
        "generationConfig.responseLogprobs" => *value == Value::Bool(false),
        "generationConfig.responseModalities" => value
            .as_array()
            .is_some_and(|all| all.iter().all(|one| one.as_str().is_some_and(|one| one.eq_ignore_ascii_case("text")))),
        path => HINTS.contains(&path) || matches!(last, "thoughtSignature" | "displayName"),
    }
}

/// `generation_config.top_k` as `generationConfig.topK`.
fn of_protocol_buffers(path: &str) -> String {
    let mut written = String::with_capacity(path.len());
    let mut follows_line = false;
    for letter in path.chars() {
        match letter {
            '_' => follows_line = true,
            letter if std::mem::take(&mut follows_line) => written.push(letter.to_ascii_uppercase()),
            letter => written.push(letter),
        }
    }
    written
}
