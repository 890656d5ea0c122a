//! Providers that want each request signed (AWS Signature Version 4) instead of a credential in a header.
//!
//! Their credential is a pair of keys, `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, or with a `:SESSION_TOKEN` behind it. An attempt carries the
//! provider's marker where others carry their credential, by which Envoy's signer knows whose attempt it is, and which it replaces.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use crate::snapshot::Provider;

/// A pair of keys.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// Which pair it is; no secret.
    pub access_key_id: String,
    /// What is signed with.
    pub secret_access_key: SecretString,
    /// What a temporary pair is valid by.
    pub session_token: Option<SecretString>,
}

/// In whose name requests are signed, and for what.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The provider's keys.
    pub keys: KeyPair,
    /// The service's name in signatures: `bedrock`.
    pub service: &'static str,
    /// The service's region: `eu-central-1`.
    pub region: String,
}

impl KeyPair {
    /// Reads a credential of that form. An id is of capital letters and digits, and no secret has a colon in it.
    pub fn read(credential: &SecretString) -> Option<Self> {
        let mut parts = credential.expose_secret().splitn(3, ':');
        let (id, secret) = (parts.next()?, parts.next()?);
        let is_id =
            (16..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        (is_id && !secret.is_empty()).then(|| Self {
            access_key_id: id.to_owned(),
            secret_access_key: secret.into(),
            session_token: parts.next().filter(|token| !token.is_empty()).map(Into::into),
        })
    }
}

/// The region in a host's name: `bedrock-runtime.eu-central-1.amazonaws.com`.
pub fn region_of(host: &str) -> Option<&str> {
    let is_region = |label: &&str| {
        let parts: Vec<&str> = label.split('-').collect();
        let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        match parts.as_slice() {
            [area, places @ .., number] => {
                area.len() == 2
                    && is_word(area)
                    && !places.is_empty()
                    && places.iter().all(is_word)
                    && matches!(number.as_bytes(), [b'1'..=b'9'])
            }
            _ => false,
        }
    };
    host.split('.').find(is_region)
}

impl Provider {
    /// The keys by which its requests are signed; `None`: it is shown its credential.
    pub fn key_pair(&self) -> Option<KeyPair> {
        self.kind()?.signs_as?;
        KeyPair::read(self.credential.as_ref()?)
    }

    /// Who signs its requests; `None`: nobody, or its host does not tell the region.
    pub fn signer(&self) -> Option<Signer> {
        let service = self.kind()?.signs_as?;
        Some(Signer { keys: self.key_pair()?, service, region: region_of(&self.base_url.host)?.to_owned() })
    }

    /// The host and path of its list of models, where that is another service's: Bedrock's runtime has none.
    pub fn models_elsewhere(&self) -> Option<(String, &'static str)> {
        self.kind()?.signs_as?;
        let rest = self.base_url.host.strip_prefix("bedrock-runtime")?;
        Some((format!("bedrock{rest}"), "/foundation-models"))
    }

    /// What an attempt carries for Envoy's signer to know it by; no secret.
    pub fn signing_marker(&self) -> String {
        format!("weir-signs-for-{}", self.id)
    }

    /// What Envoy puts on an attempt: the credential, or the marker where requests are signed.
    pub fn shown_credential(&self) -> Option<SecretString> {
        match self.key_pair() {
            Some(_) => Some(self.signing_marker().into()),
            None => self.credential.clone(),
        }
    }
}

impl Signer {
    /// The headers that sign a GET of a path without a query, at this time.
    pub fn sign_get(&self, host: &str, path: &str, now: DateTime<Utc>) -> Vec<(&'static str, SecretString)> {
        let time = now.format("%Y%m%dT%H%M%SZ").to_string();
        let day = now.format("%Y%m%d").to_string();
        let token = self.keys.session_token.as_ref().map(|token| ("x-amz-security-token", token.clone()));
        let signed: Vec<(&str, SecretString)> =
            [("host", host.into()), ("x-amz-date", time.as_str().into())].into_iter().chain(token.clone()).collect();
        let lines: String = signed.iter().map(|(name, value)| format!("{name}:{}\n", value.expose_secret())).collect();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let canonical = format!("GET\n{path}\n\n{lines}\n{names}\n{}", hexadecimal(digest(&SHA256, b"").as_ref()));
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hexadecimal(digest(&SHA256, canonical.as_bytes()).as_ref())
        );
        let first = format!("AWS4{}", self.keys.secret_access_key.expose_secret()).into_bytes();
        let steps = [day.as_str(), &self.region, self.service, "aws4_request"];
        let key = steps.iter().fold(first, |key, step| hmac_sha256(&key, step));
        let signature = hexadecimal(&hmac_sha256(&key, &text));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.keys.access_key_id
        );
        let shown = [("x-amz-date", time.into()), ("authorization", authorization.into())];
        shown.into_iter().chain(token).collect()
    }
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    #[test]
    fn a_pair_of_keys_is_told_from_other_credentials() {
        let check = |credential: &str, expect: Option<(&str, &str, Option<&str>)>| {
            let pair = KeyPair::read(&credential.into());
            let found = pair.as_ref().map(|pair| {
                let token = pair.session_token.as_ref().map(|token| token.expose_secret());
                (pair.access_key_id.as_str(), pair.secret_access_key.expose_secret(), token)
            });
            assert_eq!(found, expect, "{credential}");
        };
        check("AKIAIOSFODNN7EXAMPLE:a/b+c=", Some(("AKIAIOSFODNN7EXAMPLE", "a/b+c=", None)));
        check("ASIAIOSFODNN7EXAMPLE:a:t:u=", Some(("ASIAIOSFODNN7EXAMPLE", "a", Some("t:u="))));
        check("AKIAIOSFODNN7EXAMPLE:a:", Some(("AKIAIOSFODNN7EXAMPLE", "a", None)));
        for other in ["ABSKQmVkcm9ja0FQSUtleQ==", "AKIAIOSFODNN7EXAMPLE:", "AKIA:a", "sk-abcdefghijklmnop:a", ""] {
            check(other, None);
        }
    }

    #[test]
    fn the_host_tells_the_region() {
        for (host, expect) in [
            ("bedrock-runtime.eu-central-1.amazonaws.com", Some("eu-central-1")),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("vpce-1a.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", Some("ap-southeast-2")),
            ("bedrock-runtime.us-east-1.localhost", Some("us-east-1")),
            ("bedrock.proxy.example", None),
            ("eu-central.example", None),
            ("my-service-1.example", Some("my-service-1")),
            ("abc-service-1.example", None),
        ] {
            assert_eq!(region_of(host), expect, "{host}");
        }
    }

    /// `get-vanilla` of AWS's own test suite of signatures.
    #[test]
    fn a_signature_is_as_amazon_makes_it() {
        let keys =
            KeyPair { access_key_id: "AKIDEXAMPLE".into(), secret_access_key: SECRET.into(), session_token: None };
        let signer = Signer { keys, service: "service", region: "us-east-1".into() };
        let headers = signer.sign_get("example.amazonaws.com", "/", "2015-08-30T12:36:00Z".parse().unwrap());
        let expect = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                      SignedHeaders=host;x-amz-date, \
                      Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        let found: Vec<_> = headers.iter().map(|(name, value)| (*name, value.expose_secret())).collect();
        assert_eq!(found, [("x-amz-date", "20150830T123600Z"), ("authorization", expect)]);
    }
}
