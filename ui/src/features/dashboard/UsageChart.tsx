import type { SummaryItem } from "../../api/usage";
import { BarChart } from "../../design/BarChart";
import { dateTime } from "../../design/format";
import { texts } from "../../texts";
import { type Period, pieces } from "./time";

const { dashboard: words } = texts;

/** Requests over a period, of sums by piece; a piece without an item had none. */
export function UsageChart({
  items,
  period,
  bucket,
}: {
  items: SummaryItem[];
  period: Period;
  bucket: "quarter_hour" | "hour" | "day";
}) {
  const time = (at: number | string) => dateTime(new Date(at).toISOString());
  const sums = new Map<number, { good: number; bad: number }>();
  for (const { bucket_start, requests, errors } of items) {
    const at = Date.parse(bucket_start);
    const { good, bad } = sums.get(at) ?? { good: 0, bad: 0 };
    sums.set(at, { good: good + requests - errors, bad: bad + errors });
  }
  const bars = pieces(period, bucket).map((at) => ({ label: time(at), ...(sums.get(at) ?? { good: 0, bad: 0 }) }));
  return (
    <BarChart
      label={words.chartLabel(time(period.from), time(period.to))}
      from={time(period.from)}
      to={time(period.to)}
      goodName={texts.requests.outcomes.complete ?? ""}
      badName={words.errors}
      bars={bars}
    />
  );
}
