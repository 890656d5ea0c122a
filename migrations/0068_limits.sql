-- How much of what a subject may use in which time. A version before this one knows none of them, and keys' requests_per_minute goes on.
CREATE TABLE limits (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id),
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    name text NOT NULL,
    subject jsonb NOT NULL,
    unit text NOT NULL CHECK (unit IN
        ('requests', 'input_tokens', 'output_tokens', 'total_tokens', 'concurrent_requests', 'cost_microusd')),
    -- Null for requests at the same time.
    time_window jsonb CHECK ((time_window IS NULL) = (unit = 'concurrent_requests')),
    amount bigint NOT NULL CHECK (amount > 0),
    action text NOT NULL CHECK (action IN ('refuse', 'warn', 'fall_over')),
    thresholds jsonb NOT NULL DEFAULT '[]',
    fall_over_pool_id uuid REFERENCES pools (id) CHECK ((fall_over_pool_id IS NOT NULL) = (action = 'fall_over')),
    unreconciled_release_after_s integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    origin_kind text NOT NULL DEFAULT 'api' CHECK (origin_kind IN ('console', 'api', 'file', 'kubernetes')),
    origin_ref text,
    -- Of the subject, by kinds; null: another kind, or each of it.
    subject_kind text NOT NULL GENERATED ALWAYS AS (subject->>'kind') STORED,
    subject_id uuid GENERATED ALWAYS AS ((subject->>'id')::uuid) STORED,
    CONSTRAINT limits_name_key UNIQUE (owner_id, name)
);
CREATE INDEX limits_by_tenant ON limits (tenant_id, id);
CREATE INDEX limits_by_subject ON limits (subject_id);
CREATE INDEX limits_by_fall_over_pool ON limits (fall_over_pool_id);
CREATE INDEX limits_by_beginning ON limits (lower(name) text_pattern_ops);
