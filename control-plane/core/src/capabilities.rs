//! What is said about a server's capabilities beyond its schema's own.

use serde::{Deserialize, Serialize};
use weir_config::{Capabilities, MaxTokensField, StructuredOutput, SystemRole};

/// Writes the type and what goes over all its fields, so that none is forgotten; the compiler compares them with [`Capabilities`].
macro_rules! overrides {
    ($($field:ident: $kind:ty,)*) => {
        /// Some of [`Capabilities`]: what is `None` stays as it is by other rules. Each field means what it means there.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct CapabilityOverrides {
            $(
                #[allow(missing_docs, reason = "documented in `Capabilities`")]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$kind>,
            )*
        }

        impl CapabilityOverrides {
            /// Nothing is said.
            pub const NONE: Self = Self { $($field: None,)* };
            /// The names of all fields.
            pub const FIELDS: &[&str] = &[$(stringify!($field),)*];

            /// These capabilities, with what is said here.
            #[must_use]
            pub fn over(&self, capabilities: Capabilities) -> Capabilities {
                Capabilities { $($field: self.$field.unwrap_or(capabilities.$field),)* }
            }
        }
    };
}

overrides! {
    max_tokens_field: MaxTokensField,
    stream_options: bool,
    system_role: SystemRole,
    temperature: bool,
    temperature_with_top_p: bool,
    many_stop_sequences: bool,
    structured_output: StructuredOutput,
    strict_tools: bool,
    parallel_tool_calls: bool,
    tools: bool,
    images: bool,
    audio: bool,
    documents: bool,
    reasoning_effort: bool,
    state: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_stays() {
        let before = Capabilities { images: false, ..Capabilities::default() };
        assert_eq!(CapabilityOverrides::NONE.over(before.clone()), before);
        let said = CapabilityOverrides {
            stream_options: Some(false),
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            ..CapabilityOverrides::NONE
        };
        let expect =
            Capabilities { stream_options: false, max_tokens_field: MaxTokensField::MaxTokens, ..before.clone() };
        assert_eq!(said.over(before), expect);
    }

    #[test]
    fn the_names_are_those_of_the_fields() {
        let all = CapabilityOverrides::FIELDS.iter().map(|name| (*name).to_owned());
        let capabilities = serde_json::to_value(Capabilities::default()).unwrap();
        let written: std::collections::BTreeSet<String> = capabilities.as_object().unwrap().keys().cloned().collect();
        assert_eq!(all.collect::<std::collections::BTreeSet<_>>(), written);
        let same: CapabilityOverrides = serde_json::from_value(capabilities).unwrap();
        assert_eq!(same.over(Capabilities { tools: false, ..Capabilities::default() }), Capabilities::default());
        assert_eq!(serde_json::to_string(&CapabilityOverrides::NONE).unwrap(), "{}");
    }
}
