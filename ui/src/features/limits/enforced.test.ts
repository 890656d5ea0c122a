import { expect, it } from "vitest";
import { gapsOf } from "./enforced";

const price = {
  input_microusd_per_million: 1,
  cached_input_microusd_per_million: 1,
  output_microusd_per_million: 1,
};
const NOW = Date.parse("2026-06-01T00:00:00Z");

type Models = Parameters<typeof gapsOf>[1];
type Pools = Parameters<typeof gapsOf>[2];
const model = (name: string, fields: Partial<Models[number]> = {}): Models[number] => ({
  id: name,
  tenant_id: "t",
  name,
  pool_id: "priced",
  default_max_tokens: 100,
  max_tokens_cap: null,
  ...fields,
});
const pool = (id: string, member: object) => ({ id, name: id, members: [member] }) as unknown as Pools[number];
const pools = [
  pool("priced", { price }),
  pool("unpriced", { price: null }),
  pool("unused", { price: null }),
  pool("since", { price: null, next_prices: [{ valid_from: "2026-05-01T00:00:00Z", price }] }),
  pool("later", { price: null, next_prices: [{ valid_from: "2026-07-01T00:00:00Z", price }] }),
];
const budget = {
  tenant_id: "t",
  subject: { kind: "tenant", id: "t", value: null, each: false },
  unit: "cost_microusd",
  action: "refuse",
} as const;

function check(limit: object, models: Models, unpriced: string[], unbounded: string[]) {
  expect(gapsOf({ ...budget, ...limit }, models, pools, NOW)).toEqual({ unpriced, unbounded });
}

it("names pools without a price, and only those that are asked", () => {
  const models = ["unpriced", "since", "later"].map((pool_id) => model(`of ${pool_id}`, { pool_id }));
  check({}, models, ["unpriced", "later"], []);
  check({ unit: "output_tokens" }, models, [], []);
});

it("names models whose answers have no end", () => {
  const open = { default_max_tokens: null };
  const models = [model("open", open), model("capped", { ...open, max_tokens_cap: 5 }), model("bounded")];
  check({}, models, [], ["open"]);
  check({ unit: "total_tokens" }, models, [], ["open"]);
  check({ unit: "requests" }, models, [], []);
  check({ action: "warn" }, models, [], []);
  check({}, [model("zero", { default_max_tokens: 0 })], [], ["zero"]);
});

it("looks at what the limit holds for", () => {
  const open = { default_max_tokens: null };
  const models = [
    model("own", open),
    model("another's", { ...open, tenant_id: "other" }),
    model("everybody's", { ...open, tenant_id: null }),
    model("hidden", { ...open, tenant_id: null, id: "platform's" }),
    model("hidden"),
  ];
  check({}, models, [], ["own", "everybody's"]);
  check({ tenant_id: null }, models, [], ["own", "another's", "everybody's", "hidden"]);
  const subject = { kind: "model", id: "own", value: null, each: false };
  check({ subject }, models, [], ["own"]);
});
