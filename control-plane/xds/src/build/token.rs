//! Verifying tokens: one filter with what all owners in scope have said about issuers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::{
    DataSource, HttpUri, TypedExtensionConfig, data_source::Specifier, http_uri::HttpUpstreamType,
};
use envoy_types::pb::envoy::config::route::v3::{RouteMatch, route_match::PathSpecifier};
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::{
    JwksAsyncFetch, JwtAuthentication, JwtHeader, JwtProvider, JwtRequirement, RemoteJwks, RequirementRule,
    jwt_provider::JwksSourceSpecifier, jwt_requirement::RequiresType, requirement_rule::RequirementType,
};
use envoy_types::pb::google::protobuf::{Any, Empty};
use envoy_types::util::pack_any;
use prost::Message as _;
use uuid::Uuid;
use weir_config::names;
use weir_core::snapshot::{Keys, TokenIssuer};

use super::TOKENS;
use super::scalar::milliseconds;
use crate::resource::{Fragment, Owner};
use crate::{Resource, ResourceType};

/// How long the issuer may take to answer with its keys.
const FETCH_TIMEOUT_MS: u64 = 5000;
/// After which time a fetch that failed is tried again.
const FETCH_AGAIN_MS: u64 = 2000;

/// Where the keys of an issuer come from.
pub(super) fn cluster_of_issuer(id: Uuid) -> String {
    format!("weir.keys.{id}")
}

/// An issuer as Envoy verifies its tokens: encoded as a filter that knows no other, since filters that are put one behind the other, encoded,
/// are one that knows all of their issuers, in this order.
pub(super) fn verifier(issuer: &TokenIssuer) -> Vec<u8> {
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
        // What it remembers as verified outlives the keys: a token of a withdrawn one would be good until it expires.
        jwt_cache_config: None,
        jwks_source_specifier: Some(keys),
        ..Default::default()
    };
    let providers = HashMap::from([(issuer.id.to_string(), provider)]);
    JwtAuthentication { providers, ..Default::default() }.encode_to_vec()
}

/// The filter as it is before there is an issuer: it looks at nothing.
pub(super) fn nothing() -> JwtAuthentication {
    JwtAuthentication::default()
}

/// The filter with the issuers of all these owners. It refuses nothing: what becomes of a token that is missing or not good is decided later,
/// when it is known whose request it is.
pub(crate) fn together(fragments: &BTreeMap<Owner, Arc<Fragment>>) -> Fragment {
    let verifiers: Vec<&Vec<u8>> = fragments.values().flat_map(|fragment| &fragment.verifiers).collect();
    let mut value: Vec<u8> = verifiers.iter().flat_map(|verifier| verifier.iter().copied()).collect();
    if !verifiers.is_empty() {
        let requirement = JwtRequirement { requires_type: Some(RequiresType::AllowMissingOrFailed(Empty::default())) };
        let everything = RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".into())), ..Default::default() };
        let rule = RequirementRule {
            r#match: Some(everything),
            requirement_type: Some(RequirementType::Requires(requirement)),
        };
        value.extend(JwtAuthentication { rules: vec![rule], ..Default::default() }.encode_to_vec());
    }
    let filter = Any { value, ..pack_any(nothing()) };
    let plugin = TypedExtensionConfig { name: TOKENS.into(), typed_config: Some(filter) };
    let mut fragment = Fragment::default();
    fragment.insert(ResourceType::Plugin, TOKENS.into(), Resource::new(pack_any(plugin)));
    fragment
}
