import { useInfiniteQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "../../api/client";
import { useIdentity } from "../../api/identity";
import type { Limit } from "../../api/limits";
import { PART } from "../../api/resources";
import { type Column, DataTable } from "../../design/DataTable";
import { shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { amountOf, UsedBar } from "../../design/limits";
import { Section } from "../../design/Page";
import { resourcePath } from "../../paths";
import { texts } from "../../texts";
import { Changes } from "./Changes";

const { limits: words, common } = texts;
type Usage = Schemas["LimitSubjectUsage"];

/** Of a limit on each of a kind: who has used how much of it. */
export function Subjects({ limit }: { limit: Limit }) {
  const { may } = useIdentity();
  const mayChange = may("limits.write", limit.tenant_id);
  const list = useInfiniteQuery({
    queryKey: ["limits", "states", limit.id],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/admin/limit-states", {
          params: { query: { limit_id: limit.id, limit: PART, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next_cursor ?? undefined,
    refetchInterval: 10_000,
  });
  const columns: Column<Usage>[] = [
    { title: words.who, width: "minmax(0,1.5fr)", cell: (usage) => <Who usage={usage} /> },
    {
      title: words.used,
      cell: ({ state }) => (
        <>
          <UsedBar state={state} amount={state.amount} />
          <span className="mt-1 block text-sm">{amountOf(limit, state.amount - state.remaining)}</span>
          {state.unreconciled > 0 && (
            <span className="block text-xs text-warn">
              {words.ofThatUnreconciled(amountOf(limit, state.unreconciled))}
            </span>
          )}
        </>
      ),
    },
    {
      title: words.remaining,
      cell: ({ state }) => (
        <>
          {amountOf(limit, state.remaining)}
          {state.exhausted_at && (
            <span className="block text-xs text-ink-soft">{words.exhausted(shortDateTime(state.exhausted_at))}</span>
          )}
          {state.raise && (
            <span className="block text-xs text-ink-soft">
              {words.raised(amountOf(limit, state.raise.amount), shortDateTime(state.raise.until))}
            </span>
          )}
        </>
      ),
    },
    ...(mayChange
      ? [
          {
            title: common.actions,
            width: "minmax(0,1.5fr)",
            cell: ({ state, subject_id, subject_name }: Usage) => (
              <Changes
                limit={limit}
                state={state}
                subjectId={subject_id ?? undefined}
                name={subject_name ?? subject_id ?? limit.name}
              />
            ),
          },
        ]
      : []),
  ];
  return (
    <Section
      title={words.subjects}
      lead={words.subjectsLead}
      actions={mayChange && <Changes limit={limit} state={undefined} name={words.changes.all} />}
    >
      <DataTable
        label={words.subjects}
        list={list}
        rowKey={({ subject_id }) => subject_id ?? ""}
        empty={words.subjectsNone}
        columns={columns}
      />
    </Section>
  );
}

/** With the way to them, where there is a page. */
function Who({ usage: { subject_kind, subject_id, subject_name } }: { usage: Usage }) {
  const name = subject_name ?? subject_id ?? common.unknown;
  const path = subject_id && resourcePath(subject_kind, subject_id);
  // Models are counted by the names that are asked for, labels by their values.
  return path && subject_kind !== "model" ? <AppLink to={path}>{name}</AppLink> : name;
}
