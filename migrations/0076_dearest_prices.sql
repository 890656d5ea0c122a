-- The dearest that a price's details say: whatever tier serves a request, and however long its input is.
CREATE FUNCTION dearest_input(details jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT max(greatest(
        (rates ->> 'input_microusd_per_million')::bigint,
        (rates ->> 'cached_input_microusd_per_million')::bigint,
        coalesce((rates ->> 'cache_write_microusd_per_million')::bigint, ((rates ->> 'input_microusd_per_million')::bigint * 5 + 3) / 4),
        coalesce((rates ->> 'cache_write_1h_microusd_per_million')::bigint, (rates ->> 'input_microusd_per_million')::bigint * 2)))
    FROM jsonb_path_query(details, '$.**.rates') rates
$$;
CREATE FUNCTION dearest_output(details jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT max(greatest(
        (rates ->> 'output_microusd_per_million')::bigint,
        (rates ->> 'reasoning_microusd_per_million')::bigint))
    FROM jsonb_path_query(details, '$.**.rates') rates
$$;
