-- From when until when a price holds, and prices that will hold from a time on.
ALTER TABLE prices
    -- Null: nobody kept when it began.
    ADD COLUMN valid_from timestamptz,
    -- Null: it holds until somebody writes another. Before `valid_from`: it was taken back before it held.
    ADD COLUMN valid_until timestamptz,
    ADD COLUMN written_at timestamptz NOT NULL DEFAULT now(),
    -- Whose it is; null: of a member that was removed before this was kept.
    ADD COLUMN pool_id uuid,
    ADD COLUMN provider_id uuid,
    ADD COLUMN model text;
CREATE INDEX prices_by_pool ON prices (pool_id);
UPDATE prices SET pool_id = member.pool_id, provider_id = member.provider_id, model = member.model
FROM deployments member WHERE member.id = prices.deployment_id;

-- Those of before are named by the revision that brought them.
UPDATE prices SET valid_from = changes.at, written_at = changes.at FROM changes WHERE prices.version = 'r' || changes.revision;
UPDATE prices SET valid_until = coalesce(
    (SELECT min(later.valid_from) FROM prices later
     WHERE later.deployment_id = prices.deployment_id AND later.valid_from > prices.valid_from), now())
WHERE NOT EXISTS (SELECT FROM deployments WHERE id = prices.deployment_id AND price_version = prices.version);

-- [{"version", "valid_from", "holds_from", "price"}], the earliest first. `holds_from` is `valid_from`, or when it was written if that was
-- later. A control plane of the version before writes none.
ALTER TABLE deployments ADD COLUMN next_prices jsonb NOT NULL DEFAULT '[]';

-- A pool's members are written by removing all of them and putting in those that it has: what is removed ends, and what is put in again
-- goes on. No price is ever changed or removed.
CREATE OR REPLACE FUNCTION keep_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE prices SET valid_until = now()
        WHERE deployment_id = OLD.id AND (valid_until IS NULL OR valid_until > now());
        RETURN NULL;
    END IF;
    INSERT INTO prices (deployment_id, version, input_microusd_per_million, cached_input_microusd_per_million,
        cache_write_microusd_per_million, cache_write_1h_microusd_per_million, output_microusd_per_million,
        reasoning_microusd_per_million, price_details, valid_from, pool_id, provider_id, model)
    SELECT NEW.id, NEW.price_version, NEW.input_microusd_per_million, NEW.cached_input_microusd_per_million,
        NEW.cache_write_microusd_per_million, NEW.cache_write_1h_microusd_per_million, NEW.output_microusd_per_million,
        NEW.reasoning_microusd_per_million, NEW.price_details, now(), NEW.pool_id, NEW.provider_id, NEW.model
    WHERE NEW.price_version IS NOT NULL
    UNION ALL
    SELECT NEW.id, next ->> 'version', (price ->> 'input_microusd_per_million')::bigint,
        (price ->> 'cached_input_microusd_per_million')::bigint, (price ->> 'cache_write_microusd_per_million')::bigint,
        (price ->> 'cache_write_1h_microusd_per_million')::bigint, (price ->> 'output_microusd_per_million')::bigint,
        (price ->> 'reasoning_microusd_per_million')::bigint,
        price - '{input_microusd_per_million,cached_input_microusd_per_million,cache_write_microusd_per_million,cache_write_1h_microusd_per_million,output_microusd_per_million,reasoning_microusd_per_million}'::text[],
        (next ->> 'holds_from')::timestamptz, NEW.pool_id, NEW.provider_id, NEW.model
    FROM jsonb_array_elements(NEW.next_prices) AS of (next), LATERAL (SELECT next -> 'price' AS price) AS its
    ON CONFLICT DO NOTHING;
    UPDATE prices SET valid_until = held.until FROM (
        SELECT version, lead(holds_from) OVER (ORDER BY place) AS until FROM (
            SELECT NEW.price_version AS version, 0 AS place, NULL::timestamptz AS holds_from
            UNION ALL
            SELECT next ->> 'version', place, (next ->> 'holds_from')::timestamptz
            FROM jsonb_array_elements(NEW.next_prices) WITH ORDINALITY AS of (next, place)
        ) AS written
    ) AS held
    WHERE prices.deployment_id = NEW.id AND prices.version = held.version;
    RETURN NULL;
END
$$;
DROP TRIGGER keep_price ON deployments;
CREATE TRIGGER keep_price AFTER INSERT OR UPDATE OR DELETE ON deployments FOR EACH ROW EXECUTE FUNCTION keep_price();

-- The dearest of all prices that a document says, at whatever depth.
CREATE OR REPLACE FUNCTION dearest_input(details jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT max(greatest(
        (rates ->> 'input_microusd_per_million')::bigint,
        (rates ->> 'cached_input_microusd_per_million')::bigint,
        coalesce((rates ->> 'cache_write_microusd_per_million')::bigint, ((rates ->> 'input_microusd_per_million')::bigint * 5 + 3) / 4),
        coalesce((rates ->> 'cache_write_1h_microusd_per_million')::bigint, (rates ->> 'input_microusd_per_million')::bigint * 2)))
    FROM jsonb_path_query(details, '$.** ? (exists(@.input_microusd_per_million))') rates
$$;
CREATE OR REPLACE FUNCTION dearest_output(details jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT max(greatest(
        (rates ->> 'output_microusd_per_million')::bigint,
        (rates ->> 'reasoning_microusd_per_million')::bigint))
    FROM jsonb_path_query(details, '$.** ? (exists(@.output_microusd_per_million))') rates
$$;
CREATE FUNCTION dearest_request(details jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT max(request::bigint) FROM jsonb_path_query(details, '$.**.request_microusd') request $$;
