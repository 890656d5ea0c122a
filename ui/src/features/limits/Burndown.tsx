import { useQuery } from "@tanstack/react-query";
import { client, unwrap } from "../../api/client";
import { type Item, useFew } from "../../api/resources";
import { count, dateTime, money } from "../../design/format";
import { Facts, Section } from "../../design/Page";
import { Failed, Loading, Notice } from "../../design/States";
import { texts } from "../../texts";

const { limits: words } = texts;
type Limit = Item<"limits">;

/** How a limit's amount reads. */
export function amountOf(limit: Pick<Limit, "unit">, amount: number): string {
  return limit.unit === "cost_microusd" ? money(amount) : count(amount);
}

/** How much of a limit is spent, how much reserved, and when it begins anew. */
export function Burndown({ limit }: { limit: Limit }) {
  const state = useQuery({
    queryKey: ["limits", "state", limit.id],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/admin/limits/{id}/state", { params: { path: { id: limit.id } }, signal })),
    refetchInterval: 5000,
  });
  if (state.isPending) return <Loading lines={2} />;
  if (state.error) return <Failed error={state.error} onRetry={() => state.refetch()} />;
  const { spent, reserved, unreconciled, remaining, resets_at } = state.data;
  const parts: [label: string, amount: number, colour: string][] = [
    [words.spent, spent, "bg-accent"],
    [words.reserved, reserved, "bg-accent/50"],
    [words.unreconciled, unreconciled, "bg-warn"],
  ];
  return (
    <Section title={words.used} lead={words.usedLead}>
      <div aria-hidden className="mb-4 flex h-4 overflow-hidden rounded bg-line">
        {parts.map(([label, amount, colour]) => (
          <div key={label} className={colour} style={{ width: `${Math.min(100, (100 * amount) / limit.amount)}%` }} />
        ))}
      </div>
      <Facts
        facts={[
          ...parts.map(([label, amount]): [string, string] => [label, amountOf(limit, amount)]),
          [words.remaining, amountOf(limit, remaining)],
          [words.resets, resets_at ? dateTime(resets_at) : words.never],
        ]}
      />
    </Section>
  );
}

/** Where a budget cannot be enforced, and why. */
export function Unpriced({ limit }: { limit: Limit }) {
  const pools = useFew("pools", {}, limit.unit === "cost_microusd");
  const unpriced = pools.data?.items.filter(({ members }) => members.some(({ price }) => price === null)) ?? [];
  if (limit.unit !== "cost_microusd" || unpriced.length === 0) return null;
  return <Notice tone="warn">{words.cannotEnforce(unpriced.map(({ name }) => name).join(", "))}</Notice>;
}
