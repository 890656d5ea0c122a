import { expect, it } from "vitest";
import { codeFor } from "./code";
import { type Answer, readTools, requestBody } from "./conversation";
import { events, reasonOf, wholeAnswer, withEvent } from "./stream";

const none: Answer = { model: "m", state: "waiting", text: "", toolCalls: [] };
const parameters = { system: "", temperature: "", topP: "", maxTokens: "", tools: "", stream: false };

function read(...data: string[]): Answer {
  return data.reduce(withEvent, none);
}
const delta = (value: object) => JSON.stringify({ choices: [{ delta: value }] });

it("puts an answer together from its events", () => {
  const call = (index: number, value: object) => delta({ tool_calls: [{ index, function: value }] });
  const answer = read(
    delta({ content: "tan" }),
    delta({ content: "gerine" }),
    call(0, { name: "f", arguments: '{"a"' }),
    call(0, { arguments: ":1}" }),
    call(1, { name: "g", arguments: "{}" }),
  );
  expect(answer).toMatchObject({ state: "coming", text: "tangerine" });
  expect(answer.toolCalls).toEqual([
    { name: "f", arguments: '{"a":1}' },
    { name: "g", arguments: "{}" },
  ]);
});

it("takes nothing but the end for an end", () => {
  for (const data of ["", "{", "null", "4", '{"choices":[]}', '{"choices":[{"finish_reason":"stop"}]}', "[DONE"]) {
    expect(read(delta({ content: "x" }), data).state, data).toBe("coming");
  }
  expect(read(delta({ content: "x" }), "[DONE]").state).toBe("complete");
  expect(read(delta({ content: "x" }), '{"error":{"message":"blocked"}}')).toMatchObject({
    state: "refused",
    reason: "blocked",
    text: "x",
  });
});

it("reads an answer that came at once, and refusals of both sides", () => {
  expect(wholeAnswer(none, '{"choices":[{"message":{"content":"hi"}}]}')).toMatchObject({
    state: "complete",
    text: "hi",
  });
  expect(wholeAnswer(none, "<html>")).toBeUndefined();
  expect(reasonOf('{"error":{"message":"no such model"}}')).toBe("no such model");
  expect(reasonOf('{"detail":"nothing answers"}')).toBe("nothing answers");
  expect(reasonOf("<html>")).toBeUndefined();
});

it("reads events wherever their bytes are split", async () => {
  const bytes = new TextEncoder().encode('data: {"ä":1}\r\n\r\n: comment\n\ndata:[DONE]\n\n');
  for (let size = 1; size < bytes.length; size++) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const found: string[] = [];
    for await (const data of events(body)) found.push(data);
    expect(found, `pieces of ${size}`).toEqual(['{"ä":1}', "[DONE]"]);
  }
});

it("sends what was said to the model in this place, and nothing that is empty", () => {
  const turns = [
    {
      text: "one",
      pictures: [],
      answers: [
        { ...none, text: "left" },
        { ...none, text: "right" },
      ],
    },
    { text: "two", pictures: [{ name: "a.png", url: "data:image/png;base64,AA==" }], answers: [] },
  ];
  expect(JSON.parse(JSON.stringify(requestBody("m", 1, { ...parameters, temperature: "0" }, turns)))).toEqual({
    model: "m",
    temperature: 0,
    messages: [
      { role: "user", content: "one" },
      { role: "assistant", content: "right" },
      {
        role: "user",
        content: [
          { type: "text", text: "two" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } },
        ],
      },
    ],
  });
  expect([readTools(""), readTools("[1]"), readTools("{}"), readTools("[")]).toEqual([[], [1], undefined, undefined]);
});

it("writes code without the key, whatever the texts hold", () => {
  const body = { model: "m", messages: [{ role: "user", content: 'it\'s "so"\n$HOME' }], stream: true };
  const curl = codeFor("curl", "http://g", body);
  expect(curl).toContain(`it'\\''s \\"so\\"\\n$HOME`);
  expect(codeFor("python", "http://g", body)).toContain(`"content": "it's \\"so\\"\\n$HOME"}`);
  expect(codeFor("python", "http://g", body)).toContain("stream=True");
  expect(codeFor("typescript", "http://g", body)).toContain(`"it's \\"so\\"\\n$HOME"`);
});
