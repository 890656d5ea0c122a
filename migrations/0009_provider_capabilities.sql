-- Which schemas there are is said in one place, which is not the database: a control plane leaves out providers that it cannot read.
ALTER TABLE providers DROP CONSTRAINT providers_schema_check;

-- What a provider takes, and how it wants to be asked. A control plane of the version before writes none of it.
ALTER TABLE providers
    ADD COLUMN preset text,
    ADD COLUMN capabilities jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN auth_header text,
    ADD COLUMN auth_prefix text,
    ADD COLUMN query text NOT NULL DEFAULT '',
    ADD COLUMN also_speaks text[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT providers_auth_check CHECK (num_nulls(auth_header, auth_prefix) IN (0, 2));

ALTER TABLE deployments ADD COLUMN capabilities jsonb NOT NULL DEFAULT '{}';
