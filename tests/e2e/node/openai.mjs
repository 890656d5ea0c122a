// The official `openai` SDK, by chat completions.

import OpenAI from "openai";
import { QUESTION, RESULT, WEATHER, refusal, run } from "./run.mjs";

const client = ({ url, key }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: QUESTION }];
const tools = [
  {
    type: "function",
    function: { name: WEATHER.name, description: WEATHER.description, parameters: WEATHER.schema },
  },
];
const forced = { type: "function", function: { name: WEATHER.name } };

const told = ({ choices: [choice], usage }) => ({
  text: choice.message.content,
  finish: choice.finish_reason,
  input: usage.prompt_tokens,
  output: usage.completion_tokens,
});

/** The one call of an answer, and what is said once its result is told. */
async function called(wanted, { choices: [choice] }) {
  const { model } = wanted;
  const [call] = choice.message.tool_calls;
  const result = { role: "tool", tool_call_id: call.id, content: RESULT };
  const next = await client(wanted).chat.completions.create({ model, tools, messages: [...messages, choice.message, result] });
  const { name, arguments: input } = call.function;
  return { name, arguments: JSON.parse(input), finish: choice.finish_reason, heard: next.choices[0].message.content };
}

run({
  async whole(wanted) {
    return told(await client(wanted).chat.completions.create({ model: wanted.model, messages }));
  },
  async streamed(wanted) {
    const stream = client(wanted).chat.completions.stream({
      model: wanted.model,
      messages,
      stream_options: { include_usage: true },
    });
    let pieces = 0;
    stream.on("content", () => pieces++);
    return { ...told(await stream.finalChatCompletion()), pieces };
  },
  async tool(wanted) {
    const answer = await client(wanted).chat.completions.create({ model: wanted.model, messages, tools, tool_choice: forced });
    return called(wanted, answer);
  },
  async tool_streamed(wanted) {
    const stream = client(wanted).chat.completions.stream({ model: wanted.model, messages, tools, tool_choice: forced });
    return called(wanted, await stream.finalChatCompletion());
  },
  refused: (wanted) =>
    refusal(
      () => client(wanted).chat.completions.create({ model: wanted.model, messages }),
      ({ status, code, headers }) => ({ status, code, request: headers.get("x-weir-request-id") }),
    ),
  async models(wanted) {
    const names = [];
    for await (const model of client(wanted).models.list()) names.push(model.id);
    return { names, retrieved: (await client(wanted).models.retrieve(wanted.model)).id };
  },
});
