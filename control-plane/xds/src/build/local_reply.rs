use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLogFilter, ExtensionFilter, access_log_filter::FilterSpecifier, extension_filter,
};
use envoy_types::pb::envoy::config::core::v3::SubstitutionFormatString;
use envoy_types::pb::envoy::extensions::access_loggers::filters::cel::v3::ExpressionFilter;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    LocalReplyConfig, ResponseMapper,
};
use envoy_types::util::pack_any;
use weir_llm::{ClientError, Schema};

use super::listener::{CLIENT_PATH, text_format};
use super::scalar::number;

/// One kind of refusal that Envoy makes by itself.
struct Refusal {
    /// Which, in the Common Expression Language.
    condition: &'static str,
    /// Instead of Envoy's.
    status: Option<u32>,
    code: &'static str,
    message: &'static str,
    /// The status from which each schema says the error's type.
    said_as: u16,
}

/// One of Envoy's own refusals as its client reads it.
pub(crate) struct Reply {
    /// Which, in the Common Expression Language.
    pub(crate) expression: String,
    /// Instead of Envoy's.
    pub(crate) status: Option<u32>,
    pub(crate) body: String,
}

/// A refusal by which Envoy answers before any filter saw the request, often because it could make nothing of it.
struct UnreadRefusal {
    /// Which, in the Common Expression Language.
    condition: &'static str,
    code: &'static str,
    message: &'static str,
}

/// They come before [`REFUSALS`]; the first that fits counts.
const UNREAD_REFUSALS: [UnreadRefusal; 5] = [
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

/// The first that fits counts.
const REFUSALS: [Refusal; 11] = [
    // A pool that this Envoy has not heard of yet, or no longer: the client may try again.
    Refusal {
        condition: "response.code_details == 'route_not_found'",
        status: Some(503),
        code: "upstream_unavailable",
        message: "No provider could be reached. Try again.",
        said_as: 503,
    },
    Refusal {
        condition: "response.code_details == 'fault_filter_abort'",
        status: None,
        code: "gateway_not_ready",
        message: "This gateway has no configuration yet. Try again shortly.",
        said_as: 500,
    },
    Refusal {
        condition: "response.code_details == 'wasm_fail_stream'",
        status: None,
        code: "gateway_unavailable",
        message: "A filter of this gateway failed. Try again.",
        said_as: 500,
    },
    Refusal {
        condition: "response.code_details == 'overload'",
        status: None,
        code: "gateway_overloaded",
        message: "The gateway is short of memory at the moment. Try again.",
        said_as: 503,
    },
    Refusal {
        condition: "response.code_details.contains('failed_to_inject_credential')",
        status: Some(502),
        code: "upstream_auth_failed",
        message: "The gateway has no credential for this provider yet. Try again shortly.",
        said_as: 502,
    },
    Refusal {
        condition: "response.code == 404",
        status: None,
        code: "unknown_url",
        message: "There is nothing at this URL.",
        said_as: 404,
    },
    Refusal {
        condition: "response.code == 413",
        status: None,
        code: "request_too_large",
        message: "The request is larger than this gateway accepts.",
        said_as: 413,
    },
    Refusal {
        condition: "response.code == 408",
        status: None,
        code: "request_timeout",
        message: "The request did not arrive in time.",
        said_as: 408,
    },
    Refusal {
        condition: "response.code == 504",
        status: None,
        code: "upstream_timeout",
        message: "No provider answered in time.",
        said_as: 504,
    },
    Refusal {
        condition: "response.code >= 500",
        status: None,
        code: "upstream_unavailable",
        message: "No provider could be reached. Try again.",
        said_as: 503,
    },
    Refusal {
        condition: "response.code >= 400",
        status: None,
        code: "invalid_request",
        message: "The request could not be understood.",
        said_as: 400,
    },
];

/// Plugins write their own refusals, under details that begin with `weir.`: none of those fits.
const NOT_OF_A_PLUGIN: &str = "response.code_details != '' && !response.code_details.startsWith('weir.')";

impl UnreadRefusal {
    /// In several schemas at once, since the client's is not known.
    fn reply(&self) -> Reply {
        let Self { condition, code, message } = self;
        Reply {
            expression: format!("{NOT_OF_A_PLUGIN} && !('{CLIENT_PATH}' in filter_state) && {condition}"),
            status: None,
            body: format!(
                r#"{{"type":"error","error":{{"type":"invalid_request_error","message":"{message}","param":null,"code":"{code}"}}}}"#
            ),
        }
    }
}

impl Refusal {
    /// In one schema; `None` is that of all paths that are no other's.
    fn reply(&self, schema: Option<Schema>) -> Reply {
        let of_schema = schema.map(|schema| format!(" && {}", is_of(schema))).unwrap_or_default();
        let error = ClientError::new(self.said_as, self.code, self.message);
        let body = error.body(schema.unwrap_or_default());
        Reply {
            expression: format!("{NOT_OF_A_PLUGIN}{of_schema} && {}", self.condition),
            status: self.status,
            // A percent sign would begin a command of Envoy's.
            body: String::from_utf8_lossy(&body).replace('%', "%%"),
        }
    }
}

/// All of them, in the order in which they count. The bootstrap has the same.
pub(crate) fn replies() -> Vec<Reply> {
    let others = || Schema::all().filter(|schema| *schema != Schema::default()).map(Some).chain([None]);
    let read = REFUSALS.iter().flat_map(|refusal| others().map(|schema| refusal.reply(schema)));
    UNREAD_REFUSALS.iter().map(UnreadRefusal::reply).chain(read).collect()
}

/// Whether a request is one of a schema's clients, by the rule of [`Schema::of_path`]: by the path that the client sent, and where that
/// is nobody's, by the header that its clients alone send. The path is known from before Envoy's filters too, but without them as
/// something else.
fn is_of(schema: Schema) -> String {
    let sent =
        rule(schema, &|prefix| format!("(request.url_path == '{prefix}' || request.url_path.startsWith('{prefix}/'))"));
    let state = format!("filter_state['{CLIENT_PATH}']");
    // It is bytes, which know an order and nothing else: `0` comes after `/`.
    let kept = rule(schema, &|prefix| {
        format!("({state} == b'{prefix}' || {state} >= b'{prefix}/' && {state} < b'{prefix}0')")
    });
    format!("('{CLIENT_PATH}' in filter_state ? {kept} : {sent})")
}

/// `is_below` says whether the path is this prefix or lies below it.
fn rule(schema: Schema, is_below: &dyn Fn(&str) -> String) -> String {
    let prefixes = |of: &dyn Fn(Schema) -> bool| -> Vec<&'static str> {
        Schema::all().filter(|schema| of(*schema)).flat_map(|schema| schema.path_prefixes()).copied().collect()
    };
    let foreign = prefixes(&|other| other != schema);
    // Of two that fit the longer one counts.
    let own = prefixes(&|other| other == schema).into_iter().map(|prefix| {
        let longer =
            foreign.iter().filter(|other| other.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')));
        longer.fold(is_below(prefix), |own, other| format!("({own} && !{})", is_below(other)))
    });
    let mut rules: Vec<String> = own.collect();
    if let Some(header) = schema.client_header() {
        let nobodys: Vec<String> = prefixes(&|_| true).iter().map(|prefix| format!("!{}", is_below(prefix))).collect();
        rules.push(format!("'{header}' in request.headers && {}", nobodys.join(" && ")));
    }
    format!("({})", rules.join(" || "))
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

/// Envoy's own refusals in the client's schema.
pub(super) fn local_replies() -> LocalReplyConfig {
    let mappers = replies().into_iter().map(|reply| mapper(reply.expression, reply.status, &reply.body));
    LocalReplyConfig { mappers: mappers.collect(), ..Default::default() }
}

/// The same as a part of a bootstrap, from its key on and not indented.
pub fn local_replies_yaml() -> String {
    let quoted = |text: &str| text.replace('\'', "''");
    let mut yaml = "local_reply_config:\n  mappers:\n".to_owned();
    for Reply { expression, status, body } in replies() {
        let status = status.map(|status| format!("    status_code: {status}\n")).unwrap_or_default();
        yaml += &format!(
            r#"  - filter:
      extension_filter:
        name: envoy.access_loggers.extension_filters.cel
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter
          expression: "{expression}"
{status}    body_format_override:
      content_type: application/json
      text_format_source: {{ inline_string: '{}' }}
"#,
            quoted(&body)
        );
    }
    yaml
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule as it is written for the path as text; the other has the same form.
    #[test]
    fn a_path_is_of_the_schema_whose_longest_prefix_it_lies_below() {
        let is_below = |prefix: &str| format!("<{prefix}>");
        let others: Vec<Schema> = Schema::all().filter(|schema| *schema != Schema::default()).collect();
        assert!(!others.is_empty());
        for schema in others {
            let rule = rule(schema, &is_below);
            for prefix in schema.path_prefixes() {
                assert!(rule.contains(&format!("<{prefix}>")), "{rule}");
            }
            if let Some(header) = schema.client_header() {
                assert!(rule.contains(&format!("'{header}' in request.headers && !<")), "{rule}");
            }
        }
    }

    #[test]
    fn no_text_of_ours_breaks_out_of_its_quotes() {
        for Reply { expression, body, .. } in replies() {
            assert!(!expression.contains('"') && !expression.contains('\\'), "{expression}");
            assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
        }
    }
}
