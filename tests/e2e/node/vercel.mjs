// Vercel's `ai` with its own providers: what applications in JavaScript are mostly written with.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { QUESTION, RESULT, WEATHER, refusal, run } from "./run.mjs";

// They would go to standard output, where the answer goes.
globalThis.AI_SDK_LOG_WARNINGS = false;

// Each API by the call that the documentation of its provider shows; that of `@ai-sdk/openai` leads to responses.
const models = {
  chat: ({ url, key, model }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(model),
  responses: ({ url, key, model }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key })(model),
  anthropic: ({ url, key, model }) => createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model),
};
const asked = (wanted) => ({ model: models[wanted.api](wanted), prompt: QUESTION, maxRetries: 0 });

// An agent of two steps: the tool is called, then its result is read.
const agent = (wanted) => ({
  ...asked(wanted),
  tools: {
    [WEATHER.name]: tool({
      description: WEATHER.description,
      inputSchema: jsonSchema(WEATHER.schema),
      execute: async () => RESULT,
    }),
  },
  stopWhen: stepCountIs(2),
  prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber ? "auto" : { type: "tool", toolName: WEATHER.name } }),
});

const told = (text, finish, usage) => ({ text, finish, input: usage.inputTokens, output: usage.outputTokens });

function called([first, second]) {
  const [{ toolName, input }] = first.toolCalls;
  return { name: toolName, arguments: input, finish: first.finishReason, heard: second.text };
}

run({
  async whole(wanted) {
    const { text, finishReason, usage } = await generateText(asked(wanted));
    return told(text, finishReason, usage);
  },
  async streamed(wanted) {
    const stream = streamText(asked(wanted));
    let pieces = 0;
    for await (const _ of stream.textStream) pieces++;
    return { ...told(await stream.text, await stream.finishReason, await stream.usage), pieces };
  },
  async tool(wanted) {
    return called((await generateText(agent(wanted))).steps);
  },
  async tool_streamed(wanted) {
    return called(await streamText(agent(wanted)).steps);
  },
  refused: (wanted) =>
    refusal(
      () => generateText(asked(wanted)),
      ({ statusCode, responseBody, responseHeaders }) => ({
        status: statusCode,
        code: JSON.parse(responseBody).error.code,
        request: responseHeaders["x-weir-request-id"],
      }),
    ),
});
