import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, unwrap } from "../../api/client";
import { forget } from "../../api/resources";

/** Revokes a key for good. */
export function useRevoke() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => unwrap(client.POST("/api/v1/admin/api-keys/{id}/revoke", { params: { path: { id } } })),
    onSuccess: (key) => {
      queries.setQueryData(["api-keys", "item", key.id], key);
      return forget(queries, "api-keys");
    },
  });
}
