import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, unwrap } from "../../api/client";
import { forget } from "../../api/resources";

/** Revokes a key for good. Whoever revokes several calls `forget` once all are done. */
export function revokeOne(id: string) {
  return unwrap(client.POST("/api/v1/admin/api-keys/{id}/revoke", { params: { path: { id } } }));
}

/** Revokes a key for good, and reads anew what shows it. */
export function useRevoke() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: revokeOne,
    onSuccess: (key) => {
      queries.setQueryData(["api-keys", "item", key.id], key);
      return forget(queries, "api-keys");
    },
  });
}
