import { useState } from "react";
import { useIdentity } from "../../api/identity";
import { useItem } from "../../api/resources";
import { Button } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { FilterBar, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { count, shortDateTime } from "../../design/format";
import { Page } from "../../design/Page";
import { Summary } from "../../design/Summary";
import { texts } from "../../texts";
import { AssignDialog } from "./AssignDialog";
import { type Caller, useDiscovered } from "./discovered";

const { common } = texts;
const { discovered: words } = texts.appIdentity;

/** Who comes with a good token or certificate, and no rule knows. */
export function DiscoveredPage() {
  const { isPlatform, identity, may } = useIdentity();
  const filters = useFilters("tenant_id");
  const list = useDiscovered(filters.query.tenant_id);
  const [assigning, setAssigning] = useState<Caller>();
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
        rowKey={(caller) => caller.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          {
            title: words.caller,
            width: "minmax(0,2.5fr)",
            cell: ({ subject, way, issuer }) => (
              <>
                <span className="font-mono text-sm break-all whitespace-normal">{subject}</span>
                <span className="block text-xs break-all whitespace-normal text-ink-soft">
                  {way === "workload" ? words.workload : issuer}
                </span>
              </>
            ),
          },
          {
            title: words.reason,
            cell: ({ reason }) => <span className="whitespace-normal">{words.reasons[reason]}</span>,
          },
          { title: words.models, cell: ({ models }) => <Models names={models} /> },
          ...(isPlatform
            ? [{ title: words.scope, secondary: true, cell: ({ tenant_id }: Caller) => <Scope id={tenant_id} /> }]
            : []),
          { title: words.requests, width: "4.5rem", numeric: true, cell: ({ requests }) => count(requests) },
          {
            title: words.lastSeen,
            width: "9.5rem",
            cell: ({ first_seen_at, last_seen_at }) => (
              <>
                {shortDateTime(last_seen_at)}
                <span className="block text-xs text-ink-soft">{words.since(shortDateTime(first_seen_at))}</span>
              </>
            ),
          },
          ...(may("identity.write", identity?.tenant_id)
            ? [
                {
                  title: common.actions,
                  width: "6.5rem",
                  // Whose a workload is only the platform says.
                  cell: (caller: Caller) =>
                    isPlatform || caller.way === "token" ? (
                      <Button aria-label={words.assignTo(caller.subject)} onPress={() => setAssigning(caller)}>
                        {words.assign}
                      </Button>
                    ) : (
                      words.byPlatform
                    ),
                },
              ]
            : []),
        ]}
      />
      {assigning && <AssignDialog key={assigning.id} caller={assigning} onClose={() => setAssigning(undefined)} />}
    </Page>
  );
}

/** So many models of a caller's are told at once. */
const FIRST = 3;

/** What somebody asked for, the rest where it is wanted. */
function Models({ names }: { names: string[] }) {
  if (names.length === 0) return "–";
  const list = (of: string[]) => <span className="font-mono text-xs break-all whitespace-normal">{of.join(", ")}</span>;
  const more = names.slice(FIRST);
  return (
    <>
      {list(names.slice(0, FIRST))}
      {more.length > 0 && (
        <details>
          <Summary>{words.moreModels(count(more.length))}</Summary>
          {list(more)}
        </details>
      )}
    </>
  );
}

/** Whose gateway or issuer it was. */
function Scope({ id }: { id: string | null }) {
  const tenant = useItem("tenants", id ?? undefined);
  return id ? (tenant.data?.name ?? id) : common.platform;
}
