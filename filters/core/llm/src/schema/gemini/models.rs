use serde_json::{Value, json};

use crate::schema::ModelEntry;

pub(super) fn list(models: &[ModelEntry<'_>]) -> Value {
    json!({"models": models.iter().map(entry).collect::<Vec<_>>()})
}

pub(super) fn entry(model: &ModelEntry<'_>) -> Value {
    json!({
        "name": format!("models/{}", model.name),
        "baseModelId": model.name,
        "displayName": model.name,
        "description": model.owner,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens", "embedContent"],
    })
}
