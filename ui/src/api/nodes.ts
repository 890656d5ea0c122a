import { useQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "./client";

export type Node = Schemas["Node"];
export type Nodes = Schemas["Nodes"];

/** Every Envoy that has connected; asked again and again, since it changes by itself. */
export function useNodes(enabled: boolean) {
  return useQuery({
    queryKey: ["nodes"],
    queryFn: async ({ signal }) => {
      const nodes = await unwrap(client.GET("/api/v1/admin/nodes", { signal }));
      // While the control plane is brought to a new version, one of before may answer, which tells nothing of replicas, or of
      // their streams.
      const replicas = (node: Node) =>
        (node.replicas ?? []).map((replica) => ({ ...replica, streams: replica.streams ?? 1 }));
      return { ...nodes, items: nodes.items.map((node) => ({ ...node, replicas: replicas(node) })) };
    },
    refetchInterval: 3_000,
    enabled,
  });
}
