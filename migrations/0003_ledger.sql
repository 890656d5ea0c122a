-- Quota, usage, and the Envoys that are connected.

-- Units of fixed windows that are granted. What is granted counts as used until the window ends.
CREATE TABLE quota_windows (
    tenant_id uuid NOT NULL,
    counter text NOT NULL,
    window_start timestamptz NOT NULL,
    quota bigint NOT NULL,
    used bigint NOT NULL,
    -- What the last statement granted, so that one statement can both grant and tell.
    last_grant bigint NOT NULL,
    PRIMARY KEY (tenant_id, counter, window_start)
);
CREATE INDEX quota_windows_by_time ON quota_windows (window_start);

-- One row for each request, for ever. No foreign keys: a record outlives what it names. Gateways choose the request id, so
-- it identifies a record only within its tenant: nobody can take the place of another tenant's record.
CREATE TABLE usage_records (
    -- UTC day of started_at.
    started_on date NOT NULL,
    request_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    gateway_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    key_id uuid NOT NULL,
    operation text NOT NULL,
    model text NOT NULL,
    provider_id uuid,
    deployment_id uuid,
    upstream_model text NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    input_source text NOT NULL,
    output_source text NOT NULL,
    cost_microusd bigint NOT NULL,
    price_version text NOT NULL,
    latency_us bigint NOT NULL,
    time_to_first_token_us bigint,
    status integer NOT NULL,
    error_code text NOT NULL,
    outcome text NOT NULL,
    streamed boolean NOT NULL,
    attempts integer NOT NULL,
    guardrail_findings text[] NOT NULL,
    revision bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (started_on, tenant_id, request_id)
) PARTITION BY RANGE (started_on);
CREATE INDEX usage_records_by_tenant ON usage_records (tenant_id, started_at DESC, request_id DESC);
CREATE INDEX usage_records_by_key ON usage_records (key_id, started_at DESC, request_id DESC);
CREATE INDEX usage_records_by_time ON usage_records (started_at DESC, request_id DESC, tenant_id DESC);

-- For days that nobody made a partition for.
CREATE TABLE usage_records_default PARTITION OF usage_records DEFAULT;

-- Makes the partition of one day. Rows of that day that lie in the default partition move over.
CREATE FUNCTION ensure_usage_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    partition text := 'usage_records_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    LOCK TABLE usage_records IN ACCESS EXCLUSIVE MODE;
    -- Another control plane may have made it while this one waited.
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE usage_records INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
    EXECUTE format('WITH moved AS (DELETE FROM usage_records_default WHERE started_on = %L RETURNING *) '
                   'INSERT INTO %I SELECT * FROM moved', day, partition);
    EXECUTE format('ALTER TABLE usage_records ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   partition, day, day + 1);
END
$$;

CREATE TABLE nodes (
    gateway_id uuid NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    node_id text NOT NULL,
    connected boolean NOT NULL DEFAULT false,
    connected_at timestamptz,
    envoy_version text NOT NULL DEFAULT '',
    sent_revision bigint NOT NULL DEFAULT 0,
    acknowledged_revision bigint NOT NULL DEFAULT 0,
    forgotten_revision bigint NOT NULL DEFAULT 0,
    refused_revision bigint,
    refused_resource text,
    refused_reason text,
    refused_at timestamptz,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (gateway_id, node_id)
);
