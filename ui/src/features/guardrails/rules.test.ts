import { expect, it } from "vitest";
import { NEW_RULE, ruleSchema, toRule, toRuleValues } from "./rules";

it("gives back the rules that it was given", () => {
  for (const rule of [
    { type: "EMAIL", action: "block", direction: "both" },
    { type: "EMAIL", action: "flag", direction: "input", mode: "shadow", threshold: 0.7 },
    { type: "CREDIT_CARD", action: "redact", direction: "output", form: { kind: "mask", keep_last: 2 } },
    { type: "PHONE", action: "redact", direction: "both", form: { kind: "format" } },
  ] as const)
    expect(toRule(toRuleValues(rule))).toEqual(rule);
});

it("takes scores from 0 to 1, and none", () => {
  const holds = (threshold: string) => ruleSchema.safeParse({ ...NEW_RULE, threshold }).success;
  expect(["", "0", "0.75", "1", ".5"].map(holds)).toEqual([true, true, true, true, true]);
  expect(["1.1", "-1", "a", "75"].map(holds)).toEqual([false, false, false, false]);
});
