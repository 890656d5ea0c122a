-- Tokens by the classes that have prices of their own, who counted each, and which figures were refused. A control plane of the
-- version before writes none of them: its records have the defaults.
ALTER TABLE usage_records
    ADD COLUMN cache_write_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN cache_write_1h_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN reasoning_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN cached_input_source text NOT NULL DEFAULT 'none',
    ADD COLUMN cache_write_source text NOT NULL DEFAULT 'none',
    ADD COLUMN reasoning_source text NOT NULL DEFAULT 'none',
    ADD COLUMN doubtful text[] NOT NULL DEFAULT '{}';

-- Null: the price follows from that of the input or the output.
ALTER TABLE deployments
    ADD COLUMN cache_write_microusd_per_million bigint CHECK (cache_write_microusd_per_million >= 0),
    ADD COLUMN cache_write_1h_microusd_per_million bigint CHECK (cache_write_1h_microusd_per_million >= 0),
    ADD COLUMN reasoning_microusd_per_million bigint CHECK (reasoning_microusd_per_million >= 0);
