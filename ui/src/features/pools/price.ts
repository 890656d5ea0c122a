import type { Schemas } from "../../api/client";
import { microDollars, typedDollars } from "../../design/format";

export type Price = Schemas["Price"];

/** The three prices that people type, in dollars for a million tokens; all empty: unknown. */
export interface TypedPrice {
  input: string;
  cachedInput: string;
  output: string;
}

export function typedPrice(price: Price | null | undefined): TypedPrice {
  if (!price) return { input: "", cachedInput: "", output: "" };
  return {
    input: typedDollars(price.input_microusd_per_million),
    cachedInput: typedDollars(price.cached_input_microusd_per_million),
    output: typedDollars(price.output_microusd_per_million),
  };
}

export function isPrice(typed: TypedPrice): boolean {
  const figures = [typed.input, typed.cachedInput, typed.output];
  return (
    figures.every((figure) => figure.trim() === "") || figures.every((figure) => microDollars(figure) !== undefined)
  );
}

/** The API's price. What people do not type here (cache writes, reasoning) stays as it was. */
export function readPrice(typed: TypedPrice, before: Price | null | undefined): Price | null {
  const [input, cachedInput, output] = [typed.input, typed.cachedInput, typed.output].map(microDollars);
  if (input === undefined || cachedInput === undefined || output === undefined) return null;
  return {
    ...before,
    input_microusd_per_million: input,
    cached_input_microusd_per_million: cachedInput,
    output_microusd_per_million: output,
  };
}
