//! Tenants and the people who administer them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::actor::Role;
use crate::field::{FieldError, Fields};
use crate::labels::check_labels;
use crate::role::{UserGrant, check_grants};
use crate::ways_in::WaysIn;

/// What is decided about a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    /// 1 to 100 characters; unique.
    pub name: String,
    /// IANA name, for example `Europe/Berlin`. Default `UTC`.
    #[serde(default = "utc")]
    #[schema(required = false)]
    pub time_zone: String,
    /// A profile of the tenant or of the platform. It holds for all keys; where one has a profile of its own, the stricter of both
    /// holds for each type of finding. Absent or null: none.
    #[serde(default)]
    pub guardrail_profile_id: Option<Uuid>,
    /// Whether a key's own profile takes the place of the tenant's. Default false: the stricter of both holds for each type of finding.
    #[serde(default)]
    #[schema(required = false)]
    pub keys_may_loosen_guardrails: bool,
    /// In which ways apps may or must show who they are. The stricter of this and the gateway's holds.
    #[serde(default)]
    #[schema(required = false)]
    pub ways_in: WaysIn,
}

fn utc() -> String {
    "UTC".into()
}

impl TenantSettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        fields.time_zone("time_zone", &self.time_zone);
        fields.finish()
    }
}

/// What is decided about a user. The password is kept elsewhere, as a hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSettings {
    /// Unique, whatever its case.
    pub email: String,
    /// What they may do in all of their tenant, or of the platform. It is not changed from or to `platform_admin`.
    pub role: Role,
    /// What they may do besides; at most 50. Nobody grants more than they have themselves.
    #[serde(default)]
    #[schema(required = false)]
    pub grants: Vec<UserGrant>,
    /// Their department, one of their tenant's; absent or null: none.
    #[serde(default)]
    pub department_id: Option<Uuid>,
    /// Names with values, chosen freely; at most 50.
    #[serde(default)]
    #[schema(required = false)]
    pub labels: BTreeMap<String, String>,
    /// A profile of the tenant or of the platform, for all keys of theirs. The strictest of all that apply holds. Absent or null: none.
    #[serde(default)]
    pub guardrail_profile_id: Option<Uuid>,
    /// Whether they cannot sign in, and all keys of theirs are refused. Default false.
    #[serde(default)]
    #[schema(required = false)]
    pub disabled: bool,
    /// A platform admin's account for when the identity provider is away: its password holds where passwords are refused, and each
    /// sign-in with it is told to all platform admins. Default false.
    #[serde(default)]
    #[schema(required = false)]
    pub is_break_glass: bool,
}

impl UserSettings {
    /// Those of somebody of whom nothing else is decided.
    pub fn new(email: String, role: Role) -> Self {
        let labels = BTreeMap::new();
        let grants = Vec::new();
        Self {
            email,
            role,
            grants,
            department_id: None,
            labels,
            guardrail_profile_id: None,
            disabled: false,
            is_break_glass: false,
        }
    }

    /// All that is wrong with them, for a user of this tenant.
    pub fn check(&self, tenant_id: Option<Uuid>) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.email("email", &self.email);
        self.role.check(&mut fields, tenant_id);
        check_labels(&mut fields, &self.labels);
        check_grants(&mut fields, "grants", &self.grants);
        let may_break_glass = self.role == Role::PlatformAdmin || !self.is_break_glass;
        fields.require(may_break_glass, "is_break_glass", "is for a platform_admin only");
        fields.finish()
    }
}

/// What is decided about a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// 1 to 100 characters; unique.
    pub name: String,
    /// How many proxies of your own stand before its Envoys: so many entries at the right of `X-Forwarded-For`, behind the one that Envoy
    /// adds, are believed, 0 to 16. Default 0: a client is who connects.
    #[serde(default)]
    #[schema(required = false)]
    pub trusted_hops: u8,
    /// Whether these proxies say in `X-Forwarded-Client-Cert` who apps are: each of them must add its own element, and nothing but they may
    /// reach the Envoys. Default no: behind trusted hops no certificate counts.
    #[serde(default)]
    #[schema(required = false)]
    pub trusts_forwarded_certificates: bool,
    /// In which ways apps may or must show who they are. The stricter of this and the tenant's holds.
    #[serde(default)]
    #[schema(required = false)]
    pub ways_in: WaysIn,
}

impl GatewaySettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        fields.range("trusted_hops", self.trusted_hops.into(), 0, 16);
        let has_hops = self.trusted_hops > 0 || !self.trusts_forwarded_certificates;
        fields.require(has_hops, "trusts_forwarded_certificates", "takes trusted_hops");
        fields.finish()
    }
}
