import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { client, unwrap } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { useNodes } from "../../api/nodes";
import { useChoices } from "../../api/resources";
import { Badge } from "../../design/Badge";
import { BarChart } from "../../design/BarChart";
import { LinkButton } from "../../design/Button";
import { Rows } from "../../design/DataTable";
import { CopyButton } from "../../design/Dialog";
import { FilterBar, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { count, dateTime, duration, money, shortCount, shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Page, Section } from "../../design/Page";
import { Failed, Loading } from "../../design/States";
import { paths, requestsWith } from "../../paths";
import { texts } from "../../texts";
import { bars, figures, type UsageRecord } from "./figures";

const { dashboard: words, requests: requestWords } = texts;
/** As many as the API gives at once. */
const LATEST = 200;
const BARS = 40;

/** What the latest requests say. Their number is told with the figures. */
export function DashboardPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters("tenant_id");
  const usage = useQuery({
    queryKey: ["usage", "latest", filters.query],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/admin/usage", { params: { query: { ...filters.query, limit: LATEST } }, signal })),
    refetchInterval: 10_000,
  });
  const records = usage.data?.items ?? [];
  const lead = usage.data?.next_cursor ? words.leadMore(records.length) : words.lead(records.length);
  return (
    <Page title={words.title} lead={records.length > 0 ? lead : undefined}>
      {isPlatform && (
        <FilterBar onClear={filters.clear}>
          <TenantFilter value={filters.values.tenant_id} onChange={(tenant_id) => filters.set({ tenant_id })} />
        </FilterBar>
      )}
      {isPlatform && <Gateways />}
      {usage.isPending && <Loading />}
      {usage.error && !usage.data && <Failed error={usage.error} onRetry={() => usage.refetch()} />}
      {usage.data && (records.length > 0 ? <Overview records={records} filter={filters.query} /> : <FirstCall />)}
    </Page>
  );
}

function Overview({ records, filter }: { records: UsageRecord[]; filter: { tenant_id?: string } }) {
  const all = figures(records);
  const time = (at: number) => dateTime(new Date(at).toISOString());
  const series = bars(records, BARS);
  const incomplete = records.filter(({ outcome }) => outcome !== "complete").slice(0, 8);
  const shown = (microseconds: number | undefined) => (microseconds === undefined ? "–" : duration(microseconds));
  return (
    <>
      <dl className="mb-6 grid grid-cols-2 gap-3 md:grid-cols-3 2xl:grid-cols-6">
        <Figure name={words.requests} value={<AppLink to={requestsWith(filter)}>{count(all.requests)}</AppLink>} />
        <Figure
          name={words.errors}
          value={count(all.errors)}
          detail={`${((all.errors / all.requests) * 100).toFixed(1)} %`}
        />
        <Figure
          name={words.tokens}
          value={shortCount(all.tokens)}
          detail={`${shortCount(all.inputTokens)} / ${shortCount(all.outputTokens)}`}
        />
        <Figure name={words.cost} value={money(all.cost)} />
        <Figure
          name={`${words.latency}, ${words.p50}`}
          value={shown(all.p50)}
          detail={`${words.p95}: ${shown(all.p95)}`}
        />
        <Figure
          name={`${words.ttft}, ${words.p50}`}
          value={shown(all.firstContentP50)}
          detail={`${words.p95}: ${shown(all.firstContentP95)}`}
        />
      </dl>
      <Section title={words.overTime}>
        <BarChart
          label={words.chartLabel(time(series[0]?.from ?? 0), time(series.at(-1)?.to ?? 0))}
          from={time(series[0]?.from ?? 0)}
          to={time(series.at(-1)?.to ?? 0)}
          goodName={requestWords.outcomes.complete ?? ""}
          badName={words.errors}
          bars={series.map((bar) => ({ label: time(bar.from), good: bar.complete, bad: bar.other }))}
        />
      </Section>
      <div className="grid gap-x-6 2xl:grid-cols-2">
        <Section title={words.byModel}>
          <Rows
            label={words.byModel}
            items={all.byModel.slice(0, 10)}
            rowKey={({ name }) => name}
            columns={[
              {
                title: requestWords.model,
                width: "minmax(0,2fr)",
                cell: ({ name }) =>
                  name ? <AppLink to={requestsWith({ ...filter, model: name })}>{name}</AppLink> : texts.common.unknown,
              },
              { title: words.requests, numeric: true, cell: (group) => count(group.requests) },
              { title: words.tokens, numeric: true, cell: (group) => shortCount(group.tokens) },
              { title: words.cost, width: "6.5rem", numeric: true, cell: (group) => money(group.cost) },
              { title: words.p95, numeric: true, cell: (group) => shown(group.p95) },
            ]}
          />
        </Section>
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
                  width: "minmax(0,1.4fr)",
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
      </div>
    </>
  );
}

function Figure({ name, value, detail }: { name: string; value: ReactNode; detail?: string }) {
  return (
    <div className="min-w-0 rounded-lg border border-line bg-surface p-4">
      <dt className="text-sm text-ink-soft">{name}</dt>
      <dd>
        <span className="block text-xl font-semibold break-words tabular-nums">{value}</span>
        {detail && <span className="block text-sm tabular-nums text-ink-soft">{detail}</span>}
      </dd>
    </div>
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
    <p className="mb-6 flex flex-wrap items-center gap-3 text-sm">
      <AppLink to={paths.nodes}>{words.connected(connected.length)}</AppLink>
      {state()}
    </p>
  );
}

/** How to send the first request, for whom nothing has come yet. */
function FirstCall() {
  const models = useChoices("models");
  const model = models.data?.items[0]?.name ?? "MODEL";
  const command = `curl GATEWAY_URL/v1/chat/completions \\
  -H "Authorization: Bearer $WEIR_API_KEY" -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`;
  return (
    <Section title={words.firstCall} lead={words.firstCallBody}>
      <pre className="mb-3 overflow-x-auto rounded-md border border-line bg-ground p-3 font-mono text-xs">
        {command}
      </pre>
      <div className="flex flex-wrap gap-2">
        <LinkButton to={paths.keyNew} kind="primary">
          {texts.keys.new}
        </LinkButton>
        <CopyButton text={command} />
      </div>
    </Section>
  );
}
