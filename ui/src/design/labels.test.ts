import { expect, test } from "vitest";
import { patchLabels, readLabels, writeLabels } from "./labels";

test("labels are lines", () => {
  expect(readLabels("team=x\n\n cost = 7=8 ")).toEqual({ team: "x", cost: "7=8" });
  expect(readLabels("")).toEqual({});
  expect(readLabels("team")).toBeUndefined();
  expect(readLabels("=x")).toBeUndefined();
  expect(readLabels(writeLabels({ a: "1", b: "" }))).toEqual({ a: "1", b: "" });
  expect(patchLabels({ a: "1", b: "2" }, { b: "3" })).toEqual({ a: null, b: "3" });
});
