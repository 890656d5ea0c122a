//! Signing in by an identity provider (OpenID Connect).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::actor::{Actor, Role};
use crate::destination::{AllowedHosts, inside};
use crate::field::{FieldError, Fields};
use crate::json::Object;
use crate::role::{MOST_GRANTS, UserGrant, check_grants};
use crate::snapshot::BaseUrl;

/// Rules of one provider at most.
const MOST_RULES: usize = 200;
/// Scopes of one provider at most.
const MOST_SCOPES: usize = 30;

/// What is decided about an identity provider by which people sign in. The client's secret is kept elsewhere, encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInProviderSettings {
    /// 1 to 100 characters; unique for its owner. The sign-in page says `Continue with` it.
    pub name: String,
    /// The issuer's URL, as its tokens say it: `https://login.example.com/realms/acme`. `http://` only inside the operator's network.
    pub issuer: String,
    /// By what the issuer knows this installation. 1 to 500 visible ASCII characters.
    pub client_id: String,
    /// What the issuer is asked for. `openid` is among them. Default `openid`, `email` and `profile`.
    #[serde(default = "default_scopes")]
    #[schema(required = false)]
    pub scopes: Vec<String>,
    /// Where its claims stand. Default `email` and `groups`.
    #[serde(default)]
    #[schema(required = false)]
    pub claims: ClaimNames,
    /// What members of which group may do, at each sign-in anew: the role and tenant of the first rule that matches, and the grants of all
    /// that match and lead there. Empty: users do what they did before.
    #[serde(default)]
    #[schema(required = false)]
    pub rules: Vec<GroupRule>,
    /// Whether somebody whom a rule matches becomes a user at the first sign-in. Default false: only users who have connected
    /// themselves with it sign in by it.
    #[serde(default)]
    #[schema(required = false)]
    pub creates_users: bool,
    /// Whether those whom it concerns (users of its tenant; all, if it is the platform's) sign in by it alone: their passwords are
    /// refused, but for break-glass accounts. Default false.
    #[serde(default)]
    #[schema(required = false)]
    pub is_only_way_in: bool,
}

/// The names of claims. A name with dots is looked up whole first, then as a path: `realm_access.roles`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimNames {
    /// The e-mail address. It counts only if the claim `email_verified` is true.
    pub email: String,
    /// The groups: a list of texts, or one text.
    pub groups: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { email: "email".into(), groups: "groups".into() }
    }
}

/// What members of a group may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRule {
    /// The group, as the claim says it; `*`: everybody whom the provider knows.
    pub group: String,
    /// What they may do.
    pub role: Role,
    /// In which tenant; null for `platform_admin`, and for a `user` of the platform. A tenant's own provider leads to that tenant only, and may leave it out.
    #[serde(default)]
    #[schema(required)]
    pub tenant_id: Option<Uuid>,
    /// What they may do besides, in all of the tenant (for a `user` of the platform: everywhere) or in a department. As soon as one rule of
    /// the provider has grants, its rules say all the grants that users have.
    #[serde(default)]
    #[schema(required)]
    pub grants: Vec<UserGrant>,
}

/// What rules give to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// In all of the tenant or platform.
    pub role: Role,
    /// `None`: the platform.
    pub tenant_id: Option<Uuid>,
    /// Besides; `None`: the rules say nothing of grants.
    pub grants: Option<Vec<UserGrant>>,
}

fn default_scopes() -> Vec<String> {
    ["openid", "email", "profile"].map(str::to_owned).to_vec()
}

impl SignInProviderSettings {
    /// Names all that is wrong with them, for a provider of this tenant (`None`: of the platform), and gives them in their one spelling.
    pub fn check(mut self, tenant_id: Option<Uuid>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        if let Err(reason) = issuer_url(&self.issuer) {
            fields.require(false, "issuer", reason);
        }
        let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        fields.require((1..=500).contains(&self.client_id.len()), "client_id", "must have 1 to 500 characters");
        fields.require(is_visible(&self.client_id), "client_id", "must be visible ASCII without blanks");
        fields.require(self.scopes.len() <= MOST_SCOPES, "scopes", format!("must be at most {MOST_SCOPES}"));
        fields.require(self.scopes.iter().any(|scope| scope == "openid"), "scopes", "must have openid among them");
        for (index, scope) in self.scopes.iter().enumerate() {
            // RFC 6749, 3.3.
            let is_scope = (1..=100).contains(&scope.len())
                && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
            fields.require(is_scope, format!("scopes[{index}]"), "must be 1 to 100 visible ASCII characters");
        }
        let ClaimNames { email, groups } = &self.claims;
        for (field, claim) in [("claims.email", email), ("claims.groups", groups)] {
            fields.require((1..=200).contains(&claim.chars().count()), field, "must have 1 to 200 characters");
        }
        fields.require(self.rules.len() <= MOST_RULES, "rules", format!("must be at most {MOST_RULES}"));
        for (index, rule) in self.rules.iter_mut().enumerate() {
            let path = |field: &str| format!("rules[{index}].{field}");
            let length = rule.group.chars().count();
            fields.require((1..=500).contains(&length), path("group"), "must have 1 to 500 characters");
            if tenant_id.is_some() {
                let is_own = rule.tenant_id.is_none() || rule.tenant_id == tenant_id;
                fields.require(is_own, path("tenant_id"), "must be the provider's own tenant");
                rule.tenant_id = tenant_id;
            }
            check_grants(&mut fields, &format!("rules[{index}].grants"), &rule.grants);
            for (number, grant) in rule.grants.iter().enumerate() {
                let is_of_tenant = grant.department_id.is_none() || rule.tenant_id.is_some();
                let field = format!("rules[{index}].grants[{number}].department_id");
                fields.require(is_of_tenant, field, "must be null where the rule leads to no tenant");
            }
            match (rule.role, rule.tenant_id, tenant_id) {
                (Role::PlatformAdmin, _, Some(_)) => {
                    fields.require(false, path("role"), "is not given by a tenant's provider");
                }
                (Role::PlatformAdmin, Some(_), None) => {
                    fields.require(false, path("tenant_id"), "must be null for a platform_admin");
                }
                (Role::TenantAdmin | Role::Viewer, None, _) => {
                    fields.require(false, path("tenant_id"), "is required for this role");
                }
                (Role::User, _, _)
                | (Role::PlatformAdmin, None, None)
                | (Role::TenantAdmin | Role::Viewer, Some(_), _) => {}
            }
        }
        fields.require(
            !self.creates_users || !self.rules.is_empty(),
            "creates_users",
            "needs rules: they say what a new user may do",
        );
        fields.finish().map(|()| self)
    }

    /// Refuses an owner and issuer that this actor may not bring together, by the rule for tenants' model providers.
    pub fn check_destination(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        allowed: &AllowedHosts,
    ) -> Result<(), Vec<FieldError>> {
        if actor.scope().tenant().is_none() || tenant_id.is_none() {
            return Ok(());
        }
        match self.issuer.parse::<BaseUrl>() {
            Ok(url) => match inside(&url.host).filter(|_| !allowed.include(&url.host)) {
                Some(what) => {
                    let reason = format!("must not lead to {what}; only a platform admin may set this");
                    Err(vec![FieldError::new("issuer", reason)])
                }
                None => Ok(()),
            },
            Err(error) => Err(vec![FieldError::new("issuer", error.to_string())]),
        }
    }

    /// What the rules say for a member of these groups; `None`: no rule matches.
    pub fn granted(&self, groups: &[String]) -> Option<Granted> {
        let mut matching = self.rules.iter().filter(|rule| rule.group == "*" || groups.contains(&rule.group));
        let first = matching.next()?;
        let mut grants: Vec<UserGrant> = Vec::new();
        for rule in std::iter::once(first).chain(matching.filter(|rule| rule.tenant_id == first.tenant_id)) {
            let new: Vec<UserGrant> = rule.grants.iter().filter(|grant| !grants.contains(grant)).cloned().collect();
            grants.extend(new);
        }
        grants.truncate(MOST_GRANTS);
        // Whoever has left the group of a rule with grants has them no more.
        let says_grants = self.rules.iter().any(|rule| !rule.grants.is_empty());
        Some(Granted { role: first.role, tenant_id: first.tenant_id, grants: says_grants.then_some(grants) })
    }
}

/// Reads an issuer's URL. OpenID Connect asks for TLS; without, it must be one that only the inside can reach.
pub fn issuer_url(issuer: &str) -> Result<BaseUrl, String> {
    let url: BaseUrl = issuer.parse().map_err(|error: crate::base_url::BaseUrlError| error.to_string())?;
    if url.tls || inside(&url.host).is_some() {
        Ok(url)
    } else {
        Err("must begin with https:// unless it is inside the operator's network".into())
    }
}

/// What somebody's claims say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Who it is for the issuer; never another one's.
    pub subject: String,
    /// Only one that the issuer has verified.
    pub email: Option<String>,
    /// The groups.
    pub groups: Vec<String>,
}

impl ClaimNames {
    /// Reads them.
    pub fn person(&self, claims: &Object) -> Person {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        // Some issuers write it as a text.
        let is_verified = match claims.get("email_verified") {
            Some(Value::Bool(verified)) => *verified,
            Some(Value::String(verified)) => verified == "true",
            _ => false,
        };
        let groups = match claim(claims, &self.groups) {
            Some(Value::Array(groups)) => groups.iter().filter_map(text).collect(),
            Some(Value::String(group)) => vec![group.clone()],
            _ => Vec::new(),
        };
        Person {
            subject: claims.get("sub").and_then(text).unwrap_or_default(),
            email: claim(claims, &self.email).and_then(text).filter(|_| is_verified),
            groups,
        }
    }
}

fn claim<'a>(claims: &'a Object, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    claim(claims.get(first)?.as_object()?, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(more: Value) -> SignInProviderSettings {
        let mut settings = json!({"name": "Acme", "issuer": "https://login.example.com", "client_id": "weir"});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let check = |more: Value, tenant_id, expect: &[&str]| {
            let errors = settings(more.clone()).check(tenant_id).err().unwrap_or_default();
            let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
            assert_eq!(fields, expect, "{more}");
        };
        check(json!({}), None, &[]);
        check(json!({"issuer": "http://127.0.0.1:9000"}), None, &[]);
        check(json!({"issuer": "http://login.example.com"}), None, &["issuer"]);
        check(json!({"issuer": "https://user@login.example.com"}), None, &["issuer"]);
        check(json!({"scopes": ["email"]}), None, &["scopes"]);
        check(json!({"scopes": ["openid", "a b"]}), None, &["scopes[1]"]);
        check(json!({"creates_users": true}), None, &["creates_users"]);
        let rule = |role: &str, tenant_id| json!({"rules": [{"group": "g", "role": role, "tenant_id": tenant_id}]});
        check(rule("platform_admin", None), None, &[]);
        check(rule("platform_admin", Some(a)), None, &["rules[0].tenant_id"]);
        check(rule("viewer", None), None, &["rules[0].tenant_id"]);
        check(rule("viewer", Some(a)), None, &[]);
        // A tenant's provider leads to that tenant, and never to the platform.
        check(rule("viewer", None), Some(a), &[]);
        check(rule("viewer", Some(b)), Some(a), &["rules[0].tenant_id"]);
        check(rule("platform_admin", None), Some(a), &["rules[0].role"]);
        let grant = |tenant_id, grant: Value| json!({"rules": [{"group": "g", "role": "user", "tenant_id": tenant_id, "grants": [grant]}]});
        check(grant(Some(a), json!({"role": "manager", "department_id": b})), None, &[]);
        check(grant(None, json!({"role": "viewer"})), None, &[]);
        check(grant(None, json!({"role": "viewer", "department_id": b})), None, &["rules[0].grants[0].department_id"]);
        check(grant(Some(a), json!({"department_id": b})), None, &["rules[0].grants[0].role"]);
        let of_a = settings(rule("viewer", None)).check(Some(a)).unwrap();
        assert_eq!(of_a.rules[0].tenant_id, Some(a));
    }

    #[test]
    fn the_first_rule_that_matches_holds() {
        let settings = settings(json!({"rules": [
            {"group": "admins", "role": "platform_admin"},
            {"group": "*", "role": "viewer", "tenant_id": Uuid::from_u128(1)},
        ]}));
        let role = |groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            settings.granted(&groups).map(|granted| granted.role)
        };
        assert_eq!(role(&["x", "admins"]), Some(Role::PlatformAdmin));
        assert_eq!(role(&["Admins"]), Some(Role::Viewer));
        assert_eq!(role(&[]), Some(Role::Viewer));
    }

    #[test]
    fn the_grants_of_all_rules_that_match_and_lead_to_the_same_tenant_come_together() {
        let (a, b, department) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let manager = json!({"role": "manager", "department_id": department});
        let settings = settings(json!({"rules": [
            {"group": "leads", "role": "user", "tenant_id": a, "grants": [manager, {"role": "viewer"}]},
            {"group": "owners", "role": "tenant_admin", "tenant_id": a, "grants": [{"role": "viewer"}]},
            {"group": "elsewhere", "role": "user", "tenant_id": b, "grants": [{"role": "admin"}]},
            {"group": "*", "role": "user", "tenant_id": a},
        ]}));
        let check = |groups: &[&str], role, count: usize| {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            let granted = settings.granted(&groups).unwrap();
            assert_eq!((granted.role, granted.tenant_id), (role, Some(a)), "{groups:?}");
            assert_eq!(granted.grants.map(|grants| grants.len()), Some(count), "{groups:?}");
        };
        check(&["leads"], Role::User, 2);
        check(&["owners"], Role::TenantAdmin, 1);
        // Each once, and none of another tenant.
        check(&["owners", "leads", "elsewhere"], Role::User, 2);
        check(&[], Role::User, 0);
    }

    #[test]
    fn only_a_verified_address_counts() {
        let check = |claims: Value, expect: Option<&str>| {
            let person = ClaimNames::default().person(claims.as_object().unwrap());
            assert_eq!(person.email.as_deref(), expect, "{claims}");
        };
        check(json!({"sub": "1", "email": "a@b.c", "email_verified": true}), Some("a@b.c"));
        check(json!({"sub": "1", "email": "a@b.c", "email_verified": "true"}), Some("a@b.c"));
        for unverified in [json!(false), json!("false"), json!(1), json!(null)] {
            check(json!({"sub": "1", "email": "a@b.c", "email_verified": unverified}), None);
        }
        check(json!({"sub": "1", "email": "a@b.c"}), None);
    }

    #[test]
    fn groups_stand_where_the_operator_says() {
        let check = |name: &str, claims: Value, expect: &[&str]| {
            let names = ClaimNames { groups: name.into(), ..ClaimNames::default() };
            assert_eq!(names.person(claims.as_object().unwrap()).groups, expect, "{name}");
        };
        check("groups", json!({"groups": ["a", "b", 7]}), &["a", "b"]);
        check("groups", json!({"groups": "a"}), &["a"]);
        check("realm_access.roles", json!({"realm_access": {"roles": ["a"]}}), &["a"]);
        check("https://acme.example/groups", json!({"https://acme.example/groups": ["a"]}), &["a"]);
        check("groups", json!({}), &[]);
    }
}
