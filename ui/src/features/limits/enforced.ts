import { hasPrice, type Limit } from "../../api/limits";
import type { Item } from "../../api/resources";

type Model = Pick<Item<"models">, "id" | "tenant_id" | "name" | "pool_id" | "default_max_tokens" | "max_tokens_cap">;
type Pool = Pick<Item<"pools">, "id" | "name" | "members">;

/** Where a limit cannot be enforced: requests of which nobody can say what they take at most are refused under it. */
export interface Gaps {
  /** Pools with a member that has no price, by name. */
  unpriced: string[];
  /** Models whose requests may leave the most output open, by name. */
  unbounded: string[];
}

/** The units for which the output must have an end. */
const OF_OUTPUT = ["output_tokens", "total_tokens", "cost_microusd"];

/** Whether a limit is one under which such requests are refused. */
export function canHaveGaps({ action, unit }: Pick<Limit, "action" | "unit">): boolean {
  return action !== "warn" && OF_OUTPUT.includes(unit);
}

/** Of the models and pools that are known, those that such a limit refuses; of one that only warns none. `now`: milliseconds. */
export function gapsOf(
  limit: Pick<Limit, "tenant_id" | "subject" | "unit" | "action">,
  models: Model[],
  pools: Pool[],
  now: number,
): Gaps {
  if (!canHaveGaps(limit)) return { unpriced: [], unbounded: [] };
  const held = models.filter((model) => isHeld(limit, model, models));
  const used = new Set(held.map(({ pool_id }) => pool_id));
  const unpriced = pools.filter(({ id, members }) => used.has(id) && members.some((member) => !hasPrice(member, now)));
  // A bound of 0 is none.
  const unbounded = held.filter((model) => !model.default_max_tokens && !model.max_tokens_cap);
  return {
    unpriced: limit.unit === "cost_microusd" ? unpriced.map(({ name }) => name) : [],
    unbounded: unbounded.map(({ name }) => name),
  };
}

/** A tenant's apps get the platform's models, but for those of which the tenant has one of that name. */
function isHeld({ tenant_id, subject }: Pick<Limit, "tenant_id" | "subject">, model: Model, all: Model[]): boolean {
  if (subject.kind === "model" && subject.id) return model.id === subject.id;
  if (!tenant_id || model.tenant_id === tenant_id) return true;
  return !model.tenant_id && !all.some((other) => other.tenant_id === tenant_id && other.name === model.name);
}
