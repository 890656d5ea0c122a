import createClient from "openapi-fetch";
import type { components, paths } from "./gen/schema";

/** The bodies of the API, by name. */
export type Schemas = components["schemas"];

/** Calls the API by its document. The session is a cookie, which no script sees. */
export const client = createClient<paths>({
  baseUrl: globalThis.location?.origin ?? "",
  credentials: "same-origin",
  // Looked up at each call, so that tests can stand in for it.
  fetch: (request) => globalThis.fetch(request),
});

/** How far the server's clock is before this browser's, in milliseconds. */
let ahead = 0;
client.use({
  onResponse({ response }) {
    const told = Date.parse(response.headers.get("date") ?? "");
    if (Number.isFinite(told)) ahead = told - Date.now();
  },
});

/** Now by the server's clock, to about a second: this browser's may be wrong by hours. */
export function serverNow(): number {
  return Date.now() + ahead;
}

/** Sends what the document cannot describe: its answer is read piece by piece, by whoever asked. */
export async function send(path: string, headers: Record<string, string>, body: string, signal: AbortSignal) {
  const options = { method: "POST", headers, body, signal, credentials: "same-origin" } as const;
  const response = await globalThis.fetch(path, options);
  // A gateway's 401 is about the app's key; the API's own about the session.
  if (response.status === 401 && response.headers.get("content-type") === PROBLEM) {
    for (const callback of expired) callback();
  }
  return response;
}

/** The media type of the API's own refusals. */
export const PROBLEM = "application/problem+json";

/** A refusal of the API, or its silence. */
export class ApiProblem extends Error {
  constructor(
    /** 0: there was no answer. */
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fields: { field: string; reason: string }[] = [],
    readonly retryAfterSeconds?: number,
  ) {
    super(message);
  }
}

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** Who wants to know that the session is over. */
const expired = new Set<() => void>();

/** Calls back whenever the API says that there is no session; gives what ends that. */
export function onSessionExpired(callback: () => void): () => void {
  expired.add(callback);
  return () => void expired.delete(callback);
}

/** The answer's body, or an ApiProblem in whatever way it failed. */
export async function unwrap<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiProblem(0, "no_answer", "The control plane does not answer.");
  }
  if (answer.response.ok) return answer.data as T;
  const problem = toProblem(answer.response, answer.error);
  if (problem.code === "unauthenticated") for (const callback of expired) callback();
  throw problem;
}

function toProblem(response: Response, body: unknown): ApiProblem {
  const problem = (typeof body === "object" && body !== null ? body : {}) as Partial<Schemas["Problem"]>;
  const wait = Number(response.headers.get("retry-after"));
  return new ApiProblem(
    response.status,
    problem.code ?? "unknown",
    problem.detail ?? `The control plane answered ${response.status}.`,
    problem.errors ?? [],
    Number.isFinite(wait) && wait > 0 ? wait : undefined,
  );
}
