import { useQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "./client";

export type Limit = Schemas["Limit"];
export type LimitState = Schemas["LimitState"];

/** How much of a limit is used; `subjectId`: of which one, where each of a kind has a counter. Asked again and again, since it changes by itself. */
export function useLimitState(id: string, subjectId?: string, enabled = true) {
  return useQuery({
    queryKey: ["limits", "state", id, subjectId],
    queryFn: ({ signal }) => readLimitState(id, subjectId, signal),
    refetchInterval: 5_000,
    enabled,
  });
}

/** The same, once. */
export function readLimitState(id: string, subjectId?: string, signal?: AbortSignal) {
  const params = { path: { id }, query: { subject_id: subjectId } };
  return unwrap(client.GET("/api/v1/admin/limits/{id}/state", { params, signal }));
}

export type LimitUsage = Schemas["LimitSubjectUsage"];
/** Limits whose states are read for a list; those of more are on their own pages. */
const MOST_STATES = 200;

/** How much is used of limits that have one counter, by their ids. */
export function useLimitStates(tenantId: string | undefined): ReadonlyMap<string, LimitUsage> {
  const { data } = useQuery({
    queryKey: ["limits", "states", "all", tenantId],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/admin/limit-states", {
          params: { query: { tenant_id: tenantId, limit: MOST_STATES } },
          signal,
        }),
      ),
    refetchInterval: 30_000,
  });
  return new Map((data?.items ?? []).filter(isOnly).map((usage) => [usage.limit_id, usage]));
}

/** Whether it is of a limit that has one counter. */
const isOnly = ({ subject_id }: LimitUsage) => subject_id === null;

type Member = Schemas["Pool"]["members"][number];

/** Whether a member's price is known: its own, or a later one whose time has come. `now`: milliseconds. */
export function hasPrice({ price, next_prices }: Pick<Member, "price" | "next_prices">, now: number): boolean {
  return Boolean(price) || (next_prices ?? []).some(({ valid_from }) => Date.parse(valid_from) <= now);
}
