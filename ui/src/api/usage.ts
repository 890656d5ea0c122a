import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { ApiProblem, client, type Schemas, unwrap } from "./client";
import { PART } from "./resources";

export type UsageRecord = Schemas["UsageRecord"];
export type RecordDetail = Schemas["UsageRecordDetail"];

/** After so many answers without the record it is taken for one that will not come. */
const MOST_ASKED = 30;

/**
 * One request by its id, with names, attempts and how its cost comes about; null if the ledger has no such record. `every`: asked
 * again so often, in milliseconds, until it has, or `isGivenUp`.
 */
export function useRequest(id: string | undefined, every?: number) {
  const asked = useRef(0);
  const query = useQuery({
    queryKey: ["usage", "item", id],
    queryFn: async ({ signal }) => {
      asked.current += 1;
      const found = unwrap(client.GET("/api/v1/admin/usage/{id}", { params: { path: { id: id ?? "" } }, signal }));
      return found.catch((error: unknown) => {
        if (error instanceof ApiProblem && error.status === 404) return null;
        throw error;
      });
    },
    enabled: id !== undefined,
    refetchInterval: ({ state }) => (every && !state.data && asked.current < MOST_ASKED ? every : false),
  });
  return { ...query, isGivenUp: !query.data && (query.error !== null || asked.current >= MOST_ASKED) };
}

export type Sums = Schemas["UsageSums"];
export type SummaryItem = Schemas["UsageSummaryItem"];
export const DIMENSIONS = ["tenant", "api_key", "model", "provider", "pool", "outcome"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** What of the ledger is summed, and how; as `GET usage/summary` takes it. */
export type SummaryQuery = Partial<Record<Dimension | "department" | "user" | "service_account", string>> & {
  from: string;
  to: string;
  group_by?: string;
  bucket?: string;
  order?: string;
  /** Costs are told in this currency as well: three capital letters. */
  currency?: string;
  limit?: number;
};

/** Hours and days are those of whoever looks. */
export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Sums over the ledger. */
export function useSummary(query: SummaryQuery, enabled = true) {
  return useQuery({
    queryKey: ["usage", "summary", query],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/admin/usage/summary", { params: { query: { time_zone: timeZone, ...query } }, signal }),
      ),
    enabled,
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });
}

/** The same as a list that grows part by part. It is not read again by itself: the parts would not fit together. */
export function useSummaryList(query: SummaryQuery) {
  const key = { time_zone: timeZone, ...query, limit: PART };
  return useInfiniteQuery({
    queryKey: ["usage", "summary list", key],
    queryFn: ({ pageParam, signal }) =>
      unwrap(client.GET("/api/v1/admin/usage/summary", { params: { query: { ...key, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/** What a group's dimension holds: its id if it has one, and its name; undefined: none. */
export function groupValue(item: SummaryItem, dimension: Dimension): { id?: string; name: string } | undefined {
  const value = (item.group as Record<string, { id?: string | null; name?: string | null } | null>)[dimension];
  const id = value?.id ?? undefined;
  const name = value?.name || id;
  return name ? { id, name } : undefined;
}
