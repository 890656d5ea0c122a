//! The OpenAPI document.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ArrayItems, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder,
    SecurityRequirement,
};

/// The document as it is checked in: the same for the same code.
pub fn openapi() -> String {
    let mut document = crate::documented().into_openapi();
    complete(&mut document);
    let mut json = document.to_pretty_json().unwrap_or_default();
    json.push('\n');
    json
}

/// What holds for every operation, written once: which refusals can come whatever it does, and what answers say in their headers.
pub(crate) fn complete(document: &mut OpenApi) {
    complete_answers(document);
    let items = document.paths.paths.values_mut();
    let operations = items.flat_map(|item| {
        [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
    });
    for operation in operations {
        let mut refusals = vec![
            ("500", "A fault of the control plane."),
            ("503", "The control plane has too much to do, or the database does not answer. Try again."),
        ];
        if operation.request_body.is_some() {
            refusals.push(("413", "The body is too large."));
            refusals.push(("415", "The body's content type is not JSON."));
        }
        for (status, description) in refusals {
            let known = &mut operation.responses.responses;
            known.entry(status.into()).or_insert_with(|| RefOr::T(refusal(description)));
        }
        for (status, response) in &mut operation.responses.responses {
            let RefOr::T(response) = response else { continue };
            let mut say = |name: &str, description: &str| {
                let header = HeaderBuilder::new()
                    .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                    .description(Some(description))
                    .build();
                response.headers.insert(name.into(), RefOr::T(header));
            };
            say("x-request-id", "Names the request, in the log and in the audit log.");
            match status.as_str() {
                "201" => say("location", "Where it is."),
                "401" => say("www-authenticate", "That a bearer token is wanted."),
                "429" | "503" => say("retry-after", "After how many seconds to try again."),
                _ => {}
            }
        }
    }
}

/// Fields of answers that are not always there.
const SOMETIMES: [(&str, &str); 2] = [("AppliedAnswer", "key"), ("AppliedAnswer", "token")];

/// What an answer may leave null is there all the same, and what a list holds has a name.
fn complete_answers(document: &mut OpenApi) {
    let json = serde_json::to_value(&*document).unwrap_or_default();
    let (mut written, mut read) = (BTreeSet::new(), BTreeSet::new());
    let operations = json["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    for operation in operations.filter_map(Value::as_object).flat_map(|methods| methods.values()) {
        collect(&json, &operation["requestBody"], &mut written);
        let responses = operation["responses"].as_object().into_iter().flatten();
        for (_, response) in responses.filter(|(status, _)| status.starts_with('2')) {
            collect(&json, &response["content"], &mut read);
        }
    }
    let Some(components) = &mut document.components else { return };
    for name in read.difference(&written) {
        let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get_mut(name) else { continue };
        let is_always = |field: &&String| !SOMETIMES.contains(&(name.as_str(), field.as_str()));
        schema.required = schema.properties.keys().filter(is_always).cloned().collect();
        if let (Some(item), Some(RefOr::T(Schema::Array(items)))) =
            (name.strip_prefix("List_"), schema.properties.get_mut("items"))
        {
            items.items = ArrayItems::RefOrSchema(Box::new(RefOr::Ref(Ref::from_schema_name(item))));
        }
    }
}

/// The names of all schemas that this one is made of.
fn collect(document: &Value, schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit_once('/'));
            if let Some((_, name)) = name
                && found.insert(name.to_owned())
            {
                collect(document, &document["components"]["schemas"][name], found);
            }
            fields.values().for_each(|value| collect(document, value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(document, item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn refusal(description: &str) -> Response {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", problem).build()
}

/// All of the document but its operations.
pub(crate) fn header() -> OpenApi {
    let mut info = Info::new("Weir admin API", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Policies of the gateways: tenants, keys, providers, pools, models, guardrails, and what was used. Times are \
         RFC 3339 in UTC, money is integer micro-dollars. Every write answers the revision of its change; \
         `nodes` shows which revision holds on which Envoy. Refusals are problem documents (RFC 9457)."
            .into(),
    );
    let mut components = Components::new();
    components.add_security_scheme(
        "session",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(
                    "A service token, or the token of POST /api/v1/admin/auth/login, valid for 12 hours.",
                ))
                .build(),
        ),
    );
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>("session", [])]))
        .build()
}
