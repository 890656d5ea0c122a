//! Whose usage somebody sees: that of the keys which are theirs, or were until they were deleted.

use uuid::Uuid;
use weir_core::actor::{Actor, Sees};
use weir_core::permission::Permission;

/// The ids of the keys whose requests an actor sees by each of these permissions, as a query; `None`: those of all keys in the actor's
/// scope. A key's owner is the one of now, and of a deleted one the last.
pub(crate) fn keys(actor: &Actor, permissions: &[Permission]) -> Option<String> {
    let tenant = actor.scope().tenant().map(|tenant| format!("t.tenant_id = '{tenant}'"));
    let narrowed = permissions.iter().filter_map(|permission| narrowed(&actor.sees(*permission)));
    let conditions: Vec<String> = narrowed.collect();
    if conditions.is_empty() {
        return None;
    }
    let conditions: Vec<String> = tenant.into_iter().chain(conditions).collect();
    Some(format!("SELECT t.id FROM api_keys t WHERE {}", conditions.join(" AND ")))
}

/// A condition on keys, called `t`; `None`: there is none. Each of its parts is an index of its own: arrays, as a subquery that stands
/// beneath OR would be looked at for each key.
fn narrowed(sees: &Sees) -> Option<String> {
    let (departments, own) = match sees {
        Sees::Everything | Sees::Tenant(_) => return None,
        Sees::Nothing => return Some("false".into()),
        Sees::Part { departments, own } => (departments, own),
    };
    let of_department = departments.iter().flat_map(|department| {
        let beneath = format!("SELECT departments_beneath('{department}')");
        let owners = |table: &str| format!("SELECT id FROM {table} WHERE department_id = ANY(ARRAY({beneath}))");
        [
            any("department_id", &beneath),
            any("user_id", &owners("users")),
            any("service_account_id", &owners("service_accounts")),
            any("former_department_id", &beneath),
        ]
    });
    let of_own =
        own.iter().flat_map(|user: &Uuid| [format!("t.user_id = '{user}'"), format!("t.former_user_id = '{user}'")]);
    let either: Vec<String> = of_department.chain(of_own).collect();
    Some(if either.is_empty() { "false".into() } else { format!("({})", either.join(" OR ")) })
}

fn any(column: &str, ids: &str) -> String {
    format!("t.{column} = ANY(ARRAY({ids}))")
}
