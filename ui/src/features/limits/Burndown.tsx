import type { Limit } from "../../api/limits";
import { useLimitState } from "../../api/limits";
import { useFew } from "../../api/resources";
import { dateTime } from "../../design/format";
import { amountOf, partsOf, UsedBar } from "../../design/limits";
import { Facts, Section } from "../../design/Page";
import { Failed, Loading, Notice } from "../../design/States";
import { texts } from "../../texts";

const { limits: words } = texts;

/** How much of a limit is spent, how much reserved, and when it begins anew. */
export function Burndown({ limit }: { limit: Limit }) {
  const state = useLimitState(limit.id);
  if (state.isPending) return <Loading lines={2} />;
  if (state.error) return <Failed error={state.error} onRetry={() => state.refetch()} />;
  const { remaining, resets_at } = state.data;
  return (
    <Section title={words.used} lead={words.usedLead}>
      <div className="mb-4">
        <UsedBar state={state.data} amount={limit.amount} />
      </div>
      <Facts
        facts={[
          ...partsOf(state.data, limit.amount).map(({ label, units }): [string, string] => [
            label,
            amountOf(limit, units),
          ]),
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
