//! What tokens and workloads lead to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::claims::NO_PATH;
use super::spiffe::{is_segment, is_trust_domain};
use super::{ClaimCondition, Claims, SpiffeId, is_claim_path};
use crate::actor::Role;
use crate::field::{FieldError, Fields};
use crate::labels::{check_labels, is_label};
use crate::role::{MOST_GRANTS, UserGrant, check_grant};

/// Conditions of one rule at most.
const MOST_CONDITIONS: usize = 20;
/// Labels from claims of one rule at most.
const MOST_LABEL_CLAIMS: usize = 10;

/// What is decided about who comes by a token or as a workload: whom it matches, and whose requests they are. Of rules that match, the one
/// with the lowest `position` counts, of several the one made first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityRuleSettings {
    /// 1 to 100 characters; unique within the tenant. Usage is shown under it, as under a key's name.
    pub name: String,
    /// Lower ones are looked at first, 0 to 1000000. Default 1000.
    #[serde(default = "position")]
    #[schema(required = false)]
    pub position: u32,
    /// Matches tokens of this issuer, the tenant's or the platform's. Or else `workload`.
    #[serde(default)]
    pub token_issuer_id: Option<Uuid>,
    /// Matches tokens that are for this one of the issuer's audiences. Absent or null: for any.
    #[serde(default)]
    pub audience: Option<String>,
    /// Matches tokens whose claims fulfil all of these; at most 20.
    #[serde(default)]
    #[schema(required = false)]
    pub claims: Vec<ClaimCondition>,
    /// Matches workloads. Or else `token_issuer_id`.
    #[serde(default)]
    pub workload: Option<WorkloadMatch>,
    /// Whose requests they are: this service account's, of the tenant.
    #[serde(default)]
    pub service_account_id: Option<Uuid>,
    /// Whose requests they are: the user's whom the token names.
    #[serde(default)]
    pub person: Option<PersonMapping>,
    /// Whose requests they are: this department's; with `person`: the department of users who are made.
    #[serde(default)]
    pub department_id: Option<Uuid>,
    /// Labels of what they use; at most 50.
    #[serde(default)]
    #[schema(required = false)]
    pub labels: BTreeMap<String, String>,
    /// Further labels, with `person` only: the name, and the claim, by name or path, that says the value of each user's; at most 10. What a
    /// token does not say, or says in no way that a label may have, is no label. Of a user's tokens the one seen last counts.
    #[serde(default)]
    #[schema(required = false)]
    pub label_claims: BTreeMap<String, String>,
    /// What the users whom the rule has made may do in the console besides, with `person` only; at most 50. As soon as there is one, the
    /// grants of all whose claims hold are all the grants that such a user has, by the token that was issued last; a token without `iat`
    /// changes none. Users who were made otherwise, or are connected with a sign-in provider, keep what they have. Nobody grants more than
    /// they have themselves.
    #[serde(default)]
    #[schema(required = false)]
    pub claim_grants: Vec<ClaimGrant>,
}

/// What somebody may do besides whose token says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimGrant {
    /// What the token must say.
    pub claim: ClaimCondition,
    /// What its user may do then, in all of the rule's tenant or in a department.
    pub grant: UserGrant,
}

fn position() -> u32 {
    1000
}

/// Which workloads are meant: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadMatch {
    /// The one with this SPIFFE id.
    #[serde(default)]
    #[schema(required)]
    pub spiffe_id: Option<String>,
    /// Those whose SPIFFE id begins so. It ends with `/`: `spiffe://example.org/ns/apps/`.
    #[serde(default)]
    #[schema(required)]
    pub spiffe_id_prefix: Option<String>,
    /// Those of this trust domain.
    #[serde(default)]
    #[schema(required)]
    pub trust_domain: Option<String>,
}

/// Which user a token names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonMapping {
    /// The claim, by name or path, that holds the user's e-mail address. Choose one that people cannot set themselves at the issuer.
    pub claim: String,
    /// Whether somebody who is not there becomes a user at the first request. Default false: they are refused.
    #[serde(default)]
    #[schema(required)]
    pub creates: bool,
    /// What a user who is made may do in the console. Default `user`.
    #[serde(default)]
    #[schema(required)]
    pub role: PersonRole,
}

/// What a user who is made at first sight may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonRole {
    /// Their own keys, and the usage of these.
    #[default]
    User,
    /// Reads all of the tenant's.
    Viewer,
    /// Everything of the tenant's.
    TenantAdmin,
}

impl PersonRole {
    /// As users have it.
    pub fn role(self) -> Role {
        match self {
            Self::User => Role::User,
            Self::Viewer => Role::Viewer,
            Self::TenantAdmin => Role::TenantAdmin,
        }
    }
}

impl IdentityRuleSettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        fields.range("position", self.position.into(), 0, 1_000_000);
        match (&self.token_issuer_id, &self.workload) {
            (Some(_), None) => {}
            (None, Some(workload)) => workload.check(&mut fields),
            (Some(_), Some(_)) => fields.require(false, "workload", "must not be given beside token_issuer_id"),
            (None, None) => fields.require(false, "token_issuer_id", "is required, or else workload"),
        }
        let is_of_tokens = self.workload.is_none();
        fields.require(is_of_tokens || self.audience.is_none(), "audience", "is of tokens only");
        let is_audience =
            |text: &String| (1..=500).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        let holds = self.audience.as_ref().is_none_or(is_audience);
        fields.require(holds, "audience", "must be 1 to 500 visible ASCII characters");
        fields.require(is_of_tokens || self.claims.is_empty(), "claims", "are of tokens only");
        fields.require(is_of_tokens || self.person.is_none(), "person", "is of tokens only");
        fields.require(self.claims.len() <= MOST_CONDITIONS, "claims", format!("must be at most {MOST_CONDITIONS}"));
        for (index, condition) in self.claims.iter().enumerate() {
            condition.check(&mut fields, &format!("claims[{index}]"));
        }
        if let Some(person) = &self.person {
            fields.require(is_claim_path(&person.claim), "person.claim", NO_PATH);
            fields.require(self.service_account_id.is_none(), "service_account_id", "must not be given beside person");
        }
        let is_one = self.service_account_id.is_none() || self.department_id.is_none();
        fields.require(is_one, "department_id", "must not be given beside service_account_id, which has its own");
        check_labels(&mut fields, &self.labels);
        let holds = self.label_claims.is_empty() || self.person.is_some();
        fields.require(holds, "label_claims", "needs person: others have one row for all who come by the rule");
        let holds = self.label_claims.len() <= MOST_LABEL_CLAIMS;
        fields.require(holds, "label_claims", format!("must be at most {MOST_LABEL_CLAIMS}"));
        for (name, path) in &self.label_claims {
            fields.require(
                is_label(name, ""),
                "label_claims",
                "must have names of 1 to 63 letters, digits, -, _, . and /",
            );
            fields.require(is_claim_path(path), "label_claims", NO_PATH);
        }
        let holds = self.claim_grants.is_empty() || self.person.is_some();
        fields.require(holds, "claim_grants", "needs person: only users sign in to the console");
        let holds = self.claim_grants.len() <= MOST_GRANTS;
        fields.require(holds, "claim_grants", format!("must be at most {MOST_GRANTS}"));
        for (index, granted) in self.claim_grants.iter().enumerate() {
            granted.claim.check(&mut fields, &format!("claim_grants[{index}].claim"));
            check_grant(&mut fields, &format!("claim_grants[{index}].grant"), &granted.grant);
        }
        fields.finish()
    }

    /// What a user whom the rule has made may do besides, by these claims; each once.
    pub fn grants_of(&self, claims: &Claims) -> Vec<UserGrant> {
        let mut grants: Vec<UserGrant> = Vec::new();
        for ClaimGrant { claim, grant } in &self.claim_grants {
            if claim.holds(claims) && !grants.contains(grant) {
                grants.push(grant.clone());
            }
        }
        grants
    }

    /// The labels of whoever has shown a token with these claims.
    pub fn labels_of(&self, claims: &Claims) -> BTreeMap<String, String> {
        let said = self.label_claims.iter().filter_map(|(name, path)| Some((name, claims.text(path)?)));
        let said = said.filter(|(name, value)| !value.is_empty() && is_label(name, value));
        let said = said.map(|(name, value)| (name.clone(), value.to_owned()));
        self.labels.clone().into_iter().chain(said).collect()
    }

    /// Whether a token of this rule's issuer matches.
    pub fn matches(&self, claims: &Claims) -> bool {
        self.audience.as_ref().is_none_or(|audience| claims.is_for(audience))
            && self.claims.iter().all(|condition| condition.holds(claims))
    }
}

impl WorkloadMatch {
    fn check(&self, fields: &mut Fields) {
        match (&self.spiffe_id, &self.spiffe_id_prefix, &self.trust_domain) {
            (Some(id), None, None) => {
                fields.require(SpiffeId::parse(id).is_some(), "workload.spiffe_id", "must be a SPIFFE id: spiffe://…");
            }
            (None, Some(prefix), None) => {
                // With the slash at its end, none that merely begins alike is meant.
                let before = prefix.strip_suffix('/').unwrap_or_default();
                let is_prefix = SpiffeId::parse(before).is_some();
                let reason = "must be the beginning of SPIFFE ids, and end with /: spiffe://example.org/ns/apps/";
                fields.require(is_prefix, "workload.spiffe_id_prefix", reason);
            }
            (None, None, Some(domain)) => {
                let reason = "must be lower-case letters, digits, ., - and _";
                fields.require(is_trust_domain(domain), "workload.trust_domain", reason);
            }
            _ => {
                let reason = "must have exactly one of spiffe_id, spiffe_id_prefix and trust_domain";
                fields.require(false, "workload", reason);
            }
        }
    }

    /// Whether a workload is meant.
    pub fn matches(&self, id: &SpiffeId) -> bool {
        match (&self.spiffe_id, &self.spiffe_id_prefix, &self.trust_domain) {
            (Some(exact), None, None) => exact == id.as_str(),
            (None, Some(prefix), None) => {
                id.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| rest.split('/').all(is_segment))
            }
            (None, None, Some(domain)) => domain == id.trust_domain(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let id = "0198c0de-0000-7000-8000-00000000abcd";
        let check = |body: Value, wrong: &[&str]| {
            let mut whole = json!({"name": "Apps"});
            for (name, value) in body.as_object().unwrap() {
                whole[name] = value.clone();
            }
            let settings: IdentityRuleSettings = serde_json::from_value(whole).unwrap();
            let errors = settings.check().err().unwrap_or_default();
            let named: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
            assert_eq!(named, wrong, "{body}");
        };
        let workload = json!({"trust_domain": "example.org"});
        check(json!({}), &["token_issuer_id"]);
        check(json!({"token_issuer_id": id}), &[]);
        check(json!({"token_issuer_id": id, "workload": workload}), &["workload"]);
        check(json!({"workload": workload}), &[]);
        check(json!({"workload": {}}), &["workload"]);
        check(json!({"workload": {"trust_domain": "a", "spiffe_id": "spiffe://a/b"}}), &["workload"]);
        check(json!({"workload": {"spiffe_id": "spiffe://a/b/"}}), &["workload.spiffe_id"]);
        check(json!({"workload": {"spiffe_id_prefix": "spiffe://a/b"}}), &["workload.spiffe_id_prefix"]);
        check(json!({"workload": {"spiffe_id_prefix": "spiffe://a/b/"}}), &[]);
        check(json!({"workload": {"trust_domain": "A"}}), &["workload.trust_domain"]);
        let token_only = json!({"workload": workload, "audience": "a", "claims": [{"path": "a", "equals": "b"}],
            "person": {"claim": "email"}});
        check(token_only, &["audience", "claims", "person"]);
        let claims =
            json!([{"path": "$.a", "equals": "b"}, {"path": "a"}, {"path": "a", "equals": "b", "contains": "c"}]);
        check(
            json!({"token_issuer_id": id, "claims": claims}),
            &["claims[0].path", "claims[1].equals", "claims[2].contains"],
        );
        check(
            json!({"token_issuer_id": id, "person": {"claim": "a[0]"}, "service_account_id": id}),
            &["person.claim", "service_account_id"],
        );
        check(json!({"token_issuer_id": id, "department_id": id, "service_account_id": id}), &["department_id"]);
        check(json!({"token_issuer_id": id, "position": 1_000_001}), &["position"]);
        let grants = json!([{"claim": {"path": "groups", "contains": "leads"}, "grant": {"role": "manager", "department_id": id}}]);
        check(json!({"token_issuer_id": id, "person": {"claim": "email"}, "claim_grants": grants}), &[]);
        check(json!({"token_issuer_id": id, "claim_grants": grants}), &["claim_grants"]);
        let grants = json!([{"claim": {"path": "a b"}, "grant": {}}, {"claim": {"path": "a", "equals": "b"}, "grant": {"role": "user", "custom_role_id": id}}]);
        check(
            json!({"token_issuer_id": id, "person": {"claim": "email"}, "claim_grants": grants}),
            &[
                "claim_grants[0].claim.path",
                "claim_grants[0].claim.equals",
                "claim_grants[0].grant.role",
                "claim_grants[1].grant.role",
            ],
        );
    }

    #[test]
    fn a_prefix_means_whole_parts_of_a_path() {
        let check = |workload: Value, id: &str, expect: bool| {
            let workload: WorkloadMatch = serde_json::from_value(workload).unwrap();
            assert_eq!(workload.matches(&SpiffeId::parse(id).unwrap()), expect, "{workload:?} {id}");
        };
        let apps = json!({"spiffe_id_prefix": "spiffe://example.org/ns/apps/"});
        check(apps.clone(), "spiffe://example.org/ns/apps/sa/chat", true);
        check(apps.clone(), "spiffe://example.org/ns/apps-test/sa/chat", false);
        check(apps, "spiffe://example.org/ns/apps", false);
        check(json!({"spiffe_id": "spiffe://example.org/a"}), "spiffe://example.org/a", true);
        check(json!({"spiffe_id": "spiffe://example.org/a"}), "spiffe://example.org/a/b", false);
        check(json!({"trust_domain": "example.org"}), "spiffe://example.org/a", true);
        check(json!({"trust_domain": "example.org"}), "spiffe://example.org.evil/a", false);
    }
}
