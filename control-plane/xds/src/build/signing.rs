//! Envoy's own signing of requests to Amazon, in the attempt's filters.
//!
//! It takes its keys in its configuration alone, not by SDS; Envoy's `config_dump` does not show them.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::extensions::common::aws::v3::{AwsCredentialProvider, InlineCredentialProvider};
use envoy_types::pb::envoy::extensions::common::matching::v3::ExtensionWithMatcher;
use envoy_types::pb::envoy::extensions::filters::common::matcher::action::v3::SkipFilter;
use envoy_types::pb::envoy::extensions::filters::http::aws_request_signing::v3::AwsRequestSigning;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::r#type::matcher::v3::HttpRequestHeaderMatchInput;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::xds::core::v3::TypedExtensionConfig as XdsExtension;
use envoy_types::pb::xds::r#type::matcher::v3::matcher::matcher_list::predicate::{
    MatchType, SinglePredicate, single_predicate,
};
use envoy_types::pb::xds::r#type::matcher::v3::matcher::matcher_list::{FieldMatcher, Predicate};
use envoy_types::pb::xds::r#type::matcher::v3::matcher::{MatcherList, MatcherType, OnMatch, on_match};
use envoy_types::pb::xds::r#type::matcher::v3::{Matcher, StringMatcher, string_matcher};
use envoy_types::util::pack_any;
use secrecy::ExposeSecret as _;
use weir_core::signing::Signer;
use weir_core::snapshot::Provider;

use super::pool::typed;

const SIGNER: &str = "envoy.filters.http.aws_request_signing";

/// One signer for each of these providers that wants one, which signs the attempts at it alone.
pub(super) fn signers<'a>(providers: impl Iterator<Item = &'a Provider>) -> Vec<HttpFilter> {
    let mut known = BTreeSet::new();
    providers
        .filter(|provider| known.insert(provider.id))
        .filter_map(|provider| Some(signer(&provider.signer()?, &provider.signing_marker())))
        .collect()
}

fn signer(signer: &Signer, marker: &str) -> HttpFilter {
    let Signer { keys, service, region } = signer;
    let keys = InlineCredentialProvider {
        access_key_id: keys.access_key_id.clone(),
        secret_access_key: keys.secret_access_key.expose_secret().to_owned(),
        session_token: keys.session_token.as_ref().map(|token| token.expose_secret().to_owned()).unwrap_or_default(),
    };
    let signing = AwsRequestSigning {
        service_name: (*service).to_owned(),
        region: region.clone(),
        credential_provider: Some(AwsCredentialProvider { inline_credential: Some(keys), ..Default::default() }),
        ..Default::default()
    };
    typed(
        "envoy.filters.http.match_delegate",
        pack_any(ExtensionWithMatcher {
            xds_matcher: Some(skip_unless_marked(marker)),
            extension_config: Some(TypedExtensionConfig { name: SIGNER.into(), typed_config: Some(pack_any(signing)) }),
            ..Default::default()
        }),
    )
}

/// Skips the filter for a request whose credential is another one than this marker.
fn skip_unless_marked(marker: &str) -> Matcher {
    let input = HttpRequestHeaderMatchInput { header_name: "authorization".into() };
    let value = StringMatcher {
        match_pattern: Some(string_matcher::MatchPattern::Exact(marker.to_owned())),
        ..Default::default()
    };
    let is_marked = Predicate {
        match_type: Some(MatchType::SinglePredicate(SinglePredicate {
            input: Some(extension("authorization", pack_any(input))),
            matcher: Some(single_predicate::Matcher::ValueMatch(value)),
        })),
    };
    let skip = OnMatch {
        on_match: Some(on_match::OnMatch::Action(extension("skip", pack_any(SkipFilter {})))),
        ..Default::default()
    };
    let unless = FieldMatcher {
        predicate: Some(Predicate { match_type: Some(MatchType::NotMatcher(Box::new(is_marked))) }),
        on_match: Some(skip),
    };
    Matcher {
        matcher_type: Some(MatcherType::MatcherList(MatcherList { matchers: vec![unless] })),
        ..Default::default()
    }
}

fn extension(name: &str, config: Any) -> XdsExtension {
    XdsExtension { name: name.into(), typed_config: Some(config) }
}
