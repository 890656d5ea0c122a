//! Further ways to show who one is than a key: a token of an issuer, and the certificate that a proxy has seen.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use weir_dev::admin::text;

use super::chain::Chain;

const ISSUER: &str = "https://issuer.bench.example";
const SPIFFE_ID: &str = "spiffe://bench.example/ns/apps/sa/chat";
/// Of the issuer's public key, RSA with 2048 bits. Nobody has the private one.
const MODULUS: &str = concat!(
    "u5wCMH80Gjzrpy08YmEk-Ziz50emcdD39Pev_f0yocEOXf3rzoytyv6Z6Chk6w791wxrkuZrsgl109QG326pS8YAMX6-1FekytybSaNtaRvN7Q",
    "CbrtECnZ0eV_UzddZC3ay__i1ef9Hi5m1QgA4JlPv955S9bUIuR-YUqAOfVGIkHywHzPdM8WaJy8UoUJYrfc1bRPcyvM2Bz3MaF1dscljGy1-3",
    "lskN4Br5kqw0npA-JSc4-tnG3zKXW0iAdiL9tUsZOKTOOafMTMe4K-iMsIz5_QNFk7CHz91iWVzIJ8kJ4LcisrnNFuMFaCoJczWyA2UAxwfqO8",
    "TMkhQGqlZVuw",
);
/// Signed by it with RS256, for the audience `weir`, until 2100.
const TOKEN: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJlbmNoIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5iZW5jaC5leGFtcGxlIiwiYX",
    "VkIjoid2VpciIsInN1YiI6ImJlbmNoIiwidGVhbSI6InJlc2VhcmNoIiwiaWF0IjoxNzY3MjI1NjAwLCJleHAiOjQxMDI0NDQ4MDB9.FCI6brh",
    "ONbT5942icewYUnmPkiQWn7JdObbehilJkPmzU9hZUYRITgzvKsbSugJS2_28ZOSf3-77O1l-VNDXMK2TX3rtGoEk5-dHizkOMW56XtmWkP2m9",
    "4436WfbOIT53MAXZOVvZuwog-HVRvRyssf-COlYDG0VIDYNiHRVHjOqeuytpQKyl7WYLpWzbdVMf6m0L5q0JFQtCR2m0sXqLeti3WMyzPSFma7",
    "b6wjKy2Bc-qZ2JzTV-BbdY9L3B8qhp-93tSKOAdvRh18O1RTuzzZWFoABNxWNo1-AK2y6O7lUMZr6eddF3in9xoqgqdrBsx71ZaFABw2aOuH1_",
    "b9l2Q",
);

/// One way of showing who one is.
pub(crate) struct Way {
    /// For the table.
    pub(crate) name: &'static str,
    /// Shown as a bearer token.
    pub(crate) bearer: String,
    /// Further headers.
    pub(crate) besides: Vec<(&'static str, String)>,
}

/// What is shown in each way. The second shows both a key and a token: the key counts, and what it takes more is jwt_authn's.
pub(crate) fn ways(key: &str) -> [Way; 4] {
    let way = |name, bearer: &str, besides| Way { name, bearer: bearer.to_owned(), besides };
    let forwarded = || vec![("x-forwarded-client-cert", format!("URI={SPIFFE_ID}"))];
    [
        way("by a key", key, Vec::new()),
        way("by a key, with a token that jwt_authn verifies", TOKEN, vec![("x-api-key", key.to_owned())]),
        way("by a token", TOKEN, Vec::new()),
        way("by a SPIFFE id, with a dummy key", "sk-dummy-of-the-app", forwarded()),
    ]
}

impl Chain {
    /// Has the bench's tenant known by [`ways`].
    pub(crate) async fn know_ways(&self) -> Result<()> {
        let mut admin = self.admin().await?;
        let keys = admin.list("api-keys", "").await?;
        let key = keys.iter().find(|key| key["name"] == "bench").context("there is no key of the bench")?;
        let tenant = text(key, "tenant_id")?;
        let key_set =
            json!({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "bench", "n": MODULUS, "e": "AQAB"}]});
        let issuer =
            json!({"tenant_id": tenant, "name": "bench", "issuer": ISSUER, "audiences": ["weir"], "jwks": key_set});
        let issuer = admin.create("token-issuers", &issuer).await?;
        let rule = |name: &str| json!({"tenant_id": tenant, "name": name});
        let mut tokens = rule("tokens");
        tokens["token_issuer_id"] = issuer["id"].clone();
        tokens["claims"] = json!([{"path": "team", "equals": "research"}]);
        let mut workloads = rule("workloads");
        workloads["workload"] = json!({"spiffe_id": SPIFFE_ID});
        for rule in [tokens, workloads] {
            admin.create("identity-rules", &rule).await?;
        }
        for gateway in admin.list("gateways", "").await? {
            let hops = json!({"trusted_hops": 1, "trusts_forwarded_certificates": true});
            admin.change("gateways", &gateway, &hops).await?;
        }
        self.settle(&admin).await
    }

    /// Has the same hold for who came in any way as for the key.
    pub(crate) async fn restrict_alike(&self) -> Result<()> {
        let mut admin = self.admin().await?;
        let rows = admin.list("api-keys", "").await?;
        let (by_key, by_rule): (Vec<&Value>, Vec<&Value>) = rows.iter().partition(|row| row["way"] == "key");
        let key = by_key.into_iter().find(|key| key["name"] == "bench").context("there is no key of the bench")?;
        let fields = ["requests_per_minute", "guardrail_profile_id"].map(|name| (name.to_owned(), key[name].clone()));
        let fields = Value::Object(fields.into_iter().collect());
        for row in by_rule {
            admin.change("api-keys", row, &fields).await?;
        }
        self.settle(&admin).await
    }
}
