import type { Schemas } from "../../api/client";
import { percentile } from "../../design/format";

export type UsageRecord = Schemas["UsageRecord"];

export interface Group {
  name: string;
  requests: number;
  errors: number;
  tokens: number;
  /** Micro-dollars. */
  cost: number;
  /** Microseconds. */
  p95: number | undefined;
}

export interface Figures extends Group {
  inputTokens: number;
  outputTokens: number;
  p50: number | undefined;
  firstContentP50: number | undefined;
  firstContentP95: number | undefined;
  byModel: Group[];
  byOutcome: { outcome: string; requests: number }[];
}

const ascending = (left: number, right: number) => left - right;

/** What these records say together; nothing is estimated. */
export function figures(records: UsageRecord[]): Figures {
  const latencies = records.map((record) => record.latency_us).sort(ascending);
  const firstContent = records.flatMap((record) => record.time_to_first_token_us ?? []).sort(ascending);
  const outcomes = groupBy(records, (record) => record.outcome);
  return {
    ...group("", records),
    inputTokens: sum(records, (record) => record.input_tokens),
    outputTokens: sum(records, (record) => record.output_tokens),
    p50: percentile(latencies, 0.5),
    firstContentP50: percentile(firstContent, 0.5),
    firstContentP95: percentile(firstContent, 0.95),
    byModel: [...groupBy(records, (record) => record.model)]
      .map(([name, members]) => group(name, members))
      .sort((left, right) => right.requests - left.requests),
    byOutcome: [...outcomes]
      .map(([outcome, members]) => ({ outcome, requests: members.length }))
      .sort((left, right) => right.requests - left.requests),
  };
}

function group(name: string, records: UsageRecord[]): Group {
  return {
    name,
    requests: records.length,
    errors: records.filter((record) => record.outcome !== "complete").length,
    tokens: sum(records, (record) => record.input_tokens + record.output_tokens),
    cost: sum(records, (record) => record.cost_microusd),
    p95: percentile(records.map((record) => record.latency_us).sort(ascending), 0.95),
  };
}

function sum(records: UsageRecord[], of: (record: UsageRecord) => number): number {
  return records.reduce((total, record) => total + of(record), 0);
}

function groupBy(records: UsageRecord[], of: (record: UsageRecord) => string): Map<string, UsageRecord[]> {
  const groups = new Map<string, UsageRecord[]>();
  for (const record of records) groups.set(of(record), [...(groups.get(of(record)) ?? []), record]);
  return groups;
}

export interface Bar {
  from: number;
  to: number;
  complete: number;
  other: number;
}

/** The records in so many equal parts of the time that they span. */
export function bars(records: UsageRecord[], many: number): Bar[] {
  const times = records.map((record) => Date.parse(record.started_at));
  const first = Math.min(...times);
  const span = Math.max(Math.max(...times) - first + 1, many);
  const made: Bar[] = Array.from({ length: many }, (_, at) => ({
    from: first + Math.floor((span * at) / many),
    to: first + Math.floor((span * (at + 1)) / many),
    complete: 0,
    other: 0,
  }));
  records.forEach((record, at) => {
    const bar = made[Math.min(many - 1, Math.floor((((times[at] ?? first) - first) * many) / span))];
    if (bar) bar[record.outcome === "complete" ? "complete" : "other"] += 1;
  });
  return made;
}
