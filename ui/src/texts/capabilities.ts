/** The texts of what a server or model takes. */
export const capabilities = {
  title: "What it takes",
  lead: "Leave as known what is not different there: much is known of each kind of server and of its models.",
  asKnown: "As known",
  takes: "Yes",
  takesNot: "No",
  names: {
    images: "Images",
    audio: "Audio",
    documents: "Documents",
    tools: "Tools",
    parallel_tool_calls: "Several tool calls at once",
    strict_tools: "Strict tools",
    structured_output: "Structured output",
    temperature: "Temperature",
    temperature_with_top_p: "Temperature together with top P",
    reasoning_effort: "Reasoning effort",
    stream_options: "stream_options",
    state: "Conversations kept at the server",
    max_tokens_field: "Field that bounds the output",
    system_role: "Role of the system text",
  },
} as const;
