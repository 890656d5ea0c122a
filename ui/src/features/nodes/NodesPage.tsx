import { useIdentity } from "../../api/identity";
import { type Node, type Nodes, useNodes } from "../../api/nodes";
import { Badge } from "../../design/Badge";
import { Rows } from "../../design/DataTable";
import { ago, count, shortDateTime, timeOfDay } from "../../design/format";
import { Page, Section } from "../../design/Page";
import { Empty, Failed, Loading, NoAccess, Notice } from "../../design/States";
import { texts } from "../../texts";

const { nodes: words } = texts;
type Replica = Node["replicas"][number];

/** Every Envoy, which policy holds on it, and since when one holds everywhere. */
export function NodesPage() {
  const { identity, isPlatform } = useIdentity();
  const nodes = useNodes(isPlatform);
  if (identity && !isPlatform) return <NoAccess />;
  return (
    <Page title={words.title} lead={words.lead}>
      {nodes.isPending && <Loading />}
      {nodes.error && !nodes.data && <Failed error={nodes.error} onRetry={() => nodes.refetch()} />}
      {nodes.data && <Envoys nodes={nodes.data} readAt={nodes.dataUpdatedAt} />}
    </Page>
  );
}

function Envoys({ nodes, readAt }: { nodes: Nodes; readAt: number }) {
  const { items } = nodes;
  if (items.length === 0) return <Empty>{words.empty}</Empty>;
  return (
    <>
      <Everywhere nodes={nodes} />
      {items.map((node) => (
        <Warnings key={key(node)} node={node} />
      ))}
      <Rows
        label={words.title}
        items={items}
        rowKey={key}
        columns={[
          {
            title: words.node,
            width: "minmax(0,2fr)",
            cell: (node) => <span className="font-medium break-all whitespace-normal">{node.id}</span>,
          },
          { title: words.gateway, cell: (node) => <span className="whitespace-normal">{node.gateway}</span> },
          { title: words.state, width: "6rem", cell: (node) => <State node={node} /> },
          { title: words.version, width: "4.5rem", cell: (node) => node.envoy_version },
          { title: words.policy, width: "9rem", cell: (node) => <Policy node={node} /> },
          {
            title: words.waiting,
            width: "5rem",
            numeric: true,
            cell: ({ waiting_records }) => (typeof waiting_records === "number" ? count(waiting_records) : "–"),
          },
          { title: words.lastSeen, width: "8rem", cell: (node) => ago(node.last_seen_at, readAt) },
        ]}
      />
      <Replicas nodes={items} />
    </>
  );
}

function Everywhere({ nodes: { items, everywhere } }: { nodes: Nodes }) {
  if (!everywhere?.revision) {
    const connected = items.filter((node) => node.connected).length;
    return <Notice tone="warn">{connected > 0 ? words.nothingHolds(connected) : words.noneConnected}</Notice>;
  }
  const latest = Math.max(...items.map(({ sent_revision }) => sent_revision));
  const behind = items.filter(({ connected, applied_revision }) => connected && applied_revision < latest).length;
  return (
    <Notice tone={behind > 0 ? "warn" : "good"}>
      <p className="font-medium">
        {words.everywhere(count(everywhere.revision), timeOfDay(everywhere.since))}
        {behind > 0 && `. ${words.behind(behind, count(latest))}.`}
      </p>
    </Notice>
  );
}

function Warnings({ node }: { node: Node }) {
  const connected = node.replicas.filter((replica) => replica.connected);
  const most = Math.max(...connected.map(({ streams }) => streams));
  return (
    <>
      {node.refused && (
        <Notice tone="bad">
          <p className="font-medium">
            {node.id} {words.refusal(count(node.refused.revision), timeOfDay(node.refused.at))}
          </p>
          <p className="mt-1 font-mono text-xs break-words">
            {node.refused.resource}: {node.refused.reason}
          </p>
        </Notice>
      )}
      {most > 1 && (
        <Notice tone="warn">
          <p className="font-medium">
            {node.id} {words.shared(most)}
          </p>
          <p className="mt-1">{words.ownId}</p>
        </Notice>
      )}
      {most === 1 && connected.length > 1 && (
        <Notice tone="warn">
          {node.id} {words.duplicate(connected.length)}
        </Notice>
      )}
    </>
  );
}

/** What each control plane says of each Envoy. */
function Replicas({ nodes }: { nodes: Node[] }) {
  const rows = nodes.flatMap((node) => node.replicas.map((replica) => ({ node, replica })));
  if (rows.length === 0) return null;
  const revision = (isHere: boolean, reached: number) => (isHere ? count(reached) : words.notHere);
  return (
    <div className="mt-6">
      <Section title={words.replicas} lead={words.replicasLead}>
        <Rows
          label={words.replicas}
          items={rows}
          rowKey={({ node, replica }: { node: Node; replica: Replica }) => `${key(node)} ${replica.id}`}
          columns={[
            { title: words.node, width: "minmax(0,1.5fr)", cell: ({ node }) => node.id },
            { title: words.gateway, secondary: true, cell: ({ node }) => node.gateway },
            {
              title: words.replica,
              cell: ({ replica }) => (
                <code className="font-mono text-xs" title={replica.id}>
                  {replica.id.slice(-8)}
                </code>
              ),
            },
            {
              title: words.configuration,
              numeric: true,
              cell: ({ replica }) => revision(replica.connected, replica.acknowledged_revision),
            },
            {
              title: words.filters,
              numeric: true,
              cell: ({ replica }) => revision(replica.watched, replica.forgotten_revision),
            },
          ]}
        />
      </Section>
    </div>
  );
}

const key = (node: Node) => `${node.gateway} ${node.id}`;

/** Which policy holds in an Envoy, of which one that was sent, and since when. */
function Policy({ node: { applied_revision, sent_revision, applied_at } }: { node: Node }) {
  const isBehind = applied_revision < sent_revision;
  return (
    <span className="whitespace-normal">
      {isBehind ? words.holdsOf(count(applied_revision), count(sent_revision)) : count(applied_revision)}
      {applied_at && <span className="block text-xs text-ink-soft">{words.since(shortDateTime(applied_at))}</span>}
    </span>
  );
}

function State({ node }: { node: Node }) {
  if (node.refused) return <Badge tone="bad">{words.refused}</Badge>;
  if (!node.connected) return <Badge tone="warn">{words.away}</Badge>;
  const isUpToDate = node.applied_revision >= node.sent_revision;
  return isUpToDate ? <Badge tone="good">{words.acknowledged}</Badge> : <Badge>{words.pending}</Badge>;
}
