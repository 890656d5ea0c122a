import { describe, expect, it } from "vitest";
import {
  ago,
  decimalDollars,
  duration,
  fromLocalInput,
  microDollars,
  money,
  percentile,
  shortCount,
  timeOfDay,
  toLocalInput,
  typedDollars,
} from "./format";

describe("money", () => {
  it.each([
    [0, "$0.00"],
    [1, "$0.000001"],
    [190, "$0.00019"],
    [20_641, "$0.020641"],
    [500_000, "$0.50"],
    [1_000_000, "$1.00"],
    [1_239_999, "$1.23"],
    [1_234_567_890_000, "$1,234,567.89"],
    [-2_500_000, "−$2.50"],
    ["9007199254740993000000", "$9,007,199,254,740,993.00"],
  ])("%s micro-dollars are %s", (micro, expected) => expect(money(micro)).toBe(expected));

  it.each([
    ["0", "$0.00"],
    ["0.00021", "$0.00021"],
    ["0.00000006", "$0.00000006"],
    ["0.0000025", "$0.000002"],
    ["0.000000000012", "$0.00000000001"],
    ["-0.000000000012", "−$0.00000000001"],
    ["0.000000", "$0.00"],
    ["12.345678901", "$12.34"],
    ["-1.5", "−$1.50"],
    ["9007199254740993.5", "$9,007,199,254,740,993.50"],
    ["much", "much"],
  ])("%s dollars are %s", (text, expected) => expect(decimalDollars(text)).toBe(expected));

  it.each([
    ["2.5", 2_500_000],
    ["10", 10_000_000],
    ["0.000001", 1],
    [" 3 ", 3_000_000],
    ["", undefined],
    ["-1", undefined],
    ["1e3", undefined],
    ["0.0000001", undefined],
    ["2,5", undefined],
  ])("%s typed are %s micro-dollars", (typed, expected) => expect(microDollars(typed)).toBe(expected));

  it.each([2_500_000, 10_000_000, 1, 0, 125_000])("%s comes back as it was typed", (micro) =>
    expect(microDollars(typedDollars(micro))).toBe(micro),
  );
});

describe("times", () => {
  it.each([
    [412, "412 µs"],
    [37_400, "37 ms"],
    [999_600, "1.00 s"],
    [2_410_000, "2.41 s"],
    [34_000_000, "34.0 s"],
    [185_000_000, "3 min 5 s"],
  ])("%s µs are %s", (microseconds, expected) => expect(duration(microseconds)).toBe(expected));

  it("of a server whose clock runs ahead are now", () => {
    expect(ago("2026-01-01T00:01:00Z", Date.parse("2026-01-01T00:00:00Z"))).toBe("now");
    expect(ago("2026-01-01T00:00:00Z", Date.parse("2026-01-01T02:00:00Z"))).toBe("2 hours ago");
  });

  it("are without the date today", () => {
    const at = new Date(2026, 2, 4, 14, 3, 2).toISOString();
    expect(timeOfDay(at, new Date(2026, 2, 4, 23))).toBe("14:03:02");
    expect(timeOfDay(at, new Date(2026, 2, 5, 1))).toMatch(/Mar 4.*14:03:02/);
  });

  it("come back from an input as they went in", () => {
    expect(fromLocalInput(toLocalInput("2026-03-29T12:30:00Z"))).toBe("2026-03-29T12:30:00.000Z");
    expect(fromLocalInput(toLocalInput(null))).toBeNull();
  });
});

describe("figures", () => {
  it("are short where they are long", () => {
    expect([9_999, 10_000, 2_500_000].map(shortCount)).toEqual(["9,999", "10K", "2.5M"]);
  });

  it.each([
    [[], 0.5, undefined],
    [[7], 0.95, 7],
    [[1, 2, 3, 4], 0.5, 2],
    [[1, 2, 3, 4], 0.95, 4],
  ])("of %s at %s is %s", (sorted, share, expected) => expect(percentile(sorted, share)).toBe(expected));
});
