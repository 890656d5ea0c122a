//! What the OpenAPI document says of a kind of resource, from its specification and its status.

use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{ContentBuilder, HttpMethod, Ref, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};
use weir_core::page::Filter;
use weir_core::resource::Origin;
use weir_store::{Owner, Secret, takes_filter};

use crate::extract::Named;
use crate::problem::{Reading, Writing};
use crate::resource::{Deleted, Meta, Resource, ResourceQuery};

type Components = Vec<(String, RefOr<Schema>)>;

/// What people write of a kind, what they only read, and the schemas that both refer to.
pub(crate) struct Schemas {
    spec: utoipa::openapi::Object,
    status: utoipa::openapi::Object,
    components: Components,
}

impl Schemas {
    /// Those of two types.
    pub(crate) fn of<Spec: ToSchema, Status: ToSchema>() -> Self {
        let mut components = Components::new();
        Spec::schemas(&mut components);
        Status::schemas(&mut components);
        Origin::schemas(&mut components);
        components.push((Origin::name().into(), Origin::schema()));
        Self { spec: object::<Spec>(), status: object::<Status>(), components }
    }
}

fn object<T: PartialSchema>() -> utoipa::openapi::Object {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object,
        _ => utoipa::openapi::Object::new(),
    }
}

/// The components, the paths of the collection, and those of one resource.
pub(crate) fn describe(resource: &Resource, schemas: Schemas, many: &str, one: &str) -> (Components, Paths, Paths) {
    let Resource { schema, singular, plural, about, .. } = *resource;
    let whole = read_schema(resource, &schemas);
    let list = ObjectBuilder::new()
        .property("items", ArrayBuilder::new().items(component(schema)).description(Some("In the order of the list.")))
        .property("next_cursor", nullable(None, "Send it as `cursor` for the next part; null at the end."))
        .required("items")
        .required("next_cursor")
        .description(Some("One part of a list."));
    let mut made = whole.clone();
    let answered = match resource.kind.secret() {
        Secret::Issued { field } => {
            let shown = match resource.kind.digest_field() {
                None => text(resource.secret),
                Some(_) => nullable(None, resource.secret),
            };
            made.properties.insert(field.into(), shown.into());
            made.required.push(field.into());
            format!("Created{schema}")
        }
        Secret::None | Secret::Given { .. } => schema.to_owned(),
    };
    let (new, patch) = (new_schema(resource, &schemas), patch_schema(resource, &schemas));
    let mut components = schemas.components;
    components.push((format!("New{schema}"), Schema::Object(new).into()));
    components.push((format!("{schema}Patch"), Schema::Object(patch.clone()).into()));
    let mut replacement = patch;
    replacement.required = schemas.spec.required;
    components.push((format!("{schema}Spec"), Schema::Object(replacement).into()));
    components.push((format!("List_{schema}"), RefOr::T(list.into())));
    if answered != schema {
        components.push((answered.clone(), Schema::Object(made).into()));
    }
    components.push((schema.into(), Schema::Object(whole).into()));
    components.push((Deleted::name().into(), Deleted::schema()));

    let idempotency = header("Idempotency-Key", false, "The same key brings the same result for 24 hours.");
    let if_match = || header("If-Match", true, "The ETag that you have read.");
    let named = |operation: OperationBuilder| {
        Named::into_params(|| None).into_iter().fold(operation, OperationBuilder::parameter)
    };
    let ending = |operation: OperationBuilder| match resource.kind.has_streams() {
        true => operation.parameter(streams_parameter("finish")),
        false => operation,
    };
    let reading = |name: String, summary: &str, answer: &str| {
        operation(resource, name, summary)
            .response("200", answer_of(resource, answer))
            .responses_from_iter_of(Reading::responses())
    };
    let writing = |name: String, summary: &str, status: &str, answer: &str| {
        operation(resource, name, summary)
            .response(status, answer_of(resource, answer))
            .responses_from_iter_of(Writing::responses())
    };

    let mut collection = Paths::new();
    let mut listing = reading(format!("list_{plural}"), resource.listed, &format!("List_{schema}"));
    for mut parameter in ResourceQuery::into_params(|| Some(ParameterIn::Query)) {
        if parameter.name == "state" {
            let states: Vec<&str> = resource.kind.states().iter().map(|(name, _)| *name).collect();
            if states.is_empty() {
                continue;
            }
            parameter.schema = Some(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(states)).into());
        }
        if Filter::NAMES.contains(&parameter.name.as_str()) && !takes_filter(resource.kind, &parameter.name) {
            continue;
        }
        listing = listing.parameter(parameter);
    }
    collection.add_path_operation(many, vec![HttpMethod::Get], listing);
    let made = match resource.kind.secret() {
        Secret::Issued { .. } => "Makes one. The answer is the only one that shows its secret.",
        Secret::None | Secret::Given { .. } => "Makes one.",
    };
    let creating = writing(format!("create_{singular}"), made, "201", &answered)
        .parameter(idempotency)
        .request_body(Some(body(&format!("New{schema}"))));
    collection.add_path_operation(many, vec![HttpMethod::Post], creating);

    let mut single = Paths::new();
    single.add_path_operation(one, vec![HttpMethod::Get], named(reading(format!("get_{singular}"), about, schema)));
    for (method, verb, summary, written) in [
        (HttpMethod::Put, "replace", "Replaces one; what is absent has its default.", "Spec"),
        (HttpMethod::Patch, "update", "Changes one (RFC 7396): what is absent stays, null takes away.", "Patch"),
    ] {
        let changing = ending(named(writing(format!("{verb}_{singular}"), summary, "200", schema)))
            .parameter(if_match())
            .request_body(Some(body(&format!("{schema}{written}"))));
        single.add_path_operation(one, vec![method], changing);
    }
    let deleting = ending(named(writing(format!("delete_{singular}"), resource.deletable, "200", "Deleted")))
        .parameter(if_match());
    single.add_path_operation(one, vec![HttpMethod::Delete], deleting);
    (components, collection, single)
}

/// What is read: every field is always there.
fn read_schema(resource: &Resource, schemas: &Schemas) -> utoipa::openapi::Object {
    let mut whole = object::<Meta>();
    if resource.kind.owner() != Owner::Itself {
        whole.properties.insert("tenant_id".into(), owner(resource));
    }
    let origin = RefOr::Ref(
        Ref::builder().ref_location_from_schema_name(Origin::name()).description(Some("Where it is managed.")).build(),
    );
    whole.properties.insert("origin".into(), origin);
    let mut name =
        |field: String, description: &str| whole.properties.insert(field, nullable(None, description).into());
    if resource.kind.owner() != Owner::Itself {
        name("tenant_name".into(), "What that tenant is called; null: it is the platform's.");
    }
    for reference in resource.kind.references().iter().filter(|reference| reference.is_plain()) {
        name(reference.name_field(), "What that is called; null: it is none, or one that you may not see.");
    }
    whole.properties.extend(schemas.spec.properties.clone());
    whole.properties.extend(schemas.status.properties.clone());
    whole.required = whole.properties.keys().cloned().collect();
    whole.description = Some(resource.about.into());
    whole
}

/// What is sent to make one.
fn new_schema(resource: &Resource, schemas: &Schemas) -> utoipa::openapi::Object {
    let mut new = patch_schema(resource, schemas);
    new.required = schemas.spec.required.clone();
    if resource.kind.owner() != Owner::Itself {
        new.properties.insert("tenant_id".into(), owner(resource));
    }
    if resource.kind.owner() == Owner::Tenant {
        new.required.push("tenant_id".into());
    }
    if let Secret::Given { field, is_required: true, .. } = resource.kind.secret() {
        new.required.push(field.into());
    }
    if let (Secret::Issued { field }, Some(digest)) = (resource.kind.secret(), resource.kind.digest_field()) {
        let given = "One that apps have already, of 20 to 512 characters. Absent or null: a new one is made.";
        let password = SchemaFormat::KnownFormat(KnownFormat::Password);
        new.properties.insert(field.into(), nullable(Some(password), given).into());
        let given = "In its place its SHA-256, 64 hexadecimal digits. For the platform's admins only.";
        new.properties.insert(digest.into(), nullable(None, given).into());
    }
    new
}

/// What is sent to change one.
fn patch_schema(resource: &Resource, schemas: &Schemas) -> utoipa::openapi::Object {
    let mut patch = schemas.spec.clone();
    patch.required.clear();
    patch.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    patch.description = Some(resource.about.into());
    if let Secret::Given { field, .. } = resource.kind.secret() {
        patch.properties.insert(
            field.into(),
            nullable(Some(SchemaFormat::KnownFormat(KnownFormat::Password)), resource.secret).into(),
        );
    }
    patch
}

fn owner(resource: &Resource) -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::Uuid);
    match resource.kind.owner() {
        Owner::Itself | Owner::Tenant => {
            let owner = ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(format))
                .description(Some("To whom it belongs."));
            RefOr::T(owner.into())
        }
        Owner::TenantOrPlatform => {
            RefOr::T(nullable(Some(format), "To whom it belongs. Absent or null: to the platform.").into())
        }
    }
}

fn nullable(format: Option<SchemaFormat>, description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .format(format)
        .description(Some(description))
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

fn component(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}

fn header(name: &str, is_required: bool, description: &str) -> Parameter {
    let required = if is_required { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

/// What becomes of streams under way; `usual`: if it is not said.
fn streams_parameter(usual: &str) -> Parameter {
    let about = format!("What becomes of its streams under way: `end` ends them within a second. Default `{usual}`.");
    ParameterBuilder::new()
        .name("streams")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["finish", "end"]))))
        .build()
}

fn operation(resource: &Resource, name: String, summary: &str) -> OperationBuilder {
    OperationBuilder::new().tag(resource.tag).operation_id(Some(name)).summary(Some(summary))
}

fn body(schema: &str) -> utoipa::openapi::request_body::RequestBody {
    let content = ContentBuilder::new().schema(Some(component(schema))).build();
    RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build()
}

fn answer_of(resource: &Resource, schema: &str) -> utoipa::openapi::Response {
    let content = ContentBuilder::new().schema(Some(component(schema))).build();
    let mut response = ResponseBuilder::new().content("application/json", content).build();
    if schema.ends_with(resource.schema) && !schema.starts_with("List_") {
        let header = utoipa::openapi::header::HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .description(Some("Its revision, for `If-Match`."))
            .build();
        response.headers.insert("etag".into(), RefOr::T(header));
    }
    response
}

trait Refusals {
    fn responses_from_iter_of(
        self,
        responses: std::collections::BTreeMap<String, RefOr<utoipa::openapi::Response>>,
    ) -> Self;
}

impl Refusals for OperationBuilder {
    fn responses_from_iter_of(
        mut self,
        responses: std::collections::BTreeMap<String, RefOr<utoipa::openapi::Response>>,
    ) -> Self {
        for (status, response) in responses {
            self = self.response(status, response);
        }
        self
    }
}
