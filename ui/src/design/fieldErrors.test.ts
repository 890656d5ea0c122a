import { expect, it, vi } from "vitest";
import { ApiProblem } from "../api/client";
import { firstMessage, formPath, showAtFields } from "./fieldErrors";

it("finds the form's field for the API's", () => {
  expect(formPath("members[0].price.output")).toBe("members.0.price.output");
  expect(formPath("base_url", { base_url: "url" })).toBe("url");
  expect(formPath("subject.id", { subject: "kind", "subject.id": "subject_id" })).toBe("subject_id");
  expect(formPath("claims[12].equals", { "claims.*.equals": "claims.*.value" })).toBe("claims.12.value");
});

/** Which fields show what, and what is left, of what the API says of these. */
function shown(fields: string[], values: object, names?: Record<string, string>) {
  const setError = vi.fn();
  const problem = new ApiProblem(
    422,
    "invalid_fields",
    "…",
    fields.map((field) => ({ field, reason: "is wrong" })),
  );
  const left = showAtFields({ setError }, problem, values, names);
  return { at: setError.mock.calls.map(([path]) => path), left };
}

it("shows what is said of a part of a field at the field", () => {
  expect(shown(["jwks.keys[0].kty"], { jwks: "{}" })).toEqual({ at: ["jwks"], left: undefined });
  expect(shown(["claims"], { claims: [] })).toEqual({ at: ["claims"], left: undefined });
  expect(shown(["subject.each"], { kind: "tenant" }, { subject: "kind" })).toEqual({ at: ["kind"], left: undefined });
});

it("tells what it has no field for", () => {
  expect(shown(["name", "origin"], { name: "" })).toEqual({ at: ["name"], left: "origin is wrong" });
});

it("finds what is wrong with one of several things, wherever in it", () => {
  expect(firstMessage({ price: { output: { message: "too much" } } })).toBe("too much");
  expect(firstMessage({ message: "is taken" })).toBe("is taken");
  expect(firstMessage(undefined)).toBeUndefined();
  expect(firstMessage({ ref: null })).toBeUndefined();
});
