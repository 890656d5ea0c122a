import type { Schemas } from "../../api/client";
import { texts } from "../../texts";

const { audit: words } = texts;
type Entry = Schemas["AuditEntry"];

/** Who made a change, as far as the reader may know. */
export function actor(entry: Entry): string {
  if (entry.actor.email === "system") return words.system;
  return entry.actor.email ?? words.hidden;
}

/** A change in words; one that this console does not know yet by its name. */
export function whatHappened(entry: Entry): string {
  const verb = words.verbs[entry.action.slice(entry.resource_type.length + 1)];
  const kind = words.kinds[entry.resource_type];
  return verb && kind ? `${verb}: ${kind}` : entry.action;
}
