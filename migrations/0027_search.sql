-- Searching by parts of names, ids, and what keys begin with.
CREATE INDEX api_keys_by_prefix ON api_keys (prefix text_pattern_ops);
DO $$
DECLARE
    kind record;
    trigrams boolean := true;
BEGIN
    -- It comes with Postgres, but an operator need not have it installed: then long lists are read to their end.
    BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
    EXCEPTION WHEN OTHERS THEN
        trigrams := false;
    END;
    FOR kind IN SELECT * FROM (VALUES ('tenants', 'name'), ('users', 'email'), ('guardrail_profiles', 'name'), ('api_keys', 'name'),
        ('providers', 'name'), ('pools', 'name'), ('models', 'name'), ('gateways', 'name')) AS of (of_table, of_column) LOOP
        EXECUTE format('CREATE INDEX %I ON %I (lower(%I) text_pattern_ops)', kind.of_table || '_by_beginning',
                       kind.of_table, kind.of_column);
        IF trigrams THEN
            EXECUTE format('CREATE INDEX %I ON %I USING gin (lower(%I) gin_trgm_ops)', kind.of_table || '_by_part',
                           kind.of_table, kind.of_column);
        END IF;
    END LOOP;
END
$$;
