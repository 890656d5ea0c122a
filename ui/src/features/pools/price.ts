import { z } from "zod";
import type { Schemas } from "../../api/client";
import { count, fromLocalInput, microDollars, toLocalInput, typedDollars } from "../../design/format";
import { texts } from "../../texts";

const { pools: words, prices } = texts;

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

/** A price as it is typed, and checked. */
export const typedPriceSchema = z
  .object({
    input: z.string(),
    cachedInput: z.string(),
    output: z.string(),
    cacheWrite: z.string(),
    cacheWrite1h: z.string(),
    reasoning: z.string(),
    others: z.custom<TypedPrice["others"]>().optional(),
  })
  .refine(isPrice, { path: ["input"], message: words.priceNumber });

/** A price and from when on it holds, as they are typed: a time of this browser's zone. */
export const typedNextPriceSchema = z
  .object({ validFrom: z.string(), price: typedPriceSchema })
  .refine(({ validFrom }) => fromLocalInput(validFrom) !== null, {
    path: ["validFrom"],
    message: texts.common.required,
  })
  .refine(({ price }) => readPrice(price) !== null, { path: ["price", "input"], message: words.priceNumber });
export type TypedNextPrice = z.infer<typeof typedNextPriceSchema>;

export function typedNextPrice({ valid_from, price }: Schemas["NextPrice"]): TypedNextPrice {
  return { validFrom: toLocalInput(valid_from), price: typedPrice(price) };
}

/** The earliest first, as the API takes them. A time that nobody touched stays to the second. */
export function readNextPrices(typed: TypedNextPrice[], before: Schemas["NextPrice"][]): Schemas["NextPrice"][] {
  const known = new Map(before.map(({ valid_from }) => [toLocalInput(valid_from), valid_from]));
  return typed
    .flatMap(({ validFrom, price }) => {
      const [valid_from, read] = [known.get(validFrom) ?? fromLocalInput(validFrom), readPrice(price)];
      return valid_from && read ? [{ valid_from, price: read }] : [];
    })
    .sort((one, other) => Date.parse(one.valid_from) - Date.parse(other.valid_from));
}

/** What a million tokens cost: of the input, of that from the cache, of the output. */
export function priceOf(price: Rates): string {
  const { input_microusd_per_million, cached_input_microusd_per_million, output_microusd_per_million } = price;
  const figures = [input_microusd_per_million, cached_input_microusd_per_million, output_microusd_per_million];
  return figures.map((micro) => `$${typedDollars(micro)}`).join(" · ");
}

/** What of a price has no fields, in words. */
export function othersOf(others: TypedPrice["others"]): string[] {
  const { tiers, long_context, request_microusd, web_search_microusd } = others ?? {};
  return [
    ...(tiers ?? []).map(({ tier, rates }) => prices.tier(tier, priceOf(rates))),
    ...(long_context ? [prices.long(count(long_context.above_input_tokens), priceOf(long_context.rates))] : []),
    ...(request_microusd ? [prices.request(typedDollars(request_microusd))] : []),
    ...(web_search_microusd ? [prices.search(typedDollars(web_search_microusd))] : []),
  ];
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
