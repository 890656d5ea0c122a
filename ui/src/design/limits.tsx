import type { Limit, LimitState } from "../api/limits";
import { texts } from "../texts";
import { count, money } from "./format";

const { limits: words } = texts;
type Kind = keyof typeof words.kinds;

/** How an amount of a limit reads. */
export function amountOf({ unit }: Pick<Limit, "unit">, amount: number): string {
  return unit === "cost_microusd" ? money(amount) : count(amount);
}

/** The time in which a limit counts. */
export function windowOf({ window }: Pick<Limit, "window">): string {
  if (!window) return "–";
  if (window.kind === "calendar") return words.periods[window.period];
  return window.kind === "sliding" ? words.inSeconds(window.seconds) : words.windows.total;
}

/** What a limit is on, by its kind alone. */
export function kindOf(kind: string, isEach: boolean): string {
  const name = words.kinds[kind as Kind] ?? kind;
  return isEach ? words.eachOf(name) : name;
}

/** What takes up how much of a limit: names, units, and the share of the amount in percent, never more than what is left of 100. */
export function partsOf(state: Pick<LimitState, "spent" | "reserved" | "unreconciled">, amount: number) {
  let left = 100;
  const part = (label: string, units: number, colour: string) => {
    const share = Math.min(left, amount > 0 ? (100 * units) / amount : 0);
    left -= share;
    return { label, units, colour, share };
  };
  return [
    part(words.spent, state.spent, "bg-accent"),
    part(words.reserved, state.reserved, "bg-accent/50"),
    part(words.unreconciled, state.unreconciled, "bg-warn"),
  ];
}

/** The same as a bar; the figures stand beside it. */
export function UsedBar({ state, amount }: { state: LimitState; amount: number }) {
  return (
    <div aria-hidden className="flex h-2.5 overflow-hidden rounded bg-line">
      {partsOf(state, amount).map(({ label, colour, share }) => (
        <div key={label} className={colour} style={{ width: `${share}%` }} />
      ))}
    </div>
  );
}
