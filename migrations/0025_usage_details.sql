-- What a record tells beside its figures. A control plane of the version before writes none of it.
ALTER TABLE usage_records
    ADD COLUMN pool_id uuid,
    -- [{"deployment_id", "provider_id", "upstream_model", "status", "started_after_us", "answered_after_us"}]; null: nothing was
    -- told. Never searched, so it is no jsonb, which takes half as much room again.
    ADD COLUMN attempt_details json,
    ADD COLUMN decided_by text NOT NULL DEFAULT '';

-- Every price that a deployment ever had, by its version: so a record's cost can be explained when its pool is another one.
CREATE TABLE prices (
    deployment_id uuid NOT NULL,
    version text NOT NULL,
    input_microusd_per_million bigint NOT NULL,
    cached_input_microusd_per_million bigint NOT NULL,
    cache_write_microusd_per_million bigint,
    cache_write_1h_microusd_per_million bigint,
    output_microusd_per_million bigint NOT NULL,
    reasoning_microusd_per_million bigint,
    PRIMARY KEY (deployment_id, version)
);

-- By a trigger, so that those which a control plane of the version before writes are kept as well.
CREATE FUNCTION keep_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO prices VALUES (NEW.id, NEW.price_version, NEW.input_microusd_per_million,
        NEW.cached_input_microusd_per_million, NEW.cache_write_microusd_per_million,
        NEW.cache_write_1h_microusd_per_million, NEW.output_microusd_per_million, NEW.reasoning_microusd_per_million)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_price AFTER INSERT OR UPDATE ON deployments
    FOR EACH ROW WHEN (NEW.price_version IS NOT NULL) EXECUTE FUNCTION keep_price();
INSERT INTO prices
SELECT id, price_version, input_microusd_per_million, cached_input_microusd_per_million, cache_write_microusd_per_million,
       cache_write_1h_microusd_per_million, output_microusd_per_million, reasoning_microusd_per_million
FROM deployments WHERE price_version IS NOT NULL;
