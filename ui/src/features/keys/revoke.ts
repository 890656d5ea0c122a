import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, unwrap } from "../../api/client";
import { forget, type Streams } from "../../api/resources";

/** Revokes a key for good. Whoever revokes several calls `forget` once all are done. */
export function revokeOne(id: string, streams: Streams) {
  return unwrap(client.POST("/api/v1/admin/api-keys/{id}/revoke", { params: { path: { id }, query: { streams } } }));
}

/** Revokes a key for good, and reads anew what shows it. */
export function useRevoke() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, streams }: { id: string; streams: Streams }) => revokeOne(id, streams),
    onSuccess: (key) => {
      queries.setQueryData(["api-keys", "item", key.id], key);
      return forget(queries, "api-keys");
    },
  });
}
