//! What each operation takes: one row for each operation of the OpenAPI document. One without a row is refused to everybody.
//!
//! Here it is only looked whether the caller has the permission anywhere; for what it is used, the store asks once it knows what is
//! asked for ([`weir_core::actor::Actor::allows`]).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use axum::http::Method;
use weir_core::actor::Actor;
use weir_core::permission::{BuiltInRole, InDepartment, Permission, Reach};

use crate::admin::RESOURCES;
use crate::problem::{Code, Problem};

/// What an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing: whoever asks is not signed in yet.
    Nobody,
    /// That somebody is signed in: it is about themselves, or shows what they may see anyway.
    SignedIn,
    /// This permission.
    Has(Permission),
}

/// Operations that are not of a kind of resource.
const OPERATIONS: &[(&str, Requirement)] = &[
    ("login", Requirement::Nobody),
    ("sign_in", Requirement::Nobody),
    ("setup_status", Requirement::Nobody),
    ("set_up", Requirement::Nobody),
    ("sign_in_choices", Requirement::Nobody),
    ("start_sign_in", Requirement::Nobody),
    ("finish_sign_in", Requirement::Nobody),
    ("end_provider_sessions", Requirement::Nobody),
    ("look_at_password_link", Requirement::Nobody),
    ("set_password", Requirement::Nobody),
    ("me", Requirement::SignedIn),
    ("own_access", Requirement::SignedIn),
    ("logout", Requirement::SignedIn),
    ("list_own_sessions", Requirement::SignedIn),
    ("end_own_session", Requirement::SignedIn),
    ("list_own_identities", Requirement::SignedIn),
    ("delete_own_identity", Requirement::SignedIn),
    ("list_user_identities", Requirement::Has(Permission::UsersRead)),
    ("delete_user_identity", Requirement::Has(Permission::UsersWrite)),
    ("feature_status", Requirement::SignedIn),
    ("stream_events", Requirement::SignedIn),
    ("search", Requirement::SignedIn),
    ("apply", Requirement::Has(Permission::PoliciesApply)),
    ("revert", Requirement::Has(Permission::PoliciesApply)),
    ("export", Requirement::Has(Permission::PoliciesExport)),
    ("get_effective_of_department", Requirement::Has(Permission::DepartmentsRead)),
    ("get_effective_of_user", Requirement::Has(Permission::UsersRead)),
    ("get_effective_of_service_account", Requirement::Has(Permission::ServiceAccountsRead)),
    ("get_effective_of_api_key", Requirement::Has(Permission::KeysRead)),
    ("revoke_api_key", Requirement::Has(Permission::KeysWrite)),
    ("search_catalogue_models", Requirement::SignedIn),
    ("get_price_history_of_pool", Requirement::Has(Permission::PoolsRead)),
    ("get_limit_state", Requirement::Has(Permission::LimitsRead)),
    ("list_limit_states", Requirement::Has(Permission::LimitsRead)),
    ("try_limit", Requirement::Has(Permission::LimitsWrite)),
    ("list_limit_events", Requirement::Has(Permission::LimitsRead)),
    ("raise_limit", Requirement::Has(Permission::LimitsWrite)),
    ("end_raise_of_limit", Requirement::Has(Permission::LimitsWrite)),
    ("release_limit", Requirement::Has(Permission::LimitsWrite)),
    ("reset_limit", Requirement::Has(Permission::LimitsWrite)),
    ("adjust_limit", Requirement::Has(Permission::LimitsWrite)),
    ("get_ended_streams_of_api_key", Requirement::Has(Permission::KeysRead)),
    ("get_api_key_statistics", Requirement::Has(Permission::KeysRead)),
    ("revoke_service_token", Requirement::Has(Permission::ServiceTokensWrite)),
    ("make_password_link", Requirement::Has(Permission::UsersWrite)),
    ("check_sign_in_provider", Requirement::Has(Permission::SignInWrite)),
    ("break_glass_sign_ins", Requirement::Has(Permission::AuditRead)),
    ("list_discovered", Requirement::Has(Permission::IdentityRead)),
    ("assign_discovered", Requirement::Has(Permission::IdentityWrite)),
    ("check_provider", Requirement::Has(Permission::ProvidersWrite)),
    ("check_provider_draft", Requirement::Has(Permission::ProvidersWrite)),
    ("test_guardrails", Requirement::Has(Permission::GuardrailsTest)),
    ("playground", Requirement::Has(Permission::PlaygroundUse)),
    ("send_playground_request", Requirement::Has(Permission::PlaygroundUse)),
    ("list_nodes", Requirement::Has(Permission::NodesRead)),
    ("rotate_gateway", Requirement::Has(Permission::GatewaysWrite)),
    ("list_usage", Requirement::Has(Permission::UsageRead)),
    ("get_usage", Requirement::Has(Permission::UsageRead)),
    ("summarize_usage", Requirement::Has(Permission::UsageRead)),
    ("export_usage", Requirement::Has(Permission::UsageExport)),
    ("list_audit", Requirement::Has(Permission::AuditRead)),
    ("export_audit", Requirement::Has(Permission::AuditRead)),
    ("verify_audit", Requirement::Has(Permission::AuditRead)),
    ("audit_head", Requirement::Has(Permission::AuditRead)),
];

/// What an operation takes, by its id; `None`: nobody has said.
pub fn requirement(operation: &str) -> Option<Requirement> {
    if let Some((_, requirement)) = OPERATIONS.iter().find(|(id, _)| *id == operation) {
        return Some(*requirement);
    }
    let (verb, name) = operation.split_once('_')?;
    let resource = RESOURCES.iter().find(|resource| {
        let of = if verb == "list" { resource.plural } else { resource.singular };
        of == name
    })?;
    match verb {
        "list" | "get" => Some(Requirement::Has(resource.kind.reading())),
        "create" | "update" | "replace" | "delete" => Some(Requirement::Has(resource.kind.writing())),
        _ => None,
    }
}

/// Operations by method and path: their ids, and what they take.
type Operations = HashMap<(Method, String), (String, Option<Requirement>)>;

/// All operations of the document.
fn operations() -> &'static Operations {
    static OPERATIONS: OnceLock<Operations> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let document = serde_json::to_value(crate::documented().into_openapi()).unwrap_or_default();
        let paths = document["paths"].as_object().into_iter().flatten();
        let operations = paths.flat_map(|(path, methods)| {
            methods.as_object().into_iter().flatten().filter_map(move |(method, operation)| {
                let id = operation["operationId"].as_str()?.to_owned();
                let requirement = requirement(&id);
                Some(((method.to_uppercase().parse().ok()?, path.clone()), (id, requirement)))
            })
        });
        operations.collect()
    })
}

/// Refuses a caller who may do nothing of the kind that an operation does. `path` is the one of the route, with names in braces.
pub(crate) fn check(actor: &Actor, method: &Method, path: &str) -> Result<(), Problem> {
    // What answers HEAD is what answers GET.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let found = operations().get(&(method.clone(), path.to_owned())).and_then(|(_, requirement)| *requirement);
    match found {
        Some(Requirement::Nobody | Requirement::SignedIn) => Ok(()),
        // Of what is the platform's alone a tenant's people learn nothing: the store says that there is no such thing.
        Some(Requirement::Has(permission)) if permission.is_platforms() && actor.tenant_id.is_some() => Ok(()),
        Some(Requirement::Has(permission)) if actor.holds(permission) => Ok(()),
        Some(Requirement::Has(permission)) => {
            Err(Problem::new(Code::Forbidden, format!("your roles do not allow {}", permission.name())))
        }
        None => Err(Problem::new(Code::Forbidden, "nobody may do this: it is not said what it takes")),
    }
}

/// The roles that always exist, and what each operation takes, for people: `docs/roles.md`.
pub fn roles() -> String {
    let mut text = String::from(
        "# Roles\n\nGenerated by `make gen` from the table that every operation of the admin API asks. \
         [identity.md](identity.md) says how roles\nare granted.\n\n\
         A role is granted for the platform, a tenant or a department. **all**: all that is in this scope. **own**: what is one's own. A\n\
         department's share is in the last column: *its own* is what is of the department or of one beneath it, *shared* what all of the\n\
         tenant has in common.\n\n| permission | admin | manager | user | viewer | in a department | |\n|---|---|---|---|---|---|---|\n",
    );
    for permission in Permission::ALL {
        let cell = |role: BuiltInRole| match role.reach(*permission) {
            Reach::Nothing => "",
            Reach::Own => "own",
            Reach::All => "all",
        };
        let department = match permission.in_department() {
            InDepartment::Divided => "its own",
            InDepartment::Shared => "shared",
            InDepartment::Nothing => "",
        };
        let [admin, manager, user, viewer] = BuiltInRole::ALL.map(cell);
        let (name, about) = (permission.name(), permission.about());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{name}` | {admin} | {manager} | {user} | {viewer} | {department} | {about} |");
    }
    text.push_str("\n## Operations\n| operation | takes |\n|---|---|\n");
    let mut rows: Vec<&(String, Option<Requirement>)> = operations().values().collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (id, requirement) in rows {
        let takes = match requirement {
            Some(Requirement::Has(permission)) => format!("`{}`", permission.name()),
            Some(Requirement::SignedIn) => "being signed in".into(),
            Some(Requirement::Nobody) => "nothing".into(),
            None => "refused to everybody".into(),
        };
        let _ = writeln!(text, "| {id} | {takes} |");
    }
    text
}

/// Operations of the document, with what they take; `None`: nobody has said.
pub fn requirements() -> Vec<(String, Option<Requirement>)> {
    operations().values().cloned().collect()
}
