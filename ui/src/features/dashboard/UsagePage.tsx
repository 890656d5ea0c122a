import { Download } from "lucide-react";
import { useIdentity } from "../../api/identity";
import { DIMENSIONS, type Dimension, useSummary, useSummaryList } from "../../api/usage";
import { DataTable } from "../../design/DataTable";
import { Select } from "../../design/Fields";
import { FilterBar, KeyFilter, TenantFilter, TextFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { fromLocalInput, toLocalInput } from "../../design/format";
import { Page, Section } from "../../design/Page";
import { Picker } from "../../design/Picker";
import { Failed, Loading } from "../../design/States";
import { requestsWith } from "../../paths";
import { texts } from "../../texts";
import { Figures } from "./Figures";
import { groupColumns, groupKey } from "./GroupTable";
import { before, bucketFor, latest } from "./time";
import { UsageChart } from "./UsageChart";

const { usage: words, common, requests: requestWords } = texts;
const BUCKETS = ["none", "quarter_hour", "hour", "day", "week", "month"] as const;
const ORDERS = ["requests", "cost", "tokens", "errors", "bucket"] as const;
const EXPORT = "/api/v1/admin/usage/export";

/** Sums over the ledger by what one chooses. */
export function UsagePage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters(
    "from",
    "to",
    "group_by",
    "then_by",
    "bucket",
    "order",
    "tenant",
    "api_key",
    "model",
    "provider",
    "outcome",
    "currency",
  );
  const { from, to, group_by, then_by, bucket, order, currency: typedCurrency, ...only } = filters.values;
  const code = typedCurrency.toUpperCase();
  const currency = /^[A-Z]{3}$/.test(code) && code !== "USD" ? code : undefined;
  const latestWeek = latest(7);
  const period = { from: from || latestWeek.from, to: to || latestWeek.to };
  const dimensions = [group_by || "model", then_by].filter((name): name is Dimension =>
    DIMENSIONS.includes(name as Dimension),
  );
  const set = Object.fromEntries(Object.entries(only).filter(([, value]) => value));
  const summary = useSummaryList({
    ...period,
    ...set,
    group_by: dimensions.join(","),
    bucket: bucket || "none",
    order: order || "requests",
    currency,
  });
  const series = useSummary({ ...period, ...set, bucket: bucketFor(period) });
  const earlier = useSummary({ ...before(period), ...set, limit: 1 });
  // Of all that is asked for, and the same in every part.
  const totals = summary.data?.pages[0]?.totals;
  const listFilter: Record<string, string> = {
    ...(only.tenant ? { tenant_id: only.tenant } : {}),
    ...(only.api_key ? { key_id: only.api_key } : {}),
    ...(only.model ? { model: only.model } : {}),
  };
  const csv = `${EXPORT}?${new URLSearchParams({ ...listFilter, ...period })}`;
  const choices = (values: readonly string[], names: Record<string, string>) =>
    values.map((value) => ({ value, label: names[value] ?? value }));
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        <a
          href={csv}
          download
          className="inline-flex min-h-11 items-center justify-center gap-2 rounded-md border border-line-strong bg-surface px-4 text-sm font-medium hover:bg-sunken"
        >
          <Download aria-hidden className="size-4" />
          {words.exportCsv}
        </a>
      }
    >
      <FilterBar onClear={filters.clear}>
        <TextFilter
          label={common.from}
          type="datetime-local"
          value={toLocalInput(period.from)}
          onChange={(value) => filters.set({ from: fromLocalInput(value) ?? "" })}
        />
        <TextFilter
          label={common.to}
          type="datetime-local"
          value={toLocalInput(period.to)}
          onChange={(value) => filters.set({ to: fromLocalInput(value) ?? "" })}
        />
        <Select
          label={words.groupBy}
          value={dimensions[0] ?? "model"}
          onChange={(value) => filters.set({ group_by: value })}
          options={choices(DIMENSIONS, words.dimensions)}
        />
        <Select
          label={words.thenBy}
          value={then_by}
          onChange={(value) => filters.set({ then_by: value })}
          options={[
            { value: "", label: common.none },
            ...choices(
              DIMENSIONS.filter((name) => name !== dimensions[0]),
              words.dimensions,
            ),
          ]}
        />
        <Select
          label={words.bucket}
          value={bucket || "none"}
          onChange={(value) => filters.set({ bucket: value })}
          options={choices(BUCKETS, words.buckets)}
        />
        <Select
          label={words.order}
          value={order || "requests"}
          onChange={(value) => filters.set({ order: value })}
          options={choices(ORDERS, words.orders)}
        />
        <TextFilter
          label={texts.currencies.currency}
          value={typedCurrency}
          onChange={(value) => filters.set({ currency: value })}
        />
        {isPlatform && <TenantFilter value={only.tenant} onChange={(tenant) => filters.set({ tenant })} />}
        <TextFilter label={requestWords.model} value={only.model} onChange={(model) => filters.set({ model })} />
        <KeyFilter value={only.api_key} tenantId={only.tenant} onChange={(api_key) => filters.set({ api_key })} />
        <Picker
          resource="providers"
          label={requestWords.provider}
          value={only.provider}
          onChange={(provider) => filters.set({ provider })}
          none={common.all}
        />
        <Select
          label={requestWords.outcome}
          value={only.outcome}
          onChange={(outcome) => filters.set({ outcome })}
          options={[
            { value: "", label: common.all },
            ...Object.entries(requestWords.outcomes).map(([value, label]) => ({ value, label })),
          ]}
        />
      </FilterBar>
      {summary.isPending && <Loading />}
      {summary.error && !summary.data && <Failed error={summary.error} onRetry={() => summary.refetch()} />}
      {totals && (
        <>
          <Figures
            now={totals}
            earlier={earlier.data?.totals}
            records={requestsWith({ ...listFilter, ...period })}
            currency={currency}
          />
          {series.data && (
            <Section title={texts.dashboard.overTime}>
              <UsageChart items={series.data.items} period={period} bucket={bucketFor(period) as "hour"} />
            </Section>
          )}
          <DataTable
            label={words.title}
            list={summary}
            rowKey={groupKey}
            empty={words.empty}
            columns={groupColumns({
              dimensions,
              period,
              filter: listFilter,
              hasPieces: (bucket || "none") !== "none",
              currency,
            })}
          />
        </>
      )}
    </Page>
  );
}
