use serde_json::{Value, json};

use crate::schema::ModelEntry;

pub(super) fn list(models: &[ModelEntry<'_>]) -> Value {
    json!({"object": "list", "data": models.iter().map(entry).collect::<Vec<_>>()})
}

pub(super) fn entry(model: &ModelEntry<'_>) -> Value {
    json!({"id": model.name, "object": "model", "created": model.created_at_s, "owned_by": model.owner})
}
