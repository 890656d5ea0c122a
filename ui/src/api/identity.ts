import { useQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "./client";

export type Identity = Schemas["Identity"];
export type Permission = Schemas["Permission"];

/** Who is signed in. */
export const identityQuery = {
  queryKey: ["identity"],
  queryFn: ({ signal }: { signal: AbortSignal }) => unwrap(client.GET("/api/v1/admin/auth/me", { signal })),
  staleTime: 60_000,
  retry: false,
};

/** Who is signed in, and what they may do. Only below the frame, which has made sure that somebody is. */
export function useIdentity() {
  const { data } = useQuery(identityQuery);
  const isPlatform = data?.role === "platform_admin";
  return {
    identity: data,
    isPlatform,
    /** Whether something may be done with some of what belongs to this tenant (null: to the platform). The API decides of what. */
    may: (permission: Permission, tenantId?: string | null) =>
      data?.permissions.includes(permission) === true && (data.tenant_id == null || tenantId === data.tenant_id),
    /** Whether what belongs to this tenant (null: to the platform) may be written. The API decides; this only explains. */
    mayWrite: (tenantId: string | null | undefined) =>
      isPlatform || (data?.role === "tenant_admin" && tenantId != null && tenantId === data.tenant_id),
  };
}
