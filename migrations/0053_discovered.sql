-- Who comes with a good token or certificate, and no rule knows. Bounded for each owner; the one seen longest ago gives way.
CREATE TABLE discovered_callers (
    id uuid PRIMARY KEY,
    way text NOT NULL CHECK (way IN ('token', 'workload')),
    -- The issuer's tenant, or the gateway's; null: the platform's.
    tenant_id uuid REFERENCES tenants (id) ON DELETE CASCADE,
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    token_issuer_id uuid REFERENCES token_issuers (id) ON DELETE CASCADE,
    -- Empty for workloads.
    issuer text NOT NULL,
    -- The claim sub, or the SPIFFE id.
    subject text NOT NULL,
    reason text NOT NULL CHECK (reason IN ('no_rule', 'no_user')),
    requests bigint NOT NULL,
    models text[] NOT NULL DEFAULT '{}',
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT discovered_callers_key UNIQUE (owner_id, issuer, subject)
);
CREATE INDEX discovered_callers_by_age ON discovered_callers (owner_id, last_seen_at);
