-- What a US dollar is in other currencies, from a day on. What is stored stays in dollars; only what is shown is converted.
CREATE TABLE currency_rates (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants (id) CHECK (tenant_id IS NULL),
    owner_id uuid NOT NULL GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    name text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- A decimal number, as it was written: units of the currency for one dollar.
    rate text NOT NULL CHECK (rate::numeric > 0),
    valid_from date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    origin_kind text NOT NULL DEFAULT 'api' CHECK (origin_kind IN ('console', 'api', 'file', 'kubernetes')),
    origin_ref text,
    CONSTRAINT currency_rates_name_key UNIQUE (owner_id, name)
);
CREATE INDEX currency_rates_by_day ON currency_rates (currency, valid_from);
CREATE INDEX currency_rates_by_beginning ON currency_rates (lower(name) text_pattern_ops);
