//! What holds for one model at one provider: what its schema says, over it what is known of the kind of server, of the model, and what
//! an administrator says of the provider and of the pool's member.

use weir_config::Capabilities;

use crate::presets::{Preset, of_model};
use crate::snapshot::{Member, Provider};

impl Provider {
    /// The kind of server: as an administrator says, or else by a vendor's own host.
    pub fn kind(&self) -> Option<&'static Preset> {
        let of_host = || Preset::of_host(&self.base_url.host).filter(|preset| preset.schema == self.schema.name());
        self.preset.as_deref().and_then(Preset::named).or_else(of_host)
    }

    /// What it takes of what its schema can say, for this member.
    pub fn capabilities(&self, member: &Member) -> Capabilities {
        let of_kind = self.kind().map(|kind| kind.capabilities).unwrap_or_default();
        let said = [of_kind, of_model(&member.model), self.capabilities, member.capabilities];
        said.iter().fold(Capabilities::default(), |capabilities, said| said.over(capabilities))
    }

    /// What stands before the operations' paths: that of its base URL, without a version where its API has none.
    pub fn base_path(&self) -> String {
        let has_versions = self.schema.endpoints().iter().any(|endpoint| !endpoint.versions.is_empty());
        let has_versions = has_versions && self.kind().is_none_or(|kind| kind.before_model.is_none());
        if has_versions { self.base_url.base_path() } else { self.base_url.path_prefix.clone() }
    }

    /// The same for this member, whose model may be a part of it.
    pub fn path_of(&self, member: &Member) -> String {
        match self.kind().and_then(|kind| kind.before_model) {
            Some(before) => [self.base_path().as_str(), before, &percent_encoded(&member.model)].concat(),
            None => self.base_path(),
        }
    }

    /// The names of further schemas that it speaks, each once.
    pub fn also_speaks(&self) -> Vec<String> {
        let of_kind = self.kind().map(|kind| kind.also_speaks).unwrap_or_default();
        let mut names: Vec<String> = of_kind.iter().map(|name| (*name).to_owned()).collect();
        names.extend(self.also_speaks.iter().filter(|name| !of_kind.contains(&name.as_str())).cloned());
        names.retain(|name| name != self.schema.name());
        names
    }

    /// The header in which it wants its credential, and what stands before it there.
    pub fn credential_header(&self) -> (&str, &str) {
        if self.key_pair().is_some() {
            return ("authorization", "");
        }
        if let Some(authentication) = &self.authentication {
            return (&authentication.header, &authentication.prefix);
        }
        let of_schema = self.schema.credential_header();
        self.kind().and_then(|kind| kind.authentication).unwrap_or((of_schema.header, of_schema.prefix))
    }
}

/// A name as one segment of a path (RFC 3986, 2.3). `.` and `..` alone would lead elsewhere.
fn percent_encoded(name: &str) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
    let is_path = matches!(name, "." | "..");
    name.bytes()
        .map(|byte| match byte {
            byte if stays(byte) || (byte == b'.' && !is_path) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use weir_config::MaxTokensField;
    use weir_llm::Schema;

    use super::*;
    use crate::capabilities::CapabilityOverrides;
    use crate::routing::Authentication;

    fn provider(schema: &str, base_url: &str, preset: Option<&str>) -> Provider {
        Provider {
            id: Uuid::nil(),
            tenant_id: None,
            name: "p".into(),
            schema: Schema::named(schema).unwrap(),
            base_url: base_url.parse().unwrap(),
            credential: None,
            authentication: None,
            query: String::new(),
            also_speaks: vec![],
            preset: preset.map(Into::into),
            capabilities: CapabilityOverrides::NONE,
        }
    }

    fn member(model: &str) -> Member {
        Member {
            deployment_id: Uuid::nil(),
            provider_id: Uuid::nil(),
            model: model.into(),
            price: None,
            next_prices: Vec::new(),
            capabilities: CapabilityOverrides::NONE,
        }
    }

    #[test]
    fn each_rule_goes_over_the_one_before() {
        let mut provider = provider("openai", "http://vllm:8000", None);
        let mut member = member("gpt-5");
        assert_eq!(provider.capabilities(&self::member("llama")), Capabilities::default());
        // The kind of server, then the model.
        provider.preset = Some("ollama".into());
        let of_model = provider.capabilities(&member);
        assert!(!of_model.parallel_tool_calls && !of_model.temperature);
        assert_eq!(of_model.max_tokens_field, MaxTokensField::MaxCompletionTokens);
        // Then the provider, then the member.
        provider.capabilities.temperature = Some(true);
        provider.capabilities.parallel_tool_calls = Some(true);
        member.capabilities.parallel_tool_calls = Some(false);
        let said = provider.capabilities(&member);
        assert!(said.temperature && !said.parallel_tool_calls && !said.documents);
    }

    #[test]
    fn an_api_without_versions_has_none_in_its_paths() {
        let check = |schema, base_url, expect: &str| assert_eq!(provider(schema, base_url, None).base_path(), expect);
        check("openai", "https://api.openai.com", "/v1");
        check("bedrock_converse", "https://bedrock-runtime.eu-central-1.amazonaws.com", "");
        check("bedrock_converse", "https://proxy.example/aws/", "/aws");
    }

    #[test]
    fn a_deployment_at_azures_dated_api_stands_in_the_path() {
        let check = |preset, base_url, model, expect: &str| {
            assert_eq!(provider("openai", base_url, preset).path_of(&member(model)), expect);
        };
        let dated = Some("azure_openai_dated");
        let base_url = "https://a.openai.azure.com/openai";
        check(dated, base_url, "gpt-4.1_eu", "/openai/deployments/gpt-4.1_eu");
        check(dated, base_url, "a/b?c", "/openai/deployments/a%2Fb%3Fc");
        check(dated, base_url, "..", "/openai/deployments/%2E%2E");
        check(Some("azure_openai"), "https://a.openai.azure.com/openai/v1", "gpt-4o", "/openai/v1");
        check(None, "https://proxy.example", "gpt-4o", "/v1");
    }

    #[test]
    fn a_vendors_own_host_says_the_kind() {
        let check = |schema, base_url, preset, expect: Option<&str>| {
            let kind = provider(schema, base_url, preset).kind().map(|kind| kind.name);
            assert_eq!(kind, expect, "{base_url}");
        };
        check("openai", "https://api.openai.com/v1", None, Some("openai"));
        check("openai", "https://api.openai.com/v1", Some("vllm"), Some("vllm"));
        check("openai", "https://proxy.example/v1", None, None);
        // Another API of the vendor's.
        check("anthropic", "https://api.deepseek.com/anthropic", None, None);
    }

    #[test]
    fn openai_speaks_responses_and_each_kind_has_its_header() {
        let check = |provider: &Provider, speaks: &[&str], header: (&str, &str)| {
            assert_eq!(provider.also_speaks(), speaks);
            assert_eq!(provider.credential_header(), header);
        };
        let bearer = ("authorization", "Bearer ");
        check(&provider("openai", "https://api.openai.com", None), &["openai_responses"], bearer);
        check(&provider("openai", "https://vllm.example", Some("vllm")), &[], bearer);
        check(&provider("anthropic", "https://api.anthropic.com", None), &[], ("x-api-key", ""));
        let azure = provider("openai", "https://a.openai.azure.com/openai/v1", Some("azure_openai"));
        check(&azure, &["openai_responses"], ("api-key", ""));
        let said = Provider {
            authentication: Some(Authentication { header: "authorization".into(), prefix: "Bearer ".into() }),
            also_speaks: vec!["anthropic".into(), "openai_responses".into(), "openai".into()],
            ..azure
        };
        check(&said, &["openai_responses", "anthropic"], bearer);
    }
}
