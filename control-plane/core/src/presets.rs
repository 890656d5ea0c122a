//! What is known of kinds of servers and of models, as data. A provider and a pool's member can say otherwise.

use weir_config::{MaxTokensField, StructuredOutput};

use crate::capabilities::CapabilityOverrides;

const NONE: CapabilityOverrides = CapabilityOverrides::NONE;

/// A kind of server.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name in the admin API.
    pub name: &'static str,
    /// The wire schema that it speaks.
    pub schema: &'static str,
    /// Further schemas that it speaks.
    pub also_speaks: &'static [&'static str],
    /// Hosts at which a provider is of this kind without saying so; a `*` stands for any text.
    pub hosts: &'static [&'static str],
    /// The header in which it wants the credential, and what stands before it there; `None`: as its schema says.
    pub authentication: Option<(&'static str, &'static str)>,
    /// What stands before the model's name in the path of each request, where that has no version: `/deployments/`. `None`: the model is no
    /// part of the path, or its schema says where.
    pub before_model: Option<&'static str>,
    /// As which service its requests are signed where its credential is a pair of keys ([`crate::signing`]); `None`: they never are.
    pub signs_as: Option<&'static str>,
    /// What the query of each request must have: `api-version`.
    pub query: Option<&'static str>,
    /// What it takes, where that differs from its schema.
    pub capabilities: CapabilityOverrides,
}

const UNREMARKABLE: Preset = Preset {
    name: "",
    schema: "openai",
    also_speaks: &[],
    hosts: &[],
    authentication: None,
    before_model: None,
    signs_as: None,
    query: None,
    capabilities: NONE,
};

/// All kinds, in the order of their names.
pub const PRESETS: [Preset; 24] = [
    // The schema is its own: platform.claude.com, "Messages". It hears nothing and keeps no conversations.
    Preset {
        name: "anthropic",
        schema: "anthropic",
        hosts: &["api.anthropic.com"],
        capabilities: CapabilityOverrides { audio: Some(false), state: Some(false), ..NONE },
        ..UNREMARKABLE
    },
    // learn.microsoft.com, "Deploy and use Claude models in Microsoft Foundry": base URL https://NAME.services.ai.azure.com/anthropic, a
    // key in `x-api-key`, a token of Entra as a bearer, which the provider then says.
    Preset {
        name: "azure_anthropic",
        schema: "anthropic",
        capabilities: CapabilityOverrides { audio: Some(false), state: Some(false), ..NONE },
        ..UNREMARKABLE
    },
    // learn.microsoft.com, "Azure OpenAI API version 1": base URL https://NAME.openai.azure.com/openai/v1, `api-key` for a key. A token of
    // Entra goes into `authorization`, which the provider then says.
    Preset {
        name: "azure_openai",
        also_speaks: &["openai_responses"],
        authentication: Some(("api-key", "")),
        ..UNREMARKABLE
    },
    // learn.microsoft.com, "Azure OpenAI REST API reference": base URL https://NAME.openai.azure.com/openai, `api-version=2024-10-21` in
    // the query, the deployment in the path. Responses it has at the newer form alone.
    Preset {
        name: "azure_openai_dated",
        authentication: Some(("api-key", "")),
        before_model: Some("/deployments/"),
        query: Some("api-version"),
        ..UNREMARKABLE
    },
    // docs.aws.amazon.com/bedrock, "Converse", "Amazon Bedrock API keys": base URL https://bedrock-runtime.REGION.amazonaws.com, the
    // key as a bearer, or a pair of keys with which each request is signed. It keeps no conversations, and hears nothing of models of chat.
    Preset {
        name: "bedrock",
        schema: "bedrock_converse",
        hosts: &["bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com"],
        signs_as: Some("bedrock"),
        capabilities: CapabilityOverrides {
            parallel_tool_calls: Some(false),
            audio: Some(false),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // inference-docs.cerebras.ai, "OpenAI Compatibility": refuses `parallel_tool_calls`, and reads text alone.
    Preset {
        name: "cerebras",
        hosts: &["api.cerebras.ai"],
        capabilities: CapabilityOverrides {
            parallel_tool_calls: Some(false),
            images: Some(false),
            audio: Some(false),
            documents: Some(false),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // docs.cohere.com, "Using Cohere models via the OpenAI SDK": base URL https://api.cohere.ai/compatibility/v1; `max_tokens`, no
    // `parallel_tool_calls`, of efforts to reason only `none` and `high`; it refuses `stream_options` (strandsagents.com, "Cohere").
    Preset {
        name: "cohere",
        hosts: &["api.cohere.ai", "api.cohere.com"],
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            stream_options: Some(false),
            strict_tools: Some(false),
            parallel_tool_calls: Some(false),
            audio: Some(false),
            documents: Some(false),
            reasoning_effort: Some(false),
            many_stop_sequences: Some(true),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // api-docs.deepseek.com, "Create Chat Completion": `max_tokens`; `response_format` is `text` or `json_object`; `strict` at another base URL
    // only; text alone; up to 16 texts that end an answer.
    Preset {
        name: "deepseek",
        hosts: &["api.deepseek.com"],
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            structured_output: Some(StructuredOutput::JsonObject),
            strict_tools: Some(false),
            parallel_tool_calls: Some(false),
            images: Some(false),
            audio: Some(false),
            documents: Some(false),
            many_stop_sequences: Some(true),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // Base URL https://api.fireworks.ai/inference/v1 (strandsagents.com, "FireworksAI"). What it cannot do was not looked up: the cautious
    // choice, which a provider's own settings overrule.
    Preset {
        name: "fireworks",
        hosts: &["api.fireworks.ai"],
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            strict_tools: Some(false),
            audio: Some(false),
            documents: Some(false),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // ai.google.dev, "API reference": base URL https://generativelanguage.googleapis.com/v1beta. Its model is in the path, and it keeps no
    // conversations.
    Preset {
        name: "gemini",
        schema: "gemini",
        hosts: &["generativelanguage.googleapis.com"],
        capabilities: CapabilityOverrides {
            strict_tools: Some(false),
            parallel_tool_calls: Some(false),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // console.groq.com/docs/openai, "Currently unsupported OpenAI features": no audio or files in messages.
    Preset {
        name: "groq",
        hosts: &["api.groq.com"],
        capabilities: CapabilityOverrides { audio: Some(false), documents: Some(false), state: Some(false), ..NONE },
        ..UNREMARKABLE
    },
    // github.com/ggml-org/llama.cpp, tools/server/README.md: bounds by `max_tokens`; a template, not `strict`, holds the arguments.
    Preset {
        name: "llama_cpp",
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            strict_tools: Some(false),
            documents: Some(false),
            many_stop_sequences: Some(true),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // lmstudio.ai/docs, "OpenAI Compatibility Endpoints", "Structured Output": `max_tokens`, an answer's form by a schema, pictures by
    // model.
    Preset {
        name: "lm_studio",
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            strict_tools: Some(false),
            parallel_tool_calls: Some(false),
            audio: Some(false),
            documents: Some(false),
            many_stop_sequences: Some(true),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // docs.mistral.ai, "Chat Completion API"; a field that it does not know is refused with 422 (`extra_forbidden`), as users report of
    // `max_completion_tokens` (editor-code-assistant/eca#231) and `store` (Gitlawb/openclaude#739). Streams end with the usage without being
    // asked.
    Preset {
        name: "mistral",
        hosts: &["api.mistral.ai"],
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            stream_options: Some(false),
            reasoning_effort: Some(false),
            many_stop_sequences: Some(true),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // platform.kimi.ai, "Single-turn Chat": base URL https://api.moonshot.ai/v1. What it cannot do was not looked up: the cautious choice,
    // which a provider's own settings overrule.
    Preset {
        name: "moonshot",
        hosts: &["api.moonshot.ai", "api.moonshot.cn"],
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            structured_output: Some(StructuredOutput::JsonObject),
            strict_tools: Some(false),
            parallel_tool_calls: Some(false),
            audio: Some(false),
            documents: Some(false),
            reasoning_effort: Some(false),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // docs.ollama.com/api/openai-compatibility lists what it takes: `max_tokens`, no `parallel_tool_calls`, images but no other media.
    Preset {
        name: "ollama",
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            strict_tools: Some(false),
            parallel_tool_calls: Some(false),
            audio: Some(false),
            documents: Some(false),
            many_stop_sequences: Some(true),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // The schema is its own: platform.openai.com, "API reference".
    Preset {
        name: "openai",
        also_speaks: &["openai_responses"],
        hosts: &["api.openai.com", "eu.api.openai.com", "us.api.openai.com"],
        ..UNREMARKABLE
    },
    // openrouter.ai/docs, "Parameters": `max_tokens`; parameters that a model lacks are left out there.
    Preset {
        name: "openrouter",
        hosts: &["openrouter.ai"],
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // docs.sglang.io, "OpenAI-Compatible APIs". What it cannot do was not looked up: taken to be as with vLLM, but that conversations are not
    // kept, which a provider's own settings overrule.
    Preset {
        name: "sglang",
        capabilities: CapabilityOverrides {
            many_stop_sequences: Some(true),
            documents: Some(false),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // huggingface.co/docs/text-generation-inference, "Messages API": `max_tokens`, pictures by model, no other media. Which forms of an
    // answer can be asked for, and in which words, differs by its version: none, unless the provider says otherwise.
    Preset {
        name: "tgi",
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            structured_output: Some(StructuredOutput::None),
            strict_tools: Some(false),
            parallel_tool_calls: Some(false),
            audio: Some(false),
            documents: Some(false),
            reasoning_effort: Some(false),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // docs.together.ai, "Create Chat Completion": `max_tokens`.
    Preset {
        name: "together",
        hosts: &["api.together.xyz", "api.together.ai"],
        capabilities: CapabilityOverrides {
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            strict_tools: Some(false),
            documents: Some(false),
            many_stop_sequences: Some(true),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // cloud.google.com/vertex-ai, "Method: models.generateContent": base URL
    // https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/publishers/google, a token of Google's as a bearer.
    Preset {
        name: "vertex_ai",
        schema: "gemini",
        authentication: Some(("authorization", "Bearer ")),
        capabilities: CapabilityOverrides {
            strict_tools: Some(false),
            parallel_tool_calls: Some(false),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // docs.vllm.ai, "OpenAI-Compatible Server": both names of the bound, media by model, no files; conversations are kept only if its
    // operator asks for it.
    Preset {
        name: "vllm",
        capabilities: CapabilityOverrides {
            many_stop_sequences: Some(true),
            documents: Some(false),
            state: Some(false),
            ..NONE
        },
        ..UNREMARKABLE
    },
    // docs.x.ai, "REST API reference": OpenAI's chat completions.
    Preset {
        name: "xai",
        hosts: &["api.x.ai"],
        capabilities: CapabilityOverrides { documents: Some(false), ..NONE },
        ..UNREMARKABLE
    },
];

impl Preset {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// That of a vendor's own host.
    pub fn of_host(host: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.hosts.iter().any(|pattern| fits(pattern, host)))
    }
}

/// OpenAI's reasoning models refuse what steers sampling, and the older name of the bound: platform.openai.com, "Reasoning models".
const SAMPLES_BY_ITSELF: CapabilityOverrides = CapabilityOverrides {
    max_tokens_field: Some(MaxTokensField::MaxCompletionTokens),
    temperature: Some(false),
    ..NONE
};

/// They also refuse `parallel_tool_calls`: langchain-ai/langchain#29704 (o3-mini), tensorzero/tensorzero#2805 (o4-mini),
/// UKGovernmentBEIS/inspect_ai#1023 (o1).
const O_SERIES: CapabilityOverrides = CapabilityOverrides { parallel_tool_calls: Some(false), ..SAMPLES_BY_ITSELF };

/// A model that does not reason refuses to be asked how much: platform.openai.com, "Reasoning models".
const NO_REASONING: CapabilityOverrides = CapabilityOverrides { reasoning_effort: Some(false), ..NONE };

/// Before structured outputs: platform.openai.com, "Structured model outputs", "Structured Outputs vs JSON mode".
const JSON_MODE: CapabilityOverrides =
    CapabilityOverrides { structured_output: Some(StructuredOutput::JsonObject), ..NO_REASONING };

/// From Opus 4.1 on `temperature` and `top_p` exclude each other: platform.claude.com, "Messages"; BerriAI/litellm#15097 (Sonnet 4.5),
/// iOfficeAI/AionUi#912 (Sonnet 4.6).
const ONE_SAMPLER: CapabilityOverrides = CapabilityOverrides { temperature_with_top_p: Some(false), ..NONE };

/// Opus 4.7 takes neither: its model card at docs.aws.amazon.com/bedrock; aws-samples/bedrock-chat#1102.
const NO_SAMPLER: CapabilityOverrides = CapabilityOverrides { temperature: Some(false), ..ONE_SAMPLER };

/// What models take, by their names: `*` stands for any text. The first that fits counts.
const MODELS: &[(&str, CapabilityOverrides)] = &[
    ("o1-mini*", CapabilityOverrides { reasoning_effort: Some(false), ..O_SERIES }),
    ("o1-preview*", CapabilityOverrides { reasoning_effort: Some(false), ..O_SERIES }),
    ("o1", O_SERIES),
    ("o1-*", O_SERIES),
    ("o3", O_SERIES),
    ("o3-*", O_SERIES),
    ("o4-*", O_SERIES),
    // The model of ChatGPT does not reason.
    ("gpt-5-chat*", NO_REASONING),
    ("gpt-5.*-chat*", NO_REASONING),
    ("gpt-5", SAMPLES_BY_ITSELF),
    ("gpt-5-*", SAMPLES_BY_ITSELF),
    // From 5.1 on they can be asked not to reason, and then take what steers sampling: the client's request decides.
    ("gpt-5.*", CapabilityOverrides { max_tokens_field: Some(MaxTokensField::MaxCompletionTokens), ..NONE }),
    ("gpt-3.5-*", JSON_MODE),
    ("gpt-4-turbo*", JSON_MODE),
    ("gpt-4o*", NO_REASONING),
    ("gpt-4.1*", NO_REASONING),
    ("gpt-4.5*", NO_REASONING),
    ("chatgpt-4o*", NO_REASONING),
    ("claude-opus-4-1*", ONE_SAMPLER),
    ("claude-opus-4.1*", ONE_SAMPLER),
    ("claude-opus-4-7*", NO_SAMPLER),
    ("claude-opus-4.7*", NO_SAMPLER),
    ("claude-*-4-5*", ONE_SAMPLER),
    ("claude-*-4.5*", ONE_SAMPLER),
    ("claude-*-4-6*", ONE_SAMPLER),
    ("claude-*-4.6*", ONE_SAMPLER),
    ("claude-*-4-7*", ONE_SAMPLER),
    ("claude-*-4.7*", ONE_SAMPLER),
    ("claude-*-4-8*", ONE_SAMPLER),
    ("claude-*-4.8*", ONE_SAMPLER),
    ("claude-opus-5*", ONE_SAMPLER),
    ("claude-sonnet-5*", ONE_SAMPLER),
    ("claude-haiku-5*", ONE_SAMPLER),
];

/// What a model takes, where that differs from its server. Its name may have its maker's before it, as with OpenRouter
/// (`openai/o3`) and Bedrock (`us.anthropic.claude-…`).
pub fn of_model(model: &str) -> CapabilityOverrides {
    let model = model.to_ascii_lowercase();
    let name = model.rsplit('/').next().unwrap_or_default();
    let name = name.rsplit_once("anthropic.").map_or(name, |(_, name)| name);
    MODELS.iter().find(|(pattern, _)| fits(pattern, name)).map_or(NONE, |(_, capabilities)| *capabilities)
}

/// Whether a name is that of a pattern. The longest pattern has two `*`, so the first place that fits is as good as any.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| name.strip_prefix(start)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use weir_config::Capabilities;

    use super::*;

    #[test]
    fn presets_are_in_order_and_no_host_is_of_two() {
        assert!(PRESETS.windows(2).all(|pair| pair[0].name < pair[1].name));
        let mut hosts: Vec<&str> = PRESETS.iter().flat_map(|preset| preset.hosts).copied().collect();
        hosts.sort_unstable();
        assert!(hosts.windows(2).all(|pair| pair[0] != pair[1]));
        for preset in &PRESETS {
            assert!(weir_llm::Schema::named(preset.schema).is_some(), "{}", preset.name);
            assert_eq!(Preset::named(preset.name).map(|found| found.name), Some(preset.name));
        }
        assert_eq!(Preset::of_host("api.openai.com").map(|preset| preset.name), Some("openai"));
        assert!(Preset::of_host("openai.com").is_none() && Preset::named("").is_none());
    }

    #[test]
    fn models_are_known_by_their_names() {
        let check = |model: &str, temperature, with_top_p, effort, parallel| {
            let of = of_model(model).over(Capabilities::default());
            let found = (of.temperature, of.temperature_with_top_p, of.reasoning_effort, of.parallel_tool_calls);
            assert_eq!(found, (temperature, with_top_p, effort, parallel), "{model}");
        };
        for model in ["o1", "o1-2024-12-17", "o3", "o3-mini", "o3-pro", "o4-mini-2025-04-16", "openai/o3", "O3"] {
            check(model, false, true, true, false);
        }
        check("o1-mini", false, true, false, false);
        for model in ["gpt-5", "gpt-5-mini", "gpt-5-2025-08-07", "openai/gpt-5-nano"] {
            check(model, false, true, true, true);
        }
        for model in
            ["gpt-5-chat-latest", "gpt-5.2-chat-latest", "gpt-4o", "gpt-4o-mini", "gpt-4.1-nano", "gpt-4-turbo"]
        {
            check(model, true, true, false, true);
        }
        for model in [
            "claude-opus-4-1-20250805",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-5@20250929",
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "anthropic/claude-sonnet-4.6",
            "claude-sonnet-5",
            "claude-opus-5-20270101",
        ] {
            check(model, true, false, true, true);
        }
        check("claude-opus-4-7", false, false, true, true);
        for model in [
            "claude-3-5-sonnet-20241022",
            "claude-sonnet-4-20250514",
            "gpt-5.2",
            "gpt-4",
            "llama-3.3",
            "o1x",
            "gpt-50",
            "my-o3",
            "",
            "/",
        ] {
            check(model, true, true, true, true);
        }
        assert_eq!(of_model("gpt-3.5-turbo").structured_output, Some(StructuredOutput::JsonObject));
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let check = |pattern: &str, name: &str, expect| assert_eq!(fits(pattern, name), expect, "{pattern} {name}");
        check("a", "a", true);
        check("a", "ab", false);
        check("a*", "a", true);
        check("a*", "ba", false);
        check("a*b*", "axxbyy", true);
        check("a*b*", "axx", false);
        check("a*b", "axbxb", true);
    }
}
