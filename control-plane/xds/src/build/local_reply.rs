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

/// A refusal by which Envoy answers before any filter saw the request, often because it could make nothing of it.
pub(super) struct UnreadRefusal {
    /// Which, in the Common Expression Language.
    condition: &'static str,
    code: &'static str,
    message: &'static str,
}

/// They come before [`REFUSALS`]; the first that fits counts. The bootstrap has the same; a test compares them.
pub(super) const UNREAD_REFUSALS: [UnreadRefusal; 5] = [
    UnreadRefusal {
        condition: "response.code == 408",
        code: "request_timeout",
        message: "The request did not arrive in time.",
    },
    UnreadRefusal {
        condition: "response.code == 426",
        code: "unsupported_http_version",
        message: "Send HTTP/1.1 or HTTP/2.",
    },
    UnreadRefusal {
        condition: "response.code == 431",
        code: "headers_too_large",
        message: "The headers are larger than this gateway accepts.",
    },
    UnreadRefusal {
        condition: "response.code == 501",
        code: "unsupported_transfer_encoding",
        message: "The only transfer encoding that this gateway takes is chunked.",
    },
    UnreadRefusal {
        condition: "response.code >= 400 && response.code < 500",
        code: "invalid_request",
        message: "The request could not be understood.",
    },
];

/// The first that fits counts. The bootstrap has the same; a test compares them.
pub(super) const REFUSALS: [Refusal; 10] = [
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
        condition: "response.code_details == 'overload'",
        status: None,
        code: "gateway_overloaded",
        message: "The gateway is short of memory at the moment. Try again.",
        openai_type: "server_error",
        anthropic_type: "overloaded_error",
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

/// Plugins write their own refusals, under details that begin with `weir.`: none of those fits.
const NOT_OF_A_PLUGIN: &str = "response.code_details != '' && !response.code_details.startsWith('weir.')";

impl UnreadRefusal {
    pub(super) fn expression(&self) -> String {
        format!("{NOT_OF_A_PLUGIN} && !('{CLIENT_PATH}' in filter_state) && {}", self.condition)
    }

    /// Both schemas at once, since the client's is not known.
    pub(super) fn body(&self) -> String {
        let Self { code, message, .. } = self;
        format!(
            r#"{{"type":"error","error":{{"type":"invalid_request_error","message":"{message}","param":null,"code":"{code}"}}}}"#
        )
    }
}

impl Refusal {
    /// The client's schema is told by the path that it sent, also where Envoy refuses before the filters.
    pub(super) fn expression(&self, anthropic: bool) -> String {
        let kept = format!("filter_state['{CLIENT_PATH}'] in [b'/v1/messages', b'/v1/messages/count_tokens']");
        let sent = "request.url_path in ['/v1/messages', '/v1/messages/count_tokens']";
        match anthropic {
            true => format!(
                "{NOT_OF_A_PLUGIN} && ('{CLIENT_PATH}' in filter_state ? {kept} : {sent}) && {}",
                self.condition
            ),
            false => format!("{NOT_OF_A_PLUGIN} && {}", self.condition),
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
}

fn mapper(expression: String, status: Option<u32>, body: &str) -> ResponseMapper {
    let expression = ExpressionFilter { expression, ..Default::default() };
    let filter = ExtensionFilter {
        name: "envoy.access_loggers.extension_filters.cel".into(),
        config_type: Some(extension_filter::ConfigType::TypedConfig(pack_any(expression))),
    };
    ResponseMapper {
        filter: Some(AccessLogFilter { filter_specifier: Some(FilterSpecifier::ExtensionFilter(filter)) }),
        status_code: status.map(number),
        body_format_override: Some(SubstitutionFormatString {
            content_type: "application/json".into(),
            ..text_format(body)
        }),
        ..Default::default()
    }
}

/// Envoy's own refusals in the schema of the path that was asked for.
pub(super) fn local_replies() -> LocalReplyConfig {
    let unread = UNREAD_REFUSALS.iter().map(|refusal| mapper(refusal.expression(), None, &refusal.body()));
    let read = REFUSALS.iter().flat_map(|refusal| {
        [true, false].map(|anthropic| mapper(refusal.expression(anthropic), refusal.status, &refusal.body(anthropic)))
    });
    LocalReplyConfig { mappers: unread.chain(read).collect(), ..Default::default() }
}
