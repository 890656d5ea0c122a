import { z } from "zod";
import type { Schemas } from "../../api/client";
import { actions, directions, findings } from "../../design/guardrails";
import { texts } from "../../texts";

const { profiles: words } = texts;
type Rule = Schemas["Rule"];

export const modes = ["enforce", "shadow"] as const;
export const types = [...findings, "CUSTOM"] as const satisfies readonly Schemas["FindingType"][];
export const customKinds = ["keywords", "hosts", "patterns"] as const satisfies readonly Schemas["CustomKind"][];
export const forms = ["type", "mask", "format", "hash", "pseudonym"] as const;

/** One a line. */
const entriesOf = (text: string) => text.split("\n").filter((line) => line.trim() !== "");

const isFraction = (text: string) => /^(0(\.\d+)?|1(\.0+)?|\.\d+)$/.test(text.trim());

/** A rule of a profile, as its form has it. */
export const ruleFields = z.object({
  type: z.enum(types),
  action: z.enum(actions),
  direction: z.enum(directions),
  mode: z.enum(modes),
  form: z.enum(forms),
  keep_last: z.string().regex(/^[0-8]$/, words.keepLastWrong),
  threshold: z.string().refine((text) => text.trim() === "" || isFraction(text), words.thresholdWrong),
  custom_name: z.string(),
  custom_kind: z.enum(customKinds),
  custom_entries: z.string(),
  case_sensitive: z.boolean(),
  parts_of_words: z.boolean(),
});

/** Whether what it says of entries of one's own is all there. */
export const namesEntries = (rule: { custom_name: string; custom_entries: string }) =>
  rule.custom_name.trim() !== "" && entriesOf(rule.custom_entries).length > 0;
export const missingEntries = { path: ["custom_entries"], message: words.customMissing };

export const ruleSchema = ruleFields.refine((rule) => rule.type !== "CUSTOM" || namesEntries(rule), missingEntries);
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
  custom_name: "",
  custom_kind: "keywords",
  custom_entries: "",
  case_sensitive: false,
  parts_of_words: false,
};

export function toRuleValues({ type, action, direction, mode, form, threshold, custom }: Rule): RuleValues {
  return {
    type,
    action,
    direction: direction ?? "both",
    mode: mode ?? "enforce",
    form: form?.kind ?? "type",
    keep_last: form?.kind === "mask" ? String(form.keep_last) : NEW_RULE.keep_last,
    threshold: threshold ? String(threshold) : "",
    custom_name: custom?.name ?? "",
    custom_kind: custom?.kind ?? "keywords",
    custom_entries: custom?.entries.join("\n") ?? "",
    case_sensitive: custom?.case_sensitive ?? false,
    parts_of_words: custom?.parts_of_words ?? false,
  };
}

/** The same as the API takes it: what is as it is where nothing is said is not said. */
export function toRule(values: RuleValues): Rule {
  const { type, action, direction, mode, form, keep_last, threshold } = values;
  const redacted: Rule["form"] = form === "mask" ? { kind: "mask", keep_last: Number(keep_last) } : { kind: form };
  return {
    type,
    action,
    direction,
    ...(mode === "shadow" ? { mode } : {}),
    ...(action === "redact" && form !== "type" ? { form: redacted } : {}),
    ...(threshold.trim() ? { threshold: Number(threshold) } : {}),
    ...(type === "CUSTOM" ? { custom: toCustom(values) } : {}),
  };
}

function toCustom(values: RuleValues): Schemas["CustomRule"] {
  return {
    name: values.custom_name.trim(),
    kind: values.custom_kind,
    entries: entriesOf(values.custom_entries),
    case_sensitive: values.case_sensitive,
    parts_of_words: values.parts_of_words,
  };
}

/** What a rule looks for, in a word. */
export function lookedFor({ type, custom_name }: RuleValues): string {
  return type === "CUSTOM" ? custom_name : words.findings[type];
}

/** The rest of a rule, but for what it does. */
export function inWords(rule: RuleValues): string {
  const { type, action, direction, mode, form, keep_last, threshold } = rule;
  const place = form === "mask" ? words.maskedTo(Number(keep_last)) : words.forms[form];
  return [
    type === "CUSTOM"
      ? words.entriesOf(words.customKinds[rule.custom_kind], entriesOf(rule.custom_entries).length)
      : "",
    words.directions[direction],
    action === "redact" && form !== "type" ? `${words.form}: ${place}` : undefined,
    threshold.trim() ? `${words.threshold} ${threshold.trim()}` : undefined,
    mode === "shadow" ? words.modes.shadow : undefined,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** A rule of the API, whole. */
export function ruleInWords(rule: Rule): string {
  const values = toRuleValues(rule);
  return `${lookedFor(values)}: ${words.actions[values.action]} · ${inWords(values)}`;
}
