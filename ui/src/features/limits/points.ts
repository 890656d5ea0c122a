import type { Limit, LimitState } from "../../api/limits";
import { groupValue, type SummaryItem, type SummaryQuery, type Sums } from "../../api/usage";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** What the ledger sums up at once. */
const LONGEST_MS = 1_000 * DAY_MS;
/** Of a shorter window there would be too few pieces to see anything. */
const SHORTEST_MS = 6 * HOUR_MS;
/** Pieces by the longest window that they are for. */
const BUCKETS: [windowMs: number, bucket: string, bucketMs: number][] = [
  [1.1 * DAY_MS, "quarter_hour", HOUR_MS / 4],
  [10 * DAY_MS, "hour", HOUR_MS],
  [120 * DAY_MS, "day", DAY_MS],
  [Number.POSITIVE_INFINITY, "week", 7 * DAY_MS],
];

/** What is left of a limit at a time, in milliseconds and in its units. */
export interface Point {
  at: number;
  left: number;
}

/** What is asked of the ledger for the window at hand, and what its chart spans; undefined: there is none to draw. */
export function windowOfChart(limit: Limit, state: LimitState, now: number) {
  const { subject, unit, window } = limit;
  if (subject.each || subject.kind === "label" || unit === "concurrent_requests" || window?.kind === "sliding") return;
  const began = Date.parse(state.began_at ?? limit.created_at);
  const from = Math.max(began, now - LONGEST_MS);
  // What was before the limit is none of its.
  const since = Math.max(from, Date.parse(limit.created_at));
  // The same for an hour, so that it is not asked for again and again.
  const to = state.resets_at ? Date.parse(state.resets_at) : Math.ceil((now + 1) / HOUR_MS) * HOUR_MS;
  if (to - from < SHORTEST_MS && state.resets_at) return;
  const [, bucket, bucketMs] = BUCKETS.find(([longest]) => to - from <= longest) as (typeof BUCKETS)[number];
  const query: SummaryQuery = {
    ...ofSubject(limit),
    from: new Date(since).toISOString(),
    to: new Date(to).toISOString(),
    bucket,
    order: "bucket",
    // What was refused took nothing.
    group_by: "outcome",
    limit: 1_000,
  };
  return { from, since, to, bucketMs, query };
}

function ofSubject({ subject, tenant_id }: Limit): Partial<SummaryQuery> {
  const tenant = tenant_id ? { tenant: tenant_id } : {};
  if (subject.kind === "platform") return tenant;
  return { ...tenant, ...(subject.id ? { [subject.kind]: subject.id } : {}) };
}

/** What was left from the window's beginning until now, by the ledger; at the end what the limit's own counter says. */
export function pointsOf(
  { unit }: Pick<Limit, "unit">,
  { amount, spent }: Pick<LimitState, "amount" | "spent">,
  items: SummaryItem[],
  { from, since, bucketMs }: { from: number; since: number; bucketMs: number },
  now: number,
): Point[] {
  const taken = new Map<number, number>();
  for (const item of items) {
    const at = Date.parse(item.bucket_start) + bucketMs;
    if (groupValue(item, "outcome")?.name !== "refused") taken.set(at, (taken.get(at) ?? 0) + unitsOf(unit, item));
  }
  let left = amount;
  const points = [...taken]
    .sort(([one], [other]) => one - other)
    .map(([at, units]) => {
      left -= units;
      return { at, left: Math.max(0, left) };
    })
    .filter(({ at }) => at > since && at < now);
  const whole = [...new Set([from, since])].map((at) => ({ at, left: amount }));
  return [...whole, ...points, { at: now, left: Math.max(0, amount - spent) }];
}

function unitsOf(unit: Limit["unit"], sums: Sums): number {
  switch (unit) {
    case "requests":
      return sums.requests;
    case "input_tokens":
      return sums.input_tokens;
    case "output_tokens":
      return sums.output_tokens;
    case "total_tokens":
      return sums.input_tokens + sums.output_tokens;
    case "cost_microusd":
      return Number(sums.cost_usd) * 1_000_000;
    case "concurrent_requests":
      return 0;
  }
}

/** Where it leads at the rate of the window so far: to nothing, or to what is left at its end; undefined: nobody can say. */
export function forecastOf(state: LimitState, to: number, now: number): Point | undefined {
  if (state.exhausted_at) return { at: Math.min(to, Date.parse(state.exhausted_at)), left: 0 };
  const left = state.amount - state.spent;
  const began = state.began_at ? Date.parse(state.began_at) : now;
  if (!state.resets_at || now <= began || left <= 0) return undefined;
  return { at: to, left: Math.max(0, left - (state.spent * (to - now)) / (now - began)) };
}
