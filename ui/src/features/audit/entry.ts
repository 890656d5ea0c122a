import { z } from "zod";
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

/** By what the same finding is known in several requests of a week. */
export interface Digest {
  /** For example `EMAIL`. */
  type: string;
  /** The first day of the week in which the key held, as `2026-11-30`. */
  week: string;
  /** In hexadecimal, whole. */
  hmac: string;
  requests: number;
}

const found = z.object({
  digests: z.array(z.object({ key_id: z.string(), hmac_sha256: z.string(), requests: z.number() })),
});

/** What an entry tells by digests; nothing where it has none. */
export function digestsOf(entry: Pick<Entry, "changes">): Digest[] {
  return (entry.changes ?? []).flatMap(({ path, after }) =>
    (found.safeParse(after).data?.digests ?? []).map(({ key_id, hmac_sha256, requests }) => ({
      // The path is the type and what was done about it.
      type: path.split(":", 1)[0] ?? path,
      week: key_id.replace(/^(\d{4})(\d{2})(\d{2})$/, "$1-$2-$3"),
      hmac: hmac_sha256,
      requests,
    })),
  );
}

/** A field's value but for digests, which are shown by themselves. */
export function withoutDigests(value: unknown): unknown {
  if (!found.safeParse(value).success) return value;
  const { digests: _digests, ...rest } = value as Record<string, unknown>;
  return rest;
}
