import type { FieldPath, FieldValues, UseFormReturn } from "react-hook-form";
import type { ApiProblem } from "../api/client";
import { texts } from "../texts";

/**
 * Shows what the API says of fields at those of the form, and gives what is of none of them, in words; undefined: nothing is.
 * `names` says what the API's fields are called in the form where that differs; `*` stands for any index, in both.
 */
export function showAtFields<F extends FieldValues>(
  form: Pick<UseFormReturn<F>, "setError">,
  problem: ApiProblem,
  values: F,
  names?: Record<string, string>,
): string | undefined {
  if (problem.fields.length === 0) return problem.status === 0 ? texts.states.noAnswer : problem.message;
  const elsewhere = problem.fields.filter(({ field, reason }) => {
    const path = shownPath(formPath(field, names), values);
    if (!path) return true;
    form.setError(path as FieldPath<F>, { message: reason }, { shouldFocus: true });
    return false;
  });
  return elsewhere.map(({ field, reason }) => `${field} ${reason}`).join("; ") || undefined;
}

/** `members[0].price` of the API is `members.0.price` of the form. Of names that fit the longest counts. */
export function formPath(field: string, names: Record<string, string> = {}): string {
  const parts = field.replace(/\[(\d+)\]/g, ".$1").split(".");
  for (let length = parts.length; length > 0; length--) {
    const known = parts.slice(0, length);
    const name = names[known.map((part) => (isIndex(part) ? "*" : part)).join(".")];
    if (name === undefined) continue;
    const indices = known.filter(isIndex);
    const renamed = name.split(".").map((part) => (part === "*" ? (indices.shift() ?? part) : part));
    return [...renamed, ...parts.slice(length)].join(".");
  }
  return parts.join(".");
}

const isIndex = (part: string) => /^\d+$/.test(part);

/** As much of a path as the form has: what is said of a part of a text is said of the text. Undefined: it has nothing of it. */
function shownPath(path: string, values: FieldValues): string | undefined {
  const shown: string[] = [];
  let at: unknown = values;
  for (const part of path.split(".")) {
    if (typeof at !== "object" || at === null || !(part in at)) break;
    shown.push(part);
    at = (at as Record<string, unknown>)[part];
  }
  return shown.length > 0 ? shown.join(".") : undefined;
}

/** What is said to be wrong with one of several things, wherever in it. */
export function firstMessage(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  if ("message" in error && typeof error.message === "string") return error.message;
  return Object.values(error).map(firstMessage).find(Boolean);
}
