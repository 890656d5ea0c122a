-- Sums over the ledger, written in its own transactions.

-- Whether a record is part of the sums. Those of before, and of a control plane of the version before, are taken in from time to
-- time (see `maintain`), and until then added to whatever is asked.
ALTER TABLE usage_records ADD COLUMN rolled_up boolean NOT NULL DEFAULT false;
CREATE INDEX usage_records_not_rolled_up ON usage_records (started_at) WHERE NOT rolled_up;

-- Each slice sums the same requests, told apart by less or more: 0 and 1 by model, provider, pool and outcome; 2 and 3 also by
-- tenant; 4 and 5 also by key. The even ones are of UTC days, the odd ones of quarter-hours. What is not told apart, and who is not
-- known, is the nil UUID.
CREATE TABLE usage_rollups (
    slice smallint NOT NULL,
    period_start timestamptz NOT NULL,
    -- Stands for all of the next columns to `writer`.
    series uuid NOT NULL,
    tenant_id uuid NOT NULL,
    key_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    -- Empty where the gateway knew no model of the name that the client gave: clients invent names without end.
    model text NOT NULL,
    outcome text NOT NULL,
    -- Rows of one control plane's writer, so that writers do not wait for each other.
    writer smallint NOT NULL,
    requests bigint NOT NULL,
    errors bigint NOT NULL,
    with_findings bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    cost_microusd bigint NOT NULL,
    last_at timestamptz NOT NULL,
    -- Histograms, as `weir_core::sketch` describes them. Two are one when they are put behind each other; a writer makes them
    -- short again.
    latency bytea NOT NULL,
    time_to_first_token bytea NOT NULL,
    PRIMARY KEY (slice, period_start, series)
) PARTITION BY LIST (slice);
CREATE INDEX usage_rollups_by_tenant ON usage_rollups (tenant_id, period_start);

DO $$
BEGIN
    FOR number IN 0..5 LOOP
        -- Rows are written over and over while their period lasts.
        EXECUTE format('CREATE TABLE usage_rollups_%s PARTITION OF usage_rollups FOR VALUES IN (%s) WITH (fillfactor = 80)',
                       number, number);
    END LOOP;
END
$$;
CREATE INDEX ON usage_rollups_4 (key_id, period_start);
CREATE INDEX ON usage_rollups_5 (key_id, period_start);

-- A sum that stays at the largest number instead of keeping a record out of the ledger.
CREATE FUNCTION bounded_sum(a bigint, b bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    'SELECT CASE WHEN a > 9223372036854775807 - b THEN 9223372036854775807 ELSE a + b END';

-- The histogram of one time; empty for none. The rule is that of `weir_core::sketch`.
CREATE FUNCTION usage_sketch(us bigint) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN us IS NULL THEN ''::bytea
        WHEN us < 16 THEN substring(int4send(us::int) FROM 3) || '\x01'::bytea
        ELSE (SELECT substring(int4send((((power - 3) << 4) + ((us >> (power - 4)) & 15))::int) FROM 3) || '\x01'::bytea
              FROM (SELECT 63 - (length(us::bit(64)::text) - length(ltrim(us::bit(64)::text, '0'))) AS power) AS of)
    END
$$;
