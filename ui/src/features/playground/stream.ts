import type { Answer, ToolCall } from "./conversation";

/** The lines behind `data:` of server-sent events, as they come. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      const lines = rest.split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

interface Delta {
  content?: string | null;
  tool_calls?: { index?: number; function?: { name?: string; arguments?: string } }[];
}

interface Piece {
  choices?: { delta?: Delta; message?: Delta }[];
  error?: { message?: string };
}

/** What an answer is after one more event. What is not understood changes nothing: only `[DONE]` is an end. */
export function withEvent(answer: Answer, data: string): Answer {
  if (data === "[DONE]") return { ...answer, state: "complete" };
  const piece = parsed(data);
  if (piece?.error) return { ...answer, state: "refused", reason: piece.error.message };
  const delta = piece?.choices?.[0]?.delta;
  return delta ? { ...withDelta(answer, delta), state: "coming" } : answer;
}

/** The answer that came at once; undefined where that is none. */
export function wholeAnswer(answer: Answer, text: string): Answer | undefined {
  const message = parsed(text)?.choices?.[0]?.message;
  return message && { ...withDelta(answer, message), state: "complete" };
}

/** Why a gateway or the control plane refused, in its words. */
export function reasonOf(text: string): string | undefined {
  const body = parsed(text) as { error?: { message?: string }; detail?: string } | undefined;
  return body?.error?.message ?? body?.detail;
}

function withDelta(answer: Answer, delta: Delta): Answer {
  const toolCalls = [...answer.toolCalls];
  for (const [at, call] of (delta.tool_calls ?? []).entries()) {
    const index = call.index ?? at;
    const before: ToolCall = toolCalls[index] ?? { name: "", arguments: "" };
    toolCalls[index] = {
      name: before.name || (call.function?.name ?? ""),
      arguments: before.arguments + (call.function?.arguments ?? ""),
    };
  }
  return { ...answer, text: answer.text + (delta.content ?? ""), toolCalls: toolCalls.filter(Boolean) };
}

function parsed(text: string): Piece | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Piece) : undefined;
  } catch {
    return undefined;
  }
}
