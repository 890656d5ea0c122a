/** A request of the playground as code. The key is never in it: it comes from the environment. */
export type Language = "curl" | "python" | "typescript";

export function codeFor(language: Language, gatewayUrl: string, body: Record<string, unknown>): string {
  const sent = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
  if (language === "curl") return curl(gatewayUrl, sent);
  if (language === "python") return python(gatewayUrl, sent);
  return typescript(gatewayUrl, sent);
}

function curl(gatewayUrl: string, body: object): string {
  // In single quotes a shell reads nothing; a quote itself ends and begins them again.
  const json = JSON.stringify(body, null, 2).replaceAll("'", `'\\''`);
  return `curl ${gatewayUrl}/v1/chat/completions \\
  -H "Authorization: Bearer $WEIR_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '${json}'
`;
}

function python(gatewayUrl: string, body: Record<string, unknown>): string {
  const parameters = Object.entries(body).map(([name, value]) => `    ${name}=${pythonValue(value, "    ")},\n`);
  const rest = body.stream
    ? `for chunk in answer:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)
`
    : `print(answer.choices[0].message.content)
`;
  return `import os

from openai import OpenAI

client = OpenAI(base_url=${JSON.stringify(`${gatewayUrl}/v1`)}, api_key=os.environ["WEIR_API_KEY"])
answer = client.chat.completions.create(
${parameters.join("")})
${rest}`;
}

/** JSON's texts and numbers are Python's, too. */
function pythonValue(value: unknown, indent: string): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null || value === undefined) return "None";
  const deeper = `${indent}    `;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[\n${value.map((each) => `${deeper}${pythonValue(each, deeper)},\n`).join("")}${indent}]`;
  }
  if (typeof value === "object") {
    const entries = Object.entries(value).map(
      ([name, each]) => `${JSON.stringify(name)}: ${pythonValue(each, indent)}`,
    );
    return `{${entries.join(", ")}}`;
  }
  return JSON.stringify(value);
}

function typescript(gatewayUrl: string, body: Record<string, unknown>): string {
  const rest = body.stream
    ? `for await (const chunk of answer) process.stdout.write(chunk.choices[0]?.delta.content ?? "");
`
    : `console.log(answer.choices[0]?.message.content);
`;
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: ${JSON.stringify(`${gatewayUrl}/v1`)}, apiKey: process.env.WEIR_API_KEY });
const answer = await client.chat.completions.create(${JSON.stringify(body, null, 2)});
${rest}`;
}
