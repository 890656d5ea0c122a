import { z } from "zod";
import type { Schemas } from "../../api/client";
import { actions, directions, findings } from "../../design/guardrails";
import { texts } from "../../texts";

const { profiles: words } = texts;
type Rule = Schemas["Rule"];

export const modes = ["enforce", "shadow"] as const;
export const forms = ["type", "mask", "format"] as const;

const isFraction = (text: string) => /^(0(\.\d+)?|1(\.0+)?|\.\d+)$/.test(text.trim());

/** A rule of a profile, as its form has it. */
export const ruleSchema = z.object({
  type: z.enum(findings),
  action: z.enum(actions),
  direction: z.enum(directions),
  mode: z.enum(modes),
  form: z.enum(forms),
  keep_last: z.string().regex(/^[0-8]$/, words.keepLastWrong),
  threshold: z.string().refine((text) => text.trim() === "" || isFraction(text), words.thresholdWrong),
});
export type RuleValues = z.infer<typeof ruleSchema>;
/** `key` names it for as long as the form lives. */
export type ListedRule = RuleValues & { key: string };

export const NEW_RULE: RuleValues = {
  type: "CREDIT_CARD",
  action: "block",
  direction: "both",
  mode: "enforce",
  form: "type",
  keep_last: "4",
  threshold: "",
};

export function toRuleValues({ type, action, direction, mode, form, threshold }: Rule): RuleValues {
  return {
    type,
    action,
    direction: direction ?? "both",
    mode: mode ?? "enforce",
    form: form?.kind ?? "type",
    keep_last: form?.kind === "mask" ? String(form.keep_last) : NEW_RULE.keep_last,
    threshold: threshold ? String(threshold) : "",
  };
}

/** The same as the API takes it: what is as it is where nothing is said is not said. */
export function toRule({ type, action, direction, mode, form, keep_last, threshold }: RuleValues): Rule {
  const redacted: Rule["form"] = form === "mask" ? { kind: "mask", keep_last: Number(keep_last) } : { kind: form };
  return {
    type,
    action,
    direction,
    ...(mode === "shadow" ? { mode } : {}),
    ...(action === "redact" && form !== "type" ? { form: redacted } : {}),
    ...(threshold.trim() ? { threshold: Number(threshold) } : {}),
  };
}

/** What a rule looks for, in a word. */
export function lookedFor({ type }: RuleValues): string {
  return words.findings[type];
}

/** The rest of a rule, but for what it does. */
export function inWords({ action, direction, mode, form, keep_last, threshold }: RuleValues): string {
  const place = form === "mask" ? words.maskedTo(Number(keep_last)) : words.forms[form];
  return [
    words.directions[direction],
    action === "redact" ? `${words.form}: ${place}` : undefined,
    threshold.trim() ? `${words.threshold} ${threshold.trim()}` : undefined,
    mode === "shadow" ? words.modes.shadow : undefined,
  ]
    .filter(Boolean)
    .join(" · ");
}
