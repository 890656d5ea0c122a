import { useQuery } from "@tanstack/react-query";
import { client, unwrap } from "../../api/client";
import { usePulse } from "../../api/events";
import { useIdentity } from "../../api/identity";
import { useNodes } from "../../api/nodes";
import { type Dimension, useSummary } from "../../api/usage";
import { Badge } from "../../design/Badge";
import { Rows } from "../../design/DataTable";
import { Select } from "../../design/Fields";
import { FilterBar, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { count, shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Page, Section } from "../../design/Page";
import { Failed, Loading } from "../../design/States";
import { paths, requestsWith, usageWith } from "../../paths";
import { texts } from "../../texts";
import { Figures } from "./Figures";
import { FirstCall } from "./FirstCall";
import { GroupTable } from "./GroupTable";
import { Heatmap } from "./Heatmap";
import { before, bucketFor, latest, type Period, RANGES, type Range } from "./time";
import { UsageChart } from "./UsageChart";

const { dashboard: words, requests: requestWords, usage: usageWords } = texts;
/** Rows of a list of the most. */
const TOP = 8;
/** Among so many of the latest records those are looked for that were not complete. */
const LATEST = 200;
/** Days that the heatmap shows at least: each weekday once. */
const WEEK = 7;

/** What has happened lately, what is different from before, and where to look. */
export function DashboardPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters("tenant_id", "range");
  const range: Range = filters.values.range in RANGES ? (filters.values.range as Range) : "day";
  const period = latest(RANGES[range]);
  const tenant = filters.values.tenant_id || undefined;
  const now = useSummary({ ...period, bucket: bucketFor(period), tenant });
  const earlier = useSummary({ ...before(period), limit: 1, tenant });
  const hasNothing = now.data?.totals.requests === 0;
  // Whoever looks at a quiet day is not new: only a ledger without any record is.
  const first = useLatest(tenant, 1, hasNothing);
  const isEmpty = hasNothing && first.data?.items.length === 0;
  return (
    <Page title={words.title}>
      <FilterBar onClear={filters.clear}>
        <Select
          label={usageWords.range}
          value={range}
          onChange={(value) => filters.set({ range: value })}
          options={(Object.keys(RANGES) as Range[]).map((value) => ({ value, label: usageWords.ranges[value] }))}
        />
        {isPlatform && (
          <TenantFilter value={filters.values.tenant_id} onChange={(tenant_id) => filters.set({ tenant_id })} />
        )}
      </FilterBar>
      <div className="mb-6 flex flex-wrap items-center gap-x-6 gap-y-2 text-sm">
        {isPlatform && <Gateways />}
        <PulseLine tenantId={filters.values.tenant_id} />
      </div>
      {(now.isPending || (hasNothing && first.isPending)) && <Loading />}
      {now.error && !now.data && <Failed error={now.error} onRetry={() => now.refetch()} />}
      {hasNothing && first.error && !first.data && <Failed error={first.error} onRetry={() => first.refetch()} />}
      {isEmpty && <FirstCall tenant={tenant} />}
      {now.data && (!hasNothing || (first.data && !isEmpty)) && (
        <>
          <Figures
            now={now.data.totals}
            earlier={earlier.data?.totals}
            records={requestsWith({ ...(tenant ? { tenant_id: tenant } : {}), from: period.from, to: period.to })}
          />
          <Section title={words.overTime}>
            <UsageChart items={now.data.items} period={period} bucket={bucketFor(period) as "hour"} />
          </Section>
          <div className="grid grid-cols-1 gap-x-6 2xl:grid-cols-2">
            <Top dimension="model" period={period} tenant={tenant} order="requests" />
            <Top dimension="provider" period={period} tenant={tenant} order="requests" />
            <Top dimension="api_key" period={period} tenant={tenant} order="cost" />
            {isPlatform && !tenant && <Top dimension="tenant" period={period} order="cost" />}
          </div>
          <WeekSection days={Math.max(WEEK, RANGES[range])} tenant={tenant} />
          <Incomplete tenant={tenant} />
        </>
      )}
    </Page>
  );
}

/** The latest records of the ledger. */
function useLatest(tenant: string | undefined, limit: number, enabled = true) {
  return useQuery({
    queryKey: ["usage", "latest", tenant, limit],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/admin/usage", { params: { query: { tenant_id: tenant, limit } }, signal })),
    refetchInterval: 30_000,
    enabled,
  });
}

/** The groups of a kind that have the most. */
function Top({
  dimension,
  period,
  tenant,
  order,
}: {
  dimension: keyof typeof usageWords.top & Dimension;
  period: Period;
  tenant?: string;
  order: "requests" | "cost";
}) {
  const { isPlatform } = useIdentity();
  // Things of several tenants may have one name.
  const isOfTenants = dimension === "provider" || dimension === "api_key";
  const dimensions: Dimension[] = isOfTenants && isPlatform && !tenant ? [dimension, "tenant"] : [dimension];
  const top = useSummary({ ...period, tenant, group_by: dimensions.join(","), order, limit: TOP });
  const title = usageWords.top[dimension];
  const all = usageWith({
    group_by: dimension,
    ...(dimensions[1] ? { then_by: dimensions[1] } : undefined),
    order,
    ...period,
    ...(tenant ? { tenant } : {}),
  });
  return (
    <Section title={title} actions={<AppLink to={all}>{texts.common.all}</AppLink>}>
      {top.isPending && <Loading lines={3} />}
      {top.error && !top.data && <Failed error={top.error} onRetry={() => top.refetch()} />}
      {top.data && (
        <GroupTable
          label={title}
          items={top.data.items}
          dimensions={dimensions}
          period={period}
          filter={tenant ? { tenant_id: tenant } : {}}
        />
      )}
    </Section>
  );
}

function WeekSection({ days, tenant }: { days: number; tenant?: string }) {
  const hours = useSummary({ ...latest(days), bucket: "hour", tenant });
  return (
    <Section title={usageWords.heatmap} lead={usageWords.heatmapLead}>
      {hours.isPending && <Loading lines={3} />}
      {hours.error && !hours.data && <Failed error={hours.error} onRetry={() => hours.refetch()} />}
      {hours.data && <Heatmap items={hours.data.items} />}
    </Section>
  );
}

/** The latest that did not end well, of the latest records. */
function Incomplete({ tenant }: { tenant?: string }) {
  const usage = useLatest(tenant, LATEST);
  if (!usage.data) return null;
  const incomplete = usage.data.items.filter(({ outcome }) => outcome !== "complete").slice(0, TOP);
  return (
    <Section title={words.latest}>
      {incomplete.length === 0 ? (
        <p className="text-ink-soft">{words.allComplete}</p>
      ) : (
        <Rows
          label={words.latest}
          items={incomplete}
          rowKey={(record) => record.request_id}
          columns={[
            {
              title: requestWords.started,
              cell: (record) => (
                <AppLink to={paths.request(record.request_id)}>{shortDateTime(record.started_at)}</AppLink>
              ),
            },
            { title: requestWords.model, cell: (record) => record.model || texts.common.unknown },
            {
              title: requestWords.outcome,
              width: "minmax(0,1.4fr)",
              cell: (record) => (
                <Badge tone={record.outcome === "refused" ? "warn" : "bad"}>
                  {record.error_code || requestWords.outcomes[record.outcome] || record.outcome}
                </Badge>
              ),
            },
          ]}
        />
      )}
    </Section>
  );
}

/** What comes in at this moment. */
function PulseLine({ tenantId }: { tenantId: string }) {
  const pulse = usePulse(tenantId);
  return (
    <p className="flex items-center gap-2 text-ink-soft">
      <span aria-hidden className={`size-2 rounded-full ${pulse?.requests ? "bg-good" : "bg-line-strong"}`} />
      <span className="font-medium text-ink">{usageWords.pulse}</span>
      <span className="tabular-nums">
        {pulse ? usageWords.pulseRequests(count(pulse.requests), count(pulse.errors)) : usageWords.pulseWaits}
      </span>
    </p>
  );
}

/** In a line: whether the latest policy holds everywhere. */
function Gateways() {
  const nodes = useNodes(true);
  if (!nodes.data) return null;
  const connected = nodes.data.items.filter((node) => node.connected);
  const latest = Math.max(0, ...connected.map((node) => node.sent_revision));
  const behind = connected.filter((node) => node.applied_revision < latest).length;
  const refusing = nodes.data.items.filter((node) => node.refused).length;
  const state = () => {
    if (refusing > 0) return <Badge tone="bad">{words.refusing(refusing)}</Badge>;
    if (connected.length === 0) return <Badge tone="warn">{words.noNode}</Badge>;
    if (behind > 0) return <Badge tone="warn">{words.behind(behind, count(latest))}</Badge>;
    return <Badge tone="good">{words.everywhere(count(latest))}</Badge>;
  };
  return (
    <p className="flex flex-wrap items-center gap-3">
      <AppLink to={paths.nodes}>{words.connected(connected.length)}</AppLink>
      {state()}
    </p>
  );
}
