/** The schemas that providers speak. */
export const schemas = ["openai", "anthropic", "gemini", "bedrock_converse"] as const;

/** The kinds of servers that the API knows (`preset`), where a vendor's own stands, and the schema that it speaks. */
export interface Kind {
  preset: string;
  label: string;
  schema: (typeof schemas)[number];
  /** Empty: everybody has another one. */
  baseUrl: string;
  hint?: string;
  /** What stands in the query of every request. */
  query?: string;
}

export const kinds: Kind[] = [
  { preset: "openai", label: "OpenAI", schema: "openai", baseUrl: "https://api.openai.com/v1" },
  { preset: "anthropic", label: "Anthropic", schema: "anthropic", baseUrl: "https://api.anthropic.com" },
  {
    preset: "gemini",
    label: "Google Gemini",
    schema: "gemini",
    baseUrl: "https://generativelanguage.googleapis.com/v1beta",
  },
  {
    preset: "azure_openai",
    label: "Azure OpenAI",
    schema: "openai",
    baseUrl: "",
    hint: "https://NAME.openai.azure.com/openai/v1",
  },
  {
    preset: "azure_openai_dated",
    label: "Azure OpenAI (api-version)",
    schema: "openai",
    baseUrl: "",
    hint: "https://NAME.openai.azure.com/openai",
    query: "api-version=2024-10-21",
  },
  {
    preset: "azure_anthropic",
    label: "Azure (Claude)",
    schema: "anthropic",
    baseUrl: "",
    hint: "https://NAME.services.ai.azure.com/anthropic",
  },
  {
    preset: "vertex_ai",
    label: "Google Vertex AI (Gemini)",
    schema: "gemini",
    baseUrl: "",
    hint: "https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/publishers/google",
  },
  {
    preset: "bedrock",
    label: "Amazon Bedrock",
    schema: "bedrock_converse",
    baseUrl: "",
    hint: "https://bedrock-runtime.REGION.amazonaws.com",
  },
  { preset: "mistral", label: "Mistral", schema: "openai", baseUrl: "https://api.mistral.ai/v1" },
  { preset: "deepseek", label: "DeepSeek", schema: "openai", baseUrl: "https://api.deepseek.com/v1" },
  { preset: "groq", label: "Groq", schema: "openai", baseUrl: "https://api.groq.com/openai/v1" },
  { preset: "xai", label: "xAI", schema: "openai", baseUrl: "https://api.x.ai/v1" },
  { preset: "openrouter", label: "OpenRouter", schema: "openai", baseUrl: "https://openrouter.ai/api/v1" },
  { preset: "together", label: "Together", schema: "openai", baseUrl: "https://api.together.xyz/v1" },
  { preset: "fireworks", label: "Fireworks", schema: "openai", baseUrl: "https://api.fireworks.ai/inference/v1" },
  { preset: "cerebras", label: "Cerebras", schema: "openai", baseUrl: "https://api.cerebras.ai/v1" },
  { preset: "moonshot", label: "Moonshot", schema: "openai", baseUrl: "https://api.moonshot.ai/v1" },
  { preset: "cohere", label: "Cohere", schema: "openai", baseUrl: "https://api.cohere.ai/compatibility/v1" },
  { preset: "vllm", label: "vLLM", schema: "openai", baseUrl: "", hint: "http://HOST:8000/v1" },
  { preset: "ollama", label: "Ollama", schema: "openai", baseUrl: "", hint: "http://HOST:11434/v1" },
  { preset: "sglang", label: "SGLang", schema: "openai", baseUrl: "", hint: "http://HOST:30000/v1" },
  { preset: "lm_studio", label: "LM Studio", schema: "openai", baseUrl: "", hint: "http://HOST:1234/v1" },
  { preset: "tgi", label: "Text Generation Inference", schema: "openai", baseUrl: "", hint: "http://HOST:8080/v1" },
  { preset: "llama_cpp", label: "llama.cpp", schema: "openai", baseUrl: "", hint: "http://HOST:8080/v1" },
];

export function kindLabel(preset: string | null | undefined): string | undefined {
  return preset ? (kinds.find((kind) => kind.preset === preset)?.label ?? preset) : undefined;
}
