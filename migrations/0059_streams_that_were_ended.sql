-- What Envoys said of the streams of a key that they were to end: how many, and when the last byte of them went.
CREATE TABLE ended_streams (
    key_id uuid NOT NULL,
    gateway_id uuid NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    node_id text NOT NULL,
    streams bigint NOT NULL,
    last_byte_at timestamptz NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, gateway_id, node_id)
);
CREATE INDEX ended_streams_by_time ON ended_streams (heard_at);
