import { useIdentity } from "../../api/identity";
import { type Node, useNodes } from "../../api/nodes";
import { Badge } from "../../design/Badge";
import { Rows } from "../../design/DataTable";
import { ago, count } from "../../design/format";
import { Page } from "../../design/Page";
import { Empty, Failed, Loading, NoAccess, Notice } from "../../design/States";
import { texts } from "../../texts";

const { nodes: words } = texts;

/** Every Envoy, and which policy holds on it. */
export function NodesPage() {
  const { identity, isPlatform } = useIdentity();
  const nodes = useNodes(isPlatform);
  if (identity && !isPlatform) return <NoAccess />;
  const items = nodes.data?.items ?? [];
  return (
    <Page title={words.title} lead={words.lead}>
      {nodes.isPending && <Loading />}
      {nodes.error && !nodes.data && <Failed error={nodes.error} onRetry={() => nodes.refetch()} />}
      {items.map(
        ({ id, refused }) =>
          refused && (
            <Notice key={id} tone="bad">
              <p className="font-medium">
                {id}: {words.refusal(count(refused.revision))}
              </p>
              <p className="mt-1 font-mono text-xs break-words">
                {refused.resource}: {refused.reason}
              </p>
            </Notice>
          ),
      )}
      {nodes.data && items.length === 0 && <Empty>{words.empty}</Empty>}
      {items.length > 0 && (
        <Rows
          label={words.title}
          items={items}
          rowKey={(node) => `${node.gateway} ${node.id}`}
          columns={[
            {
              title: words.node,
              width: "minmax(0,1.5fr)",
              cell: (node) => <span className="font-medium">{node.id}</span>,
            },
            { title: words.gateway, cell: (node) => node.gateway },
            { title: words.state, width: "7rem", cell: (node) => <State node={node} /> },
            { title: words.version, width: "6rem", cell: (node) => node.envoy_version },
            { title: words.sent, width: "6rem", numeric: true, cell: (node) => count(node.sent_revision) },
            { title: words.applied, width: "6rem", numeric: true, cell: (node) => count(node.applied_revision) },
            { title: words.lastSeen, width: "9rem", cell: (node) => ago(node.last_seen_at, nodes.dataUpdatedAt) },
          ]}
        />
      )}
    </Page>
  );
}

function State({ node }: { node: Node }) {
  if (node.refused) return <Badge tone="bad">{words.refuses}</Badge>;
  return node.connected ? <Badge tone="good">{words.connected}</Badge> : <Badge tone="warn">{words.away}</Badge>;
}
