import { useQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "./client";

/** What keys belong to, and keys themselves. */
export type Governed = "departments" | "users" | "service-accounts" | "api-keys";
export type Effective = Schemas["Effective"];

/** What holds for all keys of something, or for one key, and where it comes from. */
export function useEffective(of: Governed, id: string) {
  return useQuery({
    // With the thing itself, so that it is read again when that was changed.
    queryKey: [of, "effective", id],
    queryFn: ({ signal }) =>
      unwrap(
        client.GET(`/api/v1/admin/${of}/{id}/effective` as "/api/v1/admin/api-keys/{id}/effective", {
          params: { path: { id } },
          signal,
        }),
      ),
  });
}
