import { useQuery } from "@tanstack/react-query";
import { client, unwrap } from "./client";

/** Whether the first administrator is still to be made. */
export function useSetupStatus() {
  return useQuery({
    queryKey: ["setup"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/admin/setup", { signal })),
    retry: false,
  });
}
