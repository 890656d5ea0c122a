import { expect, it } from "vitest";
import { inWords, lookedFor, NEW_RULE, ruleSchema, toRule, toRuleValues } from "./rules";

it("gives back the rules that it was given", () => {
  for (const rule of [
    { type: "EMAIL", action: "block", direction: "both" },
    { type: "EMAIL", action: "flag", direction: "input", mode: "shadow", threshold: 0.7 },
    { type: "CREDIT_CARD", action: "redact", direction: "output", form: { kind: "mask", keep_last: 2 } },
    { type: "PHONE", action: "redact", direction: "both", form: { kind: "format" } },
    {
      type: "CUSTOM",
      action: "block",
      direction: "both",
      custom: { name: "a", kind: "keywords", entries: ["b c", "d"], case_sensitive: false, parts_of_words: true },
    },
    {
      type: "CUSTOM",
      action: "block",
      direction: "both",
      custom: { name: "a", kind: "patterns", entries: ["x{1,2}"], case_sensitive: true, parts_of_words: false },
    },
  ] satisfies Parameters<typeof toRuleValues>[0][])
    expect(toRule(toRuleValues(rule))).toEqual(rule);
});

it("needs entries of a list, and its name", () => {
  const holds = (change: object) => ruleSchema.safeParse({ ...NEW_RULE, type: "CUSTOM", ...change }).success;
  expect(holds({ custom_name: "a", custom_entries: "b" })).toBe(true);
  expect(holds({ custom_name: "a", custom_entries: " \n" })).toBe(false);
  expect(holds({ custom_name: "", custom_entries: "b" })).toBe(false);
});

it("takes scores from 0 to 1, and none", () => {
  const holds = (threshold: string) => ruleSchema.safeParse({ ...NEW_RULE, threshold }).success;
  expect(["", "0", "0.75", "1", ".5"].map(holds)).toEqual([true, true, true, true, true]);
  expect(["1.1", "-1", "a", "75"].map(holds)).toEqual([false, false, false, false]);
});

it("says in words what a rule does", () => {
  expect(lookedFor(NEW_RULE)).toBe("Card numbers");
  expect(inWords(NEW_RULE)).toBe("Prompts and answers");
  const stars = { ...NEW_RULE, action: "redact", form: "mask", keep_last: "2", threshold: " .5" } as const;
  expect(inWords(stars)).toBe("Prompts and answers · In its place: Stars, but for the last 2 · From score .5");
  expect(inWords({ ...stars, keep_last: "0", threshold: "", mode: "shadow", direction: "output" })).toBe(
    "Answers · In its place: Stars · Shadow: only tells",
  );
  const own = { ...NEW_RULE, type: "CUSTOM", custom_name: "Code names", custom_entries: "a\n\nb" } as const;
  expect([lookedFor(own), inWords(own)]).toEqual(["Code names", "Keywords and phrases: 2 · Prompts and answers"]);
});
