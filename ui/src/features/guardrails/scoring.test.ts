import { expect, it } from "vitest";
import { precision, readExamples, recall, scoreOf, writeExamples } from "./scoring";

const email = (start: number, end: number) => ({ type: "EMAIL", start, end });

it("reads a line of JSON each, and tells which it cannot read", () => {
  const marked = { text: "a@b.example", spans: [email(0, 11)] };
  const content = `${JSON.stringify(marked)}\n\n{"text": "nothing"}\nnot JSON\n{"text": 1}\n{"text": "x", "spans": [{"start": 0}]}\nnull\n`;
  const { examples, unread, isCut } = readExamples(content);
  expect(examples).toEqual([marked, { text: "nothing", spans: [] }]);
  expect(unread).toEqual([4, 5, 6, 7]);
  expect(isCut).toBe(false);
  expect(readExamples(writeExamples(examples)).examples).toEqual(examples);
  expect(readExamples('{"text": "x"}\n'.repeat(1_001))).toMatchObject({ isCut: true, unread: [] });
});

it("counts as right what shares half of the longer one, of the same type", () => {
  const example = { text: "…", spans: [email(0, 10)] };
  const check = (finding: { type: string; start: number; end: number }, right: number) =>
    expect(scoreOf([{ example, findings: [finding as never] }], undefined).tallies[0]).toMatchObject({
      right,
      wrong: finding.type === "EMAIL" ? 1 - right : 0,
      missed: 1 - right,
    });
  check(email(0, 10), 1);
  check(email(5, 10), 1);
  check(email(6, 10), 0);
  check(email(0, 21), 0);
  check({ type: "PHONE", start: 0, end: 10 }, 0);
});

it("says of clean texts in how many something was found, and leaves out what the profile does not look for", () => {
  const clean = { text: "order 4111", spans: [] };
  const other = { text: "Jane", spans: [{ type: "PERSON", start: 0, end: 4 }] };
  const tried = [
    { example: clean, findings: [email(0, 5) as never] },
    { example: { text: "-", spans: [] }, findings: [] },
    { example: other, findings: [] },
  ];
  const score = scoreOf(tried, new Set(["EMAIL"]));
  expect(score.clean).toEqual({ texts: 2, flagged: 1 });
  expect(score.tallies).toEqual([{ type: "EMAIL", right: 0, wrong: 1, missed: 0 }]);
  expect(score.mistakes).toEqual([{ ...email(0, 5), kind: "wrong", example: clean }]);
  expect(scoreOf(tried, undefined).tallies.map(({ type, missed }) => [type, missed])).toEqual([
    ["EMAIL", 0],
    ["PERSON", 1],
  ]);
});

it("divides by nothing", () => {
  expect(precision({ type: "EMAIL", right: 3, wrong: 1, missed: 0 })).toBe(0.75);
  expect(recall({ type: "EMAIL", right: 3, wrong: 1, missed: 1 })).toBe(0.75);
  expect(precision({ type: "EMAIL", right: 0, wrong: 0, missed: 1 })).toBeUndefined();
  expect(recall({ type: "EMAIL", right: 0, wrong: 1, missed: 0 })).toBeUndefined();
});
