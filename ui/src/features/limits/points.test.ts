import { expect, it } from "vitest";
import type { Limit, LimitState } from "../../api/limits";
import type { SummaryItem } from "../../api/usage";
import { forecastOf, pointsOf, windowOfChart } from "./points";

const HOUR = 3_600_000;
const BEGAN = Date.parse("2026-06-01T00:00:00Z");
const NOW = BEGAN + 10 * 24 * HOUR;
const limit = {
  tenant_id: "t",
  created_at: "2026-01-01T00:00:00Z",
  subject: { kind: "api_key", id: "k", value: null, each: false },
  unit: "requests",
  window: { kind: "calendar", period: "month" },
} as Limit;
const state = {
  amount: 100,
  spent: 40,
  reserved: 2,
  unreconciled: 0,
  remaining: 58,
  began_at: "2026-06-01T00:00:00Z",
  resets_at: "2026-07-01T00:00:00Z",
  exhausted_at: null,
  raise: null,
} as LimitState;
const item = (day: number, requests: number, outcome = "complete") =>
  ({
    bucket_start: new Date(BEGAN + day * 24 * HOUR).toISOString(),
    group: { outcome: { id: null, name: outcome } },
    requests,
    cost_usd: "0.5",
  }) as unknown as SummaryItem;
const span = { from: BEGAN, since: BEGAN, bucketMs: 24 * HOUR };

it("asks for the window at hand, in pieces that fit it", () => {
  const month = windowOfChart(limit, state, NOW);
  expect(month?.query).toMatchObject({ tenant: "t", api_key: "k", bucket: "day", from: "2026-06-01T00:00:00.000Z" });
  const young = windowOfChart({ ...limit, created_at: "2026-06-05T00:00:00Z" }, state, NOW);
  expect(young?.query.from).toBe("2026-06-05T00:00:00.000Z");
  expect(young?.from).toBe(BEGAN);
  const total = { ...state, began_at: null, resets_at: null };
  expect(windowOfChart({ ...limit, window: { kind: "total" } }, total, NOW)?.to).toBeGreaterThan(NOW);
  expect(windowOfChart({ ...limit, window: { kind: "sliding", seconds: 60 } }, state, NOW)).toBeUndefined();
  expect(windowOfChart({ ...limit, unit: "concurrent_requests" }, state, NOW)).toBeUndefined();
});

it("counts down to what the counter says", () => {
  const items = [item(0, 10), item(2, 5), item(2, 7, "failed"), item(3, 50, "refused")];
  expect(pointsOf(limit, state, items, span, NOW)).toEqual([
    { at: BEGAN, left: 100 },
    { at: BEGAN + 24 * HOUR, left: 90 },
    { at: BEGAN + 72 * HOUR, left: 78 },
    { at: NOW, left: 60 },
  ]);
  const since = BEGAN + 48 * HOUR;
  expect(pointsOf(limit, state, [item(2, 5)], { ...span, since }, NOW).map(({ left }) => left)).toEqual([
    100, 100, 95, 60,
  ]);
  const money = { ...state, amount: 2_000_000, spent: 1_600_000 };
  const points = pointsOf({ unit: "cost_microusd" }, money, [item(0, 1)], span, NOW);
  expect(points.map(({ left }) => left)).toEqual([2_000_000, 1_500_000, 400_000]);
});

it("goes on as it went so far", () => {
  const end = Date.parse("2026-07-01T00:00:00Z");
  const exhausted = { ...state, exhausted_at: "2026-06-26T00:00:00Z" };
  expect(forecastOf(exhausted, end, NOW)).toEqual({ at: Date.parse("2026-06-26T00:00:00Z"), left: 0 });
  expect(forecastOf({ ...state, spent: 10 }, end, NOW)).toEqual({ at: end, left: 70 });
  expect(forecastOf({ ...state, resets_at: null }, end, NOW)).toBeUndefined();
});
