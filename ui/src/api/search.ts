import { useQuery } from "@tanstack/react-query";
import { client, unwrap } from "./client";

/** What has this in its name, begins so, or is this id: a few of each kind, what fits best first. */
export function useSearch(text: string) {
  const wanted = text.trim().slice(0, 200);
  return useQuery({
    queryKey: ["search", wanted],
    enabled: wanted.length >= 2,
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/admin/search", { params: { query: { q: wanted } }, signal })),
  });
}
