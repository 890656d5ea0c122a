-- A ledger as thirty days of many tenants leave it: $RECORDS records of $KEYS keys of $TENANTS tenants, and their sums.
-- Run piece by piece, so that no transaction is larger than a day.

-- piece
CREATE FUNCTION bench_varint(n bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN n < 128 THEN set_byte('\x00', 0, n::int)
        WHEN n < 16384 THEN set_byte('\x00', 0, (n & 127 | 128)::int) || set_byte('\x00', 0, (n >> 7)::int)
        ELSE set_byte('\x00', 0, (n & 127 | 128)::int) || set_byte('\x00', 0, (n >> 7 & 127 | 128)::int)
             || set_byte('\x00', 0, (n >> 14)::int)
    END
$$;

-- piece
CREATE FUNCTION bench_id(what text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT md5(what || number)::uuid $$;

-- piece
INSERT INTO tenants (id, name, time_zone, revision)
SELECT bench_id('tenant', number), 'Tenant ' || number, 'UTC', 1 FROM generate_series(0, $TENANTS - 1) AS number;

-- piece
INSERT INTO api_keys (id, tenant_id, name, key_sha256, prefix, revision)
SELECT bench_id('key', number), bench_id('tenant', number % $TENANTS), 'service ' || number, sha256(number::text::bytea),
       'weir_' || lpad(number::text, 7, '0'), 1
FROM generate_series(0, $KEYS - 1) AS number;

-- piece each day
SELECT ensure_usage_partition('$DAY');

-- piece each day
INSERT INTO usage_records (started_on, request_id, started_at, gateway_id, tenant_id, key_id, operation, model, provider_id,
    deployment_id, upstream_model, input_tokens, cached_input_tokens, output_tokens, input_source, output_source, cost_microusd,
    price_version, latency_us, time_to_first_token_us, status, error_code, outcome, streamed, attempts, guardrail_findings,
    revision, pool_id, attempt_details, rolled_up)
SELECT '$DAY', (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || '8'
            || substr(md5(random()::text), 1, 15))::uuid,
       at, bench_id('gateway', 0), bench_id('tenant', key % $TENANTS), bench_id('key', key), 'chat.completions',
       'model-' || key % 5, bench_id('provider', key % 3), bench_id('deployment', key % 5), 'upstream-model-' || key % 5,
       1000 * luck, 200 * luck, 300 * luck, 'provider', 'provider', 5000 * luck, 'r7', 300000 + 3000000 * luck * luck,
       200000 + 500000 * luck, CASE WHEN luck < 0.02 THEN 503 ELSE 200 END,
       CASE WHEN luck < 0.02 THEN 'upstream_unavailable' ELSE '' END, CASE WHEN luck < 0.02 THEN 'failed' ELSE 'complete' END,
       true, 1, '{}', 7, bench_id('pool', key % 5), '[{"deployment_id":"00000000-0000-7000-8000-000000000001","provider_id":"00000000-0000-7000-8000-000000000002","upstream_model":"upstream-model-1","status":200,"started_after_us":1500,"answered_after_us":450000}]', true
FROM (SELECT '$DAY'::timestamptz + random() * interval '86399 seconds' AS at, floor(power(random(), 3) * $KEYS)::bigint AS key,
             random() AS luck
      FROM generate_series(1, $RECORDS / 30)) AS of;

-- piece each day each slice
INSERT INTO usage_rollups
WITH named AS (
    SELECT date_bin('$PERIOD', started_at, 'epoch') AS period_start,
           md5(concat_ws('|', $TENANT, $KEY, provider_id, pool_id, model, outcome))::uuid AS series,
           $TENANT AS of_tenant, $KEY AS of_key, provider_id, pool_id, model, outcome, started_at, input_tokens,
           cached_input_tokens, output_tokens, cost_microusd, usage_sketch(latency_us) AS latency,
           usage_sketch(time_to_first_token_us) AS first
    FROM usage_records WHERE started_on = '$DAY'
), latencies AS (
    SELECT period_start, series, string_agg(substring(latency FROM 1 FOR 2) || bench_varint(count), '') AS latency
    FROM (SELECT period_start, series, latency, count(*) FROM named GROUP BY 1, 2, 3) AS of GROUP BY 1, 2
), firsts AS (
    SELECT period_start, series, string_agg(substring(first FROM 1 FOR 2) || bench_varint(count), '') AS first
    FROM (SELECT period_start, series, first, count(*) FROM named GROUP BY 1, 2, 3) AS of GROUP BY 1, 2
), sums AS (
    SELECT period_start, series, of_tenant, of_key, provider_id, pool_id, model, outcome, count(*) AS requests,
           count(*) FILTER (WHERE outcome = 'failed') AS errors, sum(input_tokens)::bigint AS input,
           sum(cached_input_tokens)::bigint AS cached, sum(output_tokens)::bigint AS output,
           sum(cost_microusd)::bigint AS cost, max(started_at) AS last_at
    FROM named GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
)
SELECT $SLICE, period_start, series, of_tenant, of_key, provider_id, pool_id, model, outcome, 0, requests, errors, 0, input, cached,
       0, output, 0, cost, last_at, latency, first
FROM sums JOIN latencies USING (period_start, series) JOIN firsts USING (period_start, series);

-- piece
ANALYZE;
