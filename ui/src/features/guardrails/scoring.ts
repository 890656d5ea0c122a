import type { Schemas } from "../../api/client";

/** A place in a text, in Unicode characters, and what stands there. */
export interface Mark {
  type: string;
  start: number;
  end: number;
}

/** A text with what is to be found in it. */
export interface Example {
  text: string;
  spans: Mark[];
}

/** So many lines of a file are looked at. */
export const MOST_EXAMPLES = 1_000;

/** Reads a JSON object a line, `{"text", "spans": [{"start", "end", "type"}]}`, no spans where nothing is to be found. */
export function readExamples(content: string): { examples: Example[]; unread: number[]; isCut: boolean } {
  const lines = content.split("\n").map((line, at) => ({ line: line.trim(), number: at + 1 }));
  const filled = lines.filter(({ line }) => line !== "");
  const examples: Example[] = [];
  const unread: number[] = [];
  for (const { line, number } of filled.slice(0, MOST_EXAMPLES)) {
    const example = toExample(line);
    if (example) examples.push(example);
    else unread.push(number);
  }
  return { examples, unread, isCut: filled.length > MOST_EXAMPLES };
}

function toExample(line: string): Example | undefined {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { text, spans = [] } = (row ?? {}) as { text?: unknown; spans?: unknown };
  return typeof text === "string" && Array.isArray(spans) && spans.every(isMark) ? { text, spans } : undefined;
}

function isMark(span: unknown): span is Mark {
  const { type, start, end } = (span ?? {}) as Record<string, unknown>;
  return typeof type === "string" && Number.isInteger(start) && Number.isInteger(end);
}

/** The same as lines of JSON. */
export function writeExamples(examples: Example[]): string {
  return examples.map((example) => `${JSON.stringify(example)}\n`).join("");
}

/** What became of one type's marks and findings. */
export interface Tally {
  type: string;
  right: number;
  wrong: number;
  missed: number;
}

/** A finding that was none, or a mark that was not found. */
export interface Mistake extends Mark {
  kind: "wrong" | "missed";
  example: Example;
}

export interface Score {
  tallies: Tally[];
  mistakes: Mistake[];
  /** Texts in which nothing is to be found, and those of them in which something was. */
  clean: { texts: number; flagged: number };
}

type Found = Pick<Schemas["TrialFinding"], "type" | "start" | "end">;

/** Compares what was found with what was marked; `types`: those that the profile looks for, undefined: all. */
export function scoreOf(
  tried: { example: Example; findings: Found[] }[],
  types: ReadonlySet<string> | undefined,
): Score {
  const tallies = new Map<string, Tally>();
  const mistakes: Mistake[] = [];
  const clean = { texts: 0, flagged: 0 };
  const count = (type: string, what: "right" | "wrong" | "missed") => {
    const tally = tallies.get(type) ?? { type, right: 0, wrong: 0, missed: 0 };
    tally[what] += 1;
    tallies.set(type, tally);
  };
  for (const { example, findings } of tried) {
    if (example.spans.length === 0) {
      clean.texts += 1;
      clean.flagged += Number(findings.length > 0);
    }
    for (const span of example.spans) {
      if (types && !types.has(span.type)) continue;
      const isFound = findings.some((finding) => fits(finding, span));
      count(span.type, isFound ? "right" : "missed");
      if (!isFound) mistakes.push({ ...span, kind: "missed", example });
    }
    for (const { type, start, end } of findings) {
      if (example.spans.some((span) => fits({ type, start, end }, span))) continue;
      count(type, "wrong");
      mistakes.push({ type, start, end, kind: "wrong", example });
    }
  }
  const byName = (one: Tally, other: Tally) => one.type.localeCompare(other.type);
  return { tallies: [...tallies.values()].sort(byName), mistakes, clean };
}

/** Whether two are of one type and share at least half of the longer one. */
function fits(one: Found, other: Mark): boolean {
  const shared = Math.min(one.end, other.end) - Math.max(one.start, other.start);
  return one.type === other.type && 2 * shared >= Math.max(one.end - one.start, other.end - other.start);
}

/** How many of the findings were right; undefined: there were none. */
export function precision({ right, wrong }: Tally): number | undefined {
  return right + wrong > 0 ? right / (right + wrong) : undefined;
}

/** How many of the marks were found; undefined: there were none. */
export function recall({ right, missed }: Tally): number | undefined {
  return right + missed > 0 ? right / (right + missed) : undefined;
}
