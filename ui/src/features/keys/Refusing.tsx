import { useRef } from "react";
import { useNodes } from "../../api/nodes";
import type { Item } from "../../api/resources";
import { Badge } from "../../design/Badge";
import { Rows } from "../../design/DataTable";
import { timeOfDay } from "../../design/format";
import { Section } from "../../design/Page";
import { texts } from "../../texts";

const { keys: words } = texts;

/** Since when each connected Envoy refuses a revoked key: since it holds the policy that says so. For those of the platform. */
export function Refusing({ apiKey }: { apiKey: Item<"api-keys"> }) {
  const nodes = useNodes(true);
  // A later policy moves what an Envoy says; the first that was seen here comes closest.
  const seen = useRef(new Map<string, string>());
  const connected = (nodes.data?.items ?? []).filter((node) => node.connected);
  const rows = connected.map((node) => {
    const key = `${node.gateway} ${node.id}`;
    if (node.applied_revision >= apiKey.revision && node.applied_at && !seen.current.has(key)) {
      seen.current.set(key, node.applied_at);
    }
    return { key, node, since: seen.current.get(key) };
  });
  if (!nodes.data) return null;
  return (
    <Section title={words.refusing} lead={words.refusingLead}>
      {rows.length === 0 ? (
        <p className="text-sm text-ink-soft">{texts.nodes.noneConnected}</p>
      ) : (
        <Rows
          label={words.refusing}
          items={rows}
          rowKey={({ key }) => key}
          columns={[
            { title: texts.nodes.node, cell: ({ node }) => node.id },
            { title: texts.nodes.gateway, secondary: true, cell: ({ node }) => node.gateway },
            {
              title: words.refusesSince,
              cell: ({ since }) => (since ? timeOfDay(since) : <Badge tone="warn">{words.notYet}</Badge>),
            },
          ]}
        />
      )}
    </Section>
  );
}
