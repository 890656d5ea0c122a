use weir_exchange::{Catalog, CatalogModel, Principal};
use weir_llm::Schema;
use weir_llm::schema::ModelEntry;

/// The models that a key may use, as the client's schema lists them. All in one page.
pub(crate) fn list(schema: Schema, catalog: &Catalog, principal: &Principal) -> Vec<u8> {
    let models = catalog
        .models()
        .iter()
        .filter(|model| principal.may_use(&model.name) && !model.refused_ways_in.contains(&principal.way_in));
    let entries: Vec<ModelEntry<'_>> = models.map(entry).collect();
    schema.model_list(&entries).to_string().into_bytes()
}

/// One model, as the client's schema shows it.
pub(crate) fn one(schema: Schema, model: &CatalogModel) -> Vec<u8> {
    schema.model(&entry(model)).to_string().into_bytes()
}

fn entry(model: &CatalogModel) -> ModelEntry<'_> {
    ModelEntry { name: &model.name, owner: &model.owner, created_at_s: model.created_at_s }
}
