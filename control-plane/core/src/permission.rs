//! What somebody may do: permissions, the roles that have them, and how far each reaches.

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// How far a role's permission reaches within the scope in which it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Not at all.
    Nothing,
    /// To what is the holder's own.
    Own,
    /// To all of it.
    All,
}

/// What a permission comes to that is granted for a department.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InDepartment {
    /// It reaches to the department and to those beneath it.
    Divided,
    /// It reaches to all that the tenant shares, as this is of no department.
    Shared,
    /// It comes to nothing.
    Nothing,
}

macro_rules! permissions {
    ($($variant:ident $name:literal [$admin:ident $manager:ident $user:ident $viewer:ident] $department:ident $about:literal;)*) => {
        /// Something that may be allowed or not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Permission {
            $(#[doc = $about] #[serde(rename = $name)] $variant,)*
        }

        impl Permission {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The fixed name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it allows, for people.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }

            /// What it comes to where it is granted for a department.
            pub fn in_department(self) -> InDepartment {
                match self { $(Self::$variant => InDepartment::$department,)* }
            }

            fn reaches(self) -> [Reach; 4] {
                match self { $(Self::$variant => [Reach::$admin, Reach::$manager, Reach::$user, Reach::$viewer],)* }
            }
        }
    };
}

permissions! {
    //                                      Admin   Manager User    Viewer
    TenantsRead "tenants.read"             [All     All     All     All]     Shared  "See the tenant.";
    TenantsWrite "tenants.write"           [All     Nothing Nothing Nothing] Nothing "Write tenants; the platform's alone.";
    DepartmentsRead "departments.read"     [All     All     Nothing All]     Divided "See departments.";
    DepartmentsWrite "departments.write"   [All     All     Nothing Nothing] Divided "Make, change, move and delete departments.";
    UsersRead "users.read"                 [All     All     Own     All]     Divided "See people.";
    UsersWrite "users.write"               [All     All     Nothing Nothing] Divided "Write people, and grant what one has.";
    ServiceAccountsRead "service_accounts.read" [All All    Nothing All]     Divided "See service accounts.";
    ServiceAccountsWrite "service_accounts.write" [All All  Nothing Nothing] Divided "Write and disable service accounts.";
    KeysRead "keys.read"                   [All     All     Own     All]     Divided "See API keys, never the key itself.";
    KeysWrite "keys.write"                 [All     All     Own     Nothing] Divided "Make, change, revoke and delete API keys.";
    UsageRead "usage.read"                 [All     All     Own     All]     Divided "See requests and their sums.";
    UsageExport "usage.export"             [All     All     Own     All]     Divided "Take records of requests away as a file.";
    ModelsRead "models.read"               [All     All     All     All]     Shared  "See models.";
    ModelsWrite "models.write"             [All     Nothing Nothing Nothing] Nothing "Make, change and delete models.";
    PoolsRead "pools.read"                 [All     All     Nothing All]     Shared  "See pools.";
    PoolsWrite "pools.write"               [All     Nothing Nothing Nothing] Nothing "Make, change and delete pools.";
    ProvidersRead "providers.read"         [All     All     Nothing All]     Shared  "See providers, never their credentials.";
    ProvidersWrite "providers.write"       [All     Nothing Nothing Nothing] Nothing "Write and check providers.";
    GuardrailsRead "guardrails.read"       [All     All     Nothing All]     Shared  "See guardrail profiles.";
    GuardrailsWrite "guardrails.write"     [All     Nothing Nothing Nothing] Nothing "Write guardrail profiles.";
    GuardrailsTest "guardrails.test"       [All     All     Nothing All]     Shared  "Try a guardrail profile on a text.";
    PlaygroundUse "playground.use"         [All     All     All     All]     Shared  "Send requests from the console, with a key.";
    LimitsRead "limits.read"               [All     All     Own     All]     Divided "See limits, and how much of them is used.";
    LimitsWrite "limits.write"             [All     Nothing Nothing Nothing] Nothing "Make, change and delete limits.";
    RolesRead "roles.read"                 [All     All     Nothing All]     Shared  "See custom roles.";
    RolesWrite "roles.write"               [All     Nothing Nothing Nothing] Nothing "Write custom roles of what one has.";
    ServiceTokensRead "service_tokens.read" [All    All     Nothing All]     Nothing "See service tokens, not the token itself.";
    ServiceTokensWrite "service_tokens.write" [All  Nothing Nothing Nothing] Nothing "Write and revoke service tokens.";
    SignInRead "sign_in.read"              [All     All     Nothing All]     Nothing "See identity providers, not their secrets.";
    SignInWrite "sign_in.write"            [All     Nothing Nothing Nothing] Nothing "Write and check identity providers.";
    IdentityRead "identity.read"           [All     All     Nothing All]     Nothing "See token issuers, identity rules and who is discovered.";
    IdentityWrite "identity.write"         [All     Nothing Nothing Nothing] Nothing "Write token issuers and identity rules, and assign who is discovered.";
    AuditRead "audit.read"                 [All     All     Nothing All]     Nothing "See who changed what.";
    PoliciesApply "policies.apply"        [All     All     Nothing Nothing] Shared  "Apply sets and undo revisions, of what one may write.";
    PoliciesExport "policies.export"       [All     All     Nothing All]     Shared  "Export objects, of what one may see.";
    GatewaysRead "gateways.read"           [All     Nothing Nothing All]     Nothing "See gateways; the platform's alone.";
    GatewaysWrite "gateways.write"         [All     Nothing Nothing Nothing] Nothing "Write gateways and tokens; the platform's alone.";
    CurrenciesRead "currencies.read"       [All     Nothing Nothing All]     Nothing "See rates of currencies; the platform's alone.";
    CurrenciesWrite "currencies.write"     [All     Nothing Nothing Nothing] Nothing "Write rates of currencies; the platform's alone.";
    NodesRead "nodes.read"                 [All     Nothing Nothing All]     Nothing "See connected Envoys; the platform's alone.";
}

impl Permission {
    /// Reads the fixed name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.name() == name)
    }

    /// Whether it is of use to those of the platform only.
    pub fn is_platforms(self) -> bool {
        matches!(
            self,
            Self::TenantsWrite
                | Self::GatewaysRead
                | Self::GatewaysWrite
                | Self::CurrenciesRead
                | Self::CurrenciesWrite
                | Self::NodesRead
        )
    }
}

impl PartialSchema for Permission {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|permission| permission.name());
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        schema.description(Some("Something that may be allowed or not.")).into()
    }
}

impl ToSchema for Permission {}

/// A role that always exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BuiltInRole {
    /// Everything in the scope.
    Admin,
    /// People, service accounts and keys of the scope, and what they use.
    Manager,
    /// One's own keys and their usage, and the models that one may call.
    User,
    /// Reads all, and writes nothing.
    Viewer,
}

impl BuiltInRole {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Manager, Self::User, Self::Viewer];

    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Manager => "manager",
            Self::User => "user",
            Self::Viewer => "viewer",
        }
    }

    /// Reads the fixed name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// How far it reaches.
    pub fn reach(self, permission: Permission) -> Reach {
        let [admin, manager, user, viewer] = permission.reaches();
        match self {
            Self::Admin => admin,
            Self::Manager => manager,
            Self::User => user,
            Self::Viewer => viewer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_all_that_a_lesser_one_has() {
        for permission in Permission::ALL {
            let reach = |role: BuiltInRole| role.reach(*permission);
            assert_eq!(reach(BuiltInRole::Admin), Reach::All, "{permission:?}");
            if !permission.is_platforms() {
                assert!(reach(BuiltInRole::Manager) >= reach(BuiltInRole::Viewer), "{permission:?}");
                assert!(reach(BuiltInRole::Manager) >= reach(BuiltInRole::User), "{permission:?}");
            }
            assert_eq!(Permission::from_name(permission.name()), Some(*permission));
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.name());
        }
    }

    #[test]
    fn who_only_views_writes_nothing() {
        let writes = |permission: &&Permission| permission.name().ends_with(".write");
        for permission in Permission::ALL.iter().filter(writes) {
            assert_eq!(BuiltInRole::Viewer.reach(*permission), Reach::Nothing, "{permission:?}");
        }
    }
}
