import { useQuery } from "@tanstack/react-query";
import { client, serverNow, unwrap } from "../../api/client";
import type { Item } from "../../api/resources";
import { Rows } from "../../design/DataTable";
import { count, dateTime, timeOfDay } from "../../design/format";
import { Section } from "../../design/Page";
import { Failed, Loading } from "../../design/States";
import { texts } from "../../texts";

const { streams: words, nodes } = texts;
/** For so long after a change Envoys may still say what they ended. */
const SETTLED_MS = 60_000;

/** When the last byte of a key's streams went that were ended, by each Envoy. */
export function EndedStreams({ apiKey }: { apiKey: Item<"api-keys"> }) {
  const ended = useQuery({
    queryKey: ["api-keys", "ended-streams", apiKey.id],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/admin/api-keys/{id}/ended-streams", { params: { path: { id: apiKey.id } }, signal })),
    refetchInterval: () => (serverNow() - Date.parse(apiKey.updated_at) < SETTLED_MS ? 1_000 : false),
  });
  const { data } = ended;
  return (
    <Section title={words.ended} lead={words.endedLead}>
      {ended.isPending && <Loading lines={2} />}
      {ended.error && <Failed error={ended.error} onRetry={() => ended.refetch()} />}
      {data && data.envoys.length === 0 && <p className="text-sm">{words.endedNone}</p>}
      {data?.last_byte_at && data.envoys.length > 0 && (
        <>
          <p className="mb-3 text-sm">{words.summary(data.streams, dateTime(data.last_byte_at))}</p>
          <Rows
            label={words.ended}
            items={data.envoys.map((envoy, index) => ({ ...envoy, index }))}
            rowKey={({ index }) => String(index)}
            columns={[
              { title: nodes.node, cell: ({ node }) => node ?? words.someEnvoy },
              { title: nodes.gateway, secondary: true, cell: ({ gateway }) => gateway ?? "–" },
              { title: words.count, numeric: true, width: "6rem", cell: ({ streams }) => count(streams) },
              { title: words.lastByte, cell: ({ last_byte_at }) => timeOfDay(last_byte_at) },
            ]}
          />
        </>
      )}
    </Section>
  );
}
