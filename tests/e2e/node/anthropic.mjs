// The official `@anthropic-ai/sdk`.

import Anthropic from "@anthropic-ai/sdk";
import { QUESTION, RESULT, WEATHER, refusal, run } from "./run.mjs";

const client = ({ url, key }) => new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: QUESTION }];
const tools = [{ name: WEATHER.name, description: WEATHER.description, input_schema: WEATHER.schema }];
const tool_choice = { type: "tool", name: WEATHER.name };
const max_tokens = 100;

const told = ({ content, stop_reason, usage }) => ({
  text: content.map((block) => block.text ?? "").join(""),
  finish: stop_reason,
  input: usage.input_tokens,
  output: usage.output_tokens,
});

/** The one call of an answer, and what is said once its result is told. */
async function called(wanted, { content, stop_reason }) {
  const { model } = wanted;
  const [call] = content.filter((block) => block.type === "tool_use");
  const result = { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: RESULT }] };
  const turns = [...messages, { role: "assistant", content }, result];
  const next = await client(wanted).messages.create({ model, max_tokens, tools, messages: turns });
  return { name: call.name, arguments: call.input, finish: stop_reason, heard: told(next).text };
}

run({
  async whole(wanted) {
    return told(await client(wanted).messages.create({ model: wanted.model, max_tokens, messages }));
  },
  async streamed(wanted) {
    const stream = client(wanted).messages.stream({ model: wanted.model, max_tokens, messages });
    let pieces = 0;
    stream.on("text", () => pieces++);
    return { ...told(await stream.finalMessage()), pieces };
  },
  async tool(wanted) {
    const { model } = wanted;
    return called(wanted, await client(wanted).messages.create({ model, max_tokens, messages, tools, tool_choice }));
  },
  async tool_streamed(wanted) {
    const { model } = wanted;
    const stream = client(wanted).messages.stream({ model, max_tokens, messages, tools, tool_choice });
    return called(wanted, await stream.finalMessage());
  },
  refused: (wanted) =>
    refusal(
      () => client(wanted).messages.create({ model: wanted.model, max_tokens, messages }),
      ({ status, error, headers }) => ({ status, code: error.error.code, request: headers.get("x-weir-request-id") }),
    ),
  async models(wanted) {
    const names = [];
    for await (const model of client(wanted).models.list()) names.push(model.id);
    return { names, retrieved: (await client(wanted).models.retrieve(wanted.model)).id };
  },
});
