//! Verifying tokens: one filter with what all owners in scope have said about issuers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::{
    DataSource, HttpUri, TypedExtensionConfig, data_source::Specifier, http_uri::HttpUpstreamType,
};
use envoy_types::pb::envoy::config::route::v3::{RouteMatch, route_match::PathSpecifier};
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::{
    JwksAsyncFetch, JwtAuthentication, JwtCacheConfig, JwtClaimToHeader, JwtHeader, JwtProvider, JwtRequirement,
    JwtRequirementOrList, RemoteJwks, RequirementRule, jwt_provider::JwksSourceSpecifier,
    jwt_requirement::RequiresType, requirement_rule::RequirementType,
};
use envoy_types::pb::google::protobuf::{Any, Empty};
use envoy_types::util::pack_any;
use prost::Message as _;
use uuid::Uuid;
use weir_config::names;
use weir_core::snapshot::{Keys, TokenIssuer};

use super::TOKENS;
use super::scalar::milliseconds;
use crate::resource::{Fragment, Owner, Verifier};
use crate::{Resource, ResourceType};

/// How long the issuer may take to answer with its keys.
const FETCH_TIMEOUT_MS: u64 = 5000;
/// After which time a fetch that failed is tried again.
const FETCH_AGAIN_MS: u64 = 2000;

/// Issuers that are asked one after the other, at most: each costs a reading of the token.
const MOST_NAMED: usize = 4;
/// Tokens of one issuer that a worker of Envoy remembers as verified.
const REMEMBERED: u32 = 500;
/// Bytes of the longest of them.
const LONGEST_REMEMBERED: u32 = 8192;

/// Where the keys of an issuer come from.
pub(super) fn cluster_of_issuer(id: Uuid) -> String {
    format!("weir.keys.{id}")
}

/// An issuer as Envoy verifies its tokens.
pub(super) fn verifier(issuer: &TokenIssuer) -> Verifier {
    let keys = match &issuer.keys {
        Keys::Here(keys) => JwksSourceSpecifier::LocalJwks(DataSource {
            specifier: Some(Specifier::InlineString(keys.clone())),
            ..Default::default()
        }),
        Keys::At { url, .. } => JwksSourceSpecifier::RemoteJwks(RemoteJwks {
            http_uri: Some(HttpUri {
                uri: url.clone(),
                timeout: Some(milliseconds(FETCH_TIMEOUT_MS)),
                http_upstream_type: Some(HttpUpstreamType::Cluster(cluster_of_issuer(issuer.id))),
            }),
            cache_duration: Some(milliseconds(u64::from(issuer.keys_kept_seconds) * 1000)),
            // Before the first request needs them. An Envoy that runs knows no listener to hold up.
            async_fetch: Some(JwksAsyncFetch {
                fast_listener: true,
                failed_refetch_duration: Some(milliseconds(FETCH_AGAIN_MS)),
            }),
            ..Default::default()
        }),
    };
    let memory = match &issuer.keys {
        Keys::Here(_) => Some(0),
        Keys::At { withdrawals, .. } => *withdrawals,
    };
    let header = issuer.header.clone();
    let value_prefix = if header == "authorization" { "Bearer ".to_owned() } else { String::new() };
    let provider = JwtProvider {
        issuer: issuer.issuer.clone(),
        audiences: issuer.audiences.clone(),
        require_expiration: true,
        // It never reaches a model's provider, nor is it taken for a key.
        forward: false,
        from_headers: vec![JwtHeader { name: header, value_prefix }],
        forward_payload_header: names::HEADER_TOKEN_CLAIMS.into(),
        failed_status_in_metadata: names::METADATA_TOKEN_FAILURE.into(),
        // All that a token says is its issuer's, but by whose keys it was found to be: an Envoy may have another owner's still.
        claim_to_headers: vec![JwtClaimToHeader {
            header_name: format!("{}{}", names::HEADER_TOKEN_ISSUER_PREFIX, issuer.id),
            claim_name: "iss".into(),
            ..Default::default()
        }],
        jwks_source_specifier: Some(keys),
        ..Default::default()
    };
    let encoded = |name: String, provider: JwtProvider| {
        JwtAuthentication { providers: HashMap::from([(name, provider)]), ..Default::default() }.encode_to_vec()
    };
    let remembering = memory.map(|withdrawals| {
        // What is remembered ends with the filter's configuration, so it is another one once a key was withdrawn.
        let name = format!("{}/{withdrawals}", issuer.id);
        let cache = JwtCacheConfig { jwt_cache_size: REMEMBERED, jwt_max_token_size: LONGEST_REMEMBERED };
        let provider = JwtProvider { jwt_cache_config: Some(cache), ..provider.clone() };
        (name.clone(), encoded(name, provider))
    });
    Verifier { header: issuer.header.clone(), encoded: encoded(issuer.id.to_string(), provider), remembering }
}

/// The filter as it is before there is an issuer: it looks at nothing.
pub(super) fn nothing() -> JwtAuthentication {
    JwtAuthentication::default()
}

/// The filter with the issuers of all these owners. It refuses nothing: what becomes of a token that is missing or not good is decided later,
/// when it is known whose request it is.
pub(crate) fn together(fragments: &BTreeMap<Owner, Arc<Fragment>>) -> Fragment {
    let verifiers: Vec<&Verifier> = fragments.values().flat_map(|fragment| &fragment.verifiers).collect();
    let is_one_header = verifiers.windows(2).all(|two| matches!(two, [one, other] if one.header == other.header));
    let mut named = Vec::new();
    let mut value: Vec<u8> = Vec::new();
    for verifier in &verifiers {
        match &verifier.remembering {
            Some((name, encoded)) if is_one_header && named.len() < MOST_NAMED => {
                named.push(name.clone());
                value.extend(encoded);
            }
            // Whatever becomes of its keys, nobody else's tokens are forgotten for it.
            _ => value.extend(&verifier.encoded),
        }
    }
    if !verifiers.is_empty() {
        let everything = RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".into())), ..Default::default() };
        let rule = RequirementRule {
            r#match: Some(everything),
            requirement_type: Some(RequirementType::Requires(requirement(named))),
        };
        value.extend(JwtAuthentication { rules: vec![rule], ..Default::default() }.encode_to_vec());
    }
    let filter = Any { value, ..pack_any(nothing()) };
    let plugin = TypedExtensionConfig { name: TOKENS.into(), typed_config: Some(filter) };
    let mut fragment = Fragment::default();
    fragment.insert(ResourceType::Plugin, TOKENS.into(), Resource::new(pack_any(plugin)));
    fragment
}

/// Whatever is shown passes. Envoy remembers only for issuers that a requirement names, and asks those one after the other, whosesoever the
/// token is. The first whose token is good ends it: with tokens in several headers, the others would be neither looked at nor taken off.
fn requirement(named: Vec<String>) -> JwtRequirement {
    let of = |requirement| JwtRequirement { requires_type: Some(requirement) };
    let any = |requirements| of(RequiresType::RequiresAny(JwtRequirementOrList { requirements }));
    let anything = of(RequiresType::AllowMissingOrFailed(Empty::default()));
    if named.is_empty() {
        return anything;
    }
    let mut requirements: Vec<_> = named.into_iter().map(|name| of(RequiresType::ProviderName(name))).collect();
    // Beside names it would know the issuers that they name alone; in a list of its own, which must have two, it knows all.
    requirements.push(any(vec![of(RequiresType::AllowMissing(Empty::default())), anything]));
    any(requirements)
}
