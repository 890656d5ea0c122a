import { PROBLEM, send } from "../../api/client";
import { texts } from "../../texts";
import type { Answer } from "./conversation";
import { events, reasonOf, wholeAnswer, withEvent } from "./stream";

const { playground: words } = texts;

/** Sends one request through the gateway and tells how its answer stands, again and again until it has ended. */
export async function ask(body: { model: string }, key: string, signal: AbortSignal, tell: (answer: Answer) => void) {
  const began = performance.now();
  const elapsed = () => performance.now() - began;
  let answer: Answer = { model: body.model, state: "waiting", text: "", toolCalls: [] };
  const change = (next: Answer) => {
    const hasContent = next.text !== "" || next.toolCalls.length > 0;
    answer = hasContent && next.firstContentMs === undefined ? { ...next, firstContentMs: elapsed() } : next;
    tell(answer);
  };
  try {
    const headers = { "content-type": "application/json", "x-weir-app-key": key };
    const response = await send("/api/v1/admin/playground/chat.completions", headers, JSON.stringify(body), signal);
    const type = response.headers.get("content-type") ?? "";
    change({ ...answer, status: response.status, requestId: response.headers.get("x-weir-request-id") ?? undefined });
    if (!response.ok) {
      const text = await response.text();
      const reason = reasonOf(text) ?? (type === PROBLEM ? undefined : text.slice(0, 500));
      change({ ...answer, state: "refused", reason });
    } else if (type.startsWith("text/event-stream") && response.body) {
      for await (const data of events(response.body)) {
        change(withEvent(answer, data));
        if (answer.state === "complete" || answer.state === "refused") break;
      }
      if (answer.state === "waiting" || answer.state === "coming") change({ ...answer, state: "broken" });
    } else {
      const whole = wholeAnswer(answer, await response.text());
      change(whole ?? { ...answer, state: "refused", reason: words.unreadable });
    }
  } catch {
    if (signal.aborted) change({ ...answer, state: "stopped" });
    else if (answer.status === undefined) change({ ...answer, state: "refused", reason: words.noAnswer });
    else change({ ...answer, state: "broken" });
  }
  change({ ...answer, tookMs: elapsed() });
}
