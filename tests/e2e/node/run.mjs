// Runs one case: what is wanted comes as JSON on standard input, what the SDK made of it goes as JSON to standard output.

import { text } from "node:stream/consumers";

/** Answers the case that the input names. */
export async function run(cases) {
  const wanted = JSON.parse(await text(process.stdin));
  const answer = await cases[wanted.case](wanted);
  process.stdout.write(JSON.stringify(answer));
}

/** What an SDK throws for what is refused, as `told` reads it. */
export async function refusal(attempt, told) {
  try {
    await attempt();
  } catch (error) {
    return told(error);
  }
  throw new Error("it was not refused");
}

export const QUESTION = "What is a weir?";
export const RESULT = "rain, 9 degrees";
export const WEATHER = {
  name: "weather",
  description: "The weather in a city.",
  schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};
