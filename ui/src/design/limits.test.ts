import { expect, it } from "vitest";
import { amountOf, partsOf, windowOf } from "./limits";

it("says amounts in the limit's unit", () => {
  expect(amountOf({ unit: "cost_microusd" }, 12_500_000)).toBe("$12.50");
  expect(amountOf({ unit: "total_tokens" }, 12_500_000)).toBe("12,500,000");
});

it("says in which time a limit counts", () => {
  expect(windowOf({ window: { kind: "calendar", period: "month" } })).toBe("Month");
  expect(windowOf({ window: { kind: "sliding", seconds: 90 } })).toBe("any 90 s");
  expect(windowOf({ window: null })).toBe("–");
});

it("fills a bar and never more", () => {
  const shares = (spent: number, reserved: number, unreconciled: number, amount: number) =>
    partsOf({ spent, reserved, unreconciled }, amount).map(({ share }) => share);
  expect(shares(20, 10, 0, 100)).toEqual([20, 10, 0]);
  expect(shares(90, 30, 5, 100)).toEqual([90, 10, 0]);
  expect(shares(5, 0, 0, 0)).toEqual([0, 0, 0]);
});
