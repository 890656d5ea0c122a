-- Identity providers by which people sign in (OpenID Connect).
CREATE TABLE sign_in_providers (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    name text NOT NULL,
    issuer text NOT NULL,
    client_id text NOT NULL,
    client_secret_encrypted bytea,
    client_secret_digest bytea,
    scopes jsonb NOT NULL,
    claims jsonb NOT NULL,
    rules jsonb NOT NULL,
    creates_users boolean NOT NULL,
    is_only_way_in boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    origin_kind text NOT NULL DEFAULT 'api' CHECK (origin_kind IN ('console', 'api', 'file', 'kubernetes')),
    origin_ref text,
    CONSTRAINT sign_in_providers_name_key UNIQUE (owner_id, name)
);

-- Who a user is there. The issuer is part of it: a provider that is pointed to another one knows nobody any more.
CREATE TABLE user_identities (
    provider_id uuid NOT NULL REFERENCES sign_in_providers (id) ON DELETE CASCADE,
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider_id, issuer, subject)
);
CREATE INDEX user_identities_by_user ON user_identities (user_id);

-- Null: by a password. The issuer ends sessions by its own name of the session, or by the subject.
ALTER TABLE sessions
    ADD COLUMN provider_id uuid REFERENCES sign_in_providers (id) ON DELETE CASCADE,
    ADD COLUMN provider_subject text,
    ADD COLUMN provider_session text;
CREATE INDEX sessions_by_provider ON sessions (provider_id) WHERE provider_id IS NOT NULL;

-- A user may have no password: somebody who signs in by an identity provider, or was not yet let in.
ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;

-- Answers of identity providers that were taken: none is taken twice. Digests of their states.
CREATE TABLE used_sign_in_states (
    state_sha256 bytea PRIMARY KEY CHECK (octet_length(state_sha256) = 32),
    at timestamptz NOT NULL DEFAULT now()
);

-- For when the identity provider is away: its password holds where others' are refused, and each use of it is loud.
ALTER TABLE users ADD COLUMN is_break_glass boolean NOT NULL DEFAULT false CHECK (role = 'platform_admin' OR NOT is_break_glass);

-- Links with which a user sets a password, once. Digests, as of all tokens.
CREATE TABLE password_links (
    token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX password_links_by_user ON password_links (user_id);
