import { useInfiniteQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "../../api/client";
import type { Limit } from "../../api/limits";
import { type Column, DataTable } from "../../design/DataTable";
import { dateTime } from "../../design/format";
import { amountOf } from "../../design/limits";
import { Section } from "../../design/Page";
import { texts } from "../../texts";

const { limits: words } = texts;
type Event = Schemas["LimitEvent"];
/** The latest say enough; one loads more. */
const PART = 20;

/** When a limit was used up, and when its thresholds were passed. */
export function Events({ limit }: { limit: Limit }) {
  const list = useInfiniteQuery({
    queryKey: ["limits", "events", limit.id],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/admin/limit-events", {
          params: { query: { limit_id: limit.id, limit: PART, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next_cursor ?? undefined,
    refetchInterval: 10_000,
  });
  const columns: Column<Event>[] = [
    { title: words.at, cell: ({ at }) => dateTime(at) },
    { title: words.event, cell: ({ kind, percent }) => words.events[kind]?.(percent ?? 0) ?? kind },
    {
      title: words.used,
      cell: ({ used, amount }) => words.usedOf(amountOf(limit, used), amountOf(limit, amount)),
    },
    ...(limit.subject.each ? [{ title: words.who, cell: ({ subject_id }: Event) => subject_id ?? "–" }] : []),
  ];
  return (
    <div className="mt-6">
      <Section title={words.eventsTitle}>
        <DataTable
          label={words.eventsTitle}
          list={list}
          rowKey={({ id }) => id}
          empty={words.eventsNone}
          columns={columns}
        />
      </Section>
    </div>
  );
}
