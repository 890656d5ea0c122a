// The official `openai` SDK, by responses.

import OpenAI from "openai";
import { QUESTION, RESULT, WEATHER, refusal, run } from "./run.mjs";

const client = ({ url, key }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const input = [{ role: "user", content: QUESTION }];
const tools = [
  { type: "function", name: WEATHER.name, description: WEATHER.description, parameters: WEATHER.schema, strict: true },
];
const forced = { type: "function", name: WEATHER.name };

const told = ({ output_text, status, usage }) => ({
  text: output_text,
  finish: status,
  input: usage.input_tokens,
  output: usage.output_tokens,
});

/** The one call of an answer, and what is said once its result is told. */
async function called(wanted, { output, status }) {
  const [call] = output.filter((item) => item.type === "function_call");
  const result = { type: "function_call_output", call_id: call.call_id, output: RESULT };
  const { model } = wanted;
  const next = await client(wanted).responses.create({ model, tools, store: false, input: [...input, call, result] });
  return { name: call.name, arguments: JSON.parse(call.arguments), finish: status, heard: next.output_text };
}

run({
  async whole(wanted) {
    return told(await client(wanted).responses.create({ model: wanted.model, input, store: false }));
  },
  async streamed(wanted) {
    const stream = client(wanted).responses.stream({ model: wanted.model, input, store: false });
    let pieces = 0;
    stream.on("response.output_text.delta", () => pieces++);
    return { ...told(await stream.finalResponse()), pieces };
  },
  async tool(wanted) {
    const { model } = wanted;
    return called(wanted, await client(wanted).responses.create({ model, input, tools, tool_choice: forced, store: false }));
  },
  async tool_streamed(wanted) {
    const { model } = wanted;
    const stream = client(wanted).responses.stream({ model, input, tools, tool_choice: forced, store: false });
    return called(wanted, await stream.finalResponse());
  },
  refused: (wanted) =>
    refusal(
      () => client(wanted).responses.create({ model: wanted.model, input, store: false }),
      ({ status, code, headers }) => ({ status, code, request: headers.get("x-weir-request-id") }),
    ),
});
