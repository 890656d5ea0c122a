import { type Dimension, groupValue, type SummaryItem } from "../../api/usage";
import { type Column, Rows } from "../../design/DataTable";
import { count, dateTime, decimalDollars, duration, inCurrency, shortCount } from "../../design/format";
import { AppLink } from "../../design/Link";
import { requestsWith } from "../../paths";
import { texts } from "../../texts";
import type { Period } from "./time";

const { dashboard: words, usage: usageWords } = texts;

/** Sums by group, a few of them. */
export function GroupTable({ label, items, ...shown }: Shown & { label: string; items: SummaryItem[] }) {
  return <Rows label={label} items={items} rowKey={groupKey} columns={groupColumns(shown)} />;
}

interface Shown {
  dimensions: Dimension[];
  period: Period;
  /** What the ledger's list is filtered by already. */
  filter: Record<string, string>;
  hasPieces?: boolean;
  /** In which costs are told as well. */
  currency?: string;
}

/** Names one sum among others. */
export const groupKey = (item: SummaryItem) => `${item.bucket_start} ${JSON.stringify(item.group)}`;

/** Each number of requests leads to the records behind it, as far as the ledger's list has the filter. */
export function groupColumns({
  dimensions,
  period,
  filter,
  hasPieces = false,
  currency,
}: Shown): Column<SummaryItem>[] {
  const shown = (milliseconds: number | null) => (milliseconds === null ? "–" : duration(milliseconds * 1_000));
  const named = (item: SummaryItem, dimension: Dimension) => {
    const value = groupValue(item, dimension);
    if (!value) return <span className="text-ink-soft">{usageWords.none}</span>;
    return dimension === "outcome" ? (texts.requests.outcomes[value.name] ?? value.name) : value.name;
  };
  const records = (item: SummaryItem) => {
    const only: Record<string, string> = { ...filter, from: period.from, to: period.to };
    for (const dimension of dimensions) {
      const value = groupValue(item, dimension);
      if (dimension === "tenant" && value?.id) only.tenant_id = value.id;
      else if (dimension === "api_key" && value?.id) only.key_id = value.id;
      else if (dimension === "model" && value) only.model = value.name;
      else return undefined;
    }
    return requestsWith(only);
  };
  const requests = (item: SummaryItem) => {
    const to = hasPieces ? undefined : records(item);
    return to ? <AppLink to={to}>{count(item.requests)}</AppLink> : count(item.requests);
  };
  return [
    ...(hasPieces ? [{ title: usageWords.piece, cell: (item: SummaryItem) => dateTime(item.bucket_start) }] : []),
    ...dimensions.map((dimension) => ({
      title: usageWords.dimensions[dimension],
      width: "minmax(0,1.6fr)",
      cell: (item: SummaryItem) => named(item, dimension),
    })),
    { title: words.requests, numeric: true, cell: requests },
    { title: words.errors, numeric: true, secondary: true, cell: (item) => count(item.errors) },
    { title: words.tokens, numeric: true, cell: (item) => shortCount(item.input_tokens + item.output_tokens) },
    { title: words.cost, width: "6.5rem", numeric: true, cell: (item) => decimalDollars(item.cost_usd) },
    ...(currency
      ? [
          {
            title: usageWords.costIn(currency),
            numeric: true,
            cell: ({ cost_in_currency }: SummaryItem) =>
              cost_in_currency === null ? "–" : inCurrency(cost_in_currency, currency),
          },
        ]
      : []),
    { title: words.p95, numeric: true, secondary: true, cell: (item) => shown(item.latency_ms.p95) },
  ];
}
