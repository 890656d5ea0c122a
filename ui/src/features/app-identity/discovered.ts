import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "../../api/client";
import { forget, PART } from "../../api/resources";

export type Caller = Schemas["DiscoveredCaller"];

/** Whom no rule knows, as the API lists them; read again and again, since they come by themselves. */
export function useDiscovered(tenantId: string | undefined) {
  return useInfiniteQuery({
    queryKey: ["discovered", tenantId],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/admin/discovered", {
          params: { query: { tenant_id: tenantId, limit: PART, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next_cursor ?? undefined,
    refetchInterval: 10_000,
  });
}

/** Makes the rule that knows one of them from now on. */
export function useAssign() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, body }: { id: string; body: Schemas["Assignment"] }) =>
      unwrap(client.POST("/api/v1/admin/discovered/{id}/assign", { params: { path: { id } }, body })),
    onSuccess: () => Promise.all(["discovered", "identity-rules"].map((name) => forget(queries, name))),
  });
}

/** What a caller's rule may be called: the end of the SPIFFE id, or what the token says of the caller. */
export function nameFor({ way, subject }: Pick<Caller, "way" | "subject">): string {
  const end = way === "workload" ? subject.split("/").filter(Boolean).at(-1) : undefined;
  return (end ?? subject).slice(0, 100);
}
