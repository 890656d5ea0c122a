/** Numbers, money and times as people read them: by the browser's locale, and in the time zone that is given. */

const locale = globalThis.navigator?.language ?? "en";
const integers = new Intl.NumberFormat(locale);
const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });

/** 1,234,567 */
export function count(value: number): string {
  return integers.format(value);
}

/** 1.2M, for where space is short. */
export function shortCount(value: number): string {
  return Math.abs(value) < 10_000 ? integers.format(value) : compact.format(value);
}

/**
 * Micro-dollars as dollars. Integers stay exact as far as they go: whole dollars by division, the rest as digits. Below a dollar all
 * six decimals are shown that are not zero at the end, since that is what one request costs.
 */
export function money(microDollars: number | bigint | string): string {
  const value = BigInt(microDollars);
  const sign = value < 0n ? "−" : "";
  const magnitude = value < 0n ? -value : value;
  const dollars = magnitude / 1_000_000n;
  const micro = (magnitude % 1_000_000n).toString().padStart(6, "0");
  const decimals = dollars > 0n ? micro.slice(0, 2) : micro.replace(/0{1,4}$/, "");
  return `${sign}$${integers.format(dollars)}.${decimals}`;
}

/** A decimal text of dollars, as the API gives them: cents of what is a dollar or more, else six decimals, or the first that is not zero. */
export function decimalDollars(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (!match) return text;
  const tiny = /^(-?)0\.(0{6,}[1-9])/.exec(text);
  if (tiny) return `${tiny[1] ? "−" : ""}$0.${tiny[2]}`;
  const micro = BigInt(`${match[2]}${(match[3] ?? "").slice(0, 6).padEnd(6, "0")}`);
  return money(match[1] ? -micro : micro);
}

/** A decimal text of an amount in a currency by its ISO 4217 code; below one with the digits that one request costs. */
export function inCurrency(text: string, currency: string): string {
  const amount = Number(text);
  const maximumFractionDigits = Math.abs(amount) < 1 ? 6 : 2;
  return new Intl.NumberFormat(locale, { style: "currency", currency, maximumFractionDigits }).format(amount);
}

/** Dollars as people type them, as micro-dollars; undefined if it is no such amount. */
export function microDollars(text: string): number | undefined {
  const match = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text.trim());
  if (!match) return undefined;
  return Number(match[1]) * 1_000_000 + Number((match[2] ?? "").padEnd(6, "0"));
}

/** Micro-dollars as people type dollars. */
export function typedDollars(micro: number): string {
  const text = (micro / 1_000_000).toFixed(6).replace(/0+$/, "");
  return text.endsWith(".") ? text.slice(0, -1) : text;
}

/** 412 µs, 37 ms, 2.41 s, 3 min 5 s */
export function duration(microseconds: number): string {
  if (microseconds < 1_000) return `${Math.round(microseconds)} µs`;
  if (microseconds < 999_500) return `${Math.round(microseconds / 1_000)} ms`;
  const seconds = microseconds / 1_000_000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A time of the API (RFC 3339, UTC) with date, to the second. */
export function dateTime(at: string, timeZone?: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium", timeZone }).format(new Date(at));
}

/** The same for a column of a table: without the year, unless it is another one than now. */
export function shortDateTime(at: string, now = new Date()): string {
  const date = new Date(at);
  const year = date.getFullYear() === now.getFullYear() ? undefined : "numeric";
  const options = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  return new Intl.DateTimeFormat(locale, { ...options, year, hour12: false }).format(date);
}

/** The time to the second, and the date before it where it is not today. */
export function timeOfDay(at: string, now = new Date()): string {
  const date = new Date(at);
  if (date.toDateString() !== now.toDateString()) return shortDateTime(at, now);
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false } as const;
  return new Intl.DateTimeFormat(locale, options).format(date);
}

/** How long ago, by a clock that may differ from the server's: what seems to lie ahead is now. */
export function ago(at: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  if (seconds < 60) return relative.format(-seconds, "second");
  if (seconds < 3_600) return relative.format(-Math.round(seconds / 60), "minute");
  if (seconds < 86_400) return relative.format(-Math.round(seconds / 3_600), "hour");
  return relative.format(-Math.round(seconds / 86_400), "day");
}

/** What `<input type="datetime-local">` shows for a time of the API, in the browser's time zone. */
export function toLocalInput(at: string | null | undefined): string {
  if (!at) return "";
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The time of the API for what that input holds; null for nothing. */
export function fromLocalInput(text: string): string | null {
  return text === "" ? null : new Date(text).toISOString();
}

/** The value at a share of sorted numbers (nearest rank); undefined of none. */
export function percentile(sorted: number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
