import { useInfiniteQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { useNames } from "../../api/resources";
import { DataTable } from "../../design/DataTable";
import { FilterBar, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { count, shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Page } from "../../design/Page";
import { resourcePath } from "../../paths";
import { texts } from "../../texts";

const { audit: words, common } = texts;
type Entry = Schemas["AuditEntry"];

/** Every change in one's scope. */
export function AuditPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters("tenant_id");
  const tenantName = useNames("tenants", isPlatform);
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
  return (
    <Page title={words.title} lead={words.lead}>
      {isPlatform && (
        <FilterBar onClear={filters.clear}>
          <TenantFilter value={filters.values.tenant_id} onChange={(tenant_id) => filters.set({ tenant_id })} />
        </FilterBar>
      )}
      <DataTable
        label={words.title}
        list={list}
        rowKey={(entry) => entry.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          { title: words.at, cell: (entry) => <span className="tabular-nums">{shortDateTime(entry.at)}</span> },
          { title: words.who, width: "minmax(0,1.2fr)", cell: actor },
          { title: words.what, cell: (entry) => <code className="font-mono text-xs">{entry.action}</code> },
          {
            title: words.resource,
            width: "minmax(0,1.5fr)",
            cell: (entry) => <Resource entry={entry} />,
          },
          ...(isPlatform
            ? [
                {
                  title: common.owner,
                  secondary: true,
                  cell: (entry: Entry) =>
                    entry.tenant_id ? (tenantName(entry.tenant_id) ?? entry.tenant_id) : common.platform,
                },
              ]
            : []),
          { title: common.revision, width: "6rem", numeric: true, cell: (entry) => count(entry.revision) },
        ]}
      />
    </Page>
  );
}

function actor(entry: Entry): string {
  if (entry.actor.email === "system") return words.system;
  return entry.actor.email ?? words.hidden;
}

function Resource({ entry }: { entry: Entry }) {
  const path = entry.action.endsWith(".delete") ? undefined : resourcePath(entry.resource_type, entry.resource_id);
  const id = <span className="font-mono text-xs">{entry.resource_id}</span>;
  return path ? <AppLink to={path}>{id}</AppLink> : id;
}
