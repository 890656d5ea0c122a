-- What machines that administer show in the place of a session's token.
CREATE TABLE service_tokens (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('platform_admin', 'tenant_admin', 'viewer')),
    token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    prefix text NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    origin_kind text NOT NULL DEFAULT 'api' CHECK (origin_kind IN ('console', 'api', 'file', 'kubernetes')),
    origin_ref text,
    CONSTRAINT service_tokens_name_key UNIQUE (owner_id, name),
    CHECK ((role = 'platform_admin') = (tenant_id IS NULL))
);
CREATE INDEX service_tokens_by_tenant ON service_tokens (tenant_id, id);
