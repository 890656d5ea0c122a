import { expect, it } from "vitest";
import { pieces } from "./marks";

function check(text: string, places: [number, number][], expected: [string, number][]) {
  const findings = places.map(([start, end]) => ({ start, end }));
  expect(pieces(text, findings).map((piece) => [piece.text, piece.findings.length])).toEqual(expected);
}

it("cuts a text at its findings", () =>
  check(
    "abcdef",
    [[2, 4]],
    [
      ["ab", 0],
      ["cd", 1],
      ["ef", 0],
    ],
  ));
it("counts characters, not code units", () =>
  check(
    "😀 a@b",
    [[2, 5]],
    [
      ["😀 ", 0],
      ["a@b", 1],
    ],
  ));
it("knows findings that overlap", () =>
  check(
    "abcd",
    [
      [0, 3],
      [2, 4],
    ],
    [
      ["ab", 1],
      ["c", 2],
      ["d", 1],
    ],
  ));
it("shows a text without findings whole", () => check("abc", [], [["abc", 0]]));
it("keeps what lies beyond the text out", () =>
  check(
    "abc",
    [[1, 9]],
    [
      ["a", 0],
      ["bc", 1],
    ],
  ));
