import { useInfiniteQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useState } from "react";
import { client, type Schemas, unwrap } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { Badge } from "../../design/Badge";
import { Button } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { Select } from "../../design/Fields";
import { FilterBar, TenantFilter, TextFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { count, fromLocalInput, shortDateTime, toLocalInput } from "../../design/format";
import { Page } from "../../design/Page";
import { texts } from "../../texts";
import { EntryDialog } from "./EntryDialog";
import { actor, whatHappened } from "./entry";
import { Verify } from "./Verify";

const { audit: words, common } = texts;
type Entry = Schemas["AuditEntry"];
const EXPORT = "/api/v1/admin/audit/export";

/** Every change in one's scope. */
export function AuditPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters(
    "tenant_id",
    "actor",
    "resource_type",
    "resource_id",
    "action",
    "request_id",
    "from",
    "to",
  );
  const [shown, setShown] = useState<Entry>();
  const [isVerifying, setVerifying] = useState(false);
  const list = useInfiniteQuery({
    queryKey: ["audit", filters.query],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/admin/audit", {
          params: { query: { ...filters.query, limit: 100, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next_cursor ?? undefined,
  });
  const only = Object.entries(filters.values).filter(([, value]) => value);
  const owner = (entry: Entry) => entry.tenant_name ?? entry.tenant_id ?? common.platform;
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        <>
          {isPlatform && <Button onPress={() => setVerifying(true)}>{words.verify}</Button>}
          <a
            href={`${EXPORT}?${new URLSearchParams(only)}`}
            download
            className="inline-flex min-h-11 items-center justify-center gap-2 rounded-md border border-line-strong bg-surface px-4 text-sm font-medium hover:bg-sunken"
          >
            <Download aria-hidden className="size-4" />
            {words.exportAll}
          </a>
        </>
      }
    >
      <FilterBar onClear={filters.clear}>
        {isPlatform && (
          <TenantFilter value={filters.values.tenant_id} onChange={(tenant_id) => filters.set({ tenant_id })} />
        )}
        <TextFilter
          label={words.who}
          value={filters.values.actor}
          onChange={(value) => filters.set({ actor: value })}
        />
        <Select
          label={words.kind}
          value={filters.values.resource_type}
          onChange={(resource_type) => filters.set({ resource_type })}
          options={[
            { value: "", label: common.all },
            ...Object.entries(words.kinds).map(([value, label]) => ({ value, label })),
          ]}
        />
        <TextFilter
          label={words.request}
          value={filters.values.request_id}
          onChange={(request_id) => filters.set({ request_id })}
        />
        <TextFilter
          label={common.from}
          type="datetime-local"
          value={toLocalInput(filters.values.from)}
          onChange={(from) => filters.set({ from: fromLocalInput(from) ?? "" })}
        />
        <TextFilter
          label={common.to}
          type="datetime-local"
          value={toLocalInput(filters.values.to)}
          onChange={(to) => filters.set({ to: fromLocalInput(to) ?? "" })}
        />
      </FilterBar>
      <DataTable
        label={words.title}
        list={list}
        rowKey={(entry) => entry.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          {
            title: words.at,
            width: "9rem",
            cell: (entry) => (
              <button
                type="button"
                onClick={() => setShown(entry)}
                className="min-h-11 text-left font-medium text-link tabular-nums underline-offset-2 hover:underline md:min-h-8"
              >
                {shortDateTime(entry.at)}
              </button>
            ),
          },
          { title: words.who, width: "minmax(0,1.4fr)", cell: actor },
          { title: words.what, width: "minmax(0,1.7fr)", cell: whatHappened },
          {
            title: common.name,
            width: "minmax(0,1.4fr)",
            cell: (entry) => entry.resource_name ?? <span className="font-mono text-xs">{entry.resource_id}</span>,
          },
          {
            title: words.where,
            width: "5.5rem",
            secondary: true,
            cell: (entry) => <Badge>{words.origins[entry.origin.kind]}</Badge>,
          },
          ...(isPlatform ? [{ title: common.owner, secondary: true, cell: owner }] : []),
          { title: common.revision, width: "5rem", numeric: true, cell: (entry) => count(entry.revision) },
        ]}
      />
      {isVerifying && <Verify onClose={() => setVerifying(false)} />}
      {shown && <EntryDialog entry={shown} owner={owner(shown)} onClose={() => setShown(undefined)} />}
    </Page>
  );
}
