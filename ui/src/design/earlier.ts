import type { Schemas } from "../api/client";

type Spec = Record<string, unknown>;

/** What of a thing of the API can be changed. */
export function specOf(item: object): Spec {
  const {
    id: _id,
    tenant_id: _tenant,
    tenant_name: _owner,
    created_at: _created,
    updated_at: _updated,
    revision: _revision,
    origin: _origin,
    ...spec
  } = item as Spec;
  return spec;
}

/** What it was before it came to differ so; undefined: it is not what it was afterwards, or what differed was not kept. */
export function earlier(after: Spec, changes: Schemas["AuditEntry"]["changes"]): Spec | undefined {
  if (!changes) return undefined;
  const before = structuredClone(after);
  const isPut = changes.every((change) => put(before, change));
  return isPut ? before : undefined;
}

/** Undoes one change, in place; whether it could. Paths are such as `rules[0].form.kind`. */
function put(spec: Spec, { path, before, after }: Schemas["ApplyChange"]): boolean {
  const steps = path.replace(/\[(\d+)\]/g, ".$1").split(".");
  const last = steps.pop() ?? "";
  let at: unknown = spec;
  for (const step of steps) {
    if (typeof at !== "object" || at === null) return false;
    at = (at as Spec)[step];
  }
  if (typeof at !== "object" || at === null) return false;
  const holder = at as Spec;
  if (!isSame(holder[last], after)) return false;
  if (before == null) delete holder[last];
  else holder[last] = before;
  return true;
}

/** Whether two values of the API say the same. What is null is absent. */
export function isSame(one: unknown, other: unknown): boolean {
  return sorted(one) === sorted(other);
}

function sorted(value: unknown): string {
  return JSON.stringify(value ?? null, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(
          Object.entries(part)
            .filter(([, each]) => each != null)
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : part,
  );
}

/** What to send so that a thing that is `now` becomes what it was `then`. */
export function patchTo(now: Spec, then: Spec): Spec {
  const fields = new Set([...Object.keys(now), ...Object.keys(then)]);
  const differing = [...fields].filter((field) => !isSame(now[field], then[field]));
  return Object.fromEntries(differing.map((field) => [field, then[field] ?? null]));
}

/** What has become of a line. */
export interface Line {
  text: string;
  kind: "same" | "gone" | "new";
}

/** How one list of lines became another: as few lines as can be are gone or new. */
export function lines(before: string[], after: string[]): Line[] {
  // How many lines from here on are the same, by the lengths of what is left of both.
  const same = Array.from({ length: before.length + 1 }, () => new Uint16Array(after.length + 1));
  const at = (i: number, j: number) => same[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      const row = same[i];
      if (row) row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found: Line[] = [];
  for (let i = 0, j = 0; i < before.length || j < after.length; ) {
    const [gone, come] = [before[i], after[j]];
    if (gone !== undefined && gone === come) {
      found.push({ text: gone, kind: "same" });
      i++;
      j++;
    } else if (gone !== undefined && (come === undefined || at(i + 1, j) >= at(i, j + 1))) {
      found.push({ text: gone, kind: "gone" });
      i++;
    } else {
      found.push({ text: come ?? "", kind: "new" });
      j++;
    }
  }
  return found;
}
