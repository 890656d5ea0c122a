/** The texts of nodes. */
export const nodes = {
  title: "Nodes",
  lead: "Every Envoy that has connected, and which policy holds on it.",
  everywhere: (revision: string, at: string) => `Policy ${revision} is everywhere since ${at}`,
  behind: (count: number, revision: string) =>
    count === 1
      ? `1 Envoy has not come to policy ${revision} yet`
      : `${count} Envoys have not come to policy ${revision} yet`,
  noneConnected: "No Envoy is connected now: no policy is in force anywhere.",
  nothingHolds: (connected: number) =>
    connected === 1
      ? "1 Envoy is connected, but no policy holds in it yet."
      : `${connected} Envoys are connected, but no policy holds in all of them yet.`,
  node: "Envoy",
  gateway: "Gateway",
  state: "State",
  acknowledged: "ACK",
  pending: "Waiting",
  away: "Away",
  refused: "NACK",
  version: "Version",
  policy: "Policy that holds",
  holdsOf: (applied: string, sent: string) => `${applied}; ${sent} was sent`,
  since: (at: string) => `since ${at}`,
  waiting: "Records waiting",
  lastSeen: "Last seen",
  refusal: (revision: string, at: string) =>
    `refused policy ${revision} at ${at} (NACK); the last good configuration goes on serving.`,
  duplicate: (count: number) =>
    `has its configuration stream open at ${count} control planes: two Envoys have this id, or the end of an old stream has not been noticed yet. Each Envoy needs an id of its own.`,
  shared: (count: number) =>
    `is the id of ${count} Envoys at one control plane: what this page says of it is true of none of them.`,
  ownId: "Give each Envoy an id of its own (WEIR_NODE_ID, or --service-node) and restart it.",
  replicas: "By control plane",
  replicasLead:
    "An Envoy's configuration and its filters' memory may be served by different control planes. A policy holds once both have it.",
  replica: "Control plane",
  configuration: "Configuration",
  filters: "Filters",
  notHere: "not here",
  empty: "No Envoy has connected yet. It needs a gateway's token.",
} as const;
