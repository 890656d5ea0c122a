//! Every operation of the OpenAPI document, and a request for each that would work.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{
    Answer, Client, Furnished, etag, identity_rule_body, limit_body, pool_body, provider_body, sign_in_provider_body,
    token_issuer_body,
};

/// An operation as the document describes it.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Names of the query's parameters.
    pub(crate) query: Vec<String>,
    /// The body's fields by their paths, with their schemas: `name`, `members[0].provider_id`.
    pub(crate) fields: BTreeMap<String, Value>,
}

/// What is sent to an operation.
#[derive(Clone)]
pub(crate) struct Request {
    /// For `{id}` in the path.
    pub(crate) id: String,
    pub(crate) revision: Value,
    pub(crate) body: Value,
    /// Without the question mark.
    pub(crate) query: String,
}

pub(crate) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&weir_api::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let mut fields = BTreeMap::new();
            if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
                collect_fields(&document, schema, "", &mut fields);
            }
            operations.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                query: parameters
                    .iter()
                    .filter(|parameter| parameter["in"] == "query")
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect(),
                fields,
            });
        }
    }
    operations
}

/// The fields of an object's schema, those of what it contains included.
fn collect_fields(document: &Value, schema: &Value, prefix: &str, fields: &mut BTreeMap<String, Value>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).expect("a schema of the document");
        return collect_fields(document, schema, prefix, fields);
    }
    for choice in schema["oneOf"].as_array().into_iter().flatten() {
        collect_fields(document, choice, prefix, fields);
    }
    if schema["items"].is_object() {
        collect_fields(document, &schema["items"], &format!("{prefix}[0]"), fields);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        fields.insert(path.clone(), property.clone());
        collect_fields(document, property, &path, fields);
    }
}

impl Operation {
    /// Whether it reads a list of which there may be more than one answer holds.
    pub(crate) fn is_list(&self) -> bool {
        self.id.starts_with("list_")
    }

    /// A request that would work for an admin of `a`, or of the platform.
    pub(crate) fn request(&self, a: &Furnished, gateway: &Value) -> Request {
        let collection = self.path.trim_start_matches("/api/v1/admin/").split("/{id}").next().unwrap();
        let resource = match collection {
            _ if !self.path.contains("{id}") => &Value::Null,
            "tenants" => &a.tenant,
            "users" => &a.user,
            "api-keys" => &a.api_key,
            "providers" => &a.provider,
            "pools" => &a.pool,
            "models" => &a.model,
            "guardrails/profiles" => &a.profile,
            "service-tokens" => &a.service_token,
            "departments" => &a.department,
            "roles" => &a.role,
            "service-accounts" => &a.service_account,
            "sign-in-providers" => &a.sign_in_provider,
            "limits" => &a.limit,
            // No id of a caller: none has come.
            "discovered" => &a.user,
            "token-issuers" => &a.token_issuer,
            "identity-rules" => &a.identity_rule,
            "gateways" => gateway,
            "currency-rates" => &a.currency_rate,
            // No id of a request: it has made none.
            "usage" => &a.user,
            // No id of a session: there is none that others could know.
            "auth/sessions" => &a.user,
            // Nor of an identity.
            "auth/identities" => &a.user,
            "auth/oidc" => &a.sign_in_provider,
            other => panic!("what does the id of {other} name?"),
        };
        let tenant_id = &a.tenant["id"];
        let body = match self.id.as_str() {
            "login" | "sign_in" | "set_up" | "start_sign_in" | "look_at_password_link" | "set_password" => json!({}),
            "check_sign_in_provider" => json!({"tenant_id": tenant_id, "issuer": "https://login.example.com"}),
            "create_tenant" | "create_gateway" => json!({"name": "new"}),
            "create_currency_rate" | "replace_currency_rate" => {
                json!({"name": "new", "currency": "EUR", "rate": "0.9", "valid_from": "2026-01-01"})
            }
            "create_user" => json!({"tenant_id": tenant_id, "email": "new@weir.example", "role": "viewer",
                "password": "a long password"}),
            "create_service_token" => json!({"tenant_id": tenant_id, "name": "new", "role": "viewer",
                "expires_at": "2100-01-01T00:00:00Z"}),
            "replace_service_token" => {
                json!({"name": "new", "role": "viewer", "expires_at": "2100-01-01T00:00:00Z"})
            }
            "create_department" | "create_service_account" => json!({"tenant_id": tenant_id, "name": "new"}),
            "create_role" => json!({"tenant_id": tenant_id, "name": "new", "permissions": ["keys.read"]}),
            "replace_role" => json!({"name": "new", "permissions": ["keys.read"]}),
            "create_sign_in_provider" => sign_in_provider_body(tenant_id, "new"),
            "update_sign_in_provider" => json!({"rules": [{"group": "staff", "role": "viewer"}]}),
            "replace_sign_in_provider" => without_owner(sign_in_provider_body(tenant_id, "new")),
            "create_limit" => {
                let mut body = limit_body(tenant_id, "new", &a.department);
                body["unit"] = json!("requests");
                body
            }
            "raise_limit" => json!({"amount": 2_000_000, "until": "2100-01-01T00:00:00Z"}),
            "try_limit" => {
                json!({"tenant_id": tenant_id, "limit": without_owner(limit_body(tenant_id, "new", &a.department))})
            }
            "release_limit" | "reset_limit" => json!({}),
            "adjust_limit" => json!({"units": 1}),
            "replace_limit" => without_owner(limit_body(tenant_id, "new", &a.department)),
            "create_token_issuer" => token_issuer_body(tenant_id, "new", "new"),
            "replace_token_issuer" => without_owner(token_issuer_body(tenant_id, "new", "new")),
            "create_identity_rule" => identity_rule_body(tenant_id, "new", &a.token_issuer),
            "replace_identity_rule" => without_owner(identity_rule_body(tenant_id, "new", &a.token_issuer)),
            "create_api_key" => json!({"tenant_id": tenant_id, "name": "new"}),
            "check_provider_draft" | "create_provider" => provider_body(tenant_id, "new"),
            "create_pool" => pool_body(tenant_id, "new", &a.provider),
            "create_model" => json!({"tenant_id": tenant_id, "name": "new", "pool_id": a.pool["id"]}),
            "create_profile" => {
                json!({"tenant_id": tenant_id, "name": "new", "rules": [{"type": "EMAIL", "action": "flag"}]})
            }
            "test_guardrails" => json!({"text": "x", "direction": "input", "profile": a.profile["id"]}),
            "replace_user" => json!({"email": "new@weir.example", "role": "viewer"}),
            "replace_provider" => without_owner(provider_body(tenant_id, "new")),
            "replace_pool" => without_owner(pool_body(tenant_id, "new", &a.provider)),
            "replace_model" => json!({"name": "new", "pool_id": a.pool["id"]}),
            "replace_profile" => json!({"name": "new", "rules": [{"type": "EMAIL", "action": "flag"}]}),
            "apply" => json!({"objects": [{"kind": "model", "name": "new", "tenant": a.tenant["name"],
                "spec": {"pool": a.pool["name"]}}]}),
            "update_user" => json!({"email": "new@weir.example"}),
            "rotate_gateway" => json!({"overlap_seconds": 60}),
            "verify_audit" => json!({"head": null}),
            _ => json!({"name": "new"}),
        };
        Request {
            id: resource["id"].as_str().unwrap_or_default().into(),
            revision: resource["revision"].clone(),
            body,
            query: String::new(),
        }
    }

    pub(crate) async fn send(&self, caller: &Client, request: &Request) -> Answer {
        let path = self
            .path
            .replace("{id}", &request.id)
            .replace("{identity_id}", &request.id)
            .replace("{operation}", "chat.completions")
            .replace("{revision}", "1");
        let path = if request.query.is_empty() { path } else { format!("{path}?{}", request.query) };
        let etag = etag(&request.revision);
        let headers = [("if-match", etag.as_str())];
        let body = matches!(self.method, Method::POST | Method::PUT | Method::PATCH).then(|| request.body.to_string());
        caller.send(self.method.clone(), &path, &headers, body).await
    }
}

fn without_owner(mut body: Value) -> Value {
    body.as_object_mut().unwrap().remove("tenant_id");
    body
}

/// Sets a field by its path, making what contains it.
pub(crate) fn set(body: &mut Value, path: &str, value: Value) {
    let mut place = body;
    for part in path.split('.') {
        let (name, in_list) = part.strip_suffix("[0]").map_or((part, false), |name| (name, true));
        place = &mut place[name];
        if in_list {
            if !place.is_array() {
                *place = json!([{}]);
            }
            place = &mut place[0];
        }
        if place.is_null() {
            *place = json!({});
        }
    }
    *place = value;
}
