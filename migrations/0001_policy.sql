-- Policy: what administrators decide.
--
-- Rows belong to a tenant or, with a null tenant_id, to the platform. `owner_id` is the tenant's id or the nil UUID, so that
-- keys and foreign keys can hold it: what one owner writes can only refer to what the same owner has.

-- The number of committed changes. It is incremented in the transaction of each change, whose row lock makes writers take
-- turns: so there are no gaps, and a reader never sees a revision before one that is smaller.
CREATE TABLE policy_revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision bigint NOT NULL CHECK (revision >= 0)
);
INSERT INTO policy_revision (revision) VALUES (0);

-- What each change makes out of date, for those who hold copies.
CREATE TABLE changes (
    revision bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL CHECK (kind IN ('key', 'tenant', 'everyone', 'gateway', 'configuration', 'administration')),
    tenant_id uuid,
    key_sha256 bytea,
    resource_id uuid NOT NULL,
    affects_configuration boolean NOT NULL
);

CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    time_zone text NOT NULL,
    guardrail_profile_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL
);

CREATE TABLE users (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    email text NOT NULL,
    role text NOT NULL CHECK (role IN ('platform_admin', 'tenant_admin', 'viewer')),
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    CHECK ((role = 'platform_admin') = (tenant_id IS NULL))
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
CREATE INDEX users_by_tenant ON users (tenant_id, id);

CREATE TABLE guardrail_profiles (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    name text NOT NULL,
    rules jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    UNIQUE (owner_id, id),
    CONSTRAINT guardrail_profiles_name_key UNIQUE (owner_id, name)
);
ALTER TABLE tenants ADD FOREIGN KEY (guardrail_profile_id) REFERENCES guardrail_profiles (id);
CREATE INDEX tenants_by_profile ON tenants (guardrail_profile_id);

-- A deleted key stays as a row that nobody sees: usage of its last requests may still be on its way.
CREATE TABLE api_keys (
    id uuid NOT NULL UNIQUE,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    name text NOT NULL,
    key_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(key_sha256) = 32),
    prefix text NOT NULL,
    allowed_models text[],
    requests_per_minute bigint CHECK (requests_per_minute >= 1),
    guardrail_profile_id uuid REFERENCES guardrail_profiles (id),
    expires_at timestamptz,
    revoked_at timestamptz,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX api_keys_by_profile ON api_keys (guardrail_profile_id);

CREATE TABLE providers (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    name text NOT NULL,
    schema text NOT NULL CHECK (schema IN ('openai', 'anthropic')),
    base_url text NOT NULL,
    -- AES-256-GCM; the id is authenticated with it.
    credential_encrypted bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    UNIQUE (owner_id, id),
    CONSTRAINT providers_name_key UNIQUE (owner_id, name)
);

CREATE TABLE pools (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    name text NOT NULL,
    first_byte_timeout_ms bigint NOT NULL,
    idle_timeout_ms bigint NOT NULL,
    request_timeout_ms bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    UNIQUE (owner_id, id),
    CONSTRAINT pools_name_key UNIQUE (owner_id, name)
);

-- The members of a pool, each a deployment with an id of its own.
CREATE TABLE deployments (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    position smallint NOT NULL CHECK (position BETWEEN 0 AND 7),
    provider_id uuid NOT NULL,
    model text NOT NULL,
    input_microusd_per_million bigint CHECK (input_microusd_per_million >= 0),
    cached_input_microusd_per_million bigint CHECK (cached_input_microusd_per_million >= 0),
    output_microusd_per_million bigint CHECK (output_microusd_per_million >= 0),
    -- Names the price for ever: a changed price has another version.
    price_version text,
    CHECK (num_nulls(input_microusd_per_million, cached_input_microusd_per_million, output_microusd_per_million,
                     price_version) IN (0, 4)),
    CONSTRAINT deployments_position_key UNIQUE (owner_id, pool_id, position) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (owner_id, pool_id) REFERENCES pools (owner_id, id),
    CONSTRAINT deployments_provider_fkey FOREIGN KEY (owner_id, provider_id) REFERENCES providers (owner_id, id)
);
CREATE INDEX deployments_by_provider ON deployments (owner_id, provider_id);

CREATE TABLE models (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    name text NOT NULL,
    pool_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    UNIQUE (owner_id, id),
    CONSTRAINT models_name_key UNIQUE (owner_id, name),
    CONSTRAINT models_pool_fkey FOREIGN KEY (owner_id, pool_id) REFERENCES pools (owner_id, id)
);
CREATE INDEX models_by_pool ON models (owner_id, pool_id);

CREATE TABLE gateways (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    name text NOT NULL UNIQUE,
    token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL
);
CREATE INDEX gateways_by_tenant ON gateways (tenant_id, id);

-- Who changed what. One row for each change, written in its transaction.
CREATE TABLE audit (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor_id uuid NOT NULL,
    actor_email text NOT NULL,
    -- The tenant of the user who made the change; null: the platform.
    actor_tenant_id uuid,
    action text NOT NULL,
    resource_type text NOT NULL,
    resource_id uuid NOT NULL,
    tenant_id uuid,
    revision bigint NOT NULL UNIQUE REFERENCES changes (revision)
);
CREATE INDEX audit_by_tenant ON audit (tenant_id, id DESC);
