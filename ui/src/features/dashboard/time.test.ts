import { expect, it } from "vitest";
import { before, bucketFor, change, latest, pieces, weekHour } from "./time";

const NOW = Date.parse("2026-03-02T10:07:00Z");

it("ends a period with the present quarter-hour", () => {
  const period = latest(1, NOW);
  expect(period).toEqual({ from: "2026-03-01T10:15:00.000Z", to: "2026-03-02T10:15:00.000Z" });
  expect(latest(1, NOW + 60_000)).toEqual(period);
  expect(before(period)).toEqual({ from: "2026-02-28T10:15:00.000Z", to: period.from });
});

it("has a piece for every part of a period", () => {
  for (const [days, bucket, least, most] of [
    [1, "quarter_hour", 96, 96],
    [7, "hour", 168, 169],
    [30, "day", 30, 31],
  ] as const) {
    const period = latest(days, NOW);
    expect(bucketFor(period)).toBe(bucket);
    const starts = pieces(period, bucket);
    expect(starts.length).toBeGreaterThanOrEqual(least);
    expect(starts.length).toBeLessThanOrEqual(most);
    expect(starts[0]).toBe(Date.parse(period.from));
    expect(new Set(starts).size).toBe(starts.length);
  }
});

it("compares, unless there was nothing", () => {
  expect([change(15, 10), change(5, 10), change(5, 0)]).toEqual([50, -50, undefined]);
});

it("knows the weekday and hour", () => {
  const monday = new Date(2026, 2, 2, 10, 30);
  expect(weekHour(monday.toISOString())).toEqual({ day: 0, hour: 10 });
  expect(weekHour(new Date(2026, 2, 8, 0, 0).toISOString())).toEqual({ day: 6, hour: 0 });
});
