import { expect, it } from "vitest";
import { isPrice, readPrice, typedPrice } from "./price";

const price = {
  input_microusd_per_million: 2_500_000,
  cached_input_microusd_per_million: 1_250_000,
  output_microusd_per_million: 10_000_000,
  cache_write_microusd_per_million: null,
  cache_write_1h_microusd_per_million: 0,
  reasoning_microusd_per_million: 7,
};
const none = typedPrice(null);

it("comes back as it was", () => {
  expect(readPrice(typedPrice(price))).toEqual(price);
});

it("is whole or unknown", () => {
  const check = (typed: Partial<typeof none>, expected: boolean) =>
    expect(isPrice({ ...none, ...typed }), JSON.stringify(typed)).toBe(expected);
  const needed = { input: "1", cachedInput: "0.5", output: "2" };
  check(needed, true);
  check({ cachedInput: " " }, true);
  check({ ...needed, cachedInput: "" }, false);
  check({ ...needed, cachedInput: "x" }, false);
  check({ ...needed, cacheWrite: "1.25" }, true);
  check({ ...needed, cacheWrite1h: "x" }, false);
  check({ reasoning: "3" }, false);
  expect(readPrice(none)).toBeNull();
});
