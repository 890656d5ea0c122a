-- What somebody may want to be told of: a limit that is reached, a threshold of it, and a subject that suddenly uses several times as much.
CREATE TABLE limit_events (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('limit_reached', 'threshold', 'spike')),
    -- Null: the platform's.
    tenant_id uuid REFERENCES tenants (id) ON DELETE CASCADE,
    -- Null for a spike, which is of no limit.
    limit_id uuid REFERENCES limits (id) ON DELETE CASCADE,
    subject_kind text NOT NULL,
    -- Which one of a kind, where each has a counter of its own; empty: the limit has one.
    subject_id text NOT NULL,
    unit text NOT NULL,
    -- Of a threshold.
    percent smallint,
    -- Units: what was used, and of what: the amount, or of a spike what is usual in the same time.
    used bigint NOT NULL,
    amount bigint NOT NULL,
    -- The beginning of the window, or of the quarter-hour of a spike.
    window_start timestamptz NOT NULL,
    -- Is the same for what is to be told once, whoever writes it.
    once text NOT NULL UNIQUE
);
CREATE INDEX limit_events_by_tenant ON limit_events (tenant_id, id);
CREATE INDEX limit_events_by_limit ON limit_events (limit_id, id);
CREATE INDEX limit_events_by_time ON limit_events (at);

-- Up to which quarter-hour spikes were looked for.
CREATE TABLE limit_event_progress (spikes_until timestamptz NOT NULL);
INSERT INTO limit_event_progress VALUES ('-infinity');
