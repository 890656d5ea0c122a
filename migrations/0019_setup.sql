-- Tokens with which the first administrator can be made, while there is none. Digests, as of all tokens.
CREATE TABLE setup_tokens (
    token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    expires_at timestamptz NOT NULL
);

-- Which kinds there are is said in one place, which is not the database: a control plane takes one that it does not know for a change
-- of everything.
ALTER TABLE changes DROP CONSTRAINT changes_kind_check;
