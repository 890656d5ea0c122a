import { expect, it } from "vitest";
import { bars, figures, type UsageRecord } from "./figures";

function record(values: Partial<UsageRecord>): UsageRecord {
  const base = { model: "m", outcome: "complete", input_tokens: 1, output_tokens: 2, cost_microusd: 3, latency_us: 10 };
  return { ...base, started_at: "2026-01-01T00:00:00Z", time_to_first_token_us: null, ...values } as UsageRecord;
}

it("adds up what the records say", () => {
  const all = figures([
    record({ latency_us: 30, time_to_first_token_us: 5 }),
    record({ model: "n", outcome: "refused", output_tokens: 0 }),
    record({ latency_us: 20 }),
  ]);
  expect(all).toMatchObject({ requests: 3, errors: 1, tokens: 7, cost: 9, p50: 20, p95: 30, firstContentP50: 5 });
  expect(all.byModel.map(({ name, requests }) => [name, requests])).toEqual([
    ["m", 2],
    ["n", 1],
  ]);
  expect(all.byOutcome[0]).toEqual({ outcome: "complete", requests: 2 });
});

it("puts each record into one bar", () => {
  const at = (second: number) => record({ started_at: new Date(second * 1000).toISOString() });
  const series = bars([at(0), at(1), at(9), record({ started_at: at(9).started_at, outcome: "failed" })], 3);
  expect(series.map(({ complete, other }) => [complete, other])).toEqual([
    [2, 0],
    [0, 0],
    [1, 1],
  ]);
  expect(bars([at(5)], 4).reduce((total, bar) => total + bar.complete, 0)).toBe(1);
});
