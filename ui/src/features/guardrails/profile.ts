import { z } from "zod";
import { uninspectableActions } from "../../design/guardrails";
import { texts } from "../../texts";
import type { ListedRule } from "./rules";

const { profiles: words, common } = texts;

/** A profile as its form has it. */
export const profileSchema = z.object({
  tenant_id: z.string(),
  name: z.string().trim().min(1, common.required),
  rules: z.custom<ListedRule[]>().refine((rules) => rules.length > 0, words.noRule),
  uninspectable: z.enum(uninspectableActions),
  for_everybody: z.boolean(),
});
export type ProfileValues = z.infer<typeof profileSchema>;
