import { useInfiniteQuery } from "@tanstack/react-query";
import { client, unwrap } from "../../api/client";

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
