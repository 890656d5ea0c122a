import { expect, it } from "vitest";
import { nameFor } from "./discovered";

it("calls a rule as its caller is called", () => {
  expect(nameFor({ way: "workload", subject: "spiffe://example.org/ns/apps/sa/chat" })).toBe("chat");
  expect(nameFor({ way: "token", subject: "https://example.org/users/7" })).toBe("https://example.org/users/7");
  expect(nameFor({ way: "token", subject: "x".repeat(500) })).toHaveLength(100);
});
