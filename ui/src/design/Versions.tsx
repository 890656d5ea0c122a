import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ApiProblem, client, type Schemas, unwrap } from "../api/client";
import { useIdentity } from "../api/identity";
import { type Item, PART, type ResourceName, type Resources, useUpdate } from "../api/resources";
import { texts } from "../texts";
import { Badge } from "./Badge";
import { Button } from "./Button";
import { DataTable } from "./DataTable";
import { Dialog } from "./Dialog";
import { ChangeTable } from "./Diff";
import { earlier, type Line, lines, patchTo, specOf } from "./earlier";
import { dateTime } from "./format";
import { Section } from "./Page";
import { managedElsewhere } from "./ResourceForm";
import { Notice } from "./States";
import { toast } from "./Toasts";

const { versions: words, audit, common } = texts;
type Spec = Record<string, unknown>;
type Entry = Schemas["AuditEntry"];

interface Of<R extends ResourceName> {
  resource: R;
  item: Item<R>;
  /** What its fields are called. */
  names: Record<string, string>;
  /** Fields that are compared line by line, and how their values read. */
  inLines: Record<string, (value: unknown) => string[]>;
}

/** What a thing was after each of its changes, as the audit log tells: beside what it is now, and made to hold again. */
export function Versions<R extends ResourceName>({
  mayWrite,
  tenantId,
  ...of
}: Of<R> & {
  mayWrite: boolean;
  /** Whose it is; null: the platform's. */
  tenantId: string | null;
}) {
  const { item, names, resource } = of;
  const { may } = useIdentity();
  const maySee = may("audit.read", tenantId);
  const [shown, setShown] = useState<{ entry: Entry; spec: Spec }>();
  const list = useInfiniteQuery({
    queryKey: [resource, "versions", item.id],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/admin/audit", {
          params: { query: { resource_id: item.id, limit: PART, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next_cursor ?? undefined,
    enabled: maySee,
  });
  if (!maySee) return null;
  const entries = (list.data?.pages.flatMap(({ items }) => items) ?? []).filter(isChange);
  const specs = specsAfter(specOf(item), entries);
  const newest = entries[0];
  return (
    <Section title={words.title} lead={words.lead}>
      <DataTable
        label={words.title}
        list={{ ...list, data: list.data && { pages: [{ items: entries }] } }}
        rowKey={({ id }) => id}
        empty={words.none}
        columns={[
          {
            title: audit.at,
            width: "minmax(0,1.2fr)",
            cell: (entry) => <span className="whitespace-normal">{dateTime(entry.at)}</span>,
          },
          {
            title: audit.who,
            cell: ({ actor }) => <span className="break-all whitespace-normal">{actor.email ?? audit.hidden}</span>,
          },
          {
            title: words.what,
            cell: (entry) => <span className="whitespace-normal">{whatChanged(entry, names)}</span>,
          },
          {
            title: common.actions,
            width: "9rem",
            cell: (entry) => {
              const spec = specs.get(entry);
              if (!spec) return <span className="text-ink-soft">{words.unknown}</span>;
              return entry === newest ? (
                <Badge tone="good">{words.holds}</Badge>
              ) : (
                <Button
                  aria-label={`${words.compare}: ${dateTime(entry.at)}`}
                  onPress={() => setShown({ entry, spec })}
                >
                  {words.compare}
                </Button>
              );
            },
          },
        ]}
      />
      {shown && <Compared {...of} {...shown} mayWrite={mayWrite} onClose={() => setShown(undefined)} />}
    </Section>
  );
}

/** Whether an entry says how the thing came to be as it is. */
function isChange({ action, changes }: Entry): boolean {
  return !action.endsWith(".delete") && (changes === null || changes.length > 0);
}

/** What the thing was after each change, as far back as can be told; the newest entry comes first. */
function specsAfter(now: Spec, entries: Entry[]): Map<Entry, Spec> {
  const found = new Map<Entry, Spec>();
  let spec: Spec | undefined = now;
  for (const entry of entries) {
    if (!spec) break;
    const before = earlier(spec, entry.changes);
    // An entry that does not fit was written since the thing was read.
    if (!before) break;
    found.set(entry, spec);
    spec = before;
  }
  return found;
}

function whatChanged({ action, changes, resource_type }: Entry, names: Record<string, string>): string {
  const verb = action.slice(resource_type.length + 1);
  if (verb === "create" || !changes) return audit.verbs[verb] ?? action;
  const fields = new Set(changes.map(({ path }) => path.split(/[.[]/, 1)[0] ?? path));
  return [...fields].map((field) => names[field] ?? field).join(", ");
}

/** A version beside what holds now. */
function Compared<R extends ResourceName>({
  resource,
  item,
  names,
  inLines,
  entry,
  spec,
  mayWrite,
  onClose,
}: Of<R> & { entry: Entry; spec: Spec; mayWrite: boolean; onClose: () => void }) {
  const update = useUpdate(resource);
  const now = specOf(item);
  const patch = patchTo(now, spec);
  const fields = Object.keys(patch);
  const restore = () =>
    update.mutate(
      { id: item.id, revision: item.revision, body: patch as Resources[R]["patch"] },
      {
        onSuccess: () => {
          toast(words.restored);
          onClose();
        },
      },
    );
  return (
    <Dialog title={words.compareOf(dateTime(entry.at))} isOpen onClose={onClose} wide>
      {update.error && (
        <Notice tone="bad">{update.error instanceof ApiProblem ? update.error.message : texts.states.broken}</Notice>
      )}
      {fields.length === 0 ? <p>{words.same}</p> : <p className="mb-3 text-sm text-ink-soft">{words.compareLead}</p>}
      {fields
        .filter((field) => field in inLines)
        .map((field) => (
          <Lines
            key={field}
            title={names[field] ?? field}
            found={lines(inLines[field]?.(spec[field]) ?? [], inLines[field]?.(now[field]) ?? [])}
          />
        ))}
      {fields.some((field) => !(field in inLines)) && (
        <ChangeTable
          titles={[audit.path, words.past, words.now]}
          changes={fields
            .filter((field) => !(field in inLines))
            .map((field) => ({ field: names[field] ?? field, before: spec[field], after: now[field] }))}
        />
      )}
      <div className="mt-6 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
        <Button onPress={onClose}>{common.close}</Button>
        {mayWrite && !managedElsewhere(item.origin) && fields.length > 0 && (
          <Button kind="primary" isDisabled={update.isPending} onPress={restore}>
            {words.restore}
          </Button>
        )}
      </div>
    </Dialog>
  );
}

const LOOK = {
  same: "text-ink-soft",
  gone: "bg-bad-ground text-bad",
  new: "bg-good-ground text-good",
} as const;

function Lines({ title, found }: { title: string; found: Line[] }) {
  return (
    <div className="mb-4">
      <h3 className="mb-1 text-sm font-medium">{title}</h3>
      <ul className="rounded-md border border-line text-sm">
        {found.map(({ text, kind }, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name than their place
          <li key={at} className={`flex gap-2 px-3 py-1 ${LOOK[kind]}`}>
            <span className="w-10 shrink-0 text-xs leading-5">{words.kinds[kind]}</span>
            <span className="min-w-0 break-words">{text}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
