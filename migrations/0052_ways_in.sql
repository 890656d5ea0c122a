-- How apps are known without a key: by tokens of an issuer, and by the identity of a workload. A version before this one knows neither, and
-- refuses nothing for them.

-- Whose tokens are verified. An issuer is registered once: its tokens say no more than its name.
CREATE TABLE token_issuers (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    name text NOT NULL,
    issuer text NOT NULL,
    audiences text[] NOT NULL,
    jwks_url text,
    jwks jsonb,
    header text NOT NULL,
    keys_kept_seconds integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    origin_kind text NOT NULL DEFAULT 'api' CHECK (origin_kind IN ('console', 'api', 'file', 'kubernetes')),
    origin_ref text,
    CONSTRAINT token_issuers_name_key UNIQUE (owner_id, name),
    CONSTRAINT token_issuers_issuer_key UNIQUE (issuer) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX token_issuers_by_beginning ON token_issuers (lower(name) text_pattern_ops);

-- What tokens and workloads lead to. Of those that match, the one with the lowest position counts, of several the oldest.
CREATE TABLE identity_rules (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    name text NOT NULL,
    position integer NOT NULL,
    token_issuer_id uuid REFERENCES token_issuers (id),
    audience text,
    claims jsonb NOT NULL DEFAULT '[]',
    -- {"spiffe_id"}, {"spiffe_id_prefix"} or {"trust_domain"}
    workload jsonb,
    department_id uuid,
    service_account_id uuid,
    -- {"claim", "creates", "role"}
    person jsonb,
    labels jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    origin_kind text NOT NULL DEFAULT 'api' CHECK (origin_kind IN ('console', 'api', 'file', 'kubernetes')),
    origin_ref text,
    CONSTRAINT identity_rules_name_key UNIQUE (tenant_id, name),
    CONSTRAINT identity_rules_one_way CHECK (num_nonnulls(token_issuer_id, workload) = 1),
    CONSTRAINT identity_rules_department_fkey FOREIGN KEY (tenant_id, department_id) REFERENCES departments (tenant_id, id),
    CONSTRAINT identity_rules_service_account_fkey FOREIGN KEY (tenant_id, service_account_id)
        REFERENCES service_accounts (tenant_id, id)
);
CREATE INDEX identity_rules_by_issuer ON identity_rules (token_issuer_id, position, id);
CREATE INDEX identity_rules_by_spiffe_id ON identity_rules ((workload ->> 'spiffe_id'));
CREATE INDEX identity_rules_by_trust_domain ON identity_rules ((workload ->> 'trust_domain'));
CREATE INDEX identity_rules_by_prefix ON identity_rules (id) WHERE workload ->> 'spiffe_id_prefix' IS NOT NULL;
CREATE INDEX identity_rules_by_department ON identity_rules (department_id);
CREATE INDEX identity_rules_by_service_account ON identity_rules (service_account_id);
CREATE INDEX identity_rules_by_beginning ON identity_rules (lower(name) text_pattern_ops);

-- Who comes by a rule has a row among the keys, with no key: what is billed, limited and refused by keys is so for them, too. One for each
-- rule, or for each of its users.
ALTER TABLE api_keys
    ADD COLUMN way text NOT NULL DEFAULT 'key' CHECK (way IN ('key', 'token', 'workload')),
    ADD COLUMN identity_rule_id uuid,
    ADD CONSTRAINT api_keys_way CHECK ((way = 'key') = (identity_rule_id IS NULL));
CREATE UNIQUE INDEX api_keys_of_rules ON api_keys (identity_rule_id, coalesce(user_id, '00000000-0000-0000-0000-000000000000'))
    WHERE identity_rule_id IS NOT NULL AND deleted_at IS NULL;

-- What holds for each way in: required, allowed or refused.
ALTER TABLE tenants ADD COLUMN ways_in jsonb NOT NULL DEFAULT '{"key": "allowed", "token": "allowed", "workload": "allowed"}';
ALTER TABLE gateways ADD COLUMN ways_in jsonb NOT NULL DEFAULT '{"key": "allowed", "token": "allowed", "workload": "allowed"}';
