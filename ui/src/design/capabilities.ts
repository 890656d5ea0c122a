import { z } from "zod";
import type { Schemas } from "../api/client";

export type Capabilities = Schemas["Capabilities"];

/** Those that are neither yes nor no, with what there is to choose. */
const CHOICES = {
  structured_output: ["json_schema", "json_object", "none"],
  max_tokens_field: ["max_completion_tokens", "max_tokens"],
  system_role: ["system", "developer", "user"],
} as const;
export const NAMES = [
  "images",
  "audio",
  "documents",
  "tools",
  "parallel_tool_calls",
  "strict_tools",
  "structured_output",
  "temperature",
  "temperature_with_top_p",
  "many_stop_sequences",
  "reasoning_effort",
  "stream_options",
  "state",
  "max_tokens_field",
  "system_role",
] as const satisfies (keyof Capabilities)[];
export type CapabilityName = (typeof NAMES)[number];

/** What a form holds: by name a choice; an empty one is as known. */
export const capabilityValues = z.record(z.enum(NAMES), z.string());
export type CapabilityValues = z.infer<typeof capabilityValues>;

export function choicesOf(name: CapabilityName): readonly string[] {
  return name in CHOICES ? CHOICES[name as keyof typeof CHOICES] : ["true", "false"];
}

export function typedCapabilities(capabilities: Capabilities | null | undefined): CapabilityValues {
  return Object.fromEntries(NAMES.map((name) => [name, String(capabilities?.[name] ?? "")])) as CapabilityValues;
}

/** The API's capabilities; null where all are as known. What this console does not know yet stays as it was. */
export function readCapabilities(
  typed: CapabilityValues,
  before: Capabilities | null | undefined,
): Capabilities | null {
  const value = (text: string) => (text === "true" ? true : text === "false" ? false : text);
  const unknown = Object.entries(before ?? {}).filter(([name]) => !(NAMES as readonly string[]).includes(name));
  const chosen = NAMES.filter((name) => typed[name]).map((name) => [name, value(typed[name])]);
  const all = [...unknown, ...chosen];
  return all.length > 0 ? (Object.fromEntries(all) as Capabilities) : null;
}
