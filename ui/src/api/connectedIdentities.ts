import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "./client";

export type ConnectedIdentity = Schemas["ConnectedIdentity"];

/** The accounts at identity providers by which somebody signs in; undefined: one's own. */
export function useConnectedIdentities(userId: string | undefined) {
  return useQuery({
    queryKey: ["connected identities", userId],
    queryFn: ({ signal }) =>
      userId
        ? unwrap(client.GET("/api/v1/admin/users/{id}/identities", { params: { path: { id: userId } }, signal }))
        : unwrap(client.GET("/api/v1/admin/auth/identities", { signal })),
  });
}

/** Takes one of them away, and ends the sessions that came by it. */
export function useDisconnect(userId: string | undefined) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (identityId: string) =>
      userId
        ? unwrap(
            client.DELETE("/api/v1/admin/users/{id}/identities/{identity_id}", {
              params: { path: { id: userId, identity_id: identityId } },
            }),
          )
        : unwrap(client.DELETE("/api/v1/admin/auth/identities/{id}", { params: { path: { id: identityId } } })),
    onSuccess: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: ["connected identities"] }),
        queries.invalidateQueries({ queryKey: ["sessions"] }),
      ]),
  });
}
