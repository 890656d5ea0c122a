use serde_json::{Value, json};
use weir_exchange::{Catalog, CatalogModel, Principal};
use weir_llm::Schema;

use crate::timestamp::rfc3339;

/// The models that a key may use, as the client's schema lists them. All in one page.
pub(crate) fn list(schema: Schema, catalog: &Catalog, principal: &Principal) -> Vec<u8> {
    let models: Vec<&CatalogModel> = catalog.models().iter().filter(|model| principal.may_use(&model.name)).collect();
    let entries: Vec<Value> = models.iter().map(|model| entry(schema, model)).collect();
    let list = match schema {
        Schema::OpenAi => json!({"object": "list", "data": entries}),
        Schema::Anthropic => json!({
            "data": entries,
            "has_more": false,
            "first_id": models.first().map(|model| model.name.as_str()),
            "last_id": models.last().map(|model| model.name.as_str()),
        }),
    };
    list.to_string().into_bytes()
}

/// One model, as the client's schema shows it.
pub(crate) fn one(schema: Schema, model: &CatalogModel) -> Vec<u8> {
    entry(schema, model).to_string().into_bytes()
}

fn entry(schema: Schema, model: &CatalogModel) -> Value {
    match schema {
        Schema::OpenAi => json!({
            "id": model.name,
            "object": "model",
            "created": model.created_at_s,
            "owned_by": model.owner,
        }),
        Schema::Anthropic => json!({
            "type": "model",
            "id": model.name,
            "display_name": model.name,
            "created_at": rfc3339(model.created_at_s),
        }),
    }
}
