-- What people may do beside their role, and roles that administrators make. A version before this one knows neither: to it somebody of the
-- role `user` may do nothing, and grants are none.
CREATE TABLE roles (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    name text NOT NULL,
    permissions jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    origin_kind text NOT NULL DEFAULT 'api' CHECK (origin_kind IN ('console', 'api', 'file', 'kubernetes')),
    origin_ref text,
    CONSTRAINT roles_name_key UNIQUE (owner_id, name)
);
CREATE INDEX roles_by_tenant ON roles (tenant_id, id);
CREATE INDEX roles_by_beginning ON roles (lower(name) text_pattern_ops);

ALTER TABLE users
    -- [{"role", "custom_role_id", "department_id"}]
    ADD COLUMN grants jsonb NOT NULL DEFAULT '[]',
    DROP CONSTRAINT users_role_check,
    ADD CONSTRAINT users_role_check CHECK (role IN ('platform_admin', 'tenant_admin', 'viewer', 'user')),
    DROP CONSTRAINT users_check,
    ADD CONSTRAINT users_check CHECK (CASE role WHEN 'platform_admin' THEN tenant_id IS NULL
                                                WHEN 'tenant_admin' THEN tenant_id IS NOT NULL ELSE true END);
CREATE INDEX users_by_grants ON users USING gin (grants jsonb_path_ops);
