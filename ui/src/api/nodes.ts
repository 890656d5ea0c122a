import { useQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "./client";

export type Node = Schemas["Node"];
export type Nodes = Schemas["Nodes"];

/** Every Envoy that has connected; asked again and again, since it changes by itself. */
export function useNodes(enabled: boolean) {
  return useQuery({
    queryKey: ["nodes"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/admin/nodes", { signal })),
    refetchInterval: 3_000,
    enabled,
  });
}
