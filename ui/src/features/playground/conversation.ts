/** What is said in the playground, and the request that says it: OpenAI's chat completions, which every model here answers. */

export interface Picture {
  name: string;
  /** A data URL. */
  url: string;
}

export interface ToolCall {
  name: string;
  /** JSON as the model wrote it, maybe not whole. */
  arguments: string;
}

/** How an answer stands. `broken`: it ended without its end. */
export type AnswerState = "waiting" | "coming" | "complete" | "stopped" | "broken" | "refused";

export interface Answer {
  model: string;
  state: AnswerState;
  text: string;
  toolCalls: ToolCall[];
  /** The record's id; undefined until the gateway has told it. */
  requestId?: string;
  status?: number;
  /** Why it was refused or is unreadable. */
  reason?: string;
  /** Milliseconds from sending, by this browser. */
  firstContentMs?: number;
  tookMs?: number;
}

export interface Turn {
  text: string;
  pictures: Picture[];
  /** One for each model, in their order. */
  answers: Answer[];
}

export interface Parameters {
  system: string;
  temperature: string;
  topP: string;
  maxTokens: string;
  tools: string;
  stream: boolean;
}

/** The tools that people typed; undefined where that is no list in JSON. */
export function readTools(text: string): unknown[] | undefined {
  if (text.trim() === "") return [];
  try {
    const read: unknown = JSON.parse(text);
    return Array.isArray(read) ? read : undefined;
  } catch {
    return undefined;
  }
}

const said = ({ text, pictures }: { text: string; pictures: Picture[] }) => ({
  role: "user",
  content:
    pictures.length === 0
      ? text
      : [{ type: "text", text }, ...pictures.map(({ url }) => ({ type: "image_url", image_url: { url } }))],
});

/** The body of a request: all that was said so far to the model in this place. What is empty is not sent. */
export function requestBody(model: string, place: number, parameters: Parameters, turns: Turn[]) {
  const tools = readTools(parameters.tools) ?? [];
  const messages: object[] = parameters.system.trim() ? [{ role: "system", content: parameters.system }] : [];
  for (const turn of turns) {
    messages.push(said(turn));
    const answer = turn.answers[place];
    // A call of a tool without its result would be refused, and nobody runs tools here: only what was written is repeated.
    if (answer?.text) messages.push({ role: "assistant", content: answer.text });
  }
  const number = (text: string) => (text.trim() ? Number(text) : undefined);
  return {
    model,
    messages,
    temperature: number(parameters.temperature),
    top_p: number(parameters.topP),
    max_tokens: number(parameters.maxTokens),
    tools: tools.length > 0 ? tools : undefined,
    stream: parameters.stream || undefined,
    stream_options: parameters.stream ? { include_usage: true } : undefined,
  };
}
