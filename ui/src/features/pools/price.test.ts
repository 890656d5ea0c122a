import { expect, it } from "vitest";
import { isPrice, readPrice, typedPrice } from "./price";

const price = {
  input_microusd_per_million: 2_500_000,
  cached_input_microusd_per_million: 1_250_000,
  output_microusd_per_million: 10_000_000,
  reasoning_microusd_per_million: 7,
};

it("comes back as it was, with what is not typed here", () => {
  expect(readPrice(typedPrice(price), price)).toEqual(price);
});

it("is whole or unknown", () => {
  const check = (input: string, cachedInput: string, output: string, expected: boolean) =>
    expect(isPrice({ input, cachedInput, output })).toBe(expected);
  check("1", "0.5", "2", true);
  check("", " ", "", true);
  check("1", "", "2", false);
  check("1", "x", "2", false);
  expect(readPrice({ input: "", cachedInput: "", output: "" }, price)).toBeNull();
});
