import { expect, it } from "vitest";
import { isPrice, othersOf, readNextPrices, readPrice, typedNextPrice, typedPrice } from "./price";

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

it("keeps times that nobody touched to the second, and puts the earliest first", () => {
  const before = [{ valid_from: "2027-02-01T00:00:30Z", price }];
  const later = { validFrom: "2027-03-01T12:00", price: typedPrice(price) };
  const read = readNextPrices([later, ...before.map(typedNextPrice)], before);
  expect(read[0]).toEqual(before[0]);
  expect(read[1]).toEqual({ valid_from: new Date("2027-03-01T12:00").toISOString(), price });
});

it("says of a price what has no fields", () => {
  const rates = { ...price, input_microusd_per_million: 1_000_000 };
  const others = {
    tiers: [{ tier: "flex", rates }],
    long_context: { above_input_tokens: 200_000, rates },
    web_search_microusd: 10_000,
  };
  expect(othersOf(others)).toEqual([
    "Served as flex: $1 · $1.25 · $10",
    "With more than 200,000 input tokens: $1 · $1.25 · $10",
    "Each search of the web: $0.01",
  ]);
  expect(othersOf(undefined)).toEqual([]);
});
