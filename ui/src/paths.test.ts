import { expect, it } from "vitest";
import { requestsWith, resourcePath, safeNext, signInThenBack } from "./paths";

it.each([
  ["/models", "/models"],
  ["/requests?model=a", "/requests?model=a"],
  [undefined, "/"],
  ["", "/"],
  ["https://evil.example", "/"],
  ["//evil.example", "/"],
  ["/\\evil.example", "/"],
  ["javascript:alert(1)", "/"],
  ["/sign-in?next=/x", "/"],
])("after signing in, %s leads to %s", (next, expected) => expect(safeNext(next)).toBe(expected));

it("writes what it is given so that it is read again", () => {
  expect(requestsWith({ model: "a&b=c/d" })).toBe("/requests?model=a%26b%3Dc%2Fd");
  expect(signInThenBack("/models?x=1")).toBe("/sign-in?next=%2Fmodels%3Fx%3D1");
  expect(signInThenBack("/")).toBe("/sign-in");
});

it("knows the pages of what the audit log names, and no others", () => {
  expect(resourcePath("api_key", "1")).toBe("/keys/1");
  expect(resourcePath("something_new", "1")).toBeUndefined();
});
