-- What each control plane knows of each Envoy. An Envoy's configuration stream and its VMs' watches may end at different replicas, and
-- none of them can speak for another. `nodes` is left to replicas of the version before, which write it.
CREATE TABLE node_streams (
    gateway_id uuid NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    node_id text NOT NULL,
    -- A process of the control plane: another one after each start.
    replica_id uuid NOT NULL,
    connected boolean NOT NULL,
    connected_at timestamptz,
    envoy_version text NOT NULL,
    sent_revision bigint NOT NULL,
    acknowledged_revision bigint NOT NULL,
    acknowledged_at timestamptz,
    -- Whether a VM of it has its watch here.
    watched boolean NOT NULL,
    forgotten_revision bigint NOT NULL,
    forgotten_at timestamptz,
    refused_revision bigint,
    refused_resource text,
    refused_reason text,
    refused_at timestamptz,
    last_seen_at timestamptz NOT NULL,
    -- When the replica wrote this last: one that is killed says no more.
    heard_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (gateway_id, node_id, replica_id)
);
CREATE INDEX node_streams_by_time ON node_streams (heard_at);
