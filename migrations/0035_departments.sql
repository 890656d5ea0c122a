-- Who keys belong to: a tenant's departments, its people, and its machines. A version before this one knows none of them.

-- A tree of any depth; a tenant may have several at the top.
CREATE TABLE departments (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    parent_id uuid,
    name text NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    guardrail_profile_id uuid REFERENCES guardrail_profiles (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    origin_kind text NOT NULL DEFAULT 'api' CHECK (origin_kind IN ('console', 'api', 'file', 'kubernetes')),
    origin_ref text,
    UNIQUE (tenant_id, id),
    CONSTRAINT departments_name_key UNIQUE (tenant_id, name),
    CONSTRAINT departments_parent_fkey FOREIGN KEY (tenant_id, parent_id) REFERENCES departments (tenant_id, id)
);
CREATE INDEX departments_by_parent ON departments (parent_id);
CREATE INDEX departments_by_profile ON departments (guardrail_profile_id);

CREATE TABLE service_accounts (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    department_id uuid,
    name text NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    environment text CHECK (environment IN ('development', 'staging', 'production')),
    guardrail_profile_id uuid REFERENCES guardrail_profiles (id),
    disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    origin_kind text NOT NULL DEFAULT 'api' CHECK (origin_kind IN ('console', 'api', 'file', 'kubernetes')),
    origin_ref text,
    UNIQUE (tenant_id, id),
    CONSTRAINT service_accounts_name_key UNIQUE (tenant_id, name),
    CONSTRAINT service_accounts_department_fkey FOREIGN KEY (tenant_id, department_id) REFERENCES departments (tenant_id, id)
);
CREATE INDEX service_accounts_by_department ON service_accounts (department_id);
CREATE INDEX service_accounts_by_profile ON service_accounts (guardrail_profile_id);

ALTER TABLE users
    ADD COLUMN department_id uuid,
    ADD COLUMN labels jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN guardrail_profile_id uuid REFERENCES guardrail_profiles (id),
    ADD COLUMN disabled boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT users_tenant_key UNIQUE (tenant_id, id),
    ADD CONSTRAINT users_department_fkey FOREIGN KEY (tenant_id, department_id) REFERENCES departments (tenant_id, id);
CREATE INDEX users_by_department ON users (department_id);
CREATE INDEX users_by_profile ON users (guardrail_profile_id);

-- A key belongs to one of them at most; those that there are belong to their tenant alone.
ALTER TABLE api_keys
    ADD COLUMN user_id uuid,
    ADD COLUMN service_account_id uuid,
    ADD COLUMN department_id uuid,
    ADD COLUMN labels jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN environment text CHECK (environment IN ('development', 'staging', 'production')),
    ADD CONSTRAINT api_keys_one_owner CHECK (num_nonnulls(user_id, service_account_id, department_id) <= 1),
    ADD CONSTRAINT api_keys_user_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    ADD CONSTRAINT api_keys_service_account_fkey FOREIGN KEY (tenant_id, service_account_id)
        REFERENCES service_accounts (tenant_id, id),
    ADD CONSTRAINT api_keys_department_fkey FOREIGN KEY (tenant_id, department_id) REFERENCES departments (tenant_id, id);
CREATE INDEX api_keys_by_user ON api_keys (user_id);
CREATE INDEX api_keys_by_service_account ON api_keys (service_account_id);
CREATE INDEX api_keys_by_department ON api_keys (department_id);

-- A department and all beneath it.
CREATE FUNCTION departments_beneath(department uuid) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    WITH RECURSIVE beneath AS (
        SELECT id FROM departments WHERE id = department
        UNION SELECT child.id FROM departments child JOIN beneath ON child.parent_id = beneath.id
    )
    SELECT id FROM beneath
$$;

-- A department and all above it, the nearest first.
CREATE FUNCTION departments_above(department uuid) RETURNS TABLE (department_id uuid, distance integer) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE above AS (
        SELECT id, parent_id, 0 AS distance FROM departments WHERE id = department
        UNION SELECT parent.id, parent.parent_id, above.distance + 1
        FROM departments parent JOIN above ON parent.id = above.parent_id
    )
    SELECT id, distance FROM above ORDER BY distance
$$;

-- Searching by parts of names, as of the other kinds.
DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['departments', 'service_accounts'] LOOP
        EXECUTE format('CREATE INDEX %I ON %I (lower(name) text_pattern_ops)', kind || '_by_beginning', kind);
        IF EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm') THEN
            EXECUTE format('CREATE INDEX %I ON %I USING gin (lower(name) gin_trgm_ops)', kind || '_by_part', kind);
        END IF;
    END LOOP;
END
$$;
