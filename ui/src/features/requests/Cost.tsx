import type { Schemas } from "../../api/client";
import { Rows } from "../../design/DataTable";
import { count, decimalDollars, typedDollars } from "../../design/format";
import { texts } from "../../texts";

const { record: words, requests: requestWords } = texts;

/** What a request cost, line by line. */
export function Cost({ cost, priceVersion }: { cost: Schemas["UsageCost"]; priceVersion: string }) {
  return (
    <>
      <p className="text-2xl font-semibold tabular-nums">{decimalDollars(cost.total_usd)}</p>
      {cost.status === "unpriced" && <p className="mt-1 text-sm text-ink-soft">{words.unpriced}</p>}
      {cost.status === "unknown" && <p className="mt-1 text-sm text-ink-soft">{words.costUnknown}</p>}
      {cost.lines.length > 0 && (
        <div className="mt-4">
          <Rows
            label={requestWords.costTitle}
            items={cost.lines}
            rowKey={(line) => line.class}
            columns={[
              {
                title: words.costLine,
                width: "minmax(0,2fr)",
                cell: (line) => requestWords.classes[line.class as keyof typeof requestWords.classes] ?? line.class,
              },
              { title: words.costTokens, numeric: true, cell: (line) => count(line.tokens) },
              { title: words.costPrice, numeric: true, cell: (line) => typedDollars(line.microusd_per_million) },
              { title: words.costAmount, numeric: true, cell: (line) => line.amount_usd },
            ]}
          />
          <p className="mt-2 text-sm text-ink-soft">
            {words.rounded} {priceVersion && requestWords.priceVersion(priceVersion)}
          </p>
        </div>
      )}
    </>
  );
}
