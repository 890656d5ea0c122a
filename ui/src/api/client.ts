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
