-- How each change was asked for.
ALTER TABLE audit
    ADD COLUMN actor_kind text NOT NULL DEFAULT 'user' CHECK (actor_kind IN ('user', 'service_token', 'system')),
    -- Null: the command line, or a control plane of the version before.
    ADD COLUMN request_id text,
    ADD COLUMN client_address text;
-- What something was called that is gone.
CREATE INDEX audit_by_resource ON audit (resource_id, id DESC);
