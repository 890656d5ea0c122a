import { useQuery } from "@tanstack/react-query";
import { client, unwrap } from "./client";

/** Where the gateway is, as far as the control plane knows. */
export function useGatewayUrl() {
  return useQuery({
    queryKey: ["playground"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/admin/playground", { signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
}
