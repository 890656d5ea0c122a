import { expect, it } from "vitest";
import { earlier, isSame, lines, patchTo, specOf } from "./earlier";

it("undoes what the audit log tells, wherever it stands", () => {
  const now = { name: "b", rules: [{ type: "EMAIL", form: { kind: "mask", keep_last: 4 } }], note: "x" };
  const changes = [
    { path: "name", before: "a", after: "b" },
    { path: "note", before: null, after: "x" },
    { path: "rules[0].form.keep_last", before: 2, after: 4 },
    { path: "rules[0].threshold", before: 0.5, after: null },
  ];
  expect(earlier(now, changes)).toEqual({
    name: "a",
    rules: [{ type: "EMAIL", threshold: 0.5, form: { kind: "mask", keep_last: 2 } }],
  });
  expect(now.name).toBe("b");
});

it("does not guess", () => {
  expect(earlier({ name: "c" }, [{ path: "name", before: "a", after: "b" }])).toBeUndefined();
  expect(earlier({ rules: [] }, [{ path: "rules[3].type", before: 1, after: 2 }])).toBeUndefined();
  expect(earlier({ name: "c" }, null)).toBeUndefined();
});

it("holds what is null for absent, and goes by no order of fields", () => {
  expect(isSame({ a: 1, b: null, c: [1, { d: 2, e: 3 }] }, { c: [1, { e: 3, d: 2 }], a: 1 })).toBe(true);
  expect(isSame([1, 2], [2, 1])).toBe(false);
  expect(isSame(undefined, null)).toBe(true);
});

it("sends what differs, and null for what was not there", () => {
  expect(patchTo({ a: 1, b: [1], c: 3 }, { a: 1, b: [2] })).toEqual({ b: [2], c: null });
});

it("knows what of a thing can be changed", () => {
  const item = { id: "1", tenant_id: null, tenant_name: null, created_at: "", updated_at: "", revision: 7, origin: {} };
  expect(specOf({ ...item, name: "a" })).toEqual({ name: "a" });
});

it("tells which lines are gone and which are new", () => {
  const check = (before: string, after: string, expected: string) =>
    expect(
      lines([...before], [...after])
        .map(({ text, kind }) => `${{ same: "", gone: "-", new: "+" }[kind]}${text}`)
        .join(""),
    ).toBe(expected);
  check("abc", "abc", "abc");
  check("abc", "ac", "a-bc");
  check("ac", "abc", "a+bc");
  check("ab", "ba", "-ab+a");
  check("", "a", "+a");
  check("a", "", "-a");
});
