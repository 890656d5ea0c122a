import type { Schemas } from "../../api/client";
import { microDollars, typedDollars } from "../../design/format";

export type Price = Schemas["Price"];

/** The prices that people type, in dollars for a million tokens. The first three all empty: unknown. Another: as it follows from them. */
export interface TypedPrice {
  input: string;
  cachedInput: string;
  output: string;
  cacheWrite: string;
  cacheWrite1h: string;
  reasoning: string;
  /** What is not typed, and stays: tiers, long inputs, requests, searches. */
  others?: Omit<Price, keyof Rates>;
}

type Rates = Pick<
  Price,
  | "input_microusd_per_million"
  | "cached_input_microusd_per_million"
  | "cache_write_microusd_per_million"
  | "cache_write_1h_microusd_per_million"
  | "output_microusd_per_million"
  | "reasoning_microusd_per_million"
>;

const NONE: TypedPrice = { input: "", cachedInput: "", output: "", cacheWrite: "", cacheWrite1h: "", reasoning: "" };

export function typedPrice(price: Price | null | undefined): TypedPrice {
  if (!price) return NONE;
  const {
    input_microusd_per_million: _input,
    cached_input_microusd_per_million: _cachedInput,
    cache_write_microusd_per_million: _cacheWrite,
    cache_write_1h_microusd_per_million: _cacheWrite1h,
    output_microusd_per_million: _output,
    reasoning_microusd_per_million: _reasoning,
    ...others
  } = price;
  const other = (micro: number | null | undefined) => (micro == null ? "" : typedDollars(micro));
  return {
    input: typedDollars(price.input_microusd_per_million),
    cachedInput: typedDollars(price.cached_input_microusd_per_million),
    output: typedDollars(price.output_microusd_per_million),
    cacheWrite: other(price.cache_write_microusd_per_million),
    cacheWrite1h: other(price.cache_write_1h_microusd_per_million),
    reasoning: other(price.reasoning_microusd_per_million),
    others,
  };
}

export function isPrice(typed: TypedPrice): boolean {
  const needed = [typed.input, typed.cachedInput, typed.output];
  const others = [typed.cacheWrite, typed.cacheWrite1h, typed.reasoning];
  const isEmpty = (figure: string) => figure.trim() === "";
  if (needed.every(isEmpty)) return others.every(isEmpty);
  return (
    needed.every((figure) => microDollars(figure) !== undefined) &&
    others.every((figure) => isEmpty(figure) || microDollars(figure) !== undefined)
  );
}

/** The API's price; null: unknown. */
export function readPrice(typed: TypedPrice): Price | null {
  const [input, cachedInput, output] = [typed.input, typed.cachedInput, typed.output].map(microDollars);
  if (input === undefined || cachedInput === undefined || output === undefined) return null;
  return {
    ...typed.others,
    input_microusd_per_million: input,
    cached_input_microusd_per_million: cachedInput,
    output_microusd_per_million: output,
    cache_write_microusd_per_million: microDollars(typed.cacheWrite) ?? null,
    cache_write_1h_microusd_per_million: microDollars(typed.cacheWrite1h) ?? null,
    reasoning_microusd_per_million: microDollars(typed.reasoning) ?? null,
  };
}
