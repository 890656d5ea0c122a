use serde_json::{Value, json};

use crate::schema::ModelEntry;
use crate::timestamp::rfc3339;

pub(super) fn list(models: &[ModelEntry<'_>]) -> Value {
    json!({
        "data": models.iter().map(entry).collect::<Vec<_>>(),
        "has_more": false,
        "first_id": models.first().map(|model| model.name),
        "last_id": models.last().map(|model| model.name),
    })
}

pub(super) fn entry(model: &ModelEntry<'_>) -> Value {
    json!({
        "type": "model",
        "id": model.name,
        "display_name": model.name,
        "created_at": rfc3339(model.created_at_s),
    })
}
