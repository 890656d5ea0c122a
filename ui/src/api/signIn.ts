import { useQuery } from "@tanstack/react-query";
import { client, unwrap } from "./client";

/** The identity providers that one can sign in by. `tenant`: a name, whose own are among them. */
export function useSignInChoices(tenant?: string) {
  return useQuery({
    queryKey: ["sign-in-providers", "choices", tenant],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/admin/auth/providers", { params: { query: { tenant } }, signal })),
    retry: false,
    staleTime: 60_000,
  });
}

/** Sends the browser to an identity provider, from where it comes back to `next`. */
export async function startSignIn(id: string, how: { next?: string; connect?: boolean }): Promise<void> {
  const params = { path: { id } };
  const { url } = await unwrap(client.POST("/api/v1/admin/auth/oidc/{id}/start", { params, body: how }));
  globalThis.location.assign(url);
}

/** The sign-ins with break-glass accounts within seven days. For platform admins. */
export function useBreakGlass(enabled: boolean) {
  return useQuery({
    queryKey: ["break-glass"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/admin/auth/break-glass", { signal })),
    enabled,
    refetchInterval: 60_000,
  });
}
