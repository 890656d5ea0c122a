use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLogFilter, ExtensionFilter, access_log_filter::FilterSpecifier, extension_filter,
};
use envoy_types::pb::envoy::config::core::v3::SubstitutionFormatString;
use envoy_types::pb::envoy::extensions::access_loggers::filters::cel::v3::ExpressionFilter;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    LocalReplyConfig, ResponseMapper,
};
use envoy_types::util::pack_any;

use super::listener::{CLIENT_PATH, text_format};
use super::scalar::number;

/// One kind of refusal that Envoy makes by itself.
pub(super) struct Refusal {
    /// Which, in the Common Expression Language.
    pub(super) condition: &'static str,
    /// Instead of Envoy's.
    pub(super) status: Option<u32>,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
    pub(super) openai_type: &'static str,
    pub(super) anthropic_type: &'static str,
}

/// The first that fits counts. The bootstrap has the same; a test compares them.
pub(super) const REFUSALS: [Refusal; 9] = [
    Refusal {
        condition: "response.code_details == 'fault_filter_abort'",
        status: None,
        code: "gateway_not_ready",
        message: "This gateway has no configuration yet. Try again shortly.",
        openai_type: "server_error",
        anthropic_type: "api_error",
    },
    Refusal {
        condition: "response.code_details == 'wasm_fail_stream'",
        status: None,
        code: "gateway_unavailable",
        message: "A filter of this gateway failed. Try again.",
        openai_type: "server_error",
        anthropic_type: "api_error",
    },
    Refusal {
        condition: "response.code_details.contains('failed_to_inject_credential')",
        status: Some(502),
        code: "upstream_auth_failed",
        message: "The gateway has no credential for this provider yet. Try again shortly.",
        openai_type: "server_error",
        anthropic_type: "api_error",
    },
    Refusal {
        condition: "response.code == 404",
        status: None,
        code: "unknown_url",
        message: "There is nothing at this URL.",
        openai_type: "not_found_error",
        anthropic_type: "not_found_error",
    },
    Refusal {
        condition: "response.code == 413",
        status: None,
        code: "request_too_large",
        message: "The request is larger than this gateway accepts.",
        openai_type: "invalid_request_error",
        anthropic_type: "request_too_large",
    },
    Refusal {
        condition: "response.code == 408",
        status: None,
        code: "request_timeout",
        message: "The request did not arrive in time.",
        openai_type: "invalid_request_error",
        anthropic_type: "invalid_request_error",
    },
    Refusal {
        condition: "response.code == 504",
        status: None,
        code: "upstream_timeout",
        message: "No provider answered in time.",
        openai_type: "server_error",
        anthropic_type: "api_error",
    },
    Refusal {
        condition: "response.code >= 500",
        status: None,
        code: "upstream_unavailable",
        message: "No provider could be reached. Try again.",
        openai_type: "server_error",
        anthropic_type: "overloaded_error",
    },
    Refusal {
        condition: "response.code >= 400",
        status: None,
        code: "invalid_request",
        message: "The request could not be understood.",
        openai_type: "invalid_request_error",
        anthropic_type: "invalid_request_error",
    },
];

impl Refusal {
    /// Plugins write their own refusals, under details that begin with `weir.`: none of those fits.
    pub(super) fn expression(&self, anthropic: bool) -> String {
        let own = "response.code_details != '' && !response.code_details.startsWith('weir.')";
        let paths = "[b'/v1/messages', b'/v1/messages/count_tokens']";
        match anthropic {
            true => format!("{own} && filter_state['{CLIENT_PATH}'] in {paths} && {}", self.condition),
            false => format!("{own} && {}", self.condition),
        }
    }

    /// In the client's schema.
    pub(super) fn body(&self, anthropic: bool) -> String {
        let Self { code, message, openai_type, anthropic_type, .. } = self;
        match anthropic {
            true => format!(
                r#"{{"type":"error","error":{{"type":"{anthropic_type}","message":"{message}","code":"{code}"}}}}"#
            ),
            false => {
                format!(r#"{{"error":{{"message":"{message}","type":"{openai_type}","param":null,"code":"{code}"}}}}"#)
            }
        }
    }

    fn mapper(&self, anthropic: bool) -> ResponseMapper {
        let expression = ExpressionFilter { expression: self.expression(anthropic), ..Default::default() };
        let filter = ExtensionFilter {
            name: "envoy.access_loggers.extension_filters.cel".into(),
            config_type: Some(extension_filter::ConfigType::TypedConfig(pack_any(expression))),
        };
        ResponseMapper {
            filter: Some(AccessLogFilter { filter_specifier: Some(FilterSpecifier::ExtensionFilter(filter)) }),
            status_code: self.status.map(number),
            body_format_override: Some(SubstitutionFormatString {
                content_type: "application/json".into(),
                ..text_format(&self.body(anthropic))
            }),
            ..Default::default()
        }
    }
}

/// Envoy's own refusals in the schema of the path that was asked for.
pub(super) fn local_replies() -> LocalReplyConfig {
    let mappers = REFUSALS.iter().flat_map(|refusal| [refusal.mapper(true), refusal.mapper(false)]);
    LocalReplyConfig { mappers: mappers.collect(), ..Default::default() }
}
