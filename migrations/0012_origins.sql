-- Where each object is managed: what comes from a file or from Kubernetes is only read here.
DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['tenants', 'users', 'guardrail_profiles', 'api_keys', 'providers', 'pools', 'models', 'gateways'] LOOP
        EXECUTE format('ALTER TABLE %I
            ADD COLUMN origin_kind text NOT NULL DEFAULT ''api'' CHECK (origin_kind IN (''console'', ''api'', ''file'', ''kubernetes'')),
            ADD COLUMN origin_ref text', kind);
    END LOOP;
END
$$;

-- One revision may change many objects: a row for each kind of copies that it makes out of date, and one for each object.
ALTER TABLE audit
    DROP CONSTRAINT audit_revision_fkey,
    DROP CONSTRAINT audit_revision_key,
    ADD COLUMN resource_name text,
    ADD COLUMN origin_kind text NOT NULL DEFAULT 'api',
    ADD COLUMN origin_ref text,
    -- [{"path", "before", "after"}]; never a secret. Null: written by a control plane of the version before.
    ADD COLUMN changes jsonb;
CREATE INDEX audit_by_revision ON audit (revision);
ALTER TABLE changes
    ADD COLUMN position integer NOT NULL DEFAULT 0,
    DROP CONSTRAINT changes_pkey,
    ADD PRIMARY KEY (revision, position);
