import { serverNow } from "../../api/client";

export type Bucket = "quarter_hour" | "hour" | "day" | "week" | "month";
export const RANGES = { day: 1, week: 7, month: 30 } as const;
export type Range = keyof typeof RANGES;

const QUARTER_MS = 900_000;
const DAY_MS = 86_400_000;

export interface Period {
  from: string;
  to: string;
}

/** The days that end with the present quarter-hour. That changes seldom, so that what was asked stays good for a while. */
export function latest(days: number, now = serverNow()): Period {
  const to = Math.ceil(now / QUARTER_MS) * QUARTER_MS;
  return { from: new Date(to - days * DAY_MS).toISOString(), to: new Date(to).toISOString() };
}

/** As long a time, just before. */
export function before({ from, to }: Period): Period {
  const length = Date.parse(to) - Date.parse(from);
  return { from: new Date(Date.parse(from) - length).toISOString(), to: from };
}

/** Pieces that make a chart of a period: some dozens. */
export function bucketFor({ from, to }: Period): Bucket {
  const days = (Date.parse(to) - Date.parse(from)) / DAY_MS;
  if (days <= 1) return "quarter_hour";
  return days <= 8 ? "hour" : "day";
}

/** The beginnings of all pieces of a period, in the time zone of this browser. */
export function pieces({ from, to }: Period, bucket: "quarter_hour" | "hour" | "day"): number[] {
  const end = Date.parse(to);
  const starts: number[] = [];
  const at = new Date(from);
  if (bucket === "day") at.setHours(0, 0, 0, 0);
  else at.setMinutes(bucket === "hour" ? 0 : Math.floor(at.getMinutes() / 15) * 15, 0, 0);
  const isDay = bucket === "day";
  while (at.getTime() < end) {
    // The ledger's first piece begins with the period.
    starts.push(Math.max(at.getTime(), Date.parse(from)));
    // By the calendar: a day may have 23 hours.
    if (isDay) at.setDate(at.getDate() + 1);
    else at.setTime(at.getTime() + (bucket === "hour" ? 4 : 1) * QUARTER_MS);
  }
  return starts;
}

/** How a figure differs from that of the period before, in percent; undefined: there was none before. */
export function change(now: number, earlier: number): number | undefined {
  return earlier === 0 ? undefined : ((now - earlier) / earlier) * 100;
}

/** Weekday (Monday is 0) and hour of a time, in the time zone of this browser. */
export function weekHour(at: string): { day: number; hour: number } {
  const date = new Date(at);
  return { day: (date.getDay() + 6) % 7, hour: date.getHours() };
}
