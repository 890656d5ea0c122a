-- What a record tells besides: by what its provider billed it, what names it elsewhere, and for whom its key was then. A control plane of the
-- version before writes none of it.
ALTER TABLE usage_records
    ADD COLUMN service_tier text NOT NULL DEFAULT '',
    -- The provider's usage as it said it (JSON): of a stream the first and the last word.
    ADD COLUMN raw_usages text[] NOT NULL DEFAULT '{}',
    ADD COLUMN web_searches bigint NOT NULL DEFAULT 0,
    ADD COLUMN trace_id text NOT NULL DEFAULT '',
    ADD COLUMN client_request_id text NOT NULL DEFAULT '',
    ADD COLUMN user_id uuid,
    ADD COLUMN service_account_id uuid,
    ADD COLUMN department_id uuid,
    -- `name=value`, sorted.
    ADD COLUMN labels text[] NOT NULL DEFAULT '{}';

-- In the slices by key, which it makes no more rows of: a key that changes hands has rows for each.
ALTER TABLE usage_rollups
    ADD COLUMN user_id uuid,
    ADD COLUMN service_account_id uuid,
    ADD COLUMN department_id uuid,
    ADD COLUMN labels text[] NOT NULL DEFAULT '{}';

-- What a price says besides the classes of tokens: tiers, long inputs, requests, searches.
ALTER TABLE deployments ADD COLUMN price_details jsonb NOT NULL DEFAULT '{}';
ALTER TABLE prices ADD COLUMN price_details jsonb NOT NULL DEFAULT '{}';
CREATE OR REPLACE FUNCTION keep_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO prices VALUES (NEW.id, NEW.price_version, NEW.input_microusd_per_million,
        NEW.cached_input_microusd_per_million, NEW.cache_write_microusd_per_million,
        NEW.cache_write_1h_microusd_per_million, NEW.output_microusd_per_million, NEW.reasoning_microusd_per_million,
        NEW.price_details)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
