import { useIdentity } from "../../api/identity";
import type { Limit, LimitState } from "../../api/limits";
import { useLimitState } from "../../api/limits";
import { dateTime } from "../../design/format";
import { amountOf, partsOf, UsedBar } from "../../design/limits";
import { Facts, Section } from "../../design/Page";
import { Failed, Loading, Notice } from "../../design/States";
import { texts } from "../../texts";
import { BurndownChart } from "./BurndownChart";
import { Changes } from "./Changes";

const { limits: words } = texts;

/** How much of a limit is spent, how much reserved, how long it lasts, and when it begins anew. */
export function Burndown({ limit }: { limit: Limit }) {
  const { may } = useIdentity();
  const state = useLimitState(limit.id);
  if (state.isPending) return <Loading lines={2} />;
  if (state.error) return <Failed error={state.error} onRetry={() => state.refetch()} />;
  const { amount, remaining, began_at, resets_at, raise } = state.data;
  return (
    <Section
      title={words.used}
      lead={words.usedLead}
      actions={may("limits.write", limit.tenant_id) && <Changes limit={limit} state={state.data} />}
    >
      {raise && (
        <Notice>
          {words.raised(amountOf(limit, raise.amount), dateTime(raise.until))} {raise.reason}
        </Notice>
      )}
      <div className="mb-4">
        <UsedBar state={state.data} amount={amount} />
      </div>
      <Facts
        facts={[
          ...partsOf(state.data, amount).map(({ label, units }): [string, string] => [label, amountOf(limit, units)]),
          [words.remaining, amountOf(limit, remaining)],
          ...(began_at ? [[words.began, dateTime(began_at)] as [string, string]] : []),
          [words.resets, resets_at ? dateTime(resets_at) : words.never],
          [words.forecast, forecast(state.data)],
        ]}
      />
      <BurndownChart limit={limit} state={state.data} />
    </Section>
  );
}

/** What comes of it at the rate of the window so far. */
function forecast({ exhausted_at, began_at }: LimitState): string {
  if (exhausted_at) return words.exhausted(dateTime(exhausted_at));
  return began_at ? words.lasts : "–";
}
