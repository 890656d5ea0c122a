//! Whose tokens are verified.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::actor::Actor;
use crate::destination::{AllowedHosts, inside};
use crate::field::{FieldError, Fields};
use crate::sign_in::issuer_url;
use crate::snapshot::BaseUrl;

/// Audiences of one issuer at most.
const MOST_AUDIENCES: usize = 50;
/// Keys of a set at most.
const MOST_KEYS: usize = 100;
/// Bytes of a set of keys at most.
const LONGEST_KEYS: usize = 64 * 1024;

/// What is decided about an issuer of tokens (JWT) by which apps show who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenIssuerSettings {
    /// 1 to 100 characters; unique for its owner.
    pub name: String,
    /// As the claim `iss` says it, byte for byte; 1 to 500 visible ASCII characters. No other issuer of this installation has the same.
    pub issuer: String,
    /// Of which the claim `aud` must name one; 1 to 50. A token for somebody else's service is none for this one.
    pub audiences: Vec<String>,
    /// Where its public keys are (JWKS): Envoy fetches and keeps them. `http://` only inside the operator's network. Or else `jwks`.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// The public keys themselves: `{"keys": […]}`. Or else `jwks_url`.
    #[serde(default)]
    pub jwks: Option<Value>,
    /// The header in which apps send their token: in `authorization` behind `Bearer`, in any other alone. Default `authorization`.
    #[serde(default = "authorization")]
    #[schema(required = false)]
    pub header: String,
    /// For how long Envoy keeps the keys of `jwks_url`, in seconds, 10 to 86400: one that the issuer withdraws is believed no longer.
    /// Default 300.
    #[serde(default = "keys_kept_seconds")]
    #[schema(required = false)]
    pub keys_kept_seconds: u32,
}

fn authorization() -> String {
    "authorization".into()
}

fn keys_kept_seconds() -> u32 {
    300
}

impl TokenIssuerSettings {
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        let is_visible =
            |text: &str| (1..=500).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fields.name("name", &self.name);
        fields.require(is_visible(&self.issuer), "issuer", "must be 1 to 500 visible ASCII characters");
        let number = self.audiences.len();
        fields.require((1..=MOST_AUDIENCES).contains(&number), "audiences", "must be 1 to 50");
        for (index, audience) in self.audiences.iter().enumerate() {
            let field = format!("audiences[{index}]");
            fields.require(is_visible(audience), field, "must be 1 to 500 visible ASCII characters");
        }
        match (&self.jwks_url, &self.jwks) {
            (Some(url), None) => {
                if let Err(reason) = issuer_url(url) {
                    fields.require(false, "jwks_url", reason);
                }
            }
            (None, Some(keys)) => check_keys(&mut fields, keys),
            (Some(_), Some(_)) => fields.require(false, "jwks", "must not be given beside jwks_url"),
            (None, None) => fields.require(false, "jwks_url", "is required, or else jwks"),
        }
        let is_header = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let header = &self.header;
        let is_free =
            !header.starts_with("x-weir-") && !header.starts_with("x-envoy-") && !header.starts_with("x-forwarded-");
        fields.require(
            (1..=100).contains(&header.len()) && header.bytes().all(is_header) && is_free,
            "header",
            "must be a header's name of lower-case letters, digits and -, and none of Envoy's or Weir's own",
        );
        fields.range("keys_kept_seconds", self.keys_kept_seconds.into(), 10, 86_400);
        fields.finish()
    }

    /// Refuses an owner and an address of keys that this actor may not bring together, by the rule for tenants' model providers.
    pub fn check_destination(
        &self,
        actor: &Actor,
        tenant_id: Option<Uuid>,
        allowed: &AllowedHosts,
    ) -> Result<(), Vec<FieldError>> {
        if actor.scope().tenant().is_none() || tenant_id.is_none() {
            return Ok(());
        }
        let Some(url) = self.jwks_url.as_ref().and_then(|url| url.parse::<BaseUrl>().ok()) else { return Ok(()) };
        match inside(&url.host).filter(|_| !allowed.include(&url.host)) {
            Some(what) => {
                let reason = format!("must not lead to {what}; only a platform admin may set this");
                Err(vec![FieldError::new("jwks_url", reason)])
            }
            None => Ok(()),
        }
    }
}

/// A set of public keys. A key that signs as well as it verifies would let whoever reads this make tokens.
fn check_keys(fields: &mut Fields, keys: &Value) {
    let list = keys.get("keys").and_then(Value::as_array);
    let Some(list) = list.filter(|list| (1..=MOST_KEYS).contains(&list.len())) else {
        return fields.require(false, "jwks", "must be a set of 1 to 100 keys: {\"keys\": […]}");
    };
    let text = keys.to_string();
    fields.require(!text.contains("\\u0000"), "jwks", "must not contain control characters");
    fields.require(text.len() <= LONGEST_KEYS, "jwks", "must have at most 65536 bytes");
    for (index, key) in list.iter().enumerate() {
        let kind = key.get("kty").and_then(Value::as_str).unwrap_or_default();
        let field = format!("jwks.keys[{index}]");
        fields.require(matches!(kind, "RSA" | "EC" | "OKP"), field.clone(), "must be a public key of RSA, EC or OKP");
        let is_public = ["d", "p", "q", "k"].iter().all(|secret| key.get(*secret).is_none());
        fields.require(is_public, field, "must not hold a private key");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let check = |change: Value, wrong: &[&str]| {
            let mut body = json!({"name": "Company", "issuer": "https://login.example.com", "audiences": ["weir"],
                "jwks_url": "https://login.example.com/keys"});
            for (name, value) in change.as_object().unwrap() {
                body[name] = value.clone();
            }
            let settings: TokenIssuerSettings = serde_json::from_value(body).unwrap();
            let errors = settings.check().err().unwrap_or_default();
            let named: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
            assert_eq!(named, wrong, "{change}");
        };
        let key = json!({"kty": "RSA", "n": "…", "e": "AQAB"});
        check(json!({}), &[]);
        check(json!({"audiences": []}), &["audiences"]);
        check(json!({"audiences": ["a b"]}), &["audiences[0]"]);
        check(json!({"issuer": ""}), &["issuer"]);
        check(json!({"jwks_url": "http://login.example.com/keys"}), &["jwks_url"]);
        check(json!({"jwks_url": null}), &["jwks_url"]);
        check(json!({"jwks": {"keys": [key]}}), &["jwks"]);
        check(json!({"jwks_url": null, "jwks": {"keys": [key]}}), &[]);
        check(json!({"jwks_url": null, "jwks": {"keys": []}}), &["jwks"]);
        check(
            json!({"jwks_url": null, "jwks": {"keys": [{"kty": "oct", "k": "secret"}]}}),
            &["jwks.keys[0]", "jwks.keys[0]"],
        );
        check(json!({"jwks_url": null, "jwks": {"keys": [{"kty": "RSA", "d": "secret"}]}}), &["jwks.keys[0]"]);
        check(json!({"header": "X-Token"}), &["header"]);
        check(json!({"header": "x-weir-token"}), &["header"]);
        check(json!({"keys_kept_seconds": 9}), &["keys_kept_seconds"]);
    }
}
