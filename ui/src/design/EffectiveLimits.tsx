import type { Schemas } from "../api/client";
import { type Governed, useEffective } from "../api/effective";
import { useIdentity } from "../api/identity";
import { useLimitState } from "../api/limits";
import { paths } from "../paths";
import { texts } from "../texts";
import { type Column, Rows } from "./DataTable";
import { shortDateTime } from "./format";
import { AppLink } from "./Link";
import { amountOf, kindOf, UsedBar, windowOf } from "./limits";
import { Section } from "./Page";
import { Failed, Loading } from "./States";

const words = texts.limits.effective;
const { limits } = texts;
type EffectiveLimit = Schemas["EffectiveLimit"];

/** Which limits hold for all keys of something, or for one key: what each is on, how much of it is used, and when it begins anew. */
export function EffectiveLimits({ of, id }: { of: Governed; id: string }) {
  const effective = useEffective(of, id);
  const { identity } = useIdentity();
  const isSeen = identity?.permissions.includes("limits.read") === true;
  // One of a version before does not tell them.
  const items = effective.data?.limits ?? [];
  const columns: Column<EffectiveLimit>[] = [
    {
      title: limits.one,
      width: "minmax(0,1.5fr)",
      cell: ({ limit_id, limit_name }) =>
        isSeen ? <AppLink to={paths.limit(limit_id)}>{limit_name}</AppLink> : limit_name,
    },
    { title: words.from, cell: ({ kind, name, each }) => name ?? kindOf(kind, each) },
    {
      title: limits.amount,
      width: "minmax(0,1.5fr)",
      cell: (limit) =>
        `${amountOf(limit, limit.amount)} ${limits.units[limit.unit]}${limit.window ? `, ${windowOf(limit)}` : ""}`,
    },
    ...(isSeen
      ? [
          {
            title: limits.remaining,
            width: "minmax(0,1.5fr)",
            cell: (limit: EffectiveLimit) => <Remaining limit={limit} />,
          },
        ]
      : []),
  ];
  return (
    <Section title={words.title} lead={words.lead}>
      {effective.isPending && <Loading lines={2} />}
      {effective.error && <Failed error={effective.error} onRetry={() => effective.refetch()} />}
      {effective.data && items.length === 0 && <p className="text-sm">{words.none}</p>}
      {items.length > 0 && (
        <Rows
          label={words.title}
          items={items}
          rowKey={({ limit_id, subject_id, name }) => `${limit_id} ${subject_id} ${name}`}
          columns={columns}
        />
      )}
    </Section>
  );
}

/** What is left, and until when. */
function Remaining({ limit }: { limit: EffectiveLimit }) {
  // Where each key or model has a counter of its own, there is none to be told.
  const isOne = !limit.each || limit.subject_id !== null;
  const state = useLimitState(limit.limit_id, limit.subject_id ?? undefined, isOne);
  if (!isOne) return words.eachOwn;
  if (!state.data) return state.error ? "–" : "…";
  const { amount, remaining, resets_at } = state.data;
  return (
    <>
      <UsedBar state={state.data} amount={amount} />
      <span className="mt-1 block text-sm">{amountOf(limit, remaining)}</span>
      {resets_at && <span className="block text-xs text-ink-soft">{words.until(shortDateTime(resets_at))}</span>}
    </>
  );
}
