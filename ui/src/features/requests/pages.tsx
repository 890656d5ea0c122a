import { useParams } from "@tanstack/react-router";
import { useIdentity } from "../../api/identity";
import { useRequest } from "../../api/usage";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { FilterBar, KeyFilter, TenantFilter, TextFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { decimalDollars, duration, fromLocalInput, shortCount, shortDateTime, toLocalInput } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Page } from "../../design/Page";
import { Failed, Loading, NotFound } from "../../design/States";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { Outcome } from "./outcome";
import { useUsage } from "./queries";
import { Record } from "./Record";

const { requests: words, common } = texts;

/** The ledger. */
export function RequestsPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters("tenant_id", "key_id", "model", "request_id", "from", "to");
  const list = useUsage(filters.query);
  const { tenant_id } = filters.values;
  return (
    <Page title={words.title} lead={words.lead}>
      <FilterBar onClear={filters.clear}>
        {isPlatform && (
          <TenantFilter value={tenant_id} onChange={(value) => filters.set({ tenant_id: value, key_id: "" })} />
        )}
        <KeyFilter value={filters.values.key_id} tenantId={tenant_id} onChange={(key_id) => filters.set({ key_id })} />
        <TextFilter label={words.model} value={filters.values.model} onChange={(model) => filters.set({ model })} />
        <TextFilter
          label={words.requestId}
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
        rowKey={(record) => record.request_id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          {
            title: words.started,
            width: "minmax(0,1.3fr)",
            cell: (record) => (
              <AppLink to={paths.request(record.request_id)}>{shortDateTime(record.started_at)}</AppLink>
            ),
          },
          { title: words.model, width: "minmax(0,1.2fr)", cell: (record) => record.model || "–" },
          { title: words.key, cell: (record) => record.key_name ?? record.key_id },
          { title: words.outcome, width: "7.5rem", cell: (record) => <Outcome outcome={record.outcome} /> },
          {
            title: words.tokensInOut,
            width: "8rem",
            numeric: true,
            cell: (record) => `${shortCount(record.input_tokens)} / ${shortCount(record.output_tokens)}`,
          },
          { title: words.cost, width: "6rem", numeric: true, cell: (record) => decimalDollars(record.cost_usd) },
          { title: words.latency, width: "6rem", numeric: true, cell: (record) => duration(record.latency_us) },
        ]}
      />
    </Page>
  );
}

/** One request: what happened, whose it was, what it used and cost. */
export function RequestPage() {
  const { id } = useParams({ strict: false });
  const request = useRequest(id);
  if (request.isPending) return <Loading />;
  if (request.error) return <Failed error={request.error} onRetry={() => request.refetch()} />;
  if (!request.data) return <NotFound />;
  return (
    <Page
      title={words.one}
      lead={<code className="font-mono text-sm break-all">{request.data.request_id}</code>}
      actions={<LinkButton to={paths.requests}>{words.title}</LinkButton>}
    >
      <Record record={request.data} />
    </Page>
  );
}
