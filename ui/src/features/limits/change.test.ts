import { expect, it } from "vitest";
import { signedUnits, unitsOf } from "./change";

it("reads amounts in the limit's unit", () => {
  expect(unitsOf("cost_microusd", "2.50")).toBe(2_500_000);
  expect(unitsOf("requests", " 25 ")).toBe(25);
  expect(unitsOf("requests", "2.5")).toBeUndefined();
});

it("reads what is added and what is taken off", () => {
  expect(signedUnits("cost_microusd", "-0.01")).toBe(-10_000);
  expect(signedUnits("requests", "−3")).toBe(-3);
  expect(signedUnits("requests", "+ 3")).toBe(3);
  expect(signedUnits("requests", "0")).toBeUndefined();
  expect(signedUnits("requests", "--3")).toBeUndefined();
});
