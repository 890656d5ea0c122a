import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "../../api/client";

export type UsageRecord = Schemas["UsageRecord"];

export interface UsageFilter {
  tenant_id?: string;
  key_id?: string;
  model?: string;
  request_id?: string;
  from?: string;
  to?: string;
}

/** The ledger, newest first. */
export function useUsage(filter: UsageFilter) {
  return useInfiniteQuery({
    queryKey: ["usage", "list", filter],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/admin/usage", { params: { query: { ...filter, limit: 50, cursor: pageParam } }, signal }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next_cursor ?? undefined,
  });
}

/** One request; undefined if the ledger has no such record. */
export function useRequest(id: string | undefined) {
  return useQuery({
    queryKey: ["usage", "item", id],
    queryFn: async ({ signal }) => {
      const part = await unwrap(client.GET("/api/v1/admin/usage", { params: { query: { request_id: id } }, signal }));
      return part.items[0] ?? null;
    },
    enabled: id !== undefined,
  });
}
