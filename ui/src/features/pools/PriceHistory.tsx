import { useQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "../../api/client";
import { Badge } from "../../design/Badge";
import { type Column, Rows } from "../../design/DataTable";
import { shortDateTime } from "../../design/format";
import { Section } from "../../design/Page";
import { Failed, Loading } from "../../design/States";
import { texts } from "../../texts";
import { othersOf, priceOf } from "./price";

const words = texts.prices;
type Version = Schemas["PriceVersion"];

const TONES = { current: "good", future: "neutral", past: "neutral", withdrawn: "warn" } as const;

const COLUMNS: Column<Version>[] = [
  {
    title: words.member,
    width: "minmax(0,1.2fr)",
    cell: ({ provider_name, model, version }) => (
      <>
        <span className="break-words whitespace-normal">{`${provider_name ?? words.noProvider} / ${model}`}</span>
        <code className="block truncate font-mono text-xs text-ink-soft">{version}</code>
      </>
    ),
  },
  {
    title: words.price,
    width: "minmax(0,1.5fr)",
    cell: ({ price }) => (
      <span className="whitespace-normal">
        {priceOf(price)}
        {othersOf(price).map((line) => (
          <span key={line} className="block text-xs text-ink-soft">
            {line}
          </span>
        ))}
      </span>
    ),
  },
  { title: words.from, width: "6rem", cell: ({ valid_from }) => timeOf(valid_from) },
  {
    title: words.until,
    width: "6rem",
    secondary: true,
    cell: ({ valid_until }) => timeOf(valid_until),
  },
  {
    title: words.state,
    width: "6.5rem",
    cell: ({ state }) => <Badge tone={TONES[state]}>{words.states[state]}</Badge>,
  },
];

function timeOf(at: string | null) {
  return at ? <span className="whitespace-normal">{shortDateTime(at)}</span> : "–";
}

/** What a pool's members cost, cost once, and will cost. */
export function PriceHistory({ poolId }: { poolId: string }) {
  const history = useQuery({
    // With the pool, so that it is read again when that was changed.
    queryKey: ["pools", "prices", poolId],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/admin/pools/{id}/prices/history", { params: { path: { id: poolId } }, signal })),
  });
  return (
    <div className="mt-6">
      <Section title={words.history} lead={words.historyLead}>
        {history.isPending && <Loading lines={2} />}
        {history.error && <Failed error={history.error} onRetry={() => history.refetch()} />}
        {history.data?.items.length === 0 && <p className="text-sm">{words.none}</p>}
        {history.data && history.data.items.length > 0 && (
          <Rows
            label={words.history}
            items={history.data.items}
            rowKey={({ deployment_id, version }) => `${deployment_id} ${version}`}
            columns={COLUMNS}
          />
        )}
      </Section>
    </div>
  );
}
